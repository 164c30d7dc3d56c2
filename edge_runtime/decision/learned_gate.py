"""A gate that was fitted to rows: for each skill what turns score and prompt into a probability, and one threshold."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.decision.gate_table import ANY_SKILL
from edge_runtime.decision.head import Head, Terms, rounded
from edge_runtime.decision.prompt_shape import prompt_shapes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from edge_runtime.decision.confidence import Calibration

    Floats = NDArray[np.float64]

_LEAST_SCORE = 1e-4


@dataclass(frozen=True, slots=True)
class ScoreScale:
    """Scores of any size as numbers in 0 to 1, larger ones staying larger; those in 0 to 1 stay as they are."""

    middle: float = 0.0
    width: float = 0.0

    @classmethod
    def of(cls, scores: Floats) -> ScoreScale:
        """Return the scale that suits scores, shape (n,)."""
        if scores.min() >= 0 and scores.max() <= 1:
            return cls()
        low, middle, high = (float(value) for value in np.quantile(scores, (0.25, 0.5, 0.75)))
        return cls(middle, max(high - low, (float(np.ptp(scores))) / 4, 1e-9))

    def apply(self, score: float) -> float:
        """Return a score on the scale."""
        if self.width == 0:
            return min(max(score, 0.0), 1.0)
        return 1 / (1 + math.exp(-min(max((score - self.middle) / self.width, -50.0), 50.0)))


@dataclass(frozen=True, slots=True)
class Judge:
    """What one skill's answers are judged by.

    Attributes:
        calibration: turns the head's say, or else the score, into a probability.
        scale: of the raw scores; None where the rows had none.
        head: None where the score says all.
    """

    calibration: Calibration
    scale: ScoreScale | None
    head: Head | None

    def confidence(self, score: float, vector: NDArray[np.float32] | None, text: str) -> float:
        """Return how probably an answer is right, given the unit vector of its prompt where there is a head."""
        if self.head is None or vector is None:
            return self.calibration.apply(self.scale.apply(score) if self.scale else 0.0)
        said = self.head.predict(make_terms([text], vector[None], np.array([score]), self.scale))
        return self.calibration.apply(squashed(float(said[0])))


def squashed(said: float) -> float:
    """Return a head's say as a number in 0 to 1 for calibration."""
    return 1 / (1 + math.exp(-min(max(4 * (said - 0.5), -12.0), 12.0)))


def make_terms(prompts: Sequence[str], vectors: NDArray[np.float32], scores: Floats, scale: ScoreScale | None) -> Terms:
    """Return what a head sees of prompts, given their unit vectors, shape (n, d), and raw scores, shape (n,)."""
    if scale is None:
        return Terms(rounded(vectors), prompt_shapes(prompts), np.empty((len(prompts), 0), np.float32))
    inside = np.clip([scale.apply(float(score)) for score in scores], _LEAST_SCORE, 1 - _LEAST_SCORE)
    logits = np.log(inside / (1 - inside)) / 4
    said = np.stack([logits, np.square(logits), inside], axis=1).astype(np.float32)
    return Terms(rounded(vectors), prompt_shapes(prompts), said)


@dataclass(frozen=True, slots=True)
class LearnedGate:
    """A fitted gate.

    Attributes:
        judges: by skill; "*" is for those that have none of their own.
        threshold: confidence from which an answer is kept; above 1 where none may be.
        reference: how the confidences of the calibration rows were spread, as `drift` counts them.
        facts: what the fit was told and found: alpha, delta, rows and the like, for people.
    """

    judges: Mapping[str, Judge]
    threshold: float
    reference: tuple[int, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def judge_of(self, skill: str) -> Judge | None:
        """Return what judges a skill, None where nothing does."""
        return self.judges.get(skill) or self.judges.get(ANY_SKILL)

    def confidences(
        self, prompts: Sequence[str], skills: Sequence[str], scores: Floats, vectors: NDArray[np.float32] | None
    ) -> Floats:
        """Return how probably each answer is right, shape (n,); 0 where nothing judges it."""
        found = np.zeros(len(prompts))
        names = np.array(skills)
        for skill in set(skills):
            judge = self.judge_of(skill)
            rows = np.flatnonzero(names == skill)
            if judge is None:
                continue
            if judge.head is None or vectors is None:
                found[rows] = [judge.confidence(float(scores[row]), None, "") for row in rows]
                continue
            chosen = [prompts[int(row)] for row in rows]
            said = judge.head.predict(make_terms(chosen, vectors[rows], scores[rows], judge.scale))
            found[rows] = [judge.calibration.apply(squashed(float(value))) for value in said]
        return found

    @property
    def needs_vectors(self) -> bool:
        """Tell whether a prompt's embedding is needed."""
        return any(judge.head is not None for judge in self.judges.values())
