"""A real RTSP camera on loopback for tests and benches: its process, its faults and the number in each picture."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from contextlib import suppress
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Self

import cv2
import numpy as np

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterator

    from edge_runtime.types import Image

SYSTEM_PYTHON = "/usr/bin/python3"
SERVER = Path(__file__).with_name("rtsp_server.py")
NEEDS = "import gi; gi.require_version('GstRtspServer', '1.0'); gi.require_version('GstApp', '1.0')"
BITS = 12
_READY_S = 10.0


def missing() -> str:
    """Return what cannot be found here that an RTSP camera needs, nothing where it can run."""
    if shutil.which("ffmpeg") is None:
        return "ffmpeg is not installed"
    there = Path(SYSTEM_PYTHON).exists()
    if not there or subprocess.run([SYSTEM_PYTHON, "-c", NEEDS], capture_output=True, check=False).returncode:
        return "gir1.2-gst-rtsp-server-1.0 and python3-gi are not installed"
    return ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RtspCamera:
    """One server process, eight paths /a to /h with the same clip; after `kill` it may be started again."""

    def __init__(self, clip: Path, *, fps: float = 5.0, login: str = "", still: Path | None = None) -> None:
        self.port = free_port()
        self.login = login
        self._clip = clip
        self._fps = fps
        self._still = still
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def url(self, path: str = "/a", login: str = "") -> str:
        return f"rtsp://{login and login + '@'}127.0.0.1:{self.port}{path}"

    def start(self) -> None:
        """Start the server and wait until it listens."""
        command = [SYSTEM_PYTHON, str(SERVER), str(self.port), str(self._clip), "--fps", f"{self._fps:g}"]
        command += ["--login", self.login] if self.login else []
        command += ["--still", str(self._still)] if self._still else []
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        give_up_at = time.monotonic() + _READY_S
        while time.monotonic() < give_up_at:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            time.sleep(0.05)
        raise AssertionError("the RTSP server does not listen")

    def mood(self, mood: str, path: str = "/a") -> None:
        """Say what comes next on a path: well, stall, slow, garbage, torn, still."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{path} {mood}\n")
        self._process.stdin.flush()

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()
        self._process = None


def numbered_clip(
    path: Path, *, count: int = 100, size: tuple[int, int] = (320, 240), key_every: int = 5, still: bool = False
) -> Path:
    """Write a raw H.264 file whose pictures carry their numbers: a row of black and white fields above moving noise.

    In a `still` one it is always the same picture.
    """
    width, height = size
    command = (
        f"ffmpeg -v error -y -f rawvideo -pix_fmt gray -s {width}x{height} -r 5 -i - -c:v libx264 -preset veryfast"
    )
    command += f" -tune zerolatency -x264-params keyint={key_every}:scenecut=0:aud=1 -pix_fmt yuv420p -f h264"
    with subprocess.Popen([*command.split(), str(path)], stdin=subprocess.PIPE) as encoder:
        assert encoder.stdin is not None
        pictures = _numbered(count, width, height)
        for picture in repeat(next(pictures), count) if still else pictures:
            encoder.stdin.write(picture.tobytes())
    assert encoder.returncode == 0
    return path


def _numbered(count: int, width: int, height: int) -> Iterator[Image]:
    chance = np.random.default_rng(1)
    coarse = chance.integers(60, 200, (height // 16, width // 16), np.uint8)
    picture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    picture = cv2.add(picture, chance.integers(0, 40, picture.shape, np.uint8))
    field = width // BITS
    for number in range(count):
        shown = np.asarray(np.roll(picture, 3 * number, 1), np.uint8)
        for bit in range(BITS):
            shown[:16, bit * field : (bit + 1) * field] = 255 if number >> bit & 1 else 0
        yield shown


def number_of(image: Image) -> int:
    """Return the number that a picture of `numbered_clip` carries."""
    field = image.shape[1] // BITS
    return sum(
        1 << bit
        for bit in range(BITS)
        if image[4:12, bit * field + field // 4 : (bit + 1) * field - field // 4].mean() > 128
    )


def wait_for(what: Callable[[], object], within_s: float) -> float:
    """Return the seconds until `what` was true, infinity if it never was."""
    began = time.monotonic()
    while time.monotonic() - began < within_s:
        if what():
            return time.monotonic() - began
        time.sleep(0.02)
    return float("inf")
