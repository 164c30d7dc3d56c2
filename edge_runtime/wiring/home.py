"""What this home understands, spoken or typed: its sentences are read once and shared."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from edge_runtime.config import Settings
    from edge_runtime.decision.intents import IntentMatcher, Match
    from edge_runtime.sentences import Source
    from edge_runtime.wiring.assembly import Models


class Home:
    """The home's sentences, read when they are first needed; those of the owner's own at once, to find their faults.

    Raises:
        InputError: a file of sentences cannot be used; says where and why.
        ConfigError: a stop word cannot be a sentence.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        if self.has_own:
            _ = self.sources

    @property
    def names(self) -> tuple[str, ...]:
        """The devices."""
        return self._settings.voice.names

    @property
    def has_own(self) -> bool:
        """Whether there are sentences of the owner's own."""
        return self._settings.voice.sentences is not None

    @cached_property
    def sources(self) -> list[Source]:
        """The sources of sentences, the most important first."""
        # Home Assistant's sentences take half a second to read, which few single questions need.
        from edge_runtime import sentences  # noqa: PLC0415
        from edge_runtime.wiring.mouth import stop_sentences  # noqa: PLC0415

        voice, speech = self._settings.voice, self._settings.speech
        found = sentences.home(voice.sentences, voice.areas, voice.names, builtin=voice.builtin_sentences)
        return [*found, stop_sentences(speech.stop_words)] if speech.enabled else found

    @cached_property
    def matcher(self) -> IntentMatcher:
        """What finds the intent of a sentence."""
        from edge_runtime.decision.intents import IntentMatcher  # noqa: PLC0415 - hassil is slow to import

        return IntentMatcher(self.sources)

    def match(self, text: str) -> Match | None:
        """Return what a sentence asks for, None where it is none of the home's."""
        return self.matcher.match(text)


_HOMES: WeakKeyDictionary[Models, Home] = WeakKeyDictionary()


def home_of(settings: Settings, models: Models) -> Home:
    """Return the home that all who work with the same models share."""
    if models not in _HOMES:
        _HOMES[models] = Home(settings)
    return _HOMES[models]
