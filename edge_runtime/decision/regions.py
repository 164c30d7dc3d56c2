"""Which places of a view belong together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Places = NDArray[np.bool_]


def around_peak(strange: Floats, least: float) -> Places:
    """Return the places about the strangest one that are connected with it and not far less strange."""
    high = strange >= least
    there = np.zeros(strange.shape, bool)
    there.flat[int(strange.argmax())] = True
    while True:
        grown = (wider(there) & high) | there
        if (grown == there).all():
            return there
        there = grown


def wider(places: Places) -> Places:
    """Return the places and those beside them."""
    rim = np.pad(places, 1)
    rows, columns = places.shape
    out: Places = np.zeros_like(places)
    for y in range(3):
        for x in range(3):
            out |= rim[y : y + rows, x : x + columns]
    return out


def bounds(there: Places) -> list[float]:
    """Return the box around places, as fractions of the picture."""
    (rows,), (columns,) = (np.nonzero(there.any(axis)) for axis in (1, 0))
    high, wide = there.shape
    sides = columns[0] / wide, rows[0] / high, (columns[-1] + 1) / wide, (rows[-1] + 1) / high
    return [round(float(side), 4) for side in sides]
