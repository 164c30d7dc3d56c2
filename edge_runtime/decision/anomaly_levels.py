"""Memories of the same things in coarse and in fine detail, which judge together."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from edge_runtime.decision.anomaly import FALSE_ALARMS, SIZE, AnomalyMemory, exceeded_by

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

_LEAST_SPREAD = 0.01


class LevelMemory:
    """One AnomalyMemory for each level of detail.

    What one level makes of a thing is measured by what it makes of normal things that it has not learnt: by how many of
    their spreads its logarithm is above their middle.

    Args:
        weights: how much each level counts.
        size: rows that each keeps at most.
    """

    def __init__(self, weights: Sequence[float], size: int = SIZE) -> None:
        self.weights = np.array(weights, np.float64)
        self.memories = tuple(AnomalyMemory(size) for _ in weights)

    @property
    def count(self) -> int:
        """Cells that were learnt, of all levels."""
        return sum(memory.count for memory in self.memories)

    def learn(self, levels: Sequence[Floats]) -> None:
        """Add a normal thing: its cells in each level, float32 (rows, columns, dimensions).

        Raises:
            ValueError: there are more or fewer levels, or they have other features, than before.
        """
        for memory, cells in zip(self.memories, levels, strict=True):
            memory.learn(cells)

    def judge(self, things: Sequence[Sequence[float]]) -> None:
        """Take note of what normal things scored in each level that these memories had not learnt."""
        for place, memory in enumerate(self.memories):
            memory.judge([levels[place] for levels in things])

    def each(self, levels: Sequence[Floats]) -> tuple[float, ...]:
        """Return what each level by itself makes of a thing."""
        return tuple(memory.score(cells)[0] for memory, cells in zip(self.memories, levels, strict=True))

    def score(self, levels: Sequence[Floats]) -> tuple[float, Floats]:
        """Return how unusual a thing is, 1 being what normal things are, and each of its cells in the finest level.

        Raises:
            ValueError: nothing was learnt, or cells have other features.
        """
        found = [memory.score(cells) for memory, cells in zip(self.memories, levels, strict=True)]
        finest = max((heat.shape for _, heat in found), key=math.prod)
        middles = [math.exp(middle) for middle, _ in self._spreads()]
        heats = [_stretched(heat, finest) / np.float32(m) for (_, heat), m in zip(found, middles, strict=True)]
        heat: Floats = np.average(np.stack(heats), 0, self.weights).astype(np.float32)
        return float(self._together(np.array([[score for score, _ in found]]))[0]), heat

    def threshold(self, false_alarms: float = FALSE_ALARMS) -> float:
        """Return the score that at most this share of normal things exceeds."""
        things = np.array([memory.scores for memory in self.memories], np.float64).T
        return exceeded_by(self._together(things).tolist() if things.size else (), false_alarms)

    def copy(self) -> LevelMemory:
        """Return another memory of the same; what one learns from now on the other does not."""
        other = LevelMemory(self.weights.tolist())
        other.memories = tuple(memory.copy() for memory in self.memories)
        return other

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return all of it by name, for an .npz file."""
        arrays = [memory.to_arrays() for memory in self.memories]
        named = {f"{place}.{name}": array for place, one in enumerate(arrays) for name, array in one.items()}
        return {"weights": self.weights, **named}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the memory that `to_arrays` gave.

        Raises:
            ValueError: the arrays are those of no memory, or of one of another format.
        """
        weights = arrays.get("weights")
        if weights is None or weights.ndim != 1:
            raise ValueError("no anomaly memory (it has no levels)")
        memory = cls(weights.tolist())
        marks = [f"{place}." for place in range(len(weights))]
        memory.memories = tuple(
            AnomalyMemory.from_arrays({k.removeprefix(mark): v for k, v in arrays.items() if k.startswith(mark)})
            for mark in marks
        )
        return memory

    def _spreads(self) -> list[tuple[float, float]]:
        """Return middle and spread of the logarithms of what each level makes of normal things."""
        found = []
        for memory in self.memories:
            logs = np.log(np.maximum(np.asarray(memory.scores, np.float64), 1e-9))
            some = len(logs) > 1
            found.append((float(np.mean(logs)), max(float(np.std(logs)), _LEAST_SPREAD)) if some else (0.0, 1.0))
        return found

    def _together(self, things: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return one score for what the levels make of each thing, shape (things, levels)."""
        middles, spreads = np.array(self._spreads()).T
        above = (np.log(np.maximum(things, 1e-9)) - middles) / spreads
        share = self.weights / self.weights.sum()
        scores: NDArray[np.float64] = np.exp((above @ share) * (spreads @ share))
        return scores


def _stretched(heat: Floats, shape: tuple[int, ...]) -> Floats:
    """Return a map with as many cells as a finer one; cells lie about their upper left corners."""
    for axis, wanted in enumerate(shape):
        have = heat.shape[axis]
        place = np.arange(wanted, dtype=np.float32) * np.float32(have / wanted)
        low = place.astype(np.int64)
        share = (place - low).reshape([-1 if one == axis else 1 for one in range(heat.ndim)])
        high = np.minimum(low + 1, have - 1)
        heat = np.take(heat, low, axis) * (1 - share) + np.take(heat, high, axis) * share
    return heat.astype(np.float32)
