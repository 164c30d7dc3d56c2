"""How well tracks follow things: CLEAR MOT (Bernardin 2008) and IDF1 (Ristani 2016), without scipy.

A truth and what was found are, picture by picture, a box for each name.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from edge_runtime.types import Box

Boxes = list[dict[int, "Box"]]


@dataclass(frozen=True)
class Scores:
    """Figures of one clip: `idf1` and `mota` are fractions, the rest counts."""

    idf1: float
    mota: float
    switches: int
    misses: int
    false_boxes: int
    things: int
    tracks: int
    false_tracks: int


def score(truth: Boxes, found: Boxes, overlap: float) -> Scores:
    """Judge tracks; a box is right where intersection over union reaches `overlap`."""
    kept: dict[int, int] = {}
    matched: set[int] = set()
    switches = misses = false_boxes = 0
    together: Counter[tuple[int, int]] = Counter()
    for there, seen in zip(truth, found, strict=True):
        pairs = _paired(there, seen, kept, overlap)
        switches += sum(kept.get(thing, track) != track for thing, track in pairs.items())
        misses, false_boxes = misses + len(there) - len(pairs), false_boxes + len(seen) - len(pairs)
        kept |= pairs
        matched |= set(pairs.values())
        together.update((a, b) for a, box in there.items() for b, other in seen.items() if iou(box, other) >= overlap)
    boxes, guesses = sum(map(len, truth)), sum(map(len, found))
    names, tracks = sorted({n for there in truth for n in there}), sorted({n for seen in found for n in seen})
    gain = np.array([[float(together[a, b]) for b in tracks] for a in names]).reshape(len(names), len(tracks))
    right = sum(gain[pair] for pair in assign(gain))
    return Scores(
        idf1=2 * right / max(boxes + guesses, 1),
        mota=1 - (misses + false_boxes + switches) / max(boxes, 1),
        switches=switches,
        misses=misses,
        false_boxes=false_boxes,
        things=len(names),
        tracks=len(tracks),
        false_tracks=len(set(tracks) - matched),
    )


def _paired(
    there: Mapping[int, Box], seen: Mapping[int, Box], kept: Mapping[int, int], overlap: float
) -> dict[int, int]:
    """Pair things with tracks: those that still fit stay together, the rest by most overlap."""
    pairs: dict[int, int] = {}
    for thing, box in there.items():
        track = kept.get(thing)
        if track is not None and track in seen and track not in pairs.values() and iou(box, seen[track]) >= overlap:
            pairs[thing] = track
    things, tracks = [n for n in there if n not in pairs], [n for n in seen if n not in pairs.values()]
    fits = np.array([[iou(there[a], seen[b]) for b in tracks] for a in things]).reshape(len(things), len(tracks))
    return pairs | {
        things[a]: tracks[b] for a, b in assign(np.where(fits >= overlap, fits, 0.0)) if fits[a, b] >= overlap
    }


def assign(gain: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Return the pairs of rows and columns with the greatest sum (Kuhn and Munkres, by shortest augmenting paths)."""
    if gain.shape[0] > gain.shape[1]:
        return [(row, column) for column, row in assign(gain.T)]
    rows, columns = gain.shape
    cost = gain.max(initial=0.0) - gain
    up, down = [0.0] * (rows + 1), [0.0] * (columns + 1)
    owner = [0] * (columns + 1)
    for row in range(1, rows + 1):
        owner[0], column = row, 0
        least, used, way = [math.inf] * (columns + 1), [False] * (columns + 1), [0] * (columns + 1)
        while owner[column]:
            used[column], here, step, following = True, owner[column], math.inf, 0
            for other in (c for c in range(1, columns + 1) if not used[c]):
                slack = cost[here - 1, other - 1] - up[here] - down[other]
                if slack < least[other]:
                    least[other], way[other] = slack, column
                if least[other] < step:
                    step, following = least[other], other
            for other in range(columns + 1):
                if used[other]:
                    up[owner[other]], down[other] = up[owner[other]] + step, down[other] - step
                else:
                    least[other] -= step
            column = following
        while column:
            owner[column], column = owner[way[column]], way[column]
    return [(owner[column] - 1, column - 1) for column in range(1, columns + 1) if owner[column]]


def iou(box: Sequence[float], other: Sequence[float]) -> float:
    """Return the intersection over union of two boxes."""
    wide = min(box[2], other[2]) - max(box[0], other[0])
    high = min(box[3], other[3]) - max(box[1], other[1])
    shared = max(wide, 0.0) * max(high, 0.0)
    sizes = (box[2] - box[0]) * (box[3] - box[1]) + (other[2] - other[0]) * (other[3] - other[1])
    return shared / max(sizes - shared, 1e-12)


def check() -> None:
    """Prove the figures on cases worked out by hand."""
    here, there = (0.0, 0.0, 0.2, 0.2), (0.5, 0.5, 0.7, 0.7)
    truth: Boxes = [{1: here, 2: there}] * 10
    assert score(truth, truth, 0.5) == Scores(1.0, 1.0, 0, 0, 0, 2, 2, 0)
    swapped: Boxes = [{7: here, 8: there}] * 5 + [{8: here, 7: there}] * 5
    assert score(truth, swapped, 0.5) == Scores(0.5, 0.9, 2, 0, 0, 2, 2, 0)
    half: Boxes = [{7: here}] * 10
    assert score(truth, half, 0.5) == Scores(20 / 30, 0.5, 0, 10, 0, 2, 1, 0)
    ghost: Boxes = [{7: here, 8: there, 9: (0.8, 0.0, 0.9, 0.1)}] * 10
    assert score(truth, ghost, 0.5) == Scores(0.8, 0.5, 0, 0, 10, 2, 3, 1)
    merged: Boxes = [{7: here, 8: there}] * 5 + [{8: here}] * 5
    both: Boxes = [{1: here, 2: there}] * 5 + [{1: here, 2: here}] * 5
    assert score(both, merged, 0.5).false_boxes == 0
    assert score(both, merged, 0.5).misses == 5
    assert sorted(assign(np.array([[4.0, 5.0, 0.0], [5.0, 9.0, 9.0]]))) == [(0, 1), (1, 2)]


check()
