"""What was asked and who was right: the rows that a gate is fitted to and judged by."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

ANY_SKILL = "*"
EXAMPLE = '{"prompt": "what is two plus two", "local_correct": true, "cloud_correct": true}'


@dataclass(frozen=True, slots=True)
class GateTable:
    """Questions of which it is known who answers them rightly.

    Attributes:
        prompts: what was asked.
        skills: who answered locally, "*" where that is not told.
        scores: the local answer's raw score, NaN where there is none, shape (n,).
        local: the local answer was right, shape (n,).
        cloud: the cloud's answer was right, shape (n,); None where that is not known of every row.
    """

    prompts: tuple[str, ...]
    skills: tuple[str, ...]
    scores: Floats
    local: Bools
    cloud: Bools | None = None

    def __len__(self) -> int:
        return len(self.prompts)

    @property
    def scored(self) -> Bools:
        """Tell which rows have a score, shape (n,)."""
        return ~np.isnan(self.scores)

    def chosen(self, rows: Sequence[int] | NDArray[np.int64]) -> GateTable:
        """Return a table of some of the rows, in the order given."""
        places = [int(row) for row in rows]
        prompts, skills = (tuple(values[row] for row in places) for values in (self.prompts, self.skills))
        cloud = None if self.cloud is None else self.cloud[places]
        return GateTable(prompts, skills, self.scores[places], self.local[places], cloud)


def read_table(records: Iterable[tuple[int, Mapping[str, Any]]]) -> GateTable:
    """Return the table of records, each with the number of its line.

    Raises:
        InputError: a record is not as it should be; the message names its line and what is wrong.
    """
    rows = [(line, _checked(line, record)) for line, record in records]
    if not rows:
        raise InputError("there are no rows; give JSON lines such as " + EXAMPLE)
    scored: dict[str, tuple[int, bool]] = {}
    for line, row in rows:
        first, has = scored.setdefault(row["skill"], (line, not math.isnan(row["score"])))
        if has == math.isnan(row["score"]):
            missing = line if has else first
            raise InputError(f"line {missing} has no score, and other lines of the same skill have; give all or none")
    clouds = [row["cloud_correct"] for _, row in rows]
    if None in clouds and any(value is not None for value in clouds):
        line = next(line for line, row in rows if row["cloud_correct"] is None)
        raise InputError(f"line {line} has no cloud_correct, and other lines have; give all or none")
    return GateTable(
        tuple(row["prompt"] for _, row in rows),
        tuple(row["skill"] for _, row in rows),
        np.array([row["score"] for _, row in rows], np.float64),
        np.array([row["local_correct"] for _, row in rows], np.bool_),
        None if None in clouds else np.array(clouds, np.bool_),
    )


def _checked(line: int, record: Mapping[str, Any]) -> dict[str, Any]:
    prompt = record.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise InputError(f"line {line}: prompt is {prompt!r}; give the question as text")
    skill = record.get("skill", ANY_SKILL)
    if not isinstance(skill, str) or not skill:
        raise InputError(f"line {line}: skill is {skill!r}; give the name of who answered, or leave it out")
    score = record.get("score")
    if score is not None and (isinstance(score, bool) or not isinstance(score, int | float) or not _finite(score)):
        raise InputError(f"line {line}: score is {score!r}; give a number, the larger the surer, or leave it out")
    return {
        "prompt": prompt,
        "skill": skill,
        "score": math.nan if score is None else float(score),
        "local_correct": _truth(line, record, "local_correct"),
        "cloud_correct": None if record.get("cloud_correct") is None else _truth(line, record, "cloud_correct"),
    }


def _truth(line: int, record: Mapping[str, Any], key: str) -> bool:
    value = record.get(key)
    if value is None:
        raise InputError(f"line {line} has no {key}; it is true where that answer was right, else false")
    if not isinstance(value, bool | int | float) or value not in (0, 1):
        raise InputError(f"line {line}: {key} is {value!r}; give true or false, 1 or 0")
    return bool(value)


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
