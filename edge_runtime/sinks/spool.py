"""The outbox on disk: what was accepted stays here until the broker has acknowledged it."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from edge_runtime.errors import SinkError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

_log = logging.getLogger(__name__)

_COLUMNS = "seq INTEGER PRIMARY KEY, topic TEXT, payload BLOB, properties TEXT, at REAL"
_COST = "length(CAST(topic AS BLOB)) + length(payload) + length(CAST(properties AS BLOB))"
_PRAGMAS = (
    # Exclusive: a second process is refused, and the index of the log stays in memory instead of a third file.
    "PRAGMA locking_mode=EXCLUSIVE",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA wal_autocheckpoint=256",
    "PRAGMA journal_size_limit=1048576",
)
_PAGE_SHARE = 0.75
"""Part of `max_mb` for the rows themselves; the rest is for SQLite's pages, measured in the tests."""
_ROW_BYTES = 64
_MAX_ROW_BYTES = 256 * 1024

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it is kept: `properties` are JSON values, `at` is Unix time in seconds."""

    topic: str
    payload: bytes
    properties: Mapping[str, str | int] = field(default_factory=dict)
    at: float = 0.0


class Spool:
    """Rows on disk in the order of their coming, at most `max_events` and about `max_mb`; the oldest go first.

    Every method may be called from any thread. A file that is not a sound database is moved to `<path>.corrupt`, said
    in the log, and a new one made. Write-ahead log with a sync per commit (https://sqlite.org/wal.html): what `append`
    has returned for survives `kill -9` and a pulled plug. The log adds at most about 1 MB to `max_mb`.

    Raises:
        SinkError: the folder cannot be written, or another process has this spool open.
    """

    def __init__(self, path: Path, max_events: int, max_mb: int) -> None:
        self.path = path
        self._max_events = max_events
        self._max_bytes = int(max_mb * 1_000_000 * _PAGE_SHARE)
        self._lock = threading.Lock()
        self._dropped = 0
        self._last_seq = 0
        self._rows = 0
        self._bytes = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SinkError(f"cannot make {path.parent} for the event spool: {error.strerror}") from None
        self._open_or_replace()

    @property
    def depth(self) -> int:
        """Return how many rows wait."""
        return self._rows

    @property
    def dropped(self) -> int:
        """Return how many rows were dropped unsent because the spool was full."""
        return self._dropped

    def append(self, *messages: Message) -> int:
        """Put `messages` on disk in one transaction and return the number of the last.

        Raises:
            SinkError: the disk is full or failing, a message is larger than 256 KiB, or the spool is closed.
        """
        rows = [(message, json.dumps(dict(message.properties), ensure_ascii=False)) for message in messages]
        for message, _ in rows:
            if len(message.payload) > _MAX_ROW_BYTES:
                size = len(message.payload)
                raise SinkError(f"message for {message.topic} has {size} bytes; at most {_MAX_ROW_BYTES} are kept")
        return self._guarded(lambda: self._insert(rows))

    def batch(self, after: int, limit: int) -> list[tuple[int, Message]]:
        """Return up to `limit` of the oldest rows numbered above `after`, in order."""

        def read() -> list[tuple[int, Message]]:
            found = self._db.execute("SELECT * FROM spool WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit))
            return [(row[0], Message(row[1], row[2], json.loads(row[3]), row[4])) for row in found]

        return self._guarded(read)

    def delete(self, seqs: Iterable[int]) -> None:
        """Forget rows that were acknowledged.

        Not synced by itself: the next `append` does it, and a power cut before that repeats events, loses none.
        """
        self._guarded(lambda: self._remove(seqs))

    def close(self) -> None:
        """Fold the log into the file and close it; the rows stay for the next start."""
        with self._lock:
            self._db.close()

    def _insert(self, rows: list[tuple[Message, str]]) -> int:
        seq, count, size = self._last_seq, self._rows, self._bytes
        with self._db:
            for message, properties in rows:
                seq += 1
                values = (seq, message.topic, message.payload, properties, message.at)
                self._db.execute("INSERT INTO spool VALUES (?, ?, ?, ?, ?)", values)
                count += 1
                size += len(message.topic.encode()) + len(message.payload) + len(properties.encode()) + _ROW_BYTES
            surplus = 0
            while count > self._max_events or size > self._max_bytes:
                size -= self._take("SELECT min(seq) FROM spool")
                count -= 1
                surplus += 1
        if surplus and not self._dropped:
            _log.warning("event spool %s is full; the oldest events are dropped", self.path)
        self._dropped += surplus
        self._last_seq, self._rows, self._bytes = seq, count, size
        return seq

    def _take(self, which: str, *values: int) -> int:
        """Delete one row and return what it weighed, 0 where it was gone already."""
        query = f"DELETE FROM spool WHERE seq = ({which}) RETURNING {_COST}"  # noqa: S608 - constants of this file
        found = self._db.execute(query, values).fetchall()
        return int(found[0][0]) + _ROW_BYTES if found else 0

    def _remove(self, seqs: Iterable[int]) -> None:
        # The next append syncs the log anyway; a sync of its own would double the wear of an SD card.
        self._db.execute("PRAGMA synchronous=NORMAL")
        try:
            with self._db:
                freed = [cost for cost in (self._take("?", seq) for seq in seqs) if cost]
        finally:
            self._db.execute("PRAGMA synchronous=FULL")
        self._rows -= len(freed)
        self._bytes -= sum(freed)

    def _guarded(self, work: Callable[[], T]) -> T:
        with self._lock:
            try:
                return work()
            except (sqlite3.OperationalError, sqlite3.ProgrammingError) as error:
                raise SinkError(f"event spool {self.path}: {error}; check the space on that disk") from None
            except sqlite3.DatabaseError as error:
                self._set_aside(error)
                self._open()
                return work()

    def _open_or_replace(self) -> None:
        try:
            self._open()
        except sqlite3.OperationalError as error:
            raise SinkError(self._why_not_opened(error)) from None
        except sqlite3.DatabaseError as error:
            self._set_aside(error)
            self._open()

    def _open(self) -> None:
        self._db = sqlite3.connect(self.path, timeout=0.0, check_same_thread=False)
        try:
            for pragma in _PRAGMAS:
                self._db.execute(pragma)
            verdict = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise sqlite3.DatabaseError(verdict)
            with self._db:
                self._db.execute(f"CREATE TABLE IF NOT EXISTS spool ({_COLUMNS})")
            total = f"SELECT coalesce(max(seq), 0), count(*), coalesce(sum({_COST}), 0) FROM spool"  # noqa: S608 - a constant
            last, self._rows, content = self._db.execute(total).fetchone()
            # A number is never given twice in one life, even where a damaged file was replaced by an empty one.
            self._last_seq = max(self._last_seq, last)
            self._bytes = content + _ROW_BYTES * self._rows
        except sqlite3.Error:
            self._db.close()
            raise

    def _set_aside(self, error: sqlite3.DatabaseError) -> None:
        self._db.close()
        aside = self.path.with_name(self.path.name + ".corrupt")
        self.path.replace(aside)
        for suffix in ("-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        _log.error("event spool %s is damaged (%s); moved to %s, a new one is used", self.path, error, aside)

    def _why_not_opened(self, error: sqlite3.OperationalError) -> str:
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return f"event spool {self.path} is in use by another process; stop it or set another device.data_dir"
        return f"event spool {self.path} cannot be opened: {error}; check that the folder can be written"
