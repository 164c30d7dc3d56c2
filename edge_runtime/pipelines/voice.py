"""From sound to what is meant: an intent, a question, or that it was not understood."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from edge_runtime.decision.debounce import Cooldown
from edge_runtime.types import SAMPLE_RATE_HZ, AudioChunk, Event, Question

if TYPE_CHECKING:
    from edge_runtime.decision.endpointing import Endpointer
    from edge_runtime.decision.intents import IntentMatcher

NOT_UNDERSTOOD_REST_S = 30.0
_WINDOW = 512
_SILENCE = 0.2
"""A recording in which no moment is more like speech than this has no words in it."""


class SpeechDetector(Protocol):
    """Gives the probability of speech in a chunk, remembering the chunks before it."""

    def process(self, chunk: AudioChunk) -> float:
        """Return the probability, 0 to 1."""

    def reset(self) -> None:
        """Forget the chunks before."""


class Heard(Protocol):
    """What a recogniser returns."""

    @property
    def text(self) -> str:
        """The words, empty where there were none."""

    @property
    def confidence(self) -> float:
        """The probability that they are right."""


class Recogniser(Protocol):
    """Turns one utterance into words."""

    def transcribe(self, chunk: AudioChunk) -> Heard:
        """Return what was said in `chunk`."""


class VoicePipeline:
    """Listens to one microphone; recogniser and matcher may be shared, detector and endpointer may not."""

    def __init__(
        self,
        vad: SpeechDetector,
        endpointer: Endpointer,
        stt: Recogniser,
        matcher: IntentMatcher,
        min_confidence: float,
    ) -> None:
        self._vad = vad
        self._endpointer = endpointer
        self._stt = stt
        self._matcher = matcher
        self._min_confidence = min_confidence
        # A television that talks all evening is worth one event now and then, not one a sentence.
        self._not_understood = Cooldown(NOT_UNDERSTOOD_REST_S)

    def step(self, chunk: AudioChunk) -> list[Event | Question]:
        """Take the next chunk of 512 samples; return what the utterance that ended with it means, mostly nothing."""
        utterance = self._endpointer.update(chunk, self._vad.process(chunk))
        return [] if utterance is None else self._meaning(utterance)

    def flush(self) -> list[Event | Question]:
        """End the stream; return what the utterance going on means, if there is one."""
        utterance = self._restart()
        return [] if utterance is None else self._meaning(utterance)

    def understand(self, clip: AudioChunk) -> dict[str, Any]:
        """Return `transcript`, `intent` (None without a match), `slots` and `confidence` of one whole recording.

        It is heard as one utterance; where that means nothing and there are pauses in it, the first utterance between
        them that has an intent counts, else the surest. Not for use while this pipeline listens to a stream.
        """
        self._restart()
        speech, utterances = 0.0, []
        for at in range(0, len(clip.samples), _WINDOW):
            chunk = AudioChunk(clip.source, clip.at + at / SAMPLE_RATE_HZ, clip.samples[at : at + _WINDOW])
            probability = self._vad.process(chunk)
            speech = max(speech, probability)
            utterances.append(self._endpointer.update(chunk, probability))
        parts = [part for part in (*utterances, self._restart()) if part is not None]
        if speech < _SILENCE:
            return {"transcript": "", "intent": None, "slots": {}, "confidence": 0.0}
        whole = self._understood(clip)
        if whole["intent"] is not None or len(parts) < 2:
            return whole
        each = [whole, *(self._understood(part) for part in parts)]
        surest = max(each, key=lambda understood: float(understood["confidence"]))
        return next((understood for understood in each if understood["intent"] is not None), surest)

    def _restart(self) -> AudioChunk | None:
        self._vad.reset()
        return self._endpointer.flush()

    def _understood(self, utterance: AudioChunk) -> dict[str, Any]:
        heard = self._stt.transcribe(utterance)
        match = self._matcher.match(heard.text) if heard.text and heard.confidence >= self._min_confidence else None
        return {
            "transcript": heard.text,
            "intent": match.intent if match else None,
            "slots": match.slots if match else {},
            "confidence": round(heard.confidence, 4),
        }

    def _meaning(self, utterance: AudioChunk) -> list[Event | Question]:
        understood = self._understood(utterance)
        ended = utterance.at + len(utterance.samples) / SAMPLE_RATE_HZ
        if understood["intent"] is not None:
            return [Event("intent", utterance.source, ended, understood)]
        if understood["transcript"] and understood["confidence"] >= self._min_confidence:
            return [Question(understood["transcript"], utterance.source, ended, chunk=utterance)]
        if not self._not_understood.ready(utterance.source, ended):
            return []
        told = {"transcript": understood["transcript"], "confidence": understood["confidence"]}
        return [Event("not_understood", utterance.source, ended, told)]
