"""The doors of a running box: what its rooms can do, as the Wyoming server wants it."""

from __future__ import annotations

import logging
import threading
from functools import partial
from typing import TYPE_CHECKING

from edge_runtime import __version__
from edge_runtime.api.satellite import Satellite
from edge_runtime.api.services import Limits, Made, SatelliteParts, Services
from edge_runtime.api.serving import ServiceTalk
from edge_runtime.api.wyoming import Door, WyomingServer
from edge_runtime.errors import ConfigError, SinkError
from edge_runtime.sources.resampling import Resampler
from edge_runtime.types import Wake

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edge_runtime.api.services import Meaning, Spotter
    from edge_runtime.config import Settings
    from edge_runtime.inference.tts import TextToSpeech
    from edge_runtime.pipelines.dictation import Dictation
    from edge_runtime.pipelines.voice import VoicePipeline
    from edge_runtime.sections import WyomingSettings
    from edge_runtime.sinks.playback import Playback
    from edge_runtime.types import Answer, AudioChunk, Event, Question, Sound
    from edge_runtime.wiring.assembly import Models

log = logging.getLogger(__name__)

_MAKERS = {
    "intent": Made("hassil", "Open Home Foundation", "https://github.com/OHF-Voice/hassil"),
    "espeak-ng": Made("espeak-ng", "espeak-ng", "https://github.com/espeak-ng/espeak-ng"),
    "piper": Made("piper", "Open Home Foundation", "https://github.com/OHF-Voice/piper1-gpl"),
}


class Doors:
    """Makes the server of one box, and connects its satellite with the house.

    It is a sink too: the wake words that the house tells are what makes the satellite stream.

    Raises:
        ConfigError: the satellite lacks a microphone or a wake word.
    """

    name = "satellite"
    durable = False

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._limits = limits_of(settings.wyoming)
        self._loudspeaker = Loudspeaker(settings.speech.device, settings.speech.volume)
        self._microphone = satellite_microphone(settings)
        self._satellite = self._make_satellite() if self._microphone else None
        self._tts: TextToSpeech | None = None

    def listen_along(self, house: Callable[[str, Callable[[AudioChunk], None]], None]) -> None:
        """Let the satellite have the chunks of its microphone; `house` gives them to whoever asks."""
        if self._satellite and self._microphone:
            house(self._microphone, self._satellite.hear)

    def publish(self, event: Event) -> None:
        """Take note of a wake word that the satellite's microphone heard."""
        if self._satellite and event.kind == "wake" and event.source == self._microphone:
            self._satellite.woken(Wake(str(event.data["word"]), 1.0, event.at, event.at))

    def close(self, timeout_s: float = 0.0) -> None:  # noqa: ARG002 - nothing waits here
        """Fall silent and give everything back."""
        self._loudspeaker.close()
        if self._tts:
            self._tts.close()

    @property
    def hears(self) -> bool:
        """Tell whether the server needs the home's recogniser."""
        return "asr" in self._settings.wyoming.services

    def server(
        self,
        models: Models,
        voice: Callable[[], VoicePipeline] | None,
        dictation: Dictation | None,
        answer: Callable[[Question], Answer],
    ) -> WyomingServer:
        """Return the server.

        Args:
            models: whose acoustic model listens for wake words.
            voice: makes a pipeline of the home's recogniser.
            dictation: writes down what the recogniser does not know.
            answer: answers a question.
        """
        wyoming = self._settings.wyoming
        offered = set(wyoming.services)
        services = Services(
            __version__,
            Resampler,
            transcribe=self._transcriber(voice, dictation) if voice and self.hears else None,
            match=self._matcher() if "intent" in offered else None,
            spotter=self._spotters(models) if "wake" in offered else None,
            wake_words=self._settings.voice.wake_words,
            answer=answer if "handle" in offered else None,
            say=self._speech() if "tts" in offered else None,
            made=self._makers(models),
        )
        doors = [Door("wyoming", wyoming.port, partial(ServiceTalk, services, self._limits))]
        if self._satellite:
            doors.append(Door("satellite", wyoming.satellite.port, self._satellite.greet))
        return WyomingServer(wyoming.host, doors, wyoming.allowed_clients, self._limits)

    def _make_satellite(self) -> Satellite:
        wanted, device = self._settings.wyoming.satellite, self._settings.device
        words = self._settings.voice.wake_words
        parts = SatelliteParts(
            device.name, wanted.area, __version__, wanted.always_stream, self._loudspeaker, wake_words=words
        )
        return Satellite(parts, self._limits)

    def _transcriber(
        self, voice: Callable[[], VoicePipeline], dictation: Dictation | None
    ) -> Callable[[AudioChunk], str]:
        return transcriber(voice(), self._settings.voice.min_confidence, dictation)

    def _matcher(self) -> Callable[[str], Meaning | None]:
        from edge_runtime import sentences  # noqa: PLC0415 - hassil is slow to import
        from edge_runtime.decision.intents import IntentMatcher  # noqa: PLC0415

        voice = self._settings.voice
        home = sentences.home(voice.sentences, voice.areas, voice.names, builtin=voice.builtin_sentences)
        return IntentMatcher(home).match

    def _spotters(self, models: Models) -> Callable[[Sequence[str]], Spotter] | None:
        voice = self._settings.voice
        if not voice.wake_words:
            log.info("wyoming: wake words are not offered; the settings name none")
            return None
        from edge_runtime.inference.wake import WakeWord  # noqa: PLC0415
        from edge_runtime.wiring.listening import Listening  # noqa: PLC0415

        # What is said elsewhere must not be counted as this home's talk, so each stream has the words alone.
        words = Listening(self._settings, models).wake_words(voice.wake_words)().spotters
        known = {spotter.phrase: spotter for spotter in words}
        return lambda names: WakeWord([known[name] for name in names], models.acoustic)

    def _speech(self) -> Callable[[str], Sound] | None:
        from edge_runtime.inference.tts import TextToSpeech  # noqa: PLC0415 - few boxes speak

        try:
            # One of its own: "stop" silences the box, not what a client asked for.
            tts = self._tts = TextToSpeech(self._settings.speech)
        except ConfigError as error:
            log.warning("wyoming: text to speech is not offered: %s", error)
            return None
        turn = threading.Lock()

        def say(text: str) -> Sound:
            with turn:
                return tts.synthesize(text)

        return say

    def _makers(self, models: Models) -> Mapping[str, Made]:
        manifest, speech = models.ears, self._settings.speech
        speaks = _MAKERS[speech.backend]
        voice = speech.piper_voice.stem.split("-")[0] if speech.piper_voice else speech.voice
        language, _, region = voice.partition("+")[0].replace("_", "-").partition("-")
        spoken = f"{language}-{region.upper()}" if region else language
        own = Made(manifest.name, "the makers of edge-runtime", "", manifest.version)
        return {
            **_MAKERS,
            "asr": own,
            "wake": own,
            "tts": Made(speaks.name, speaks.by, speaks.url, languages=(spoken,)),
        }


class Loudspeaker:
    """Plays whole pieces of sound on one device, through a program that is kept for the next."""

    def __init__(self, device: str, volume: float) -> None:
        self._device = device
        self._volume = volume
        self._playback: Playback | None = None
        self._round = 0
        self._playing = False
        self._lock = threading.Lock()
        self._turn = threading.Lock()

    def play(self, sound: Sound) -> None:
        """Play it to its end, or until `stop`.

        Raises:
            SinkError: there is no such device, or it stopped playing.
        """
        from edge_runtime.sinks.playback import Playback  # noqa: PLC0415 - few boxes speak

        with self._turn:
            with self._lock:
                this_round, self._playing = self._round, True
                playback = self._playback = self._playback or Playback(self._device)
            try:
                playback.play([sound], self._volume, lambda: None)
            except SinkError:
                self._forget()
                if this_round == self._round:
                    raise
            finally:
                self._playing = False

    def stop(self) -> None:
        """Fall silent at once."""
        with self._lock:
            self._round += 1
            if self._playback and self._playing:
                self._playback.kill()

    def close(self) -> None:
        """Fall silent and end the program."""
        self.stop()
        with self._turn:
            self._forget()

    def _forget(self) -> None:
        with self._lock:
            playback, self._playback = self._playback, None
        if playback:
            playback.close()


def limits_of(wyoming: WyomingSettings) -> Limits:
    """Return how much one client may take."""
    return Limits(clients=wyoming.max_clients, audio_s=wyoming.max_audio_s, idle_s=wyoming.idle_s)


def satellite_microphone(settings: Settings) -> str | None:
    """Return the name of the microphone that the satellite uses, None where there is no satellite.

    Raises:
        ConfigError: there is no such microphone, or nothing that would make it stream.
    """
    satellite, names = settings.wyoming.satellite, [microphone.name for microphone in settings.microphones]
    if not satellite.enabled:
        return None
    wanted = satellite.microphone or next(iter(names), None)
    if wanted not in names:
        known = ", ".join(names) or "none"
        raise ConfigError(f"wyoming.satellite.microphone is {wanted!r}; microphones of the settings: {known}")
    if not settings.voice.wake_words and not satellite.always_stream:
        advice = "name one in voice.wake_words, or set wyoming.satellite.always_stream to true"
        raise ConfigError(f"wyoming.satellite sends sound after a wake word only, and there is none; {advice}")
    return wanted


def transcriber(
    voice: VoicePipeline, min_confidence: float, dictation: Dictation | None
) -> Callable[[AudioChunk], str]:
    """Return what writes down an utterance: a sentence of the home where it is one, else by dictation, if there is any.

    Args:
        voice: a pipeline that listens to no microphone.
        min_confidence: a sentence heard with less is none.
        dictation: writes down anything.
    """
    turn = threading.Lock()

    def transcribe(chunk: AudioChunk) -> str:
        with turn:
            understood = voice.understand(chunk)
            if understood["confidence"] >= min_confidence:
                return str(understood["transcript"])
            return dictation.transcribe(chunk) if dictation and understood["transcript"] else ""

    return transcribe
