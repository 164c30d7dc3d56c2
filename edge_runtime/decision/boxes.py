"""How large boxes are, and how alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_runtime.types import Box


def area(box: Box) -> float:
    """Return the fraction of the picture that a box fills."""
    return max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)


def centre(box: Box) -> tuple[float, float]:
    """Return the middle of a box."""
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def sides(box: Box) -> tuple[float, float]:
    """Return width and height of a box, never 0."""
    return max(box[2] - box[0], 1e-6), max(box[3] - box[1], 1e-6)


def overlap(box: Box, other: Box) -> tuple[float, float]:
    """Return the intersection over union of two boxes, and what fraction of the smaller one they share."""
    wide, high = min(box[2], other[2]) - max(box[0], other[0]), min(box[3], other[3]) - max(box[1], other[1])
    shared, small, large = max(wide, 0.0) * max(high, 0.0), *sorted((area(box), area(other)))
    return shared / max(small + large - shared, 1e-12), shared / max(small, 1e-12)


def likeness(boxes: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how likely each pair is the same thing, 0 to 1, shape (n, m), by place and size.

    Intersection over union is blind to near misses of fast things, so where there is little of it, closeness of the
    centres measured in box sizes counts, for half as much.
    """
    smaller = np.minimum(_sizes(boxes)[:, None], _sizes(others)[None, :])
    middle, other_middle = ((b[:, :2] + b[:, 2:]) / 2 for b in (boxes, others))
    distance = np.linalg.norm(middle[:, None] - other_middle[None, :], axis=2)
    near = np.clip(1 - distance / (2 * np.sqrt(smaller)), 0, 1) * size_ratio(boxes, others) * 0.5
    alike: NDArray[np.float64] = np.maximum(_intersection_over_union(boxes, others), near)
    return alike


def size_ratio(boxes: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how large the smaller one of each pair is, as a fraction of the larger one, shape (n, m)."""
    size, other_size = _sizes(boxes)[:, None], _sizes(others)[None, :]
    ratio: NDArray[np.float64] = np.minimum(size, other_size) / np.maximum(size, other_size)
    return ratio


def _intersection_over_union(boxes: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the intersection over union of each pair, shape (n, m)."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    ratio: NDArray[np.float64] = shared / (_sizes(boxes)[:, None] + _sizes(others)[None, :] - shared)
    return ratio


def _sizes(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the fraction of the picture that each box fills, shape (n,), never 0."""
    found: NDArray[np.float64] = np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 1e-6, None), axis=1)
    return found
