"""How sure is sure enough: raw scores become probabilities, and probabilities pick who answers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edge_runtime.decision.learned_gate import Judge, LearnedGate
    from edge_runtime.types import Event, Vector

EDGE = 1e-6
MIND = "mind"
"""Name of the bigger local model, whose score says little of whether it is right."""
EXACT = 1.0
"""Raw score of a skill that computes its answer, such as the clock."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a skill says; `score` is its raw probability that `text` is right.

    Attributes:
        blind: the text says why nothing can be known now (camera lost, clock not set), so nobody else is asked.
        events: what happens if the box keeps this answer: a command carried out, a timer set.
        sources: what is quoted.
        then: does what the text says is done, called if the box keeps this answer; raises EdgeError where it cannot.
    """

    text: str
    score: float
    blind: bool = False
    events: tuple[Event, ...] = ()
    sources: tuple[str, ...] = ()
    then: Callable[[], None] | None = None


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


class Watch(Protocol):
    """Whoever watches whether confidences are still like those of the calibration rows; safe across threads."""

    @property
    def alarmed(self) -> bool:
        """Tell whether they are not."""

    def update(self, confidence: float) -> None:
        """Take one in."""


class ConfidenceGate:
    """Decides by one threshold on calibrated confidence; safe across threads.

    Args:
        local_threshold: the box answers by itself from this confidence on, where nothing was learned.
        calibrations: one per skill name; a skill without one is taken at its word.
        learned: what `gate fit` found; its own threshold holds for the skills that it judges.
        embed: a prompt's unit vector, for what is judged by its prompt.
        drift: while its alarm is on, nothing is kept on the strength of what was learned.
        mind_threshold: the same as `local_threshold` for the bigger local model, where it is another.
    """

    def __init__(
        self,
        local_threshold: float,
        calibrations: Mapping[str, Calibration] | None = None,
        *,
        learned: LearnedGate | None = None,
        embed: Callable[[str], Vector] | None = None,
        drift: Watch | None = None,
        mind_threshold: float | None = None,
    ) -> None:
        self._threshold = local_threshold
        self._mind_threshold = local_threshold if mind_threshold is None else mind_threshold
        self._calibrations = dict(calibrations or {})
        self._embed = embed
        self.learned = learned
        self.drift = drift

    def judge(
        self, skill: str, score: float, text: str, understood: float = 1.0, vector: Vector | None = None
    ) -> Judgement:
        """Return the probability that a reply is right, and whether that is enough.

        Args:
            skill: who replied.
            score: its raw score.
            text: the question.
            understood: the probability that the question was meant for this skill.
            vector: unit vector of the question, where it is known already.
        """
        judge = self._judge_of(skill, score)
        if self.learned is None or judge is None:
            return self._unlearned(skill, score, understood)
        if judge.head is not None and vector is None:
            vector = self._embed(text) if self._embed else None
        if judge.head is not None and vector is None:
            return Judgement(0.0, local=False)
        confidence = judge.confidence(score, vector, text)
        if judge.scale is None and skill not in {*self.learned.judges, MIND}:
            # Rows without scores say how often such questions go well, and this skill knows about this one.
            confidence = min(confidence, self._calibrations.get(skill, IDENTITY).apply(score))
        if self.drift is not None:
            self.drift.update(confidence)
            if self.drift.alarmed:
                plain = self._unlearned(skill, score, understood)
                return Judgement(min(confidence * understood, plain.confidence), plain.local and score == EXACT)
        confidence *= understood
        return Judgement(confidence, confidence >= self.learned.threshold)

    def _judge_of(self, skill: str, score: float) -> Judge | None:
        """Return what judges a reply; what others were judged by says nothing of a skill that is certain."""
        if self.learned is None:
            return None
        own = self.learned.judges.get(skill)
        other = self.learned.judge_of(skill)
        return None if own is None and other is not None and other.scale is None and score == EXACT else other

    def _unlearned(self, skill: str, score: float, understood: float) -> Judgement:
        confidence = self._calibrations.get(skill, IDENTITY).apply(score) * understood
        needed = self._mind_threshold if skill == MIND else self._threshold
        return Judgement(confidence, confidence >= needed)
