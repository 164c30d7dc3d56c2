"""The last seconds of one camera as small JPEG pictures, from which the clips of alerts are cut."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge_runtime.errors import SinkError
from edge_runtime.sinks.encoding import jpeg

if TYPE_CHECKING:
    from edge_runtime.types import Frame, Image

FPS = 5.0
WIDTH = 640
QUALITY = 75
MOST_BYTES = 24_000_000
"""Of one camera at most; ten minutes of an ordinary one."""

_STILL_S = 1.0
_GRID = 16
_STEP = 20
_CHANGED = 3


@dataclass(frozen=True, slots=True)
class Picture:
    """One JPEG picture of a clip, `width` x `height` pixels; `at` is monotonic seconds."""

    at: float
    jpeg: bytes
    width: int
    height: int


class ClipRing:
    """Keeps the newest `keep_s` seconds of a camera, 5 pictures a second at most; safe across threads.

    Pictures are made 640 pixels wide and cost about 0.5 ms each; of a view in which nothing changes, one a second is
    kept.
    """

    def __init__(self, keep_s: float) -> None:
        self.last_at = float("-inf")
        self._keep_s = keep_s
        self._due_at = float("-inf")
        self._kept_at = float("-inf")
        self._grid: Image | None = None
        self._held_since = float("inf")
        self._pictures: deque[Picture] = deque()
        self._bytes = 0
        self._lock = threading.Lock()

    def take(self, frame: Frame) -> None:
        """Keep a frame if it is time for one; called in the thread that captures."""
        if frame.at < self.last_at:
            # The camera's clock began anew.
            self._due_at = self._kept_at = float("-inf")
        self.last_at = frame.at
        # Cameras tremble by some milliseconds; without the margin every second picture of some would go.
        if frame.at < self._due_at - 0.25 / FPS:
            return
        self._due_at = max(self._due_at + 1 / FPS, frame.at)
        grid = frame.image[::_GRID, ::_GRID, 1]
        if frame.at - self._kept_at < _STILL_S and self._grid is not None and not _differ(grid, self._grid):
            return
        self._kept_at, self._grid = frame.at, grid.copy()
        picture = shrunk(frame.image, frame.at)
        with self._lock:
            self._pictures.append(picture)
            self._bytes += len(picture.jpeg)
            oldest = min(frame.at - self._keep_s, self._held_since)
            # One picture from before belongs to the first moment of what is kept.
            while len(self._pictures) > 1 and (self._pictures[1].at <= oldest or self._bytes > MOST_BYTES):
                self._bytes -= len(self._pictures.popleft().jpeg)

    def hold(self, since: float) -> None:
        """Keep all from `since` on, however old, as long as the bytes suffice; infinity lets go."""
        with self._lock:
            self._held_since = since

    def between(self, begin: float, end: float) -> list[Picture]:
        """Return the pictures of a time, oldest first, with the last one before it."""
        with self._lock:
            kept = list(self._pictures)
        before = [picture for picture in kept if picture.at <= begin][-1:]
        return before + [picture for picture in kept if begin < picture.at <= end]


def shrunk(image: Image, at: float) -> Picture:
    """Return an RGB picture as a JPEG of at most 640 pixels' width, both sides even.

    Raises:
        SinkError: it cannot be encoded.
    """
    height, width = image.shape[:2]
    scale = min(1.0, WIDTH / max(width, 1))
    size = max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)
    if not image.size:
        raise SinkError(f"a picture of shape {image.shape} cannot be encoded as JPEG")
    # At half the size this averages four pixels; averaging all of them takes three times as long from 1080p.
    small = np.asarray(cv2.resize(image, size), np.uint8) if size != (width, height) else image
    return Picture(at, jpeg(small, QUALITY), *size)


def _differ(grid: Image, before: Image) -> bool:
    """Return whether some sampled points differ by more than a camera's noise."""
    if grid.shape != before.shape:
        return True
    return int(np.count_nonzero(cv2.absdiff(grid, before) > _STEP)) >= _CHANGED
