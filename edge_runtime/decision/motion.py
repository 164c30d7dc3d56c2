"""Is this picture worth waking the model for?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_runtime.types import Box, Image

_COLUMNS = 160
_LEARN_S = 1.5
_SETTLED_S = 60.0
_VISIT_STEP = 30.0
"""A greater step moves the settled view no more than this one does: else who comes often becomes part of it."""
_NEW_VIEW_S = 2.0
_NEW_VIEW_PICTURES = 6
_LEAST_STEP = 10.0
_MOST_STEP = 60.0
_NOISE_STEPS = 6.0
_VIEW_SHARE, _VIEW_SIGMAS = 1 / 3, 0.861
"""Somebody near leaves so much of the view at least; the middle third of a normal spread is so many sigmas wide."""


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
        self._settled: NDArray[np.float32] | None = None
        self._difference: NDArray[np.float32] | None = None
        self._different: NDArray[np.bool_] | None = None
        self._learnt_at = self._view_since = 0.0
        self._pictures = 0
        self._looked_at = float("-inf")

    def novelty(self, box: Box) -> float:
        """Return the share of the box that looks unlike the view of the last minutes, 0 to 1.

        A chair that the model takes for a person has always been there. What is there when the view is new counts as
        new, and so does everything after the camera was moved.
        """
        new_view = self._pictures < _NEW_VIEW_PICTURES or self._learnt_at - self._view_since < _NEW_VIEW_S
        if self._difference is None or new_view:
            return 1.0
        if self._different is None:
            # Most pictures hold nothing that anybody asks this about.
            self._different = _not_the_view(self._difference)
        rows, columns = self._different.shape
        inside = self._different[
            int(box[1] * rows) : math.ceil(box[3] * rows), int(box[0] * columns) : math.ceil(box[2] * columns)
        ]
        return float(inside.mean()) if inside.size else 0.0

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
        if self._background is None or self._settled is None or self._background.shape != small.shape:
            self._background, self._settled, self._difference = small, small.copy(), None
            self._learnt_at, self._view_since, self._looked_at = at, at, float("-inf")
            self._pictures = 1
            return 0.0
        changed = _unlike(small - self._background)
        self._difference, self._different = small - self._settled, None
        passed = max(at - self._learnt_at, 0.0)
        self._background += np.float32(1 - math.exp(-passed / _LEARN_S)) * (small - self._background)
        self._settled += np.float32(1 - math.exp(-passed / _SETTLED_S)) * self._difference.clip(
            -_VISIT_STEP, _VISIT_STEP
        )
        self._learnt_at = at
        self._pictures += 1
        return float(changed.mean())


def _unlike(difference: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return where a picture differs by more than its noise, whatever the light does to all of it."""
    step = np.abs(difference - _middle(difference))
    noise = 1.4826 * _middle(step)
    # No camera is noisier than the upper bound; beyond it, it is the view that has changed.
    unlike: NDArray[np.bool_] = step > min(max(_LEAST_STEP, _NOISE_STEPS * noise), _MOST_STEP)
    return unlike


def _not_the_view(difference: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return where a picture is not the view, also where that fills but a third of it.

    Light and noise are those of the third whose differences lie closest together (the shorth, Andrews et al. 1972).
    """
    some = np.sort(difference[::2, ::2], axis=None)
    third = int(len(some) * _VIEW_SHARE)
    widths = some[third:] - some[:-third]
    first = int(widths.argmin())
    light = (some[first] + some[first + third]) / 2
    noise = float(widths[first]) / _VIEW_SIGMAS
    unlike: NDArray[np.bool_] = np.abs(difference - light) > min(max(_LEAST_STEP, _NOISE_STEPS * noise), _MOST_STEP)
    return unlike


def _middle(cells: NDArray[np.float32]) -> float:
    """Return the median, as a quarter of the cells has it."""
    some = cells[::2, ::2].ravel()
    half = len(some) // 2
    return float(np.partition(some, half)[half])


def _shrink(image: Image) -> NDArray[np.float32]:
    """Return the green channel at about 160 columns, four samples averaged per cell against noise."""
    step = max(2, image.shape[1] // _COLUMNS)
    half = step // 2
    rows, columns = image.shape[0] // step * step, image.shape[1] // step * step
    # One walk over the picture instead of four, where it can be: that is what this costs.
    walk = half if step % 2 == 0 else 1
    green, jump, far = image[:rows:walk, :columns:walk, 1].astype(np.uint16), step // walk, half // walk
    four = [green[y::jump, x::jump] for y in (0, far) for x in (0, far)]
    return (four[0] + four[1] + four[2] + four[3]) * np.float32(0.25)
