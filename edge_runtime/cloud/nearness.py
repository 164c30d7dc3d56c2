"""The vectors of kept questions in memory, for reading them all from disk for each question takes too long."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from numpy.typing import NDArray

NEW = "SELECT id, family, vector FROM answers WHERE id > ? AND vector IS NOT NULL ORDER BY id"


class Nearness:
    """Finds rows with near vectors; a row may have gone from the disk since, which the caller sees.

    Args:
        most: rows there may be on the disk; when twice as many are remembered, all are read again.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.forget()

    def forget(self) -> None:
        """Read everything again next time."""
        self._newest = 0
        self._count = 0
        self._families: dict[str, tuple[list[int], NDArray[np.float32]]] = {}

    def learn(self, db: sqlite3.Connection) -> None:
        """Read what is new on the disk, whoever wrote it."""
        if self._count > 2 * self._most:
            self.forget()
        fresh: dict[str, list[tuple[int, bytes]]] = {}
        for row, family, vector in db.execute(NEW, (self._newest,)):
            fresh.setdefault(family, []).append((row, vector))
            self._newest = row
            self._count += 1
        for family, found in fresh.items():
            rows, known = self._families.get(family, ([], None))
            added = np.stack([np.frombuffer(vector, np.float32) for _, vector in found])
            together = added if known is None else np.concatenate([known, added])
            self._families[family] = ([*rows, *(row for row, _ in found)], together)

    def nearest(self, family: str, vector: NDArray[np.float32], similarity: float) -> Iterator[int]:
        """Yield the rows of a family whose cosine to a unit vector, shape (d,), is high enough, the nearest first."""
        if family not in self._families:
            return
        rows, vectors = self._families[family]
        cosines = vectors @ vector
        near = np.flatnonzero(cosines >= similarity)
        for place in near[np.argsort(-cosines[near])]:
            yield rows[int(place)]
