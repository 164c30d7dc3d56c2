from __future__ import annotations

import itertools
import signal
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from brokers import wait_until

from edge_runtime.config import MicrophoneSettings
from edge_runtime.errors import SourceError
from edge_runtime.metrics import Metrics
from edge_runtime.runtime import Worker
from edge_runtime.sources.capture_sound import Ear, find
from edge_runtime.sources.microphone import Microphone, mono
from edge_runtime.types import SAMPLE_RATE_HZ, AudioChunk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from pulse import SoundServer

pytest_plugins = ["pulse_fixtures"]

TONE_HZ = 440
TONE = (0.37 * np.sin(2 * np.pi * TONE_HZ * np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ)).astype(np.float32)


@pytest.fixture
def server(sound_server: SoundServer) -> SoundServer:
    """Return a sound server whose only microphone hears a tone."""
    sound_server.plug("desk", idle=TONE)
    return sound_server


def first(microphone: Microphone, count: int) -> list[AudioChunk]:
    return list(itertools.islice(microphone.chunks(), count))


@pytest.mark.usefixtures("server")
def test_it_hears_every_sample_in_order() -> None:
    with Microphone(MicrophoneSettings(name="hall")) as microphone:
        chunks = first(microphone, 50)
    late = time.monotonic() - (chunks[-1].at + 0.032)
    samples = np.concatenate([chunk.samples for chunk in chunks])
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    peak = int(np.argmax(spectrum))
    assert {chunk.samples.shape for chunk in chunks} == {(512,)}
    assert peak * SAMPLE_RATE_HZ / len(samples) == pytest.approx(440, abs=1)
    assert spectrum[peak - 3 : peak + 4].sum() / spectrum.sum() > 0.99, "a lost block would break the tone"
    assert late < 0.3
    assert (microphone.dropped, microphone.overflows) == (0, 0)


@pytest.mark.usefixtures("server")
def test_what_nobody_takes_within_two_seconds_is_dropped_and_counted() -> None:
    with Microphone(MicrophoneSettings(name="hall")) as microphone:
        chunks = microphone.chunks()
        next(chunks)
        time.sleep(3)
        first_after = list(itertools.islice(chunks, 5))[-1]
        assert time.monotonic() - first_after.at < 2.6
        assert 10 <= microphone.dropped <= 40


@pytest.mark.usefixtures("server")
def test_an_unknown_device_names_those_that_exist() -> None:
    microphone = Microphone(MicrophoneSettings(name="hall", device="nosuch"))
    with pytest.raises(SourceError, match=r"hall \(nosuch\) cannot be opened: .*'nosuch'; sound inputs here: .*pulse"):
        first(microphone, 1)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        pytest.param(
            signal.SIGKILL, "was unplugged, or its driver gave up|gave nothing for 2 s", id="sound server killed"
        ),
        pytest.param(signal.SIGSTOP, "gave nothing for 2 s", id="sound server frozen"),
    ],
)
def test_a_dead_sound_server_is_noticed_and_never_hangs_the_box(
    server: SoundServer, fault: signal.Signals, told: str
) -> None:
    microphone = Microphone(MicrophoneSettings(name="hall"))
    chunks = microphone.chunks()
    next(chunks)
    started = time.monotonic()
    server.process.send_signal(fault)
    with pytest.raises(SourceError, match=told):
        list(chunks)
    assert time.monotonic() - started < 4
    server.process.send_signal(signal.SIGCONT)
    if fault is signal.SIGSTOP:
        assert first(microphone, 1)


def test_a_device_that_blocks_while_it_is_opened_is_given_up(
    server: SoundServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_runtime.sources.microphone._OPEN_TIMEOUT_S", 1.0)
    microphone = Microphone(MicrophoneSettings(name="hall"))
    server.process.send_signal(signal.SIGSTOP)
    with pytest.raises(SourceError, match="gave nothing for 1 s"):
        first(microphone, 1)
    server.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize(
    ("rate_hz", "channels"),
    [
        pytest.param(16_000, 1, id="as the models want it"),
        pytest.param(48_000, 1, id="48 kHz"),
        pytest.param(44_100, 2, id="44.1 kHz, stereo"),
        pytest.param(8_000, 4, id="8 kHz, four channels"),
    ],
)
def test_any_rate_and_number_of_channels_arrives_as_16_khz_mono(
    sound_server: SoundServer, rate_hz: int, channels: int
) -> None:
    tone = 0.37 * np.sin(2 * np.pi * TONE_HZ * np.arange(rate_hz) / rate_hz)
    sound_server.plug("desk", rate_hz, channels, idle=tone.astype(np.float32))
    with Microphone(MicrophoneSettings(name="hall")) as microphone:
        samples = np.concatenate([chunk.samples for chunk in first(microphone, 50)])[4096:]
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    assert int(np.argmax(spectrum)) * SAMPLE_RATE_HZ / len(samples) == pytest.approx(TONE_HZ, abs=1)
    assert np.abs(samples).max() == pytest.approx(0.37, abs=0.02)


class Followed:
    """A microphone in a worker of its own, as the running box has it, and what the world hears of it."""

    def __init__(self, device: str) -> None:
        self.states: list[str] = []
        self.heard = 0
        self._source = Microphone(MicrophoneSettings(name="hall", device=device))
        self._worker = Worker("hall", self._listen, Metrics(), lambda state, _: self.states.append(state))
        self._worker.start()

    def _listen(self, worker: Worker) -> None:
        for chunk in self._source.chunks():
            self.heard += bool(np.abs(chunk.samples).max() > 0.3)
            worker.healthy()

    def hears(self) -> bool:
        """Return whether the tone is heard from now on."""
        before = self.heard
        return wait_until(lambda: self.heard > before + 5, 15)

    def lost(self) -> bool:
        return wait_until(lambda: self.states[-1] == "lost", 5)

    def close(self) -> None:
        self._worker.stopping.set()
        self._source.close()
        assert wait_until(lambda: self._worker.done)


@pytest.fixture
def follow() -> Iterator[Callable[[str], Followed]]:
    followed: list[Followed] = []

    def begin(device: str) -> Followed:
        followed.append(Followed(device))
        return followed[-1]

    yield begin
    for each in followed:
        each.close()


@pytest.mark.parametrize("device", ["default", "desk", "DES", "1"], ids=["default", "name", "part of it", "number"])
def test_a_microphone_that_was_unplugged_comes_back_by_itself(
    sound_server: SoundServer, follow: Callable[[str], Followed], device: str
) -> None:
    sound_server.name_devices("desk", "roof")
    sound_server.plug("desk", idle=TONE)
    followed = follow(device)
    assert followed.hears()
    sound_server.unplug("desk")
    assert followed.lost()
    # Another device has its number now; ALSA counts what is there.
    sound_server.name_devices("roof", "garage", "desk")
    sound_server.plug("desk", idle=TONE)
    assert followed.hears()
    assert followed.states == ["online", "lost", "online"]


def test_a_restarted_sound_server_is_found_again(sound_server: SoundServer, follow: Callable[[str], Followed]) -> None:
    sound_server.plug("desk", idle=TONE)
    followed = follow("default")
    assert followed.hears()
    sound_server.kill()
    assert followed.lost()
    sound_server.start()
    sound_server.plug("desk", idle=TONE)
    assert followed.hears()
    assert followed.states == ["online", "lost", "online"]


@pytest.mark.parametrize(
    ("wanted", "opened", "expected"),
    [
        pytest.param("default", None, None, id="the system's choice"),
        pytest.param("default", "USB Mic: Audio (hw:2,0)", None, id="which may have changed"),
        pytest.param("1", None, 1, id="a number"),
        pytest.param("1", "USB Mic: Audio (hw:2,0)", 3, id="a number, whose device has another one now"),
        pytest.param("usb mic: audio (hw:1,0)", None, 3, id="a name from before the card got another number"),
        pytest.param("Array", None, 2, id="a part of a name"),
        pytest.param("Array", "Mic Array v3 (hw:7,0)", 2, id="what was open, on another card"),
        pytest.param("0", None, "no sound input '0'; sound inputs here: pulse, ", id="a number that cannot record"),
        pytest.param("9", None, "no sound input '9'", id="a number beyond the last"),
        pytest.param("1", "Gone (hw:0,0)", "no sound input 'Gone (hw:0,0)'", id="never another one in its place"),
        pytest.param("mic", None, "'mic' may be any of Mic Array v3 .*USB Mic.*; name one in full", id="several"),
    ],
)
def test_which_device_is_meant(wanted: str, opened: str | None, expected: int | str | None) -> None:
    names = [None, "pulse", "Mic Array v3 (hw:3,0)", "USB Mic: Audio (hw:4,0)"]
    if isinstance(expected, str):
        with pytest.raises(ValueError, match=expected.replace("(", r"\(").replace(")", r"\)")):
            find(wanted, opened, names)
    else:
        assert find(wanted, opened, names) == expected


SPEECH = np.sin(np.arange(512) / 3).astype(np.float32)


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        pytest.param([SPEECH], SPEECH, id="one channel"),
        pytest.param([SPEECH, SPEECH], SPEECH, id="two alike"),
        pytest.param([SPEECH, 0 * SPEECH], SPEECH / 2, id="a mono plug in a stereo socket"),
        pytest.param([SPEECH, -SPEECH], SPEECH, id="a signal and its opposite"),
        pytest.param([SPEECH, 0 * SPEECH, -SPEECH], SPEECH, id="the first of an array"),
        pytest.param([0 * SPEECH, 0 * SPEECH], 0 * SPEECH, id="silence"),
    ],
)
def test_several_channels_become_one(channels: list[NDArray[np.float32]], expected: NDArray[np.float32]) -> None:
    assert np.allclose(mono(np.stack(channels, axis=1)), expected, atol=1e-6)


@pytest.mark.usefixtures("server")
def test_close_from_another_thread_ends_it() -> None:
    microphone = Microphone(MicrophoneSettings(name="hall"))
    chunks = microphone.chunks()
    next(chunks)
    threading.Timer(0.2, microphone.close).start()
    started = time.monotonic()
    assert sum(1 for _ in chunks) > 0
    assert time.monotonic() - started < 1.5
    assert first(microphone, 1) == []


class Flags:
    def __init__(self, *, overflow: bool) -> None:
        self.input_overflow = overflow


def test_what_the_sound_card_lost_is_counted_and_the_newest_is_kept() -> None:
    ear = Ear()
    for number in range(100):
        ear.hear(bytes([number]), 1, None, Flags(overflow=number % 10 == 0))
    ear.end()
    blocks = []
    while (heard := ear.next_block()) is not None:
        blocks.append(heard[1][0])
    assert blocks == list(range(100 - len(blocks), 100))
    assert (len(blocks), ear.dropped, ear.overflows) == (62, 38, 10)
