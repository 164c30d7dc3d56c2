"""A live camera, read in a child process that can be killed when the camera stops answering."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.sources.child import ChildProgram
from edge_runtime.sources.device import Device
from edge_runtime.types import Frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_runtime.watch_sections import CameraSettings

# Greedy on purpose: a password may hold any character, and masking too much is the safe side.
_USER_INFO = re.compile(r"(://[^\s:/@]*:).*@")
_SECRET_VALUE = re.compile(r"((?:pass\w*|pwd|\w*-pw|loginpas|token|secret|\w*key|auth)=)[^\s&]*", re.IGNORECASE)


def mask_credentials(text: str) -> str:
    """Replace the passwords in a camera address, or in a message that holds one, by three stars."""
    return _SECRET_VALUE.sub(r"\1***", _USER_INFO.sub(r"\1***@", text))


class Camera(Device):
    """A V4L2 device, an RTSP or HTTP stream or a GStreamer pipeline.

    `frames` may be called again after a `SourceError`; each call starts a fresh capture process.
    """

    def __init__(self, settings: CameraSettings) -> None:
        super().__init__(settings.name)
        self._settings = settings

    def frames(self) -> Iterator[Frame]:
        """Yield the newest picture, at most `fps` a second, until closed.

        Raises:
            SourceError: the camera cannot be opened, ended, or gave no picture in time.
        """
        url = self._settings.url
        yield from self._read(
            lambda: ChildProgram("edge_runtime.sources.capture_pictures", {"url": url}, environment=_environment(url)),
            self._see,
            lambda problem: f"camera {self.name} at {mask_credentials(url)} {mask_credentials(problem)}",
        )

    def _see(self, child: ChildProgram) -> Iterator[Frame]:
        period_s = 1 / self._settings.fps
        timeout_s = self._settings.open_timeout_s
        due = time.monotonic()
        while not self._closed:
            child.ask()
            told, pixels = child.answer(timeout_s)
            image = np.frombuffer(pixels, np.uint8).reshape(told["height"], told["width"], 3)
            yield Frame(self.name, told["at"], image)
            timeout_s = self._settings.read_timeout_s
            due = max(due + period_s, time.monotonic())
            child.pause(due)


def _environment(url: str) -> dict[str, str]:
    # Level 24 is warnings: the child keeps them to itself, and puts the last one in its answer.
    environment = {"OPENCV_FFMPEG_LOGLEVEL": "24", "OPENCV_LOG_LEVEL": "SILENT", "OPENBLAS_NUM_THREADS": "1"}
    if url.lower().startswith("rtsp"):
        # Over UDP one lost packet smears the picture until the next key frame.
        environment["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = os.environ.get(
            "OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp"
        )
    return environment
