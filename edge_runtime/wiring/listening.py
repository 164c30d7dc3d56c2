"""Wake words and what the owner has taught, put together from settings, models and the files of this box."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import TYPE_CHECKING

from edge_runtime.bundles.parts import AudioPart, PhonesPart
from edge_runtime.decision.attention import Attention
from edge_runtime.errors import BundleError
from edge_runtime.inference.background import read_background
from edge_runtime.inference.site_scores import SiteScores, site_file
from edge_runtime.inference.spotter import Ordinary, Spotter
from edge_runtime.inference.taught import TaughtThings
from edge_runtime.inference.taught_phrases import TaughtCommands, taught_phrase
from edge_runtime.inference.taught_sounds import TaughtTagger, taught_sound
from edge_runtime.inference.wake import WakeWord
from edge_runtime.pipelines.taught import TaughtUnderstanding
from edge_runtime.wiring.assembly import Models

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge_runtime.config import Settings
    from edge_runtime.inference.background import Background
    from edge_runtime.inference.sounds import SoundTagger
    from edge_runtime.inference.spotter import Taught
    from edge_runtime.inference.taught import Kind, TaughtThing
    from edge_runtime.pipelines.understanding import Understanding

log = logging.getLogger(__name__)


class Listening:
    """The parts of hearing that depend on the home: its wake words, its own commands and its own sounds."""

    def __init__(self, settings: Settings, models: Models) -> None:
        self._settings = settings
        self.models = models
        self.false_accepts_per_hour = settings.voice.wake_false_accepts_per_hour
        self._folder = settings.device.data_dir.expanduser()
        self.things = TaughtThings(self._folder / "taught")

    @cached_property
    def background(self) -> Background | None:
        """Ordinary speech as the acoustic model hears it, None where the bundle has none."""
        part = self.models.ears.part(PhonesPart)
        return read_background(self.models.ears.path(part.background)) if part.background else None

    @property
    def ordinary(self) -> Ordinary:
        """What phrases are to be told from."""
        return Ordinary(self.background, self.models.lexicon.common, self.false_accepts_per_hour)

    @property
    def phones_model(self) -> str:
        """The sha256 of the model that hears phones."""
        ears = self.models.ears
        return ears.files[ears.part(PhonesPart).file].sha256

    @cached_property
    def sound_models(self) -> Models:
        """The models with the bundle's sound model, or omni-nano's where it has none."""
        return self.models if self.models.manifest.audio else Models(threads=self._settings.device.threads)

    @property
    def sounds_model(self) -> str:
        """The sha256 of the model that hears sounds."""
        manifest = self.sound_models.manifest
        return manifest.files[manifest.part(AudioPart).file].sha256

    def wake_words(self, words: Sequence[str]) -> Callable[[], WakeWord]:
        """Return what makes the spotter of one stream; all of them share models, thresholds and what is learned here.

        Raises:
            ConfigError: one of `words` can be no wake word.
            BundleError: the bundle has no acoustic model.
        """
        models, rate = self.models, self.false_accepts_per_hour
        taught = self._taught_wake_words()
        spotters = [
            Spotter.of_text(
                word,
                models.acoustic,
                models.lexicon,
                background=self.background,
                false_accepts_per_hour=rate,
                taught=taught.get(word.lower()),
            )
            for word in words
        ]
        for warning in filter(None, (spotter.warning() for spotter in spotters)):
            log.warning(warning)
        sites = {word: SiteScores(site_file(self._folder / "wake", word), self.phones_model) for word in words}
        return lambda: WakeWord(spotters, models.acoustic, sites, rate)

    def attention(self) -> Attention:
        """Return who decides which utterances of one microphone are meant for the box."""
        voice = self._settings.voice
        return Attention(voice.wake_window_s, always=not voice.wake_words)

    def understanding(self, inner: Understanding) -> Understanding:
        """Return what understands the taught commands besides those of the sentences."""
        commands = self._usable("command")
        if not commands:
            return inner
        return TaughtUnderstanding(inner, TaughtCommands(self.models.acoustic, commands, self.ordinary))

    def tagger(self, labels: Sequence[str] = (), min_score: float | None = None) -> SoundTagger:
        """Return what names sounds, taught ones too.

        Raises:
            ConfigError: `labels` names sounds that the model does not know.
            BundleError: the bundle has no sound model.
        """
        models = self.sound_models
        plain = models.tagger(labels, min_score)
        taught = {thing.name: taught_sound(thing.arrays, thing.facts) for thing in self._usable("sound")}
        if not taught:
            return plain
        return TaughtTagger(models.hearing, models.manifest, taught, min_score=min_score, labels=labels)

    def _taught_wake_words(self) -> dict[str, Taught]:
        things, phones = self._usable("wake"), self.models.ears.part(PhonesPart).phones
        return {thing.name.lower(): taught_phrase(thing, phones) for thing in things}

    def _usable(self, kind: Kind) -> list[TaughtThing]:
        """Return what was taught of one kind; what another model was taught is told and left out."""
        usable = []
        for thing in self.things.of(kind):
            try:
                thing.check(self.sounds_model if kind == "sound" else self.phones_model)
            except BundleError as error:
                log.warning("%s", error)
            else:
                usable.append(thing)
        return usable
