"""Find what may be letters in a picture, number plates above all: rather too much than too little, without a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_runtime.types import Box, Image

    Grey = NDArray[np.uint8]
    Numbers = NDArray[np.float32]

LONGEST_SIDE = 512
"""Pixels of the longer side at which letters are sought; what cannot be read at this size cannot be read when sent."""

_SCALES = (2.0, 1.4, 1.0, 0.7, 0.5, 0.35, 0.25)
_LOWEST, _HIGHEST = 9, 32
"""Rows of a letter at each scale."""
_BLOCKS = (15, 41)
_CONTRAST = 14
_MOST = 900
_SLOPE = 0.25
_FUSED = 1.8
"""Width by height of letters that run into each other at most."""

_TOGETHER = 3
"""Letters in a row that count as writing."""


def find_letters(image: Image) -> list[Box]:
    """Return boxes around what may be rows of letters or digits in an RGB picture of any size."""
    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
    fit = min(LONGEST_SIDE / max(grey.shape), 1.0)
    found: list[Box] = []
    for scale in _SCALES:
        size = (max(round(grey.shape[1] * fit * scale), 1), max(round(grey.shape[0] * fit * scale), 1))
        way = cv2.INTER_AREA if fit * scale < 1 else cv2.INTER_CUBIC
        small = np.asarray(cv2.resize(grey, size, interpolation=way), np.uint8)
        if min(small.shape) < _LOWEST:
            continue
        for dark in (True, False):
            for block in _BLOCKS:
                found += [_fractions(row, small.shape) for row in _rows(_letters(small, block, dark=dark))]
        found += [_fractions(row, small.shape) for row in _bands(small)]
    return found


def _letters(grey: Grey, block: int, *, dark: bool) -> Numbers:
    """Return what may be single letters: left, top, right, bottom and tone, (n, 5)."""
    kind = cv2.THRESH_BINARY_INV if dark else cv2.THRESH_BINARY
    offset = _CONTRAST if dark else -_CONTRAST
    ink = cv2.adaptiveThreshold(grey, 255, cv2.ADAPTIVE_THRESH_MEAN_C, kind, block, offset)
    return _singled(grey, np.asarray(ink, np.uint8))


def _singled(grey: Grey, ink: Grey) -> Numbers:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    x, y, w, h, area = stats.T.astype(np.float32)
    fits = (h >= _LOWEST) & (h <= _HIGHEST) & (w <= _FUSED * h) & (w >= 0.1 * h)
    fits &= (area >= 0.15 * w * h) & (area <= 0.92 * w * h)
    fits[0] = False
    rows = np.nonzero(fits)[0][:_MOST]
    tones = np.bincount(labels.ravel(), grey.ravel(), count) / np.maximum(area, 1)
    return np.stack([x, y, x + w, y + h, tones], 1)[rows].astype(np.float32)


def _rows(letters: Numbers) -> list[Numbers]:
    """Return boxes (4,) around letters that stand side by side, of like height and tone."""
    n = len(letters)
    if n == 0:
        return []
    x0, y0, x1, y1, tone = letters.T
    high = y1 - y0
    lower = np.minimum(high[:, None], high)
    gap = np.maximum(x0[:, None], x0) - np.minimum(x1[:, None], x1)
    shared = np.minimum(y1[:, None], y1) - np.maximum(y0[:, None], y0)
    near = (gap < 1.0 * lower) & (gap > -0.3 * lower) & (shared > 0.6 * lower)
    near &= (np.maximum(high[:, None], high) < 1.5 * lower) & (np.abs(tone[:, None] - tone) < 28)
    above = list(range(n))
    for one, other in np.argwhere(np.triu(near, 1)).tolist():
        a, b = _top(above, one), _top(above, other)
        above[max(a, b)] = min(a, b)
    group = np.array([_top(above, one) for one in range(n)])
    boxes = []
    for name in np.unique(group):
        of = letters[group == name]
        box = np.concatenate([of[:, :2].min(axis=0), of[:, 2:4].max(axis=0)])
        tallest = 1.6 * float(np.median(of[:, 3] - of[:, 1])) + _SLOPE * float(box[2] - box[0])
        # Leaves and fabric make heaps, letters make rows.
        if len(of) >= _TOGETHER and box[3] - box[1] <= tallest:
            boxes.append(box)
    return boxes


def _top(above: list[int], one: int) -> int:
    """Return the first of a letter's group, and shorten the way to it."""
    while above[one] != one:
        above[one] = above[above[one]]
        one = above[one]
    return one


def _bands(grey: Grey) -> list[Numbers]:
    """Return boxes of strokes that stand close together in a row, if two tones tell letters in them."""
    strokes = cv2.morphologyEx(grey, cv2.MORPH_GRADIENT, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3)))
    edges = np.asarray((strokes > 24) & (strokes > cv2.boxFilter(strokes, -1, (31, 31))), np.uint8) * 255
    row = cv2.morphologyEx(edges, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_RECT, (9, 1)))
    row = cv2.morphologyEx(row, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_RECT, (3, 5)))
    found = []
    for x, y, w, h, area in cv2.connectedComponentsWithStats(row, connectivity=4)[2][1:].tolist():
        if not (_LOWEST <= h <= 1.5 * _HIGHEST and w >= 1.2 * h and area >= 0.4 * w * h):
            continue
        inside = grey[y : y + h, x : x + w]
        _, light = cv2.threshold(inside, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
        for ink in (light, 255 - light):
            letters = _singled(inside, np.asarray(ink, np.uint8))
            if len(_rows(letters[letters[:, 3] - letters[:, 1] >= 0.4 * h])):
                found.append(np.array([x, y, x + w, y + h], np.float32))
                break
    return found


def _fractions(box: Numbers, shape: tuple[int, ...]) -> Box:
    """Return a box with half its height more on each side, for the ends of a row are easily missed."""
    x0, y0, x1, y1 = (float(v) for v in box)
    more = min((y1 - y0) * 0.4, 16.0)
    height, width = shape
    return (
        max((x0 - 2 * more) / width, 0.0), max((y0 - more) / height, 0.0),
        min((x1 + 2 * more) / width, 1.0), min((y1 + more) / height, 1.0),
    )  # fmt: skip
