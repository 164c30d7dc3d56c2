"""From sound to what is meant: an intent, a question, or that it was not understood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from edge_runtime.decision.continuations import Outlook
from edge_runtime.decision.debounce import Cooldown
from edge_runtime.pipelines.understanding import NOTHING, Understood
from edge_runtime.types import SAMPLE_RATE_HZ, AudioChunk, Event, Question, Wake

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.decision.attention import Attention
    from edge_runtime.decision.endpointing import Endpointer
    from edge_runtime.pipelines.understanding import Understanding

NOT_UNDERSTOOD_REST_S = 30.0
_WINDOW = 512
_SILENCE = 0.2
"""A recording in which no moment is more like speech than this has no words in it."""

_LOOK_AFTER_S = 0.06
"""A pause in which the recogniser is asked already, so that its answer is there when the pause is long enough."""
_COMPLETE_AFTER_S = 0.12
"""A pause that ends a sentence which has no other ending. The detector notices a pause 60 ms late, and those within
fluent speech are shorter than the sum."""
_PLACE_AFTER_S = 0.18
"""A pause that ends a sentence after which only the place could follow of a device that was named: who hesitates longer
still gets that device switched."""
_EARLY_CONFIDENCE = 0.7
_MOST_LOOKS = 3
_LONGEST_LOOK_S = 6.0
"""Early looks cost a recognition each; a television that never stops is not worth more."""


class SpeechDetector(Protocol):
    """Gives the probability of speech in a chunk, remembering the chunks before it."""

    def process(self, chunk: AudioChunk) -> float:
        """Return the probability, 0 to 1."""

    def reset(self) -> None:
        """Forget the chunks before."""


class WakeDetector(Protocol):
    """Listens for wake words; it is given every chunk with the probability of speech in it."""

    def process(self, chunk: AudioChunk, speech: float | None = None) -> Wake | None:
        """Return the wake word that ends with `chunk`, mostly None."""

    def flush(self) -> Wake | None:
        """End the stream; return the wake word at its end, or None."""

    def in_vain(self, wake: Wake) -> None:
        """Learn that no command came after `wake`."""


@dataclass(frozen=True, slots=True)
class Companions:
    """What a voice pipeline can do without.

    Attributes:
        outlook: what may follow a text in the grammar; with it a complete sentence counts after a short pause.
        wake: what listens for wake words.
        attention: which utterances are meant for the box; without it all are.
        dictation: speech that is none of the sentences becomes a question without text, to be written down by whoever
            answers it.
    """

    outlook: Callable[[str], Outlook] | None = None
    wake: WakeDetector | None = None
    attention: Attention | None = None
    dictation: bool = False


ALONE = Companions()


class VoicePipeline:
    """Listens to one microphone; what understands may be shared, detector, endpointer and companions may not.

    With an `outlook`, an utterance is looked at as soon as it pauses. If it is then surely a sentence to which nothing
    can be added that changes its meaning, it counts at once, and what follows is an utterance of its own; a rest of it
    that means nothing (the "please" after a command) is not told. Otherwise the normal pause ends it.
    """

    def __init__(
        self,
        vad: SpeechDetector,
        endpointer: Endpointer,
        understanding: Understanding,
        companions: Companions = ALONE,
    ) -> None:
        self._vad = vad
        self._endpointer = endpointer
        self._understanding = understanding
        self._with = companions
        self._look: Understood | None = None
        self._looks = 0
        self._rest_until = float("-inf")
        # A television that talks all evening is worth one event now and then, not one a sentence.
        self._not_understood = Cooldown(NOT_UNDERSTOOD_REST_S)

    def step(self, chunk: AudioChunk) -> list[Event | Question]:
        """Take the next chunk of 512 samples; return what the utterance that ended with it means, mostly nothing."""
        speech = self._vad.process(chunk)
        wake = self._with.wake.process(chunk, speech) if self._with.wake else None
        woken = self._woken(wake, chunk)
        utterance = self._endpointer.update(chunk, speech)
        if utterance is not None:
            return [*woken, *self._meaning(utterance)]
        return [*woken, *self._early()]

    def flush(self) -> list[Event | Question]:
        """End the stream; return what the utterance going on means, if there is one."""
        wake = self._with.wake.flush() if self._with.wake else None
        utterance = self._restart()
        if utterance is None:
            return []
        return [*self._woken(wake, utterance), *self._meaning(utterance)]

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
            return NOTHING.data()
        whole = self._understanding.of(clip)
        if whole.match is not None or len(parts) < 2:
            return whole.data()
        each = [whole, *map(self._understanding.of, parts)]
        surest = max(each, key=lambda understood: understood.confidence)
        return next((understood for understood in each if understood.match is not None), surest).data()

    def _restart(self) -> AudioChunk | None:
        self._vad.reset()
        return self._endpointer.flush()

    def _woken(self, wake: Wake | None, chunk: AudioChunk) -> list[Event | Question]:
        attention = self._with.attention
        if wake is None or attention is None:
            lost = attention.in_vain(chunk.at, speaking=self._endpointer.speaking) if attention else None
            if lost and self._with.wake:
                self._with.wake.in_vain(lost)
            return []
        attention.woken(wake)
        # It may have arrived after the command was looked at without it.
        self._look = None
        return [Event("wake", chunk.source, wake.end, {"word": wake.word, "score": round(wake.score, 4)})]

    def _command(self, utterance: AudioChunk) -> AudioChunk | None:
        """Return the part of `utterance` that is meant for the box, None where it is not."""
        if self._with.attention is None:
            return utterance
        end = utterance.at + len(utterance.samples) / SAMPLE_RATE_HZ - self._endpointer.pause_s
        start = self._with.attention.command_start(utterance.at, end)
        if start is None:
            return None
        skipped = max(0, round((start - utterance.at) * SAMPLE_RATE_HZ))
        return AudioChunk(utterance.source, utterance.at + skipped / SAMPLE_RATE_HZ, utterance.samples[skipped:])

    def _early(self) -> list[Event | Question]:
        """Return what the utterance means that may only just have ended, if that is beyond doubt."""
        outlook, pause_s = self._with.outlook, self._endpointer.pause_s
        if pause_s == 0:
            self._look = None
        if outlook is None or pause_s < _LOOK_AFTER_S or not self._endpointer.speaking:
            return []
        if self._look is None:
            self._look = self._looked()
        if self._look is None or not self._look.sure or self._look.confidence < _EARLY_CONFIDENCE:
            return []
        needed_s = {Outlook.COMPLETE: _COMPLETE_AFTER_S, Outlook.PLACE: _PLACE_AFTER_S}
        if pause_s < needed_s.get(outlook(self._look.transcript), float("inf")):
            return []
        utterance = self._endpointer.flush()
        if utterance is None:
            return []
        self._rest_until = utterance.at + len(utterance.samples) / SAMPLE_RATE_HZ + self._endpointer.end_silence_s
        return self._meaning(utterance)

    def _looked(self) -> Understood | None:
        utterance = self._endpointer.so_far()
        if utterance is None or len(utterance.samples) > _LONGEST_LOOK_S * SAMPLE_RATE_HZ or self._looks == _MOST_LOOKS:
            return None
        command = self._command(utterance)
        if command is None:
            return None
        self._looks += 1
        return self._understanding.of(command)

    def _meaning(self, utterance: AudioChunk) -> list[Event | Question]:
        look, self._look, self._looks = self._look, None, 0
        command = self._command(utterance)
        if command is None:
            return []
        # What was surely heard in this same pause does not become truer by more silence.
        kept = look is not None and look.sure and self._endpointer.pause_s > 0
        understood = look if look and kept else self._understanding.of(command)
        ended = utterance.at + len(utterance.samples) / SAMPLE_RATE_HZ
        if understood.sure and self._with.attention:
            self._with.attention.understood()
        if understood.match is not None:
            return [Event("intent", utterance.source, ended, understood.data())]
        if understood.sure:
            return [Question(understood.transcript, utterance.source, ended, chunk=command)]
        return [] if utterance.at < self._rest_until else self._unclear(command, understood, ended)

    def _unclear(self, command: AudioChunk, understood: Understood, ended: float) -> list[Event | Question]:
        if self._with.dictation:
            return [Question("", command.source, ended, chunk=command)]
        if not self._not_understood.ready(command.source, ended):
            return []
        told = {"transcript": understood.transcript, "confidence": round(understood.confidence, 4)}
        return [Event("not_understood", command.source, ended, told)]
