"""What a picture or a sound is made of, cell by cell, as a memory of what is normal wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.inference.log_mel import log_mel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

_FRAMES = 10
_SHORTEST_SAMPLES = 400 + 160 * (_FRAMES - 1)

STEP_S = 0.1
"""Seconds of one cell of a sound."""


def picture_cells(maps: Sequence[Floats]) -> Floats:
    """Return the cells of a picture, float32 (rows, columns, features).

    Args:
        maps: `Look.patches`, (channels, rows, columns) each, from fine to coarse.

    The maps in the middle are taken, whose cells are of one size: finer ones tell dust from defects no better and cost
    four times as much, coarser ones look past small defects (measured by bench/anomaly.py).
    """
    middle = maps[len(maps) // 2].shape[1:]
    joined = np.concatenate([one for one in maps if one.shape[1:] == middle])
    return np.ascontiguousarray(joined.transpose(1, 2, 0), np.float32)


def sound_cells(samples: Floats) -> Floats:
    """Return the cells of a sound, float32 (steps of 0.1 s, 64 bands): its log-mel spectrum, averaged.

    Args:
        samples: float32 mono at 16 kHz in -1 to 1, shape (samples,); shorter ones than a step are followed by silence.
    """
    frames = log_mel(np.pad(samples, (0, max(0, _SHORTEST_SAMPLES - len(samples)))))
    steps = len(frames) // _FRAMES
    cells: Floats = frames[: steps * _FRAMES].reshape(steps, _FRAMES, -1).mean(1)
    return cells
