from __future__ import annotations

import logging
import shutil
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest
from brokers import wait_until
from recording import LOUD, RATE_HZ, Recorder

from edge_runtime.errors import InputError, SinkError, SpeechError
from edge_runtime.inference.tts import TextToSpeech
from edge_runtime.sections import SpeechSettings
from edge_runtime.sinks import speaker as speaker_module
from edge_runtime.sinks.playback import Playback, _Output
from edge_runtime.sinks.speaker import Speaker
from edge_runtime.types import Sound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pulse import SoundServer

pytest_plugins = ["pulse_fixtures"]
needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs the system package espeak-ng")

TONE_HZ = 1000


class Tones:
    """A voice that says every text as a tone of so many seconds; "bad" texts fail, "slow" ones never come."""

    def __init__(self, seconds: float = 0.3, rate_hz: int = 22_050) -> None:
        self.said: list[str] = []
        self.closed = False
        self._seconds = seconds
        self._rate_hz = rate_hz
        self._stopped = threading.Event()

    def check(self, text: str) -> None:
        if not text:
            raise InputError("nothing to say")

    def pieces(self, text: str) -> Iterator[Sound]:
        self._stopped.clear()
        self.said.append(text)
        if text == "bad":
            raise SpeechError("the voice is broken")
        if text == "slow":
            self._stopped.wait(60)
            raise SpeechError("speech was stopped")
        count = round(self._seconds * self._rate_hz)
        tone = 0.5 * np.sin(2 * np.pi * TONE_HZ * np.arange(count) / self._rate_hz)
        # In pieces of odd lengths, whose joints must not be heard.
        for piece in np.array_split(tone.astype(np.float32), 7):
            yield Sound(piece, self._rate_hz)

    def warm(self) -> None: ...

    def stop(self) -> None:
        self._stopped.set()

    def close(self) -> None:
        self.closed = True


class Noted:
    """Notes when the box speaks."""

    def __init__(self) -> None:
        self.notes: list[tuple[str, float]] = []

    def started(self, at: float, text: str) -> None:
        self.notes.append((text, at))

    def ended(self, at: float) -> None:
        self.notes.append(("", at))


@pytest.fixture
def server(sound_server: SoundServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoundServer:
    """Return a sound server with one speaker."""
    # The client library would start a server of its own where a test has killed this one.
    (tmp_path / "client.conf").write_text("autospawn = no\n")
    monkeypatch.setenv("PULSE_CLIENTCONFIG", str(tmp_path / "client.conf"))
    sound_server.add_speaker("hifi")
    return sound_server


@pytest.fixture
def recorder(server: SoundServer) -> Iterator[Recorder]:
    recorder = Recorder(server, "hifi")
    yield recorder
    recorder.stop()


@pytest.fixture
def make() -> Iterator[Callable[..., Speaker]]:
    """Make speakers that end with the test and leave nothing behind."""
    made: list[Speaker] = []

    def call(voice: Any = None, listener: Noted | None = None, **changes: Any) -> Speaker:
        made.append(Speaker(SpeechSettings(**changes), voice or Tones(), listener))
        return made[-1]

    yield call
    for speaker in made:
        speaker.close()
    names = [child.name() for child in psutil.Process().children(recursive=True)]
    assert set(names) <= {"pulseaudio", "parec", "pacat"}, "a program of the speaker is left"


def test_every_sample_is_played_once_and_in_order(recorder: Recorder, make: Callable[..., Speaker]) -> None:
    speaker = make(Tones(seconds=1.0))
    speaker.say("hello")
    assert speaker.finish(20)
    assert wait_until(lambda: recorder.loud and time.monotonic() - recorder.loud[-1] > 0.3)
    samples = recorder.samples
    heard = samples[np.flatnonzero(np.abs(samples) > LOUD)[0] : np.flatnonzero(np.abs(samples) > LOUD)[-1] + 1]
    assert len(heard) / RATE_HZ == pytest.approx(1.0, abs=0.005), "neither its beginning nor its end is lost"
    middle = heard[RATE_HZ // 4 : RATE_HZ // 4 * 3]
    power = np.abs(np.fft.rfft(middle * np.hanning(len(middle)))) ** 2
    peak = int(np.argmax(power))
    assert peak * RATE_HZ / len(middle) == pytest.approx(TONE_HZ, abs=3)
    assert power[peak - 3 : peak + 4].sum() / power.sum() > 0.99, "a lost or doubled block would break the tone"
    assert np.abs(middle).max() == pytest.approx(0.5, abs=0.05)
    assert (speaker.spoken, speaker.dropped) == (1, 0)


@needs_espeak
def test_words_come_out_of_the_speaker(recorder: Recorder, make: Callable[..., Speaker]) -> None:
    voice = TextToSpeech(SpeechSettings())
    wanted = voice.synthesize("There is a person at the front door.")
    noted = Noted()
    speaker = make(TextToSpeech(SpeechSettings()), noted)
    speaker.say("There is a person at the front door.")
    assert speaker.finish(20)
    assert wait_until(lambda: time.monotonic() - recorder.loud[-1] > 0.3)
    energy = float((recorder.samples.astype(float) ** 2).sum()) / RATE_HZ
    assert energy == pytest.approx(float((wanted.samples.astype(float) ** 2).sum()) / wanted.rate_hz, rel=0.1)
    (text, started), (_, ended) = noted.notes
    assert text == "There is a person at the front door."
    assert started <= recorder.loud[0]
    assert ended >= recorder.loud[-1] - 0.5
    assert not speaker.speaking


@pytest.mark.parametrize("volume", [0.0, 0.1])
def test_the_volume_is_that_of_the_settings(recorder: Recorder, make: Callable[..., Speaker], volume: float) -> None:
    speaker = make(volume=volume)
    speaker.say("hello")
    assert speaker.finish(20)
    assert wait_until(lambda: np.abs(recorder.samples).max() == pytest.approx(volume / 2, abs=0.01))


def test_stop_cuts_the_sound_and_forgets_what_waits(recorder: Recorder, make: Callable[..., Speaker]) -> None:
    speaker = make(Tones(seconds=30.0))
    speaker.say("one")
    speaker.say("two")
    assert wait_until(lambda: len(recorder.loud) > 20)
    assert speaker.speaking
    stopped_at = time.monotonic()
    speaker.stop()
    assert speaker.finish(5)
    # The recorder itself is late by some blocks.
    assert wait_until(lambda: time.monotonic() - recorder.loud[-1] > 0.5)
    assert recorder.loud[-1] - stopped_at < 0.3
    assert (speaker.spoken, speaker.dropped) == (0, 0)
    before = len(recorder.loud)
    speaker.tone()
    assert speaker.finish(20)
    assert speaker.spoken == 1, "it speaks again after it was stopped"
    assert wait_until(lambda: len(recorder.loud) > before)


def test_stop_reaches_a_voice_that_gives_nothing(make: Callable[..., Speaker], server: SoundServer) -> None:
    assert server.process.poll() is None
    voice = Tones()
    speaker = make(voice)
    speaker.say("slow")
    assert wait_until(lambda: voice.said == ["slow"])
    speaker.stop()
    assert speaker.finish(5)
    assert (speaker.spoken, speaker.dropped) == (0, 0)


def test_the_oldest_that_waits_is_dropped_and_counted(make: Callable[..., Speaker], server: SoundServer) -> None:
    assert server.process.poll() is None
    voice = Tones()
    speaker = make(voice, max_queue=2)
    speaker.say("slow")
    assert wait_until(lambda: voice.said == ["slow"])
    for number in range(5):
        speaker.say(str(number))
    assert speaker.dropped == 3
    voice.stop()
    assert speaker.finish(20)
    assert voice.said == ["slow", "3", "4"]
    assert (speaker.spoken, speaker.dropped) == (2, 4)


def test_a_text_that_cannot_be_spoken_is_refused_at_once(make: Callable[..., Speaker]) -> None:
    with pytest.raises(InputError):
        make().say("")


def test_a_voice_that_fails_is_told_once_and_the_next_text_is_spoken(
    make: Callable[..., Speaker], recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    speaker = make(max_queue=10)
    for text in ("bad", "bad", "bad", "good"):
        speaker.say(text)
    assert speaker.finish(20)
    assert (speaker.spoken, speaker.dropped) == (1, 3)
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]
    assert "the voice is broken" in caplog.text
    assert recorder.loud


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
def test_a_dead_sound_server_is_told_once_and_waited_out(
    server: SoundServer,
    make: Callable[..., Speaker],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    fault: signal.Signals,
) -> None:
    monkeypatch.setattr("edge_runtime.sinks.playback._OPEN_TIMEOUT_S", 1.0)
    caplog.set_level(logging.INFO)
    voice = Tones()
    speaker = make(voice)
    speaker.say("before")
    assert speaker.finish(20)
    server.process.send_signal(fault)
    speaker.say("meanwhile")
    assert wait_until(lambda: voice.said.count("meanwhile") >= 2, 20), "it is tried again"
    if fault is signal.SIGKILL:
        server.kill()
        server.start()
        server.add_speaker("hifi")
    else:
        server.process.send_signal(signal.SIGCONT)
    assert speaker.finish(30)
    assert speaker.spoken == 2
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"], "once each way"


def test_a_sound_server_that_freezes_in_the_middle_never_hangs_the_box(
    server: SoundServer, make: Callable[..., Speaker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_runtime.sinks.playback._END_TIMEOUT_S", 0.5)
    speaker = make(Tones(seconds=1.0))
    speaker.say("hello")
    assert wait_until(lambda: speaker.speaking)
    server.process.send_signal(signal.SIGSTOP)
    assert wait_until(lambda: not speaker.speaking)
    began = time.monotonic()
    speaker.close()
    assert time.monotonic() - began < 4
    server.process.send_signal(signal.SIGCONT)


def test_in_trouble_old_texts_are_dropped(
    make: Callable[..., Speaker], monkeypatch: pytest.MonkeyPatch, sound_server: SoundServer
) -> None:
    assert sound_server.process.poll() is None
    monkeypatch.setattr(speaker_module, "STALE_S", 0.5)
    monkeypatch.setattr(speaker_module, "LONGEST_WAIT_S", 0.3)
    speaker = make(device="nosuch")
    speaker.say("hello")
    assert speaker.finish(20)
    assert (speaker.spoken, speaker.dropped) == (0, 1)


@pytest.mark.parametrize(("rate_hz", "channels"), [(22_050, 1), (48_000, 2), (44_100, 6)])
def test_sound_is_brought_to_what_the_device_takes(rate_hz: int, channels: int) -> None:
    output = _Output(22_050, rate_hz, channels)
    tone = (0.9 * np.sin(2 * np.pi * TONE_HZ * np.arange(22_050) / 22_050)).astype(np.float32)
    pieces = [output.fit(piece) for piece in np.array_split(tone, 7)]
    frames = np.frombuffer(b"".join([*pieces, output.fit(tone[:0], last=True)]), np.float32).reshape(-1, channels)
    assert len(frames) == pytest.approx(rate_hz, abs=2)
    assert all(np.array_equal(frames[:, 0], frames[:, channel]) for channel in range(channels))
    wanted = 0.9 * np.sin(2 * np.pi * TONE_HZ * np.arange(len(frames)) / rate_hz)
    assert np.abs(frames[500:-500, 0] - wanted[500:-500]).max() < 0.01


def test_an_unknown_device_names_those_that_exist(server: SoundServer) -> None:
    assert server.process.poll() is None
    playback = Playback("nosuch")
    with pytest.raises(SinkError, match=r"speaker \(nosuch\) cannot play: .*'nosuch'; sound outputs here: .*pulse"):
        playback.play([Sound(np.zeros(100, np.float32), RATE_HZ)], 1.0, lambda: None)
    playback.close()


def test_closing_while_it_speaks_ends_all(make: Callable[..., Speaker], server: SoundServer) -> None:
    assert server.process.poll() is None
    voice = Tones(seconds=30.0)
    speaker = make(voice)
    speaker.say("hello")
    assert wait_until(lambda: speaker.speaking)
    speaker.close()
    assert voice.closed
    assert not speaker.speaking
