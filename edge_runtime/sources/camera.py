"""A live camera, read in a child process that can be killed when the camera stops answering."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import subprocess
import sys
import threading
import time
from typing import IO, TYPE_CHECKING, Any, Self, cast

import numpy as np

from edge_runtime.errors import SourceError
from edge_runtime.types import Frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_runtime.config import CameraSettings
    from edge_runtime.types import Image

_KILL_TIMEOUT_S = 1.0

# Greedy on purpose: a password may hold any character, and masking too much is the safe side.
_USER_INFO = re.compile(r"(://[^\s:/@]*:)\S*@")
_SECRET_VALUE = re.compile(r"((?:pass\w*|pwd|\w*-pw|loginpas|token|secret|\w*key|auth)=)[^\s&]*", re.IGNORECASE)


def mask_credentials(text: str) -> str:
    """Replace the passwords in a camera address, or in a message that holds one, by three stars."""
    return _SECRET_VALUE.sub(r"\1***", _USER_INFO.sub(r"\1***@", text))


class Camera:
    """A V4L2 device, an RTSP or HTTP stream or a GStreamer pipeline.

    `frames` may be called again after a `SourceError`; each call starts a fresh capture process.
    """

    live = True

    def __init__(self, settings: CameraSettings) -> None:
        self.name = settings.name
        self._settings = settings
        self._lock = threading.Lock()
        self._closed = False
        self._capture: _Capture | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def frames(self) -> Iterator[Frame]:
        """Yield the newest picture, at most `fps` a second, until closed.

        Raises:
            SourceError: the camera cannot be opened, ended, or gave no picture in time.
        """
        capture = self._start()
        if capture is None:
            return
        try:
            yield from self._pictures(capture)
        except SourceError as error:
            if not self._closed:
                where = mask_credentials(self._settings.url)
                raise SourceError(mask_credentials(f"camera {self.name} at {where} {error}")) from None
        finally:
            capture.stop()

    def close(self) -> None:
        """Kill the capture process and end `frames`; safe from any thread and more than once."""
        with self._lock:
            self._closed = True
            if self._capture is not None:
                self._capture.kill()

    def _start(self) -> _Capture | None:
        with self._lock:
            if self._closed:
                return None
            self._capture = _Capture(self._settings.url)
            return self._capture

    def _pictures(self, capture: _Capture) -> Iterator[Frame]:
        period_s = 1 / self._settings.fps
        timeout_s = self._settings.open_timeout_s
        due = time.monotonic()
        while not self._closed:
            at, image = capture.newest(timeout_s)
            yield Frame(self.name, at, image)
            timeout_s = self._settings.read_timeout_s
            due = max(due + period_s, time.monotonic())
            capture.pause(due)


class _Capture:
    """One run of the `capture` program; reading raises SourceError when the program fails or ends."""

    def __init__(self, url: str) -> None:
        self._picture_fd = os.memfd_create("picture")
        # The address goes through the pipe, because anyone on the box can read a command line with its password.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "edge_runtime.sources.capture"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            pass_fds=(self._picture_fd,),
            env=_environment(url),
            # Ctrl-C in a terminal goes to the whole session; the child ends when the parent lets it.
            start_new_session=True,
        )
        self._requests = cast("IO[bytes]", self._process.stdin)
        self._answers = cast("IO[bytes]", self._process.stdout)
        self._readable = select.poll()
        self._readable.register(self._answers, select.POLLIN)
        self._ask({"url": url, "picture_fd": self._picture_fd})

    def newest(self, timeout_s: float) -> tuple[float, Image]:
        """Return the time and the pixels of the next picture that the camera delivers."""
        self._ask({})
        answer = self._answer(timeout_s)
        if answer is None:
            raise SourceError(f"gave no picture for {timeout_s:g} s")
        image = np.empty((answer["height"], answer["width"], 3), np.uint8)
        os.preadv(self._picture_fd, [image.data.cast("B")], 0)
        return answer["at"], image

    def pause(self, until: float) -> None:
        """Wait, and notice at once when the program ends in that time."""
        self._answer(until - time.monotonic())

    def kill(self) -> None:
        """End the program at once; whoever waits for its answer is woken."""
        self._process.kill()
        # A driver can hold a killed process for longer; Popen then reaps it when the next one is started.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_KILL_TIMEOUT_S)

    def stop(self) -> None:
        """End the program and give back everything it used."""
        self.kill()
        self._requests.close()
        self._answers.close()
        os.close(self._picture_fd)

    def _ask(self, request: dict[str, object]) -> None:
        # A dead program is noticed where its answer is read, with a better message.
        with contextlib.suppress(BrokenPipeError):
            self._requests.write(json.dumps(request).encode() + b"\n")

    def _answer(self, timeout_s: float) -> dict[str, Any] | None:
        if not self._readable.poll(max(0.0, timeout_s * 1000)):
            return None
        # Shorter than PIPE_BUF, hence written, and read, as a whole.
        line = self._answers.readline()
        if not line:
            raise SourceError(f"lost its capture process (exit status {self._process.wait(_KILL_TIMEOUT_S)})")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise SourceError(answer["error"])
        return answer


def _environment(url: str) -> dict[str, str]:
    # Level 16 is errors: the child keeps them to itself, and puts the last one in its answer.
    environment = os.environ | {"OPENCV_FFMPEG_LOGLEVEL": "16", "OPENBLAS_NUM_THREADS": "1"}
    if url.startswith("rtsp"):
        # Over UDP one lost packet smears the picture until the next key frame.
        environment.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp")
    return environment
