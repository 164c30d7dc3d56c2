"""The box as one who speaks and is spoken to at the same time: what it says, and what it then believes to hear."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, Self

from edge_runtime.decision.barge_in import BargeIn, Verdict
from edge_runtime.errors import ConfigError, InputError
from edge_runtime.types import Event, Question

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.config import Settings
    from edge_runtime.sections import SpeechSettings
    from edge_runtime.sinks.speaker import Speaker
    from edge_runtime.types import AudioChunk, Wake
    from edge_runtime.wiring.assembly import Models

log = logging.getLogger(__name__)

STOP_INTENT = "StopTalking"
CONFIRM_WORD = "okay"


class Spotter(Protocol):
    """Finds stop words in one stream of sound."""

    def process(self, chunk: AudioChunk, speech: float | None = None) -> Wake | None:
        """Return the stop word that ends with `chunk`, mostly None."""

    def reset(self) -> None:
        """Forget what was heard."""


class Mouth:
    """A speaker, and the guard that keeps what it says from being heard as a command.

    Args:
        settings: how commands are confirmed.
        speaker: what speaks.
        guard: told by `speaker` when it speaks.
        spotters: makes what hears stop words within a stream, for each microphone; without it they are heard as
            utterances of their own alone.
    """

    def __init__(
        self,
        settings: SpeechSettings,
        speaker: Speaker,
        guard: BargeIn,
        spotters: Callable[[], Spotter] | None = None,
    ) -> None:
        self.speaker = speaker
        self._guard = guard
        self._confirm = settings.confirm
        self._make_spotter = spotters
        self._spotters: dict[str, Spotter] = {}
        self._listening: set[str] = set()

    @classmethod
    def of(cls, settings: Settings, models: Models) -> Self:
        """Return a mouth that speaks as the settings want it; its thread runs until `speaker.close`.

        Raises:
            ConfigError: the synthesiser is missing.
        """
        # The other verbs, and boxes that do not speak, need none of these.
        from edge_runtime.inference.tts import TextToSpeech  # noqa: PLC0415
        from edge_runtime.sinks.speaker import Speaker  # noqa: PLC0415

        speech = settings.speech
        guard, voice = BargeIn(speech.stop_words), TextToSpeech(speech)
        spotters = _spotters(settings, models) if settings.microphones else None
        return cls(speech, Speaker(speech, voice, guard), guard, spotters)

    def listen(self, chunk: AudioChunk) -> None:
        """Look for a stop word in the sound of a microphone; costs nothing while the box is silent."""
        if self._make_spotter is None:
            return
        if not self.speaker.speaking:
            self._listening.discard(chunk.source)
            return
        spotter = self._spotters.get(chunk.source) or self._make_spotter()
        self._spotters[chunk.source] = spotter
        if chunk.source not in self._listening:
            self._listening.add(chunk.source)
            spotter.reset()
        # Somebody speaks for certain, the box itself.
        word = spotter.process(chunk, 1.0)
        if word and self._guard.woken(word.word, word.end) is Verdict.STOP_TALKING:
            log.info("told to stop talking")
            self.speaker.stop()

    def lets_pass(self, item: Event | Question) -> bool:
        """Return whether something understood counts; a stop word or wake word over the box's own voice silences it."""
        verdict = self._verdict(item)
        if verdict is Verdict.STOP_TALKING:
            log.info("told to stop talking")
            self.speaker.stop()
            # A stop word has done all it can; after a wake word a command follows.
            return isinstance(item, Event)
        return verdict is Verdict.NORMAL

    def answer(self, text: str) -> None:
        """Say the answer to a spoken question."""
        with suppress(InputError):
            self.speaker.say(text)

    def confirm(self, event: Event) -> None:
        """Tell that a command was understood, as the settings want it."""
        if event.kind != "intent" or event.data.get("intent") == STOP_INTENT:
            return
        if self._confirm == "tone":
            self.speaker.tone()
        elif self._confirm == "word":
            self.speaker.say(CONFIRM_WORD)

    def _verdict(self, item: Event | Question) -> Verdict:
        if isinstance(item, Question):
            began_at = item.chunk.at if item.chunk else None
            return self._guard.heard(item.text, item.at, began_at)
        if item.kind == "wake":
            return self._guard.woken(str(item.data.get("word", "")), item.at)
        if item.kind in {"intent", "not_understood"}:
            return self._guard.heard(str(item.data.get("transcript", "")), item.at)
        return Verdict.NORMAL


def _spotters(settings: Settings, models: Models) -> Callable[[], Spotter] | None:
    if models.ears.phones is None:
        return None
    from edge_runtime.inference.spotter import Spotter as PhraseSpotter  # noqa: PLC0415
    from edge_runtime.inference.wake import WakeWord  # noqa: PLC0415
    from edge_runtime.wiring.listening import Listening  # noqa: PLC0415

    found, background = [], Listening(settings, models).background
    for word in settings.speech.stop_words:
        try:
            found.append(PhraseSpotter.of_text(word, models.acoustic, models.lexicon, background=background))
        except ConfigError as error:
            log.warning("speech.stop_words: %s; it counts only as an utterance of its own", error)
    return (lambda: WakeWord(found, models.acoustic)) if found else None


def stop_sentences(words: tuple[str, ...]) -> dict[str, Any]:
    """Return the words that silence the box as sentences, so that the recogniser listens for them.

    Raises:
        ConfigError: one of them cannot be a sentence.
    """
    from edge_runtime.decision.intents import problem  # noqa: PLC0415 - hassil is slow to import

    for word in words:
        reason = problem(word, (), {})
        if reason is not None:
            raise ConfigError(f"speech.stop_words: {word!r}: {reason}")
    return {"language": "en", "intents": {STOP_INTENT: {"data": [{"sentences": list(words)}]}}}
