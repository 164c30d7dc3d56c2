"""The events worth remembering, on disk with their wall time, so that questions about the past have answers."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any

from edge_runtime.errors import SinkError
from edge_runtime.sinks.event_past import ALIVE_EVERY_S
from edge_runtime.sinks.sqlite_file import SqliteFile, used_bytes
from edge_runtime.types import CLOCK_SET_AFTER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_runtime.types import Event

_log = logging.getLogger(__name__)

FILE = "events.sqlite"
KEPT = frozenset(
    {
        "alert", "alert_denied", "anomaly", "answered", "feedback", "intent", "line", "object", "sound",
        "source_status", "switch", "zone",
    }
)  # fmt: skip
WRITE_EVERY_S = 3.0
TIDY_EVERY = 500
MOST_WAITING = 5_000
"""Events that wait in memory at most while the disk takes none; the oldest go."""
_DAY_S = 86_400.0
_GO_AT_ONCE = 0.1
_MAX_DATA = 4_000
_PRAGMAS = (
    "PRAGMA page_size=1024",
    # Two processes at once: one box writes, `ask` reads.
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=NORMAL",
    "PRAGMA wal_autocheckpoint=256",
    "PRAGMA journal_size_limit=524288",
)
_TABLES = (
    """CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY, id TEXT, session INTEGER, wall REAL, dated INTEGER,
    at REAL, kind TEXT, source TEXT, label TEXT, score REAL, data TEXT)""",
    "CREATE INDEX IF NOT EXISTS by_wall ON events (wall)",
    """CREATE TABLE IF NOT EXISTS sessions (id INTEGER PRIMARY KEY, began REAL, alive REAL, dated INTEGER,
    closed INTEGER DEFAULT 0)""",
)
Row = tuple[str, float, float, str, str, str | None, float | None, str]


class EventLog:
    """A sink that keeps events for `days` and within `max_mb`; the oldest go first. Safe across threads.

    What came in is written every few seconds in one transaction, and at `close`: `kill -9` loses the last seconds at
    most. What the disk does not take waits in memory, the newest 5,000 events, and is tried again. A file that is not a
    sound database is moved to `<path>.corrupt`, said in the log, and a new one made.

    Events that come before the clock is set are kept in their order, marked, and get their time once it is set.

    Args:
        path: the file.
        days: what is older is forgotten.
        max_mb: disk space at most, besides about 1 MB of write-ahead log.
        clock: gives Unix time.

    Raises:
        SinkError: the folder cannot be written.
    """

    name = "event_log"
    durable = False

    def __init__(self, path: Path, days: float, max_mb: float, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self._keep_s = days * _DAY_S
        self._max_bytes = max_mb * 1_000_000
        self._clock = clock
        # Whoever publishes never waits for the disk, so what waits has a lock of its own.
        self._arriving = threading.Lock()
        self._writing = threading.Lock()
        self._waiting: list[Row] = []
        self._untidy = 0
        # Of the session, which begins anew in a new file.
        self._session: int | None = None
        self._began, self._dated = 0.0, False
        self._closed = threading.Event()
        self._failing = False
        try:
            self._file = SqliteFile(path, "event log", _PRAGMAS, self._prepare, wait_s=5.0)
        except (sqlite3.Error, OSError) as error:
            raise SinkError(
                f"event log {path} cannot be opened: {error}; check that the folder can be written"
            ) from None
        self._thread = threading.Thread(target=self._write_now_and_then, name="event-log", daemon=True)
        self._thread.start()

    def publish(self, event: Event) -> None:
        """Take one event; those that are not worth remembering are passed over."""
        if event.kind not in KEPT or (event.kind == "object" and event.data.get("type") == "update"):
            return
        label, score, data = told(event)
        # Half a character, as a broken program may send it, cannot be kept.
        text = json.dumps(data, ensure_ascii=False).encode("utf-8", "replace").decode()
        if len(text) > _MAX_DATA:
            text = "{}"
        now = self._clock()
        # A recording may be read faster than it was made; nothing has happened after now.
        wall = min(now - time.monotonic() + event.at, now)
        with self._arriving:
            self._waiting.append((event.id, wall, event.at, event.kind, event.source, label, score, text))

    def flush(self) -> None:
        """Write what waits.

        Raises:
            SinkError: the disk is full or failing; the newest of what waits is tried again with the next write.
        """
        with self._writing:
            with self._arriving:
                rows, self._waiting = self._waiting, []
            try:
                self._file.run(lambda db: self._write(db, rows))
                self._untidy += len(rows)
                rows = []
                if self._untidy >= TIDY_EVERY:
                    self._file.run(self._tidy)
            except (sqlite3.Error, OSError) as error:
                with self._arriving:
                    self._waiting = (rows + self._waiting)[-MOST_WAITING:]
                raise SinkError(f"event log {self.path}: {error}; check the space on that disk") from None

    def close(self, timeout_s: float) -> None:
        """Write what waits and close the file."""
        self._closed.set()
        self._thread.join(timeout_s)
        try:
            self.flush()
        finally:
            with self._writing:
                self._file.close()

    def _write_now_and_then(self) -> None:
        alive_at = time.monotonic()
        while not self._closed.wait(WRITE_EVERY_S):
            if not self._waiting and time.monotonic() - alive_at < ALIVE_EVERY_S:
                continue
            alive_at = time.monotonic()
            try:
                self.flush()
                self._failing = False
            except SinkError as error:
                if not self._failing:
                    _log.error("%s", error)
                self._failing = True

    def _write(self, db: sqlite3.Connection, rows: list[Row]) -> None:
        now, at = self._clock(), time.monotonic()
        dated = now >= CLOCK_SET_AFTER
        with db:
            for event_id, wall, *rest in rows:
                db.execute(
                    "INSERT INTO events (id, session, wall, dated, at, kind, source, label, score, data)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (event_id, self._session, wall, wall >= CLOCK_SET_AFTER, *rest),
                )
            if dated and not self._dated:
                self._date(db, now - at)
            alive = (now, self._closed.is_set(), self._session)
            db.execute("UPDATE sessions SET alive = ?, closed = ? WHERE id = ?", alive)
        self._dated = self._dated or dated

    def _date(self, db: sqlite3.Connection, offset: float) -> None:
        """Give this session's events their time, once the clock is set."""
        mine = (offset, self._session)
        db.execute("UPDATE events SET wall = at + ?, dated = 1 WHERE session = ? AND dated = 0", mine)
        db.execute("UPDATE sessions SET began = ?, dated = 1 WHERE id = ?", (offset + self._began, self._session))

    def _tidy(self, db: sqlite3.Connection) -> None:
        """Forget what is too old or too much."""
        self._untidy = 0
        now = self._clock()
        with db:
            if now >= CLOCK_SET_AFTER:
                db.execute("DELETE FROM events WHERE wall < ? AND dated = 1", (now - self._keep_s,))
                old = (now - self._keep_s, self._session)
                db.execute("DELETE FROM sessions WHERE alive < ? AND dated = 1 AND id != ?", old)
        while used_bytes(db) > self._max_bytes:
            with db:
                count = db.execute("SELECT count(*) FROM events").fetchone()[0]
                if count <= 1:
                    return
                surplus = max(int(count * _GO_AT_ONCE), 1)
                db.execute("DELETE FROM events WHERE seq IN (SELECT seq FROM events ORDER BY seq LIMIT ?)", (surplus,))

    def _prepare(self, db: sqlite3.Connection) -> None:
        now = self._clock()
        self._began, self._dated = time.monotonic(), now >= CLOCK_SET_AFTER
        with db:
            for table in _TABLES:
                db.execute(table)
            begun = (now, now, self._dated)
            row = db.execute("INSERT INTO sessions (began, alive, dated) VALUES (?, ?, ?)", begun)
        self._session = row.lastrowid
        self._tidy(db)


def told(event: Event) -> tuple[str | None, float | None, dict[str, Any]]:
    """Return an event's label, its score and the rest of what is remembered of it."""
    data: dict[str, Any] = dict(event.data)
    if event.kind == "object":
        after = data["after"]
        kept = {"type": data["type"], "track": after["id"], "seen_s": after["seen_s"], "box": after["box"]}
        return data["label"], after["score"], kept
    return data.pop("label", None), data.pop("score", data.pop("confidence", None)), data
