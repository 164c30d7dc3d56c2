"""A live camera, read in a child process that can be killed when the camera stops answering."""

from __future__ import annotations

import os
import random
import re
import time
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import cv2
import numpy as np

from edge_runtime.errors import SourceError
from edge_runtime.sources.child import ChildProgram
from edge_runtime.sources.device import Device
from edge_runtime.sources.faults import LOGIN_REFUSED, MOST_PIXELS, explain, host_of, is_number, knock
from edge_runtime.sources.pace import Arrival, Pace
from edge_runtime.types import Frame

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edge_runtime.sources.pace import Trouble
    from edge_runtime.types import Image
    from edge_runtime.watch_sections import CameraSettings

_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
# Level 24 is warnings: the child keeps them to itself, and puts the last one in its answer.
_ENVIRONMENT = {
    "OPENCV_FFMPEG_LOGLEVEL": "24",
    "OPENCV_LOG_LEVEL": "SILENT",
    "OPENCV_IO_MAX_IMAGE_PIXELS": str(MOST_PIXELS),
    "OPENBLAS_NUM_THREADS": "1",
}

_KNOCKS = 50
_WORTH_WAITING_S = 0.75

_QUICK_LOGINS_S = 120.0
_SLOW_LOGIN_S, _SLOWEST_LOGIN_S = 60.0, 600.0
"""Many cameras lock out who tries a wrong password again and again; nobody mends one as quickly for ever."""

# Greedy on purpose: a password may hold any character, and masking too much is the safe side.
_USER_INFO = re.compile(r"(://[^\s:/@]*:).*@")
_SECRET_VALUE = re.compile(
    r"((?:pass\w*|pwd|pw|loginpas|token|secret|key|auth\w*|sig|signature|cookies|extra-headers)=)"
    r"""(?:"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?|[^\s&]*)""",
    re.IGNORECASE,
)


def mask_credentials(text: str) -> str:
    """Replace the passwords in a camera address, or in a message that holds one, by three stars."""
    return _SECRET_VALUE.sub(r"\1***", _USER_INFO.sub(r"\1***@", text))


class Camera(Device):
    """A V4L2 device, an RTSP or HTTP stream or a GStreamer pipeline.

    `frames` may be called again after a `SourceError`; each call starts a fresh capture process.

    Attributes:
        trouble: what is wrong with the pictures that come, as of the last one.
        arrival: what had come from the camera by the last one.
        missed: pictures that this program was too late to take.
    """

    def __init__(self, settings: CameraSettings) -> None:
        super().__init__(settings.name)
        self.trouble: Trouble | None = None
        self.arrival: Arrival | None = None
        self.missed = 0
        self._settings = settings
        self._pace = Pace(settings.fps)
        self._failed = False
        self._hardware = settings.hardware
        self._refused_since: float | None = None
        self._refused_until = 0.0
        self._refusal = self._next_login = ""
        self._login_wait_s = 0.0
        self._knocks = 0

    def frames(self) -> Iterator[Frame]:
        """Yield the newest picture, at most `fps` a second, until closed.

        Raises:
            SourceError: the camera cannot be opened, ended, or gave no picture in time.
        """
        if self._failed and not self._closed and (problem := self._still_away()):
            raise SourceError(self._told(problem))
        yield from self._read(self._start, self._see, self._told)

    def _still_away(self) -> str:
        """Return why another capture process would fail, nothing where one is worth it: they are expensive."""
        host = host_of(self._settings.url)
        wait_s = self._refused_until - time.monotonic()
        if wait_s > _WORTH_WAITING_S:
            return self._refusal
        time.sleep(max(0.0, wait_s))
        if host is None or not is_number(host[0]) or _OPTIONS in os.environ:
            return ""
        self._knocks += 1
        # One that answers too slowly for us is tried nevertheless, about every two minutes.
        return knock(*host) if self._knocks % _KNOCKS else ""

    def _start(self) -> ChildProgram:
        settings = self._settings
        host = host_of(settings.url)
        request = {
            "url": settings.url,
            "fps": settings.fps,
            "patience_s": settings.read_timeout_s,
            "transport": settings.transport,
            "hardware": self._hardware,
            "knock": bool(self._failed and host and not is_number(host[0]) and _OPTIONS not in os.environ),
        }
        return ChildProgram("edge_runtime.sources.capture_pictures", request, environment=_ENVIRONMENT)

    def _see(self, child: ChildProgram) -> Iterator[Frame]:
        self._pace.begin()
        missed_before = self.missed
        timeout_s = self._settings.open_timeout_s
        seen = False
        try:
            while not self._closed:
                child.want()
                told, pixels = child.answer(timeout_s)
                seen, self._failed, self._refused_since = True, False, None
                self.arrival = Arrival(told["at"], told["seen"], told["damaged"], told["media_s"])
                self.missed = missed_before + told["missed"]
                self.trouble = self._pace.update(self.arrival)
                frame = Frame(self.name, told["at"], _rgb(pixels, told["shape"], told["conversion"]))
                # Nothing points into the memory of a program that has ended.
                del pixels
                yield frame
                timeout_s = max(self._settings.read_timeout_s, 1.5 / self._settings.fps)
        except SourceError:
            # A decoder that opens and then gives nothing is tried in turns with the processor's own.
            self._hardware = self._settings.hardware and (seen or not self._hardware)
            raise

    def _told(self, problem: str) -> str:
        self._failed = True
        reason = explain(problem)
        if reason.startswith(LOGIN_REFUSED):
            if time.monotonic() >= self._refused_until:
                self._refuse(problem)
            reason += self._next_login
        url = self._settings.url
        said = mask_credentials(reason)
        for secret in _secrets(url):
            said = said.replace(secret, "***")
        return f"camera {self.name} at {mask_credentials(url)} {said}"

    def _refuse(self, problem: str) -> None:
        """Settle when the login is tried again: soon at first, for it may have been set anew; then ever more rarely."""
        now = time.monotonic()
        if self._refused_since is None:
            self._refused_since, self._login_wait_s, self._next_login = now, 0.0, ""
        wait_s = self._settings.login_retry_s
        if now - self._refused_since >= _QUICK_LOGINS_S:
            self._login_wait_s = min(max(2 * self._login_wait_s, _SLOW_LOGIN_S), _SLOWEST_LOGIN_S)
            wait_s = max(wait_s, self._login_wait_s * random.uniform(0.8, 1.0))  # noqa: S311  # jitter
            self._next_login = f"; tried again within {max(wait_s, self._login_wait_s) / 60:.3g} min"
        self._refusal, self._refused_until = problem, now + wait_s


def _secrets(url: str) -> set[str]:
    """Return the password of an address, as it is written and as it is meant."""
    try:
        password = urlsplit(url).password
    except ValueError:
        return set()
    return {password, unquote(password)} if password else set()


def _rgb(pixels: bytearray | memoryview, shape: Sequence[int], conversion: int) -> Image:
    return np.asarray(cv2.cvtColor(np.frombuffer(pixels, np.uint8).reshape(shape), conversion), np.uint8)
