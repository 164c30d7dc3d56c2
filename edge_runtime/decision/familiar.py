"""What is familiar at each place of a view: a bounded memory of patch features, learnt while it is looked with."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

WIDTH = 64
"""Numbers of one row: the channels of several stages, brought down by a random projection, which keeps distances to
some per cent (Johnson and Lindenstrauss 1984)."""
KEPT = 16
"""Rows of one place; with 264 places about 0.5 MB on disk."""
MOST_PLACES = 400
GAUGED, MEASURED = 20, 40
"""Looks from which each channel's spread, and then the spread of a place from look to look, is taken."""
DAY_MINUTES = 1440.0
FAR = 1e6


def rows_of(maps: Sequence[Floats]) -> tuple[tuple[int, int], Floats]:
    """Return the grid of places, and a row of features for each, float32 (places, channels).

    The grid is the finest map of at most 400 places; finer maps are averaged into it, coarser ones left out. Each
    place is averaged with its neighbours, as PatchCore does (arXiv:2106.08265): what moves by less than a place is
    no news.

    Args:
        maps: float32 (channels, rows, columns), from fine to coarse.
    """
    grid = next((one.shape[1:] for one in maps if one.shape[1] * one.shape[2] <= MOST_PLACES), maps[-1].shape[1:])
    rows, columns = grid
    layers = []
    for one in maps:
        down, across = one.shape[1] // rows, one.shape[2] // columns
        if down and across:
            whole = one[:, : rows * down, : columns * across]
            mean = whole.reshape(len(one), rows, down, columns, across).mean((2, 4))
            # Each stage weighs the same, however many channels it has.
            layers.append(mean / np.float32(np.sqrt(len(one))))
    stacked = np.concatenate(layers)
    around = np.pad(stacked, ((0, 0), (1, 1), (1, 1)), mode="edge")
    smooth = sum(around[:, y : y + rows, x : x + columns] for y in range(3) for x in range(3))
    flat = np.asarray(smooth, np.float32).reshape(len(stacked), -1).T / np.float32(9.0)
    return (int(rows), int(columns)), np.ascontiguousarray(flat)


@dataclass(frozen=True, slots=True)
class Lens:
    """How features become rows of the memory: what a channel's spread is, and the projection.

    Attributes:
        turn: float32 (channels, width).
        shift: float32 (width,).
    """

    turn: Floats
    shift: Floats

    def rows(self, features: Floats) -> Floats:
        """Return rows, float32 (places, width)."""
        out: Floats = features @ self.turn - self.shift
        return out

    @staticmethod
    def of(mean: Floats, spread: Floats) -> Lens:
        """Return the lens for channels of these means and spreads; the same numbers on every machine."""
        signs = np.random.default_rng(20_106).integers(0, 2, (len(mean), WIDTH)) * 2 - 1
        turn = (signs / np.sqrt(WIDTH) / np.maximum(spread, 1e-4)[:, None]).astype(np.float32)
        return Lens(turn, (mean @ turn).astype(np.float32))


@dataclass(frozen=True, slots=True)
class Familiar:
    """What is familiar, frozen: scores do not change while it is judged by.

    Attributes:
        stored: float16 (rows, columns, kept, width), as it is kept and recorded.
        filled: bool (rows, columns, kept), where there is a row.
        rows: float32, the same with an empty rim around it.
        squares: float32, squared lengths, likewise; far away where no row is.
        spread: float32 (rows, columns), the distance that nine in ten looks at a place stay below; 0 while unknown.
        usual: the middle distance of a usual look, 0 while unknown.
    """

    stored: NDArray[np.float16]
    filled: NDArray[np.bool_]
    rows: Floats
    squares: Floats
    spread: Floats
    usual: float

    @staticmethod
    def of(
        stored: NDArray[np.float16], filled: NDArray[np.bool_], spread: Floats | None = None, usual: float = 0.0
    ) -> Familiar:
        """Return what is familiar, of what is kept of it."""
        high, wide, kept, width = stored.shape
        rows = np.zeros((high + 2, wide + 2, kept, width), np.float32)
        rows[1:-1, 1:-1] = stored
        squares = np.full((high + 2, wide + 2, kept), np.float32(FAR**2))
        squares[1:-1, 1:-1][filled] = np.square(rows[1:-1, 1:-1]).sum(3)[filled]
        unknown = np.zeros((high, wide), np.float32)
        return Familiar(stored, filled, rows, squares, unknown if spread is None else spread, usual)

    @property
    def grid(self) -> tuple[int, int]:
        """Return how many rows and columns of places there are."""
        return self.filled.shape[0], self.filled.shape[1]

    def distances(self, rows: Floats) -> Floats:
        """Return how far each place's row is from the nearest one known there or beside it, float32 (rows, columns)."""
        high, wide = self.grid
        now = rows.reshape(high, wide, -1, 1)
        best = np.full(self.grid, np.float32(FAR))
        for y in range(3):
            for x in range(3):
                near = self.rows[y : y + high, x : x + wide]
                squares = self.squares[y : y + high, x : x + wide] - 2 * np.matmul(near, now)[..., 0]
                best = np.minimum(best, squares.min(-1))
        lengths = np.square(rows).sum(1).reshape(self.grid)
        out: Floats = np.sqrt(np.maximum(best + lengths, 0.0))
        return out

    def anywhere(self, row: Floats) -> float:
        """Return how far one row is from the nearest one known anywhere in the view."""
        squares = self.squares - 2 * (self.rows @ row)
        return float(np.sqrt(max(float(squares.min()) + float(row @ row), 0.0)))

    def digest(self) -> str:
        """Return a name of what is familiar, by its content."""
        whole = hashlib.sha256(self.stored.tobytes())
        whole.update(self.spread.tobytes())
        return whole.hexdigest()[:16]


class Learner:
    """Learns what is familiar at each place, row by row; bounded, and forgets what was not seen for days.

    A row that is no further from a known one than two looks at the same thing usually are is known. Where there is no
    room, the row goes that was seen the least, a day ago counting half.
    """

    def __init__(self) -> None:
        self.lens: Lens | None = None
        self.grid: tuple[int, int] = (0, 0)
        self._gauge: list[tuple[Floats, Floats]] = []
        self._before: Floats | None = None
        self._steps: list[Floats] = []
        self._near = 0.0
        self._rows = np.zeros((0, KEPT, WIDTH), np.float16)
        self._seen = np.zeros((0, KEPT), np.float32)
        self._at = np.zeros((0, KEPT), np.float32)

    @property
    def ready(self) -> bool:
        """Tell whether rows are being learnt."""
        return self._near > 0

    def begin(self, grid: tuple[int, int], features: Floats) -> None:
        """Take one of the first looks: the spread of channels, then of places from look to look."""
        if grid != self.grid:
            self.__init__()  # type: ignore[misc] # another view begins anew
            self.grid = grid
        if self.lens is None:
            self._gauge.append((features.mean(0), np.square(features).mean(0)))
            if len(self._gauge) >= GAUGED:
                mean, square = (np.mean(part, axis=0) for part in zip(*self._gauge, strict=True))
                self.lens = Lens.of(mean, np.sqrt(np.maximum(square - mean**2, 0.0)))
                self._gauge = []
            return
        rows = self.lens.rows(features)
        if self._before is not None:
            self._steps.append(np.sqrt(np.square(rows - self._before).sum(1)))
        self._before = rows
        if len(self._steps) >= MEASURED:
            self._near = max(float(np.percentile(np.concatenate(self._steps), 90)), 1e-3)
            self._steps, self._before = [], None
            places = grid[0] * grid[1]
            self._rows = np.zeros((places, KEPT, WIDTH), np.float16)
            self._seen = np.zeros((places, KEPT), np.float32)
            self._at = np.zeros((places, KEPT), np.float32)

    def learn(self, places: NDArray[np.intp], rows: Floats, minute: float) -> None:
        """Learn the rows of some places, seen in a watched minute; `rows` holds one for every place of the view."""
        known, rows = self._rows[places].astype(np.float32), rows[places]
        away = np.sqrt(np.square(known - rows[:, None]).sum(2))
        away[self._seen[places] <= 0] = FAR
        best = away.argmin(1)
        near = away[np.arange(len(places)), best] <= self._near
        old, which = places[near], best[near]
        self._seen[old, which] += 1
        self._at[old, which] = minute
        for place, row in zip(places[~near], rows[~near], strict=True):
            value = self._seen[place] * np.exp2((self._at[place] - minute) / DAY_MINUTES)
            slot = int(value.argmin())
            self._rows[place, slot], self._seen[place, slot], self._at[place, slot] = row, 1.0, minute

    def freeze(self, maps: Sequence[NDArray[np.floating[Any]]]) -> Familiar:
        """Return what is familiar by now; `maps` are distances of usual looks."""
        high, wide = self.grid
        stored, filled = self._rows.reshape(high, wide, KEPT, WIDTH).copy(), (self._seen > 0).reshape(high, wide, KEPT)
        if not maps:
            return Familiar.of(stored, filled)
        stacked = np.stack(maps).astype(np.float32)
        spread = np.percentile(stacked, 90, axis=0).astype(np.float32)
        return Familiar.of(stored, filled, spread, float(np.median(stacked)))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all of it, to be kept; nothing as long as nothing is learnt."""
        if self.lens is None or not self.ready:
            return {}
        return {
            "turn": self.lens.turn,
            "shift": self.lens.shift,
            "rows": self._rows.copy(),
            "seen": self._seen.copy(),
            "at": self._at.copy(),
            "near": np.array(self._near, np.float32),
            "grid": np.array(self.grid, np.int32),
        }

    def take(self, kept: Mapping[str, NDArray[Any]]) -> None:
        """Take on what `arrays` returned.

        Raises:
            KeyError, ValueError: it is none.
        """
        high, wide = (int(side) for side in kept["grid"])
        rows, seen, at = (np.array(kept[name]) for name in ("rows", "seen", "at"))
        turn, shift = (np.array(kept[name], np.float32) for name in ("turn", "shift"))
        shape = (high * wide, KEPT)
        if rows.shape != (*shape, WIDTH) or seen.shape != shape or at.shape != shape or shift.shape != (WIDTH,):
            raise ValueError(f"a memory of {rows.shape} does not fit {shape}")
        if not all(np.isfinite(one).all() for one in (rows, seen, at, turn, shift)) or not kept["near"] > 0:
            raise ValueError("a memory holds what is no number")
        self.lens, self.grid, self._near = Lens(turn, shift), (high, wide), float(kept["near"])
        self._rows, self._seen, self._at = rows.astype(np.float16), seen.astype(np.float32), at.astype(np.float32)
