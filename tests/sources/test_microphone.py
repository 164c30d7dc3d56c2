from __future__ import annotations

import itertools
import signal
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.config import MicrophoneSettings
from edge_runtime.errors import SourceError
from edge_runtime.sources.microphone import Microphone
from edge_runtime.types import SAMPLE_RATE_HZ, AudioChunk

if TYPE_CHECKING:
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
    "fault",
    [
        pytest.param(signal.SIGKILL, id="sound server killed"),
        pytest.param(signal.SIGSTOP, id="sound server frozen"),
    ],
)
def test_a_dead_sound_server_is_noticed_and_never_hangs_the_box(server: SoundServer, fault: signal.Signals) -> None:
    microphone = Microphone(MicrophoneSettings(name="hall"))
    chunks = microphone.chunks()
    next(chunks)
    started = time.monotonic()
    server.process.send_signal(fault)
    with pytest.raises(SourceError, match="gave nothing for 2 s"):
        list(chunks)
    assert time.monotonic() - started < 4
    server.process.send_signal(signal.SIGCONT)
    if fault is signal.SIGSTOP:
        assert first(microphone, 1)


@pytest.mark.usefixtures("server")
def test_close_from_another_thread_ends_it() -> None:
    microphone = Microphone(MicrophoneSettings(name="hall"))
    threading.Timer(1.0, microphone.close).start()
    started = time.monotonic()
    assert sum(1 for _ in microphone.chunks()) > 0
    assert time.monotonic() - started < 1.5
    assert first(microphone, 1) == []
