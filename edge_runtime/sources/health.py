"""Whether a source that delivers still sees and hears: frozen, black, covered pictures; dead, faint, torn sound."""

from __future__ import annotations

import enum
from collections import deque
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
_STUCK = 1e-6
_STUCK_SHARE = 0.99
_FAINT = 4 / 32768
"""The loudest moment of a microphone whose gain is off: a few steps of its converter."""
_LONGEST_PATIENCE_S = 600.0
_LOSS_MEMORY_S = 30.0
_MANY_LOSSES = 3


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
    QUIET = "quiet"
    CLIPPED = "clipped"
    CHOPPY = "choppy"


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
    """Watches one live microphone and judges every `window_s` of sound.

    A microphone that is dead for a while and comes back by itself may have a noise gate, which gives digital silence
    between two sounds; each time this happens it is given twice as long before it counts as dead again.
    """

    def __init__(self, *, window_s: float = 2.0, quiet_after_s: float = 60.0) -> None:
        self._window_s = window_s
        self._quiet_after_s = quiet_after_s
        self._window: list[AudioChunk] = []
        self._status = SoundStatus.OK
        self._patience_s = window_s
        self._dead_since: float | None = None
        self._heard_at: float | None = None
        self._losses: deque[tuple[float, int]] = deque()

    def check(self, chunk: AudioChunk, lost: int = 0) -> SoundStatus:
        """Return the status as of the last whole window.

        Args:
            chunk: the next sound.
            lost: how often sound was lost since the beginning.
        """
        self._window.append(chunk)
        began_at = self._window[0].at
        if chunk.at - began_at >= self._window_s:
            samples = np.concatenate([each.samples for each in self._window])
            self._window.clear()
            self._losses.append((began_at, lost))
            while chunk.at - self._losses[0][0] > _LOSS_MEMORY_S:
                self._losses.popleft()
            self._status = self._judge(began_at, chunk.at, samples)
        return self._status

    def _judge(self, began_at: float, at: float, samples: NDArray[np.float32]) -> SoundStatus:
        middle = np.median(samples)
        away = np.abs(samples - middle)
        # A living microphone always has noise; one constant value, zero or not, is a dead or muted one.
        if np.mean(away < _STUCK) > _STUCK_SHARE:
            self._dead_since = began_at if self._dead_since is None else self._dead_since
            return SoundStatus.DEAD if at - self._dead_since >= self._patience_s else self._status
        if self._status is SoundStatus.DEAD:
            self._patience_s = min(2 * self._patience_s, _LONGEST_PATIENCE_S)
        self._dead_since = None
        if self._heard_at is None or away.max() > _FAINT:
            self._heard_at = at
        if self._losses[-1][1] - self._losses[0][1] >= _MANY_LOSSES:
            return SoundStatus.CHOPPY
        if np.mean(np.abs(samples) >= _FULL_SCALE) > _CLIPPED_SHARE:
            return SoundStatus.CLIPPED
        return SoundStatus.QUIET if at - self._heard_at >= self._quiet_after_s else SoundStatus.OK


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
