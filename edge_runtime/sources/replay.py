"""Video, picture and sound files in the shape of cameras and microphones, for the demo, tests and bug reports."""

from __future__ import annotations

import itertools
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import cv2
import numpy as np

from edge_runtime.errors import InputError
from edge_runtime.sources.files import read_picture, sound_blocks
from edge_runtime.sources.resampling import CHUNK_SAMPLES, Chunker
from edge_runtime.types import SAMPLE_RATE_HZ, Frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_runtime.config import MicrophoneSettings
    from edge_runtime.sources.pace import Trouble
    from edge_runtime.types import AudioChunk
    from edge_runtime.watch_sections import CameraSettings

_ASSUMED_FPS = 25.0


class _Replay:
    """A source that ends; `close` from any thread ends it earlier."""

    live = False
    lost = 0
    trouble: Trouble | None = None
    missed = 0

    def __init__(self, name: str, *, realtime: bool) -> None:
        self.name = name
        self._realtime = realtime
        self._closed = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the replay."""
        self._closed.set()

    def _wait_until(self, at: float) -> None:
        if self._realtime:
            self._closed.wait(max(0.0, at - time.monotonic()))


class VideoFile(_Replay):
    """A video file thinned out to `fps` pictures a second; `at` is the time it was opened plus the media time.

    Raises:
        InputError: the file is missing or has no picture that can be read.
    """

    def __init__(self, settings: CameraSettings) -> None:
        super().__init__(settings.name, realtime=settings.realtime)
        self._path = Path(settings.url).expanduser()
        self._period_s = 1 / settings.fps
        capture = self._open()
        readable = capture.grab() and capture.retrieve()[0]
        capture.release()
        if not readable:
            raise InputError(f"{self._path}: not a video OpenCV can read; use for example an H.264 .mp4 file")

    def frames(self) -> Iterator[Frame]:
        """Yield the pictures from the beginning, each call anew."""
        capture = self._open()
        opened_at = time.monotonic()
        due_s = 0.0
        try:
            for media_s in _media_times(capture):
                # Containers round times to milliseconds; without the margin 12 of 12 pictures a second become 6.
                if media_s + 0.002 < due_s:
                    continue
                due_s = max(due_s, media_s - self._period_s) + self._period_s
                usable, picture = capture.retrieve()
                self._wait_until(opened_at + media_s)
                if self._closed.is_set():
                    return
                if usable:
                    image = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
                    yield Frame(self.name, opened_at + media_s, image)
        finally:
            capture.release()

    def _open(self) -> cv2.VideoCapture:
        if not self._path.is_file():
            raise InputError(f"{self._path}: {'is a folder' if self._path.is_dir() else 'no such file'}")
        # FFmpeg takes the start of a relative name such as "a:b.mp4" for a protocol.
        return cv2.VideoCapture(str(self._path.absolute()), cv2.CAP_FFMPEG)


def _media_times(capture: cv2.VideoCapture) -> Iterator[float]:
    """Grab picture after picture; yield each one's time in seconds since the first, always rising."""
    fps = capture.get(cv2.CAP_PROP_FPS)
    step_s = 1 / fps if 0 < fps < 1000 else 1 / _ASSUMED_FPS
    first_s, last_s = None, -step_s
    while capture.grab():
        position_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        first_s = position_s if first_s is None else first_s
        media_s = position_s - first_s
        # Raw streams carry no times, and broken files carry some that jump back.
        last_s = media_s if media_s > last_s else last_s + step_s
        yield last_s


class PictureFile(_Replay):
    """A picture file as a video of one frame.

    Raises:
        InputError: the file is missing or not a picture.
    """

    def __init__(self, settings: CameraSettings) -> None:
        super().__init__(settings.name, realtime=settings.realtime)
        self._image = read_picture(Path(settings.url).expanduser())

    def frames(self) -> Iterator[Frame]:
        """Yield the one picture."""
        if not self._closed.is_set():
            yield Frame(self.name, time.monotonic(), self._image)


class WavFile(_Replay):
    """A sound file as chunks of 512 samples, then silence so that an utterance at its end still ends.

    Raises:
        InputError: the file is missing or holds no sound that can be read.
    """

    def __init__(self, settings: MicrophoneSettings, *, trailing_silence_s: float = 1.0) -> None:
        super().__init__(settings.name, realtime=settings.realtime)
        self._path = Path(settings.device).expanduser()
        # One chunk more, so that the chunk that holds the last sample is full.
        self._silence = np.zeros(round(trailing_silence_s * SAMPLE_RATE_HZ) + CHUNK_SAMPLES, np.float32)
        next(sound_blocks(self._path))

    def chunks(self) -> Iterator[AudioChunk]:
        """Yield the sound from the beginning, each call anew; `at` is the time it was opened plus the media time."""
        opened_at = time.monotonic()
        chunker = Chunker(self.name)
        done = 0
        for samples in itertools.chain(sound_blocks(self._path), [self._silence]):
            for chunk in chunker.feed(opened_at + done / SAMPLE_RATE_HZ, samples):
                # A microphone hands over a chunk when its last sample was heard.
                self._wait_until(chunk.at + CHUNK_SAMPLES / SAMPLE_RATE_HZ)
                if self._closed.is_set():
                    return
                yield chunk
            done += len(samples)
