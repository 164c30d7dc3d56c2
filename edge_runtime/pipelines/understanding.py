"""What one utterance means, by a recogniser and the home's sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_runtime.decision.intents import IntentMatcher, Match
    from edge_runtime.types import AudioChunk


class Alternative(Protocol):
    """What may have been said instead."""

    @property
    def text(self) -> str:
        """The words."""

    @property
    def confidence(self) -> float:
        """The probability of them."""


class Heard(Protocol):
    """What a recogniser returns."""

    @property
    def text(self) -> str:
        """The words, empty where there were none."""

    @property
    def confidence(self) -> float:
        """The probability that they are right."""

    @property
    def alternatives(self) -> Sequence[Alternative]:
        """What may have been said instead, the likeliest first."""


class Recogniser(Protocol):
    """Turns one utterance into words."""

    def transcribe(self, chunk: AudioChunk) -> Heard:
        """Return what was said in `chunk`."""


@dataclass(frozen=True, slots=True)
class Understood:
    """The words of an utterance, and what they ask for; `sure` says that both are likely enough to count."""

    transcript: str
    confidence: float
    sure: bool
    match: Match | None = None
    alternatives: Sequence[Alternative] = ()

    def data(self) -> dict[str, Any]:
        """Return it as JSON values; `intent` is None without a match, `alternatives` come the likeliest first."""
        return {
            "transcript": self.transcript,
            "intent": self.match.intent if self.match else None,
            "slots": self.match.slots if self.match else {},
            "confidence": round(self.confidence, 4),
            "alternatives": [
                {"transcript": other.text, "confidence": round(other.confidence, 4)} for other in self.alternatives
            ],
        }


NOTHING = Understood("", 0.0, sure=False)


class Understanding:
    """A recogniser and what its words mean; may be shared by several microphones as far as the recogniser may."""

    def __init__(self, stt: Recogniser, matcher: IntentMatcher, min_confidence: float) -> None:
        self._stt = stt
        self._matcher = matcher
        self._min_confidence = min_confidence

    def of(self, utterance: AudioChunk) -> Understood:
        """Return what was said in `utterance`; less sure than `min_confidence` it has no match."""
        heard = self._stt.transcribe(utterance)
        sure = bool(heard.text) and heard.confidence >= self._min_confidence
        match = self._matcher.match(heard.text) if sure else None
        return Understood(heard.text, heard.confidence, sure, match, heard.alternatives)
