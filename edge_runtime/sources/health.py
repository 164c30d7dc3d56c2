"""Whether a source that delivers still sees and hears: frozen, black or covered pictures, dead or clipped sound."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_runtime.types import AudioChunk, Frame, Image

_CELL = 8  # pixels; averaging over them takes the noise away
_BLACK_LEVEL = 20.0
_EDGE_STEP = 5.0
_FULL_SCALE = 0.999
_CLIPPED_SHARE = 0.02


class PictureStatus(enum.StrEnum):
    """What is wrong with a camera's picture."""

    OK = "ok"
    FROZEN = "frozen"
    BLACK = "black"
    COVERED = "covered"


class SoundStatus(enum.StrEnum):
    """What is wrong with a microphone's sound."""

    OK = "ok"
    DEAD = "dead"
    CLIPPED = "clipped"


class PictureHealth:
    """Watches one live camera; a trouble counts once it has lasted, and is over with the first good picture."""

    def __init__(self, *, frozen_after_s: float = 10.0, dark_after_s: float = 2.0) -> None:
        self._frozen_after_s = frozen_after_s
        self._dark_after_s = dark_after_s
        self._last: Image | None = None
        self._changed_at = 0.0
        self._look = PictureStatus.OK
        self._look_since = 0.0

    def check(self, frame: Frame) -> PictureStatus:
        """Return the status as of this frame."""
        if self._last is None or not np.array_equal(self._last, frame.image):
            self._last, self._changed_at = frame.image, frame.at
        look = _look(frame.image)
        if look is not self._look:
            self._look, self._look_since = look, frame.at
        if look is not PictureStatus.OK and frame.at - self._look_since >= self._dark_after_s:
            return look
        # The noise of a sensor changes every picture, even of an empty room at night.
        if frame.at - self._changed_at >= self._frozen_after_s:
            return PictureStatus.FROZEN
        return PictureStatus.OK


class SoundHealth:
    """Watches one live microphone and judges every `window_s` of sound."""

    def __init__(self, *, window_s: float = 2.0) -> None:
        self._window_s = window_s
        self._window: list[AudioChunk] = []
        self._status = SoundStatus.OK

    def check(self, chunk: AudioChunk) -> SoundStatus:
        """Return the status as of the last whole window."""
        self._window.append(chunk)
        if chunk.at - self._window[0].at >= self._window_s:
            self._status = _sound(np.concatenate([each.samples for each in self._window]))
            self._window.clear()
        return self._status


def _look(image: Image) -> PictureStatus:
    height, width = (size - size % _CELL for size in image.shape[:2])
    cells = image[:height, :width, 1].reshape(height // _CELL, _CELL, width // _CELL, _CELL).mean(axis=(1, 3))
    if min(cells.shape) < 2:
        return PictureStatus.OK
    if np.percentile(cells, 99) < _BLACK_LEVEL:
        return PictureStatus.BLACK
    steps = np.concatenate([np.abs(np.diff(cells, axis=axis)).ravel() for axis in (0, 1)])
    # A hand on the lens still lets a soft gradient through; any real view has a few edges.
    return PictureStatus.COVERED if np.percentile(steps, 99) < _EDGE_STEP else PictureStatus.OK


def _sound(samples: NDArray[np.float32]) -> SoundStatus:
    # A living microphone always has noise; digital silence, or one constant value, is a dead or muted one.
    if np.ptp(samples) == 0:
        return SoundStatus.DEAD
    clipped = np.mean(np.abs(samples) >= _FULL_SCALE) > _CLIPPED_SHARE
    return SoundStatus.CLIPPED if clipped else SoundStatus.OK
