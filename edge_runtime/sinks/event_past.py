"""What the event log remembers, read by whoever answers, in this process or another."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edge_runtime.errors import SinkError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

ALIVE_EVERY_S = 300.0
"""A running box writes this often at least that it lives."""
_EVER = 1e12
MOST = 20_000
"""Events of one answer at most; the newest count."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """One event of the past; `wall` is Unix time, `at` the source's own seconds.

    Attributes:
        label: what was seen or heard, where the event names it.
        score: how probable that is.
        data: the rest of what the event said.
        id: of the event; empty where it was not asked for.
    """

    kind: str
    source: str
    wall: float
    at: float
    label: str | None
    score: float | None
    data: Mapping[str, Any] = field(default_factory=dict)
    id: str = ""


class Past:
    """Reads an event log; each call sees what is on disk by then. Safe across threads.

    Args:
        path: the file that `EventLog` writes; as long as there is none, nothing is remembered.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def between(
        self, start: float, end: float, kinds: Collection[str] = (), labels: Collection[str] = ()
    ) -> list[Remembered]:
        """Return the events from `start` to `end` (Unix time), oldest first; no `kinds` and no `labels` means all.

        Raises:
            SinkError: the log cannot be read.
        """
        query = "SELECT kind, source, wall, at, label, score, data FROM events WHERE wall BETWEEN ? AND ? AND dated"
        values: list[Any] = [start, end]
        for column, wanted in (("kind", kinds), ("label", labels)):
            if wanted:
                query += f" AND {column} IN ({', '.join('?' * len(wanted))})"
                values += wanted
        rows = self._read(f"{query} ORDER BY wall DESC, seq DESC LIMIT {MOST}", values)
        return [Remembered(*(*row[:-1], json.loads(row[-1]))) for row in reversed(rows)]

    def newest(
        self, start: float, end: float, limit: int, kinds: Collection[str] = (), sources: Collection[str] = ()
    ) -> list[Remembered]:
        """Return the last `limit` events from `start` to before `end` (Unix time), the newest first, with their ids.

        Raises:
            SinkError: the log cannot be read.
        """
        columns = "kind, source, wall, at, label, score, data, id"
        query = f"SELECT {columns} FROM events WHERE wall >= ? AND wall < ? AND dated"  # noqa: S608 - all is written here
        values: list[Any] = [start, min(end, _EVER)]
        for column, wanted in (("kind", kinds), ("source", sources)):
            if wanted:
                query += f" AND {column} IN ({', '.join('?' * len(wanted))})"
                values += wanted
        rows = self._read(f"{query} ORDER BY wall DESC, seq DESC LIMIT ?", [*values, limit])
        return [Remembered(*(*row[:-2], json.loads(row[-2]), row[-1])) for row in rows]

    def counts(self, start: float, end: float, kinds: Collection[str] = ()) -> Counter[str]:
        """Return how often each label occurs.

        Raises:
            SinkError: the log cannot be read.
        """
        return Counter(event.label for event in self.between(start, end, kinds) if event.label)

    def sources(self, kind: str) -> list[str]:
        """Return everybody who ever gave an event of a kind, in the order of their names.

        Raises:
            SinkError: the log cannot be read.
        """
        return [
            row[0] for row in self._read("SELECT DISTINCT source FROM events WHERE kind = ? ORDER BY source", (kind,))
        ]

    def watched(self, start: float, end: float) -> list[tuple[float, float]]:
        """Return the stretches of `start` to `end` in which a box was writing this log.

        Raises:
            SinkError: the log cannot be read.
        """
        # A box that still runs says so now and then only.
        query = """SELECT began, alive + iif(closed, 0.0, ?) AS ended FROM sessions
            WHERE dated AND ended >= ? AND began <= ? ORDER BY began"""
        merged: list[tuple[float, float]] = []
        for began, alive in self._read(query, (ALIVE_EVERY_S, start, end)):
            low, high = max(began, start), min(alive, end)
            if merged and low <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
            else:
                merged.append((low, high))
        return merged

    def _read(self, query: str, values: Collection[Any]) -> list[tuple[Any, ...]]:
        if not self._path.is_file():
            return []
        try:
            with closing(sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True, timeout=5.0)) as db:
                return db.execute(query, tuple(values)).fetchall()
        except sqlite3.Error as error:
            raise SinkError(f"event log {self._path} cannot be read: {error}; stop the box and move it away") from None
