"""Is this picture worth waking the model for?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_runtime.types import Image

_COLUMNS = 160
_LEARN_S = 1.5
_LEAST_STEP = 10.0
_NOISE_STEPS = 6.0


@dataclass(frozen=True, slots=True)
class Motion:
    """What changed: `area` is the fraction of the picture, `look` whether the model should see it."""

    area: float
    moving: bool
    look: bool


class MotionGate:
    """Compares each picture with a slowly learnt background of the same view.

    The step that counts as a change follows the camera's own noise (median absolute deviation), and a change of
    the whole picture's brightness is taken out first, so that clouds and lamps do not wake the model.
    """

    def __init__(self, area: float, refresh_s: float) -> None:
        """Wake at `area` (fraction of the picture) changed, and every `refresh_s` seconds in any case."""
        self._area = area
        self._refresh_s = refresh_s
        self._background: NDArray[np.float32] | None = None
        self._learnt_at = 0.0
        self._looked_at = float("-inf")

    def update(self, image: Image, at: float) -> Motion:
        """Take the picture seen at `at` (seconds) into account."""
        small = _shrink(image)
        area = self._changed_area(small, at)
        moving = area >= self._area
        look = moving or at - self._looked_at >= self._refresh_s
        if look:
            self._looked_at = at
        return Motion(area, moving, look)

    def _changed_area(self, small: NDArray[np.float32], at: float) -> float:
        if self._background is None or self._background.shape != small.shape:
            self._background, self._learnt_at, self._looked_at = small, at, float("-inf")
            return 0.0
        difference = small - self._background
        difference -= np.median(difference)
        step = np.abs(difference)
        noise = 1.4826 * float(np.median(step))
        changed = step > max(_LEAST_STEP, _NOISE_STEPS * noise)
        learnt = 1 - math.exp(-max(at - self._learnt_at, 0.0) / _LEARN_S)
        self._background += np.float32(learnt) * (small - self._background)
        self._learnt_at = at
        return float(changed.mean())


def _shrink(image: Image) -> NDArray[np.float32]:
    """Return the green channel at about 160 columns, four samples averaged per cell against noise."""
    step = max(2, image.shape[1] // _COLUMNS)
    half = step // 2
    rows, columns = image.shape[0] // step * step, image.shape[1] // step * step
    green = image[:rows, :columns, 1]
    cells = np.zeros((rows // step, columns // step), np.float32)
    for y in (0, half):
        for x in (0, half):
            cells += green[y::step, x::step]
    return cells * np.float32(0.25)
