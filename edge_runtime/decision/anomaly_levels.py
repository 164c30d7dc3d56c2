"""Memories of the same things in coarse and in fine detail, which judge together."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from edge_runtime.decision.anomaly import FALSE_ALARMS, SIZE, AnomalyMemory, exceeded_by
from edge_runtime.decision.anomaly_whole import WholeMemory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

_LEAST, _LEAST_SPREAD = 1e-9, 0.01
_MOST_SCORES = 2000
_WHOLE = "whole"


class LevelMemory:
    """One AnomalyMemory for each level of detail, and what things are like as a whole.

    What each of them makes of a thing is measured by what it makes of normal things that it has not learnt: by how many
    of their spreads its logarithm is above their middle. Their exponentials are averaged, so that one that is sure of a
    fault need not be borne out by the others.

    Args:
        weights: how much each level counts.
        size: rows that each level keeps at most.
        whole: how much the whole counts.
    """

    def __init__(self, weights: Sequence[float], size: int = SIZE, whole: float = 1.0) -> None:
        self.weights = np.array([*weights, whole], np.float64)
        self.memories = tuple(AnomalyMemory(size) for _ in weights)
        self.whole = WholeMemory()
        self.scores: NDArray[np.float64] = np.empty((0, len(weights) + 1))
        """What each level, and at last the whole, makes of normal things it had not learnt, newest last."""

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
        self.whole.learn(_whole(levels))

    def judge(self, things: Sequence[Sequence[float]]) -> None:
        """Take note of what normal things scored, by `each`, that these memories had not learnt."""
        scores = np.array(things, np.float64).reshape(-1, self.scores.shape[1])
        self.scores = np.concatenate([self.scores, scores])[-_MOST_SCORES:]

    def each(self, levels: Sequence[Floats]) -> tuple[float, ...]:
        """Return what each level by itself, and at last the whole, makes of a thing."""
        return self._judged(levels)[0]

    def score(self, levels: Sequence[Floats]) -> tuple[float, Floats]:
        """Return how unusual a thing is, 1 being what normal things are, and each of its cells in the finest level.

        Raises:
            ValueError: fewer than two things were learnt, or cells have other features.
        """
        scores, heats = self._judged(levels)
        finest = max((heat.shape for heat in heats), key=math.prod)
        middles, _ = self._spreads()
        shown = [_stretched(heat, finest) / np.float32(m) for heat, m in zip(heats, np.exp(middles[:-1]), strict=True)]
        heat: Floats = np.average(np.stack(shown), 0, self.weights[:-1]).astype(np.float32)
        return float(self._together(np.array([scores]))[0]), heat

    def threshold(self, false_alarms: float = FALSE_ALARMS) -> float:
        """Return the score that at most this share of normal things exceeds."""
        return exceeded_by(self._together(self.scores).tolist(), false_alarms)

    def copy(self) -> LevelMemory:
        """Return another memory of the same; what one learns from now on the other does not."""
        other = LevelMemory(self.weights[:-1].tolist(), whole=float(self.weights[-1]))
        other.memories = tuple(memory.copy() for memory in self.memories)
        other.whole, other.scores = self.whole.copy(), self.scores
        return other

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return all of it by name, for an .npz file."""
        parts = {str(place): memory.to_arrays() for place, memory in enumerate(self.memories)}
        parts[_WHOLE] = self.whole.to_arrays()
        named = {f"{part}.{name}": array for part, arrays in parts.items() for name, array in arrays.items()}
        return {"weights": self.weights, "scores": self.scores, **named}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the memory that `to_arrays` gave.

        Raises:
            ValueError: the arrays are those of no memory, or of one of another format.
        """
        weights, scores = arrays.get("weights"), arrays.get("scores")
        if weights is None or weights.ndim != 1 or scores is None:
            raise ValueError("no anomaly memory (it has no levels)")
        memory = cls(weights[:-1].tolist(), whole=float(weights[-1]))
        if scores.shape[1:] != memory.scores.shape[1:]:
            raise ValueError("no anomaly memory (its arrays do not fit each other)")
        memory.scores = np.asarray(scores, np.float64)
        memory.memories = tuple(AnomalyMemory.from_arrays(_part(arrays, place)) for place in range(len(weights) - 1))
        memory.whole = WholeMemory.from_arrays(_part(arrays, _WHOLE))
        return memory

    def _judged(self, levels: Sequence[Floats]) -> tuple[tuple[float, ...], tuple[Floats, ...]]:
        """Return what each level, and at last the whole, makes of a thing, and of each cell in each level."""
        found = [memory.score(cells) for memory, cells in zip(self.memories, levels, strict=True)]
        scores = (*(score for score, _ in found), self.whole.score(_whole(levels)))
        return scores, tuple(heat for _, heat in found)

    def _spreads(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return middles and spreads of the logarithms of what the levels and the whole make of normal things."""
        if len(self.scores) < 2:
            return np.zeros(self.scores.shape[1]), np.ones(self.scores.shape[1])
        logs = np.log(np.maximum(self.scores, _LEAST))
        return logs.mean(0), np.maximum(logs.std(0), _LEAST_SPREAD)

    def _together(self, things: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return one score for what levels and whole make of each thing, shape (things, levels and one)."""
        middles, spreads = self._spreads()
        share = self.weights / self.weights.sum()

        def above(scores: NDArray[np.float64]) -> NDArray[np.float64]:
            spread = (np.log(np.maximum(scores, _LEAST)) - middles) / spreads
            # The same as the logarithm of the mean of exponentials, without their overflow.
            counted = share > 0
            return np.asarray(np.logaddexp.reduce(spread[:, counted] + np.log(share[counted]), axis=1), np.float64)

        usual = float(np.median(above(self.scores))) if len(self.scores) else 0.0
        return np.asarray(np.exp((above(things) - usual) * float(spreads @ share)), np.float64)


def _part(arrays: Mapping[str, NDArray[Any]], name: object) -> dict[str, NDArray[Any]]:
    """Return the arrays of one part, by their names in it."""
    mark = f"{name}."
    return {key.removeprefix(mark): array for key, array in arrays.items() if key.startswith(mark)}


def _whole(levels: Sequence[Floats]) -> NDArray[np.float64]:
    """Return the mean of each feature over all cells, level after level."""
    return np.concatenate([cells.reshape(-1, cells.shape[-1]).mean(0, dtype=np.float64) for cells in levels])


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
