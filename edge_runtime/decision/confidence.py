"""How sure is sure enough: raw scores become probabilities, and probabilities pick who answers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_runtime.types import Event

EDGE = 1e-6


@dataclass(frozen=True, slots=True)
class Reply:
    """What a skill says; `score` is its raw probability that `text` is right.

    Attributes:
        blind: the text says why nothing can be known now (camera lost, clock not set), so nobody else is asked.
        events: what happens if the box keeps this answer: a command carried out, a timer set.
        sources: what is quoted.
    """

    text: str
    score: float
    blind: bool = False
    events: tuple[Event, ...] = ()
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the gate says of a reply; `local`: the box may answer with it by itself."""

    confidence: float
    local: bool


@dataclass(frozen=True, slots=True)
class Calibration:
    """Platt scaling of a probability's logit (Platt 1999); the default changes nothing."""

    scale: float = 1.0
    bias: float = 0.0

    def apply(self, score: float) -> float:
        """Return the calibrated probability of a raw `score` in 0 to 1."""
        if (self.scale, self.bias) == (1.0, 0.0):
            return min(max(score, 0.0), 1.0)
        inside = min(max(score, EDGE), 1.0 - EDGE)
        logit = self.scale * math.log(inside / (1.0 - inside)) + self.bias
        return 1.0 / (1.0 + math.exp(-min(max(logit, -50.0), 50.0)))


IDENTITY = Calibration()


class ConfidenceGate:
    """Decides by one threshold on calibrated confidence; safe across threads.

    Args:
        local_threshold: the box answers by itself from this confidence on.
        calibrations: one per skill name; a skill without one is taken at its word.
    """

    def __init__(self, local_threshold: float, calibrations: Mapping[str, Calibration] | None = None) -> None:
        self._threshold = local_threshold
        self._calibrations = dict(calibrations or {})

    def judge(self, skill: str, score: float, text: str, understood: float = 1.0) -> Judgement:
        """Return the probability that a reply is right, and whether that is enough.

        Args:
            skill: who replied.
            score: its raw score.
            text: the question.
            understood: the probability that the question was meant for this skill.
        """
        del text
        confidence = self._calibrations.get(skill, IDENTITY).apply(score) * understood
        return Judgement(confidence, confidence >= self._threshold)
