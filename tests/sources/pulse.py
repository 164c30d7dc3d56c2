"""A real sound server with microphones that can be plugged in and pulled out, and a speaker that can be listened to."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import threading
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_BRIDGES = list(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so"))
MISSING = (
    None
    if shutil.which("pulseaudio") and shutil.which("pactl") and _BRIDGES
    else "needs the system packages pulseaudio, pulseaudio-utils, libasound2-plugins and libportaudio2"
)
_BLOCKS_A_SECOND = 25


class VirtualMicrophone:
    """A microphone that hears what is played to it, and between that `idle`, over and over: faint noise by default."""

    def __init__(
        self, fifo: Path, rate_hz: int = 16_000, channels: int = 1, idle: NDArray[np.float32] | None = None
    ) -> None:
        self._fifo = fifo
        self._rate_hz = rate_hz
        self._channels = channels
        noise = np.random.default_rng(0).normal(0, 1e-3, rate_hz).astype(np.float32)
        self._idle = noise if idle is None else idle
        self._waiting: deque[NDArray[np.float32]] = deque()
        self._changed = threading.Condition()
        self._ended_at = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._pour)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def play(self, samples: NDArray[np.float32], timeout_s: float = 60.0) -> float:
        """Play `samples` at the rate of this microphone; return the time.monotonic() at which the last was heard."""
        with self._changed:
            self._waiting.append(samples)
            assert self._changed.wait_for(lambda: not self._waiting, timeout_s), "nobody takes the sound"
            return self._ended_at

    def _pour(self) -> None:
        size = self._rate_hz // _BLOCKS_A_SECOND
        due = time.monotonic()
        with self._fifo.open("r+b", buffering=0) as pipe:
            os.set_blocking(pipe.fileno(), False)
            at = 0
            while not self._over.wait(max(0.0, due - time.monotonic())):
                block = np.take(self._idle, range(at, at + size), mode="wrap")
                at += size
                played = self._take(block)
                pcm = (np.repeat(block, self._channels) * 32767).astype("<i2")
                # A frozen server takes nothing; a microphone does not wait for it.
                with contextlib.suppress(BlockingIOError):
                    pipe.write(pcm.tobytes())
                due += 1 / _BLOCKS_A_SECOND
                if played is not None:
                    self._tell(due - (size - played) / self._rate_hz)

    def _take(self, block: NDArray[np.float32]) -> int | None:
        """Fill `block` with what is played; return where that ends, None where it does not."""
        with self._changed:
            if not self._waiting:
                return None
            waiting = self._waiting[0]
            block[: len(waiting)] = waiting[: len(block)]
            if len(waiting) <= len(block):
                return len(waiting)
            self._waiting[0] = waiting[len(block) :]
            return None

    def _tell(self, ended_at: float) -> None:
        with self._changed:
            self._waiting.popleft()
            self._ended_at = ended_at
            self._changed.notify_all()


class SoundServer:
    """PulseAudio in a folder of its own, found by every program that has `environment`.

    Each device is an ALSA device of the same name, as PortAudio sees it; the first microphone is "default" too.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.environment: Mapping[str, str] = {
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "PULSE_RUNTIME_PATH": str(folder / "pulse"),
        }
        self._microphones: dict[str, tuple[str, VirtualMicrophone]] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self.name_devices()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def name_devices(self, *names: str) -> None:
        """Let ALSA, and so PortAudio, list devices of these names, in this order, which gives them their numbers."""
        lines = [f"pcm.{name} {{ type pulse device {name} }}" for name in names]
        (self._folder / ".asoundrc").write_text(
            "\n".join([*lines, "pcm.!default { type pulse }", "ctl.!default { type pulse }", ""])
        )

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                *("pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"),
                *("-L", "module-native-protocol-unix auth-anonymous=1"),
            ],
            stderr=subprocess.DEVNULL,
            env={**os.environ, **self.environment},
        )
        deadline = time.monotonic() + 10
        while not self._answers():
            assert self._process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def plug(
        self, name: str, rate_hz: int = 16_000, channels: int = 1, idle: NDArray[np.float32] | None = None
    ) -> VirtualMicrophone:
        """Plug a microphone in; `idle` is what it hears while nothing is played."""
        fifo = self._folder / f"{name}.fifo"
        source = f"source_name={name} file={fifo} format=s16le rate={rate_hz} channels={channels}"
        module = self._control("load-module", "module-pipe-source", *source.split())
        microphone = VirtualMicrophone(fifo, rate_hz, channels, idle)
        self._microphones[name] = module, microphone
        microphone.start()
        return microphone

    def unplug(self, name: str) -> None:
        """Pull a microphone out; whoever records from it is cut off."""
        module, microphone = self._microphones.pop(name)
        self._control("unload-module", module)
        microphone.stop()

    def add_speaker(self, name: str) -> None:
        """Add a speaker; `name`.monitor is the device that records what it plays."""
        self._control("load-module", "module-null-sink", f"sink_name={name}")

    def kill(self) -> None:
        """End the server at once, and its microphones with it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        for name, (_, microphone) in self._microphones.items():
            microphone.stop()
            (self._folder / f"{name}.fifo").unlink()
        self._microphones.clear()

    def _answers(self) -> bool:
        # Never started by itself: a client library would start a second server where it finds none.
        asked = subprocess.run(
            ["pactl", "info"], env=self._client(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
        )
        return asked.returncode == 0

    def _control(self, *arguments: str) -> str:
        done = subprocess.run(["pactl", *arguments], env=self._client(), capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def _client(self) -> dict[str, str]:
        return {**os.environ, **self.environment, "PULSE_SERVER": f"unix:{self._folder}/pulse/native"}
