"""Rows in, gate out: calibrate each skill, choose whether to believe score, prompt or both, then set the threshold."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.decision.confidence import Calibration
from edge_runtime.decision.drift import spread
from edge_runtime.decision.gate_table import ANY_SKILL
from edge_runtime.decision.guarantee import NOTHING_LOCAL, allowance, threshold_for
from edge_runtime.decision.head import Shape, Terms, choose_shape, fit_head
from edge_runtime.decision.learned_gate import Judge, LearnedGate, ScoreScale, make_terms, squashed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from edge_runtime.decision.gate_table import GateTable

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

LEAST_ROWS = 20
"""Rows from which a skill gets a judge of its own."""
_TRIED_ON = 400
_MOST_NEEDED = 5_000
_RIDGES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
_WITHOUT_SCORE = tuple(
    Shape(gamma, ridge, looks) for gamma, looks, ridge in product((0.5, 1.0, 2.0, 4.0), (0.0, 0.2), _RIDGES)
)
_WITH_SCORE = tuple(
    Shape(gamma, ridge, looks, score)
    for gamma, looks, score, ridge in product((1.0, 2.0, 4.0), (0.0, 0.2), (0.0, 1.0), _RIDGES)
)


@dataclass(frozen=True, slots=True)
class Promise:
    """What the threshold has to keep: with probability 1 - delta at most alpha of `horizon` questions go wrong."""

    alpha: float = 0.05
    delta: float = 0.10
    horizon: int | None = None

    def horizon_for(self, rows: int) -> int:
        """Return the horizon, a quarter of the rows where none is set.

        It holds for more questions than the horizon too, so that a quarter suits tables split in halves and fifths.
        """
        return self.horizon or max(rows // 4, 1)

    def checked(self) -> Promise:
        """Return itself; raises InputError where a number is out of its range."""
        allowance(1, self.alpha, self.delta, self.horizon_for(1))
        return self

    def least_rows(self) -> int:
        """Return how many rows are needed at least for anything to be kept."""
        enough = (rows for rows in range(LEAST_ROWS, _MOST_NEEDED) if self._allows(rows))
        return next(enough, _MOST_NEEDED)

    def _allows(self, rows: int) -> bool:
        return allowance(rows, self.alpha, self.delta, self.horizon_for(rows)) >= 0


def fit_gate(
    table: GateTable, vectors: NDArray[np.float32] | None, promise: Promise, facts: Mapping[str, Any] | None = None
) -> LearnedGate:
    """Return a gate that keeps a promise, with the smallest cloud share that this allows.

    Args:
        table: the rows.
        vectors: unit vectors of the prompts, shape (n, d); without them scores alone count.
        promise: what the threshold has to keep.
        facts: kept with the gate.

    Raises:
        InputError: the promise makes no sense.
    """
    groups = _groups(table)
    judges, unseen = {}, np.zeros(len(table))
    for skill, rows in groups.items():
        made = _judge(table.chosen(rows), None if vectors is None else vectors[rows])
        if made is not None:
            judges[skill], unseen[rows] = made
    # Landmarks are not like questions to come; everything else counts, rows without a judge as not kept.
    counted = ~np.isnan(unseen)
    confidence, right = unseen[counted], table.local[counted]
    horizon = promise.horizon_for(len(table))
    allowed = allowance(len(right), promise.alpha, promise.delta, horizon)
    threshold = threshold_for(confidence, right, allowed) if judges else NOTHING_LOCAL
    kept = confidence >= threshold
    found = {
        "alpha": promise.alpha,
        "delta": promise.delta,
        "horizon": horizon,
        "rows": len(table),
        "calibration_rows": len(right),
        "wrong_allowed": allowed,
        "local_accuracy": float(table.local.mean()),
        "kept_share": float(kept.mean()),
        "kept_wrong": int((kept & ~right).sum()),
        "skills": {skill: _told(judges.get(skill), rows, table, unseen, threshold) for skill, rows in groups.items()},
    }
    return LearnedGate(judges, threshold, spread(confidence[confidence > 0]), {**found, **(facts or {})})


def _told(
    judge: Judge | None, rows: NDArray[np.int64], table: GateTable, unseen: Floats, threshold: float
) -> dict[str, Any]:
    judged = rows[~np.isnan(unseen[rows])]
    kept = unseen[judged] >= threshold
    by = "nothing" if judge is None else "score" if judge.head is None else "prompt"
    by += " and score" if judge and judge.head and judge.head.shape.score else ""
    return {
        "rows": len(rows),
        "judged_by": by,
        "local_accuracy": float(table.local[rows].mean()),
        "kept_share": float(kept.mean()) if len(judged) else 0.0,
        "kept_wrong": int((kept & ~table.local[judged]).sum()),
    }


def _groups(table: GateTable) -> dict[str, NDArray[np.int64]]:
    """Return the rows of each skill; skills with too few share a judge."""
    names = np.array(table.skills)
    sizes = {skill: int((names == skill).sum()) for skill in dict.fromkeys(table.skills)}
    small = [skill for skill, size in sizes.items() if size < LEAST_ROWS or skill == ANY_SKILL]
    found = {skill: np.flatnonzero(names == skill) for skill in sizes if skill not in small}
    rest = np.flatnonzero(np.isin(names, small))
    return {**found, ANY_SKILL: rest} if len(rest) else found


def _judge(table: GateTable, vectors: NDArray[np.float32] | None) -> tuple[Judge, Floats] | None:
    """Return what judges these rows, and how probable it finds each to be right without having seen it."""
    if len(table) < LEAST_ROWS:
        return None
    right = table.local.astype(np.float64)
    scored = bool(table.scored.all())
    scale = ScoreScale.of(table.scores) if scored else None
    by_score = by_prompt = None
    if scale is not None:
        raw = np.array([scale.apply(float(score)) for score in table.scores])
        calibration = calibrated(raw, table.local)
        by_score = Judge(calibration, scale, None), np.array([calibration.apply(value) for value in raw])
    if vectors is not None and 0 < right.sum() < len(right):
        by_prompt = _head_judge(make_terms(table.prompts, vectors, table.scores, scale), right, scale)
    if by_prompt is None or by_score is None:
        return by_prompt or by_score
    return by_prompt if _surer(by_prompt[1], by_score[1], table.local) else by_score


def _head_judge(terms: Terms, right: Floats, scale: ScoreScale | None) -> tuple[Judge, Floats]:
    some = np.sort(np.random.default_rng(0).permutation(len(terms))[:_TRIED_ON])
    shape = choose_shape(_WITHOUT_SCORE if scale is None else _WITH_SCORE, terms[some], right[some])
    head, unseen = fit_head(shape, terms, right)
    said = np.array([squashed(float(value)) for value in unseen])
    judged = ~np.isnan(said)
    calibration = calibrated(said[judged], right[judged] > 0)
    said[judged] = [calibration.apply(value) for value in said[judged]]
    return Judge(calibration, scale, head), said


def _surer(one: Floats, other: Floats, right: Bools) -> bool:
    """Tell whether `one` predicts better, by more than chance would make of it."""
    judged = ~np.isnan(one)
    gain = _loss(other[judged], right[judged]) - _loss(one[judged], right[judged])
    return bool(gain.mean() > gain.std() / max(len(gain), 1) ** 0.5)


def _loss(confidence: Floats, right: Bools) -> Floats:
    inside = np.clip(np.where(right, confidence, 1 - confidence), 1e-3, 1.0)
    loss: Floats = -np.log(inside)
    return loss


def calibrated(said: Floats, right: Bools) -> Calibration:
    """Return the Platt scaling that makes numbers in 0 to 1 the probabilities of being right; never a falling one."""
    inside = np.clip(said, 1e-6, 1 - 1e-6)
    logits = np.log(inside / (1 - inside))
    good, bad = int(right.sum()), int((~right).sum())
    # Platt's targets keep the fit finite where the two kinds are told apart wholly.
    wanted = np.where(right, (good + 1) / (good + 2), 1 / (bad + 2))
    columns = np.stack([logits, np.ones(len(logits))], axis=1)
    found = np.array([0.0, float(np.log((good + 1) / (bad + 1)))])
    for _ in range(50):
        said_now = 1 / (1 + np.exp(-np.clip(columns @ found, -50, 50)))
        slope = columns.T @ (said_now - wanted) + 1e-6 * found
        bend = (columns * (said_now * (1 - said_now) + 1e-9)[:, None]).T @ columns + 1e-6 * np.eye(2)
        step = np.linalg.solve(bend, slope)
        found = found - np.clip(step, -3, 3)
        if float(np.abs(step).max()) < 1e-9:
            break
    if found[0] <= 0:
        return Calibration(0.0, float(np.log((good + 1) / (bad + 1))))
    return Calibration(float(found[0]), float(found[1]))
