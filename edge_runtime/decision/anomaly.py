"""What is normal, remembered as a few of its rows: what is far from all of them is unusual."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

SIZE = 3000
FALSE_ALARMS = 0.05
"""Share of normal things that may be called unusual, unless another is asked for."""

_ROUND = 8
_PROJECTED = 32
_CHUNK = 4096
_LEAST_SPREAD = 0.05
_TOP = 3
_FORMAT = 1
_COOL = 0.75


class AnomalyMemory:
    """A bounded memory of rows of features, whatever they are of: PatchCore's coreset (arXiv:2106.08265), for streams.

    Each feature is measured in units of its own spread. What is kept covers all that was learnt as evenly as `size`
    rows can (greedy k-centre), so that what is rare but normal is kept beside what is common. Arrays are replaced and
    never written to, so whoever holds one holds a state. All is a function of what was learnt, in its order.

    Args:
        size: rows that are kept at most.
    """

    def __init__(self, size: int = SIZE) -> None:
        self.size = size
        self.count = 0
        """Rows that were learnt, kept or not."""
        self._rows: Floats = np.empty((0, 0), np.float32)
        self._reach = 0.0
        self._fresh: tuple[Floats, ...] = ()
        self._mean: NDArray[np.float64] = np.empty(0)
        self._squares: NDArray[np.float64] = np.empty(0)
        self._ready: tuple[Floats, Floats] | None = None

    @property
    def dimensions(self) -> int:
        """Features of a row, 0 before anything was learnt."""
        return len(self._mean)

    def learn(self, rows: Floats) -> None:
        """Add normal rows, float32 (..., dimensions); nothing that was learnt before is lost but what is near others.

        Raises:
            ValueError: rows of another length were learnt before.
        """
        flat = _flat(rows)
        if self.count and flat.shape[1] != self.dimensions:
            raise ValueError(f"rows have {flat.shape[1]} features, the memory's have {self.dimensions}")
        if not len(flat):
            return
        self._count_in(flat)
        self._fresh = (*self._fresh, flat)
        self._ready = None
        if sum(map(len, self._fresh)) >= _ROUND * self.size:
            self._settle()

    def score(self, cells: Floats) -> tuple[float, Floats]:
        """Return how unusual a thing is, and each of its cells: distances to the nearest remembered row, 1 is a spread.

        Args:
            cells: float32 (rows, columns, dimensions), or any shape that ends so.

        Returns:
            The mean of the three cells that are the most unusual, and each cell's distance, float32 of the shape of
            `cells` without its last axis.

        Raises:
            ValueError: nothing was learnt, or cells have other features.
        """
        if not self.count:
            raise ValueError("nothing was learnt yet")
        flat = _flat(cells)
        if flat.shape[1] != self.dimensions:
            raise ValueError(f"cells have {flat.shape[1]} features, the memory's have {self.dimensions}")
        bank, scale = self._prepared()
        near = _nearest((flat - self._mean.astype(np.float32)) * scale, bank)
        heat: Floats = np.sqrt(near).reshape(cells.shape[:-1])
        return float(np.sort(heat, axis=None)[-_TOP:].mean()), heat

    def copy(self) -> AnomalyMemory:
        """Return another memory of the same; what one learns from now on the other does not."""
        other = AnomalyMemory(self.size)
        other.__dict__.update(self.__dict__)
        return other

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return all of it by name, for an .npz file."""
        self._settle()
        return {
            "format": np.array(_FORMAT),
            "size": np.array(self.size),
            "count": np.array(self.count),
            "rows": self._rows,
            "reach": np.array(self._reach),
            "mean": self._mean,
            "squares": self._squares,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the memory that `to_arrays` gave.

        Raises:
            ValueError: the arrays are those of no memory, or of one of another format.
        """
        try:
            if int(arrays["format"]) != _FORMAT:
                raise ValueError(f"format {int(arrays['format'])} is not {_FORMAT}")
            memory = cls(int(arrays["size"]))
            memory.count = int(arrays["count"])
            memory._rows = np.asarray(arrays["rows"], np.float32)
            memory._reach = float(arrays["reach"])
            memory._mean = np.asarray(arrays["mean"], np.float64)
            memory._squares = np.asarray(arrays["squares"], np.float64)
        except (KeyError, TypeError) as error:
            raise ValueError(f"no anomaly memory ({error})") from None
        if memory._rows.shape[1:] != memory._mean.shape or memory._mean.shape != memory._squares.shape:
            raise ValueError("no anomaly memory (its arrays do not fit each other)")
        return memory

    def digest(self) -> str:
        """Return the hex sha256 of all that scores depend on."""
        digest = hashlib.sha256()
        for name, array in sorted(self.to_arrays().items()):
            digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def _count_in(self, flat: Floats) -> None:
        """Merge the rows' mean and squares into those of all rows before (Chan, Golub and LeVeque, 1979)."""
        mean, count = flat.mean(0, dtype=np.float64), len(flat)
        squares = np.square(flat - mean).sum(0)
        if not self.count:
            self._mean, self._squares, self._rows = mean, squares, flat[:0]
        else:
            step = mean - self._mean
            total = self.count + count
            self._squares = self._squares + squares + np.square(step) * (self.count * count / total)
            self._mean = self._mean + step * (count / total)
        self.count += count

    def _scale(self) -> Floats:
        """Return what turns a feature into spreads, such that rows of any length lie about as far apart."""
        spread = np.sqrt(self._squares / self.count)
        # A feature that never moved would make the slightest move of it infinite.
        floor = max(_LEAST_SPREAD * float(spread.mean()), 1e-6)
        scale: Floats = (1.0 / (np.maximum(spread, floor) * math.sqrt(self.dimensions))).astype(np.float32)
        return scale

    def _prepared(self) -> tuple[Floats, Floats]:
        """Return the kept rows in spreads, and the scale."""
        if self._ready is None:
            self._settle()
            scale = self._scale()
            bank = (self._rows - self._mean.astype(np.float32)) * scale
            self._ready = bank, scale
        return self._ready

    def _settle(self) -> None:
        """Choose which rows to keep among the kept and the fresh ones."""
        if not self._fresh:
            return
        kept, fresh = self._rows, np.concatenate(self._fresh)
        self._fresh, self._ready = (), None
        if len(kept) == self.size:
            # What lies no farther from a kept row than kept rows do from each other would not be chosen.
            fresh = fresh[_nearest(self._spread_out(fresh), self._spread_out(kept)) > self._reach]
        rows = np.concatenate([kept, fresh])
        if len(rows) > self.size:
            chosen, self._reach = _centres(self._spread_out(rows), self.size)
            rows = rows[np.sort(chosen)]
        self._rows = rows

    def _spread_out(self, rows: Floats) -> Floats:
        """Return rows in spreads, in few random directions, which are always the same ones: PatchCore's shortcut."""
        out: Floats = (rows - self._mean.astype(np.float32)) * self._scale()
        if rows.shape[1] <= _PROJECTED:
            return out
        dice = np.random.default_rng(0)
        return out @ dice.normal(size=(rows.shape[1], _PROJECTED)).astype(np.float32)


def exceeded_by(scores: Sequence[float], share: float) -> float:
    """Return what at most this share of further scores of the same kind exceeds, however they are spread.

    It is the conformal quantile (Vovk, Gammerman and Shafer, 2005); where scores are too few for that, the highest and
    half as far again as it lies above the middle one. Without scores nothing exceeds it.
    """
    if not len(scores):
        return math.inf
    ordered = np.sort(np.asarray(scores, np.float64))
    place = math.ceil((1.0 - share) * (len(ordered) + 1)) - 1
    if place < len(ordered):
        return float(ordered[place])
    return float(ordered[-1] + 0.5 * (ordered[-1] - np.median(ordered)))


def warmth(heat: Floats, threshold: float) -> Floats:
    """Return a map of scores as one to be shown: 0 where all is normal, 1 far above the threshold."""
    warm: Floats = np.clip((heat / threshold - _COOL) / _COOL, 0.0, 1.0).astype(np.float32)
    return warm


def _flat(rows: Floats) -> Floats:
    return np.ascontiguousarray(rows, np.float32).reshape(-1, rows.shape[-1])


def _nearest(rows: Floats, bank: Floats) -> Floats:
    """Return how far each row is from the nearest of a bank, squared."""
    lengths, near = np.einsum("nd,nd->n", bank, bank), np.empty(len(rows), np.float32)
    for start in range(0, len(rows), _CHUNK):
        part = rows[start : start + _CHUNK]
        near[start : start + _CHUNK] = (lengths - 2.0 * (part @ bank.T)).min(1) + np.einsum("nd,nd->n", part, part)
    return np.maximum(near, 0.0)


def _centres(rows: Floats, count: int) -> tuple[NDArray[np.int64], float]:
    """Return which rows cover all of them best, and how far the farthest is from them, squared.

    Each is the farthest from those before it (Gonzalez, 1985).
    """
    lengths = np.einsum("nd,nd->n", rows, rows)
    chosen = np.empty(count, np.int64)
    nearest = np.full(len(rows), np.inf, np.float32)
    last = int(lengths.argmax())
    for place in range(count):
        chosen[place] = last
        nearest = np.minimum(nearest, lengths - 2.0 * (rows @ rows[last]) + lengths[last])
        nearest[last] = -1.0
        last = int(nearest.argmax())
    return chosen, max(0.0, float(nearest[last]))
