from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest

from edge_runtime.config import MicrophoneSettings
from edge_runtime.errors import SourceError
from edge_runtime.sources.microphone import Microphone
from edge_runtime.types import SAMPLE_RATE_HZ, AudioChunk

if TYPE_CHECKING:
    from collections.abc import Iterator

BRIDGES = list(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so"))
pytestmark = pytest.mark.skipif(
    shutil.which("pulseaudio") is None or not BRIDGES,
    reason="needs the system packages pulseaudio, libasound2-plugins and libportaudio2",
)


class SoundServer:
    """A real sound server whose only microphone plays a tone of 440 Hz that a thread pours into a pipe."""

    def __init__(self, folder: Path, rate_hz: int) -> None:
        fifo = folder / "fifo"
        microphone = f"module-pipe-source source_name=mic file={fifo} format=s16le rate={rate_hz} channels=1"
        self.process = subprocess.Popen(
            [
                *("pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"),
                *("-L", "module-native-protocol-unix auth-anonymous=1", "-L", microphone),
            ],
            stderr=subprocess.DEVNULL,
        )
        while not (fifo.exists() and (folder / "pulse" / "native").exists()):
            assert self.process.poll() is None
            time.sleep(0.02)
        self._over = threading.Event()
        wave = 12_000 * np.sin(2 * np.pi * 440 * np.arange(rate_hz) / rate_hz)
        self._pour = threading.Thread(target=self._play, args=(fifo, wave.astype("<i2").tobytes(), rate_hz // 25 * 2))
        self._pour.start()

    def _play(self, fifo: Path, wave: bytes, size: int) -> None:
        started = time.monotonic()
        with contextlib.suppress(BrokenPipeError, BlockingIOError), fifo.open("r+b", buffering=0) as pipe:
            os.set_blocking(pipe.fileno(), False)
            for count in itertools.count():
                if self._over.wait(max(0.0, started + count / 25 - time.monotonic())):
                    return
                begin = count * size % len(wave)
                pipe.write(wave[begin : begin + size])

    def stop(self) -> None:
        self._over.set()
        self._pour.join()
        self.process.kill()
        self.process.wait()


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[SoundServer]:
    folder = tmp_path_factory.mktemp("sound")
    (folder / ".asoundrc").write_text("pcm.!default { type pulse }\nctl.!default { type pulse }\n")
    for name in ("HOME", "XDG_RUNTIME_DIR", "PULSE_RUNTIME_PATH"):
        monkeypatch.setenv(name, str(folder / "pulse" if name.startswith("PULSE") else folder))
    server = SoundServer(folder, SAMPLE_RATE_HZ)
    yield server
    server.stop()
    assert psutil.Process().children(recursive=True) == []


def first(microphone: Microphone, count: int) -> list[AudioChunk]:
    return list(itertools.islice(microphone.chunks(), count))


def test_it_hears_every_sample_in_order(server: SoundServer) -> None:
    assert server.process.poll() is None
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


def test_what_nobody_takes_within_two_seconds_is_dropped_and_counted(server: SoundServer) -> None:
    assert server.process.poll() is None
    with Microphone(MicrophoneSettings(name="hall")) as microphone:
        chunks = microphone.chunks()
        next(chunks)
        time.sleep(3)
        first_after = list(itertools.islice(chunks, 5))[-1]
        assert time.monotonic() - first_after.at < 2.6
        assert 10 <= microphone.dropped <= 40


def test_an_unknown_device_names_those_that_exist(server: SoundServer) -> None:
    assert server.process.poll() is None
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


def test_close_from_another_thread_ends_it(server: SoundServer) -> None:
    assert server.process.poll() is None
    microphone = Microphone(MicrophoneSettings(name="hall"))
    threading.Timer(1.0, microphone.close).start()
    started = time.monotonic()
    assert sum(1 for _ in microphone.chunks()) > 0
    assert time.monotonic() - started < 1.5
    assert first(microphone, 1) == []
