"""Where a picture shows what the view of the last minutes did not: boxes around it, the largest first."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from edge_runtime.types import Box, Image

    Cells = NDArray[np.float32]

_COLUMNS = 96
_BLOCK = 4
_SETTLE_S = 60.0
_OTHER_VIEW, _SAME_VIEW, _SETTLE_ANEW_S = 0.3, 0.03, 5.0
"""Where so much has changed, the light was switched or the camera moved: until that is learnt, nothing else is seen."""
_LEAST_STEP = 12.0
_MOST_STEP = 60.0
_NOISE_STEPS = 6.0
_FILLED = 0.3
"""Share of a block's cells that must have changed: single cells are noise, rain and leaves."""
_LEAST_CELLS = 6


class Changes:
    """A slowly learnt view of one camera.

    As MotionGate does, it takes out what changes the brightness of the whole picture, and takes for noise what most of
    the picture does; unlike it, it says where.
    """

    def __init__(self) -> None:
        self._view: Cells | None = None
        self._learnt_at = 0.0
        self._anew = False

    def update(self, image: Image, at: float) -> list[Box]:
        """Return boxes around what has changed in an RGB picture seen at `at` (seconds), and learn it slowly.

        A first picture, and one of another size, is all new: one box of the whole.
        """
        cells = _shrunk(image)
        if self._view is None or self._view.shape != cells.shape or at < self._learnt_at:
            self._view, self._learnt_at = cells, at
            return [(0.0, 0.0, 1.0, 1.0)]
        difference = cells - self._view
        difference -= np.median(difference)
        step = np.abs(difference)
        noise = 1.4826 * float(np.median(step))
        changed = step > min(max(_LEAST_STEP, _NOISE_STEPS * noise), _MOST_STEP)
        self._anew = bool(changed.mean() >= (_SAME_VIEW if self._anew else _OTHER_VIEW))
        settle_s = _SETTLE_ANEW_S if self._anew else _SETTLE_S
        share = np.float32(1 - math.exp(-(at - self._learnt_at) / settle_s))
        # Never changed in place: a state that was taken refers to it.
        self._view, self._learnt_at = self._view + share * (cells - self._view), at
        return sorted(_boxes(changed), key=lambda box: (box[0] - box[2]) * (box[3] - box[1]))

    def state(self) -> tuple[Mapping[str, object], Mapping[str, NDArray[Any]]]:
        """Return what `restore` needs: JSON values, and the view, which never changes."""
        return {"learnt_at": self._learnt_at, "anew": self._anew}, {} if self._view is None else {"view": self._view}

    def restore(self, state: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take on what `state` returned."""
        self._learnt_at, self._anew = float(state["learnt_at"]), bool(state["anew"])
        self._view = np.asarray(arrays["view"], np.float32) if "view" in arrays else None


def _shrunk(image: Image) -> Cells:
    """Return the green channel in about 96 columns, sixteen samples averaged per cell against noise."""
    step = max(1, image.shape[1] // _COLUMNS)
    rows, columns = image.shape[0] // step, image.shape[1] // step
    cells = np.zeros((rows, columns), np.float32)
    offsets = sorted({step * part // 4 for part in range(4)})
    for y in offsets:
        for x in offsets:
            cells += image[y : rows * step : step, x : columns * step : step, 1]
    cells /= np.float32(len(offsets) ** 2)
    return cells


def _boxes(changed: NDArray[np.bool_]) -> Iterator[Box]:
    """Yield a box around each group of neighbouring blocks in which enough cells changed."""
    rows, columns = (side // _BLOCK for side in changed.shape)
    inside = changed[: rows * _BLOCK, : columns * _BLOCK]
    filled = inside.reshape(rows, _BLOCK, columns, _BLOCK).mean((1, 3)) >= _FILLED
    left = {(int(y), int(x)) for y, x in zip(*np.nonzero(filled), strict=True)}
    for start in sorted(left):
        if start not in left:
            continue
        left.discard(start)
        group, edge = [start], [start]
        while edge:
            y, x = edge.pop()
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            group += near
            edge += near
        box = _around(changed, group)
        if box is not None:
            yield box


def _around(changed: NDArray[np.bool_], group: list[tuple[int, int]]) -> Box | None:
    """Return the box around the changed cells of a group of blocks and one block beside it; None for a speck."""
    top, bottom = min(y for y, _ in group) - 1, max(y for y, _ in group) + 2
    left, right = min(x for _, x in group) - 1, max(x for _, x in group) + 2
    y0, x0 = max(top, 0) * _BLOCK, max(left, 0) * _BLOCK
    window = changed[y0 : bottom * _BLOCK, x0 : right * _BLOCK]
    ys, xs = np.nonzero(window)
    if len(ys) < _LEAST_CELLS:
        return None
    rows, columns = changed.shape
    return (
        (x0 + int(xs.min())) / columns,
        (y0 + int(ys.min())) / rows,
        (x0 + int(xs.max()) + 1) / columns,
        (y0 + int(ys.max()) + 1) / rows,
    )
