"""The box as one who speaks and is spoken to at the same time: what it says, and what it then believes to hear."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from edge_runtime.decision.barge_in import BargeIn, Verdict
from edge_runtime.errors import ConfigError, InputError
from edge_runtime.types import Event, Question

if TYPE_CHECKING:
    from edge_runtime.sections import SpeechSettings
    from edge_runtime.sinks.speaker import Speaker

log = logging.getLogger(__name__)

STOP_INTENT = "StopTalking"
CONFIRM_WORD = "okay"


class Mouth:
    """A speaker, and the guard that keeps what it says from being heard as a command."""

    def __init__(self, settings: SpeechSettings, speaker: Speaker, guard: BargeIn) -> None:
        self.speaker = speaker
        self._guard = guard
        self._confirm = settings.confirm

    @classmethod
    def of(cls, settings: SpeechSettings) -> Self:
        """Return a mouth that speaks as the settings want it; its thread runs until `speaker.close`.

        Raises:
            ConfigError: the synthesiser is missing.
        """
        # The other verbs, and boxes that do not speak, need none of these.
        from edge_runtime.inference.tts import TextToSpeech  # noqa: PLC0415
        from edge_runtime.sinks.speaker import Speaker  # noqa: PLC0415

        guard = BargeIn(settings.stop_words)
        return cls(settings, Speaker(settings, TextToSpeech(settings), guard), guard)

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
