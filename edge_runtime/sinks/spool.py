"""The outbox on disk: what was accepted stays here until the broker has acknowledged it."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from edge_runtime.errors import SinkError
from edge_runtime.sinks.sqlite_file import SqliteFile, used_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

_log = logging.getLogger(__name__)

_COLUMNS = "seq INTEGER PRIMARY KEY, topic TEXT, payload BLOB, properties TEXT, at REAL"
_PRAGMAS = (
    # A commit writes whole pages; small ones halve the wear of an SD card (bench/spool.py).
    "PRAGMA page_size=1024",
    # Exclusive: a second process is refused, and the index of the log stays in memory instead of a third file.
    "PRAGMA locking_mode=EXCLUSIVE",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA wal_autocheckpoint=1024",
    "PRAGMA journal_size_limit=1048576",
)
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
    """Rows on disk in the order of their coming, at most `max_events` and `max_mb`; the oldest go first.

    Every method may be called from any thread. A file that is not a sound database is moved to `<path>.corrupt`, said
    in the log, and a new one made. Write-ahead log with a sync per commit (https://sqlite.org/wal.html): what `append`
    has returned for survives `kill -9` and a pulled plug. The log adds at most about 1 MB to `max_mb`.

    Raises:
        SinkError: the folder cannot be written, or another process has this spool open.
    """

    def __init__(self, path: Path, max_events: int, max_mb: int) -> None:
        self.path = path
        self._max_events = max_events
        self._max_bytes = max_mb * 1_000_000
        self._lock = threading.Lock()
        self._dropped = 0
        self._last_seq = 0
        self._rows = 0
        try:
            self._file = SqliteFile(path, "event spool", _PRAGMAS, self._prepare)
        except (sqlite3.Error, OSError) as error:
            raise SinkError(self._why_not_opened(error)) from None

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
        return self._guarded(lambda db: self._insert(db, rows))

    def batch(self, after: int, limit: int) -> list[tuple[int, Message]]:
        """Return up to `limit` of the oldest rows numbered above `after`, in order."""

        def read(db: sqlite3.Connection) -> list[tuple[int, Message]]:
            found = db.execute("SELECT * FROM spool WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit))
            return [(row[0], _message(*row[1:])) for row in found]

        return self._guarded(read)

    def delete(self, seqs: Iterable[int]) -> None:
        """Forget rows that were acknowledged.

        Not synced by itself: the next `append` does it, and a power cut before that repeats events, loses none.
        """
        gone = list(seqs)
        self._guarded(lambda db: self._remove(db, gone))

    def close(self) -> None:
        """Fold the log into the file and close it; the rows stay for the next start."""
        with self._lock:
            self._file.close()

    def _insert(self, db: sqlite3.Connection, rows: list[tuple[Message, str]]) -> int:
        seq, count, surplus = self._last_seq, self._rows, 0
        with db:
            for message, properties in rows:
                seq += 1
                values = (seq, message.topic, message.payload, properties, message.at)
                db.execute("INSERT INTO spool VALUES (?, ?, ?, ?, ?)", values)
                count += 1
            while count > self._max_events or (count > 1 and used_bytes(db) > self._max_bytes):
                db.execute("DELETE FROM spool WHERE seq = (SELECT min(seq) FROM spool)")
                count -= 1
                surplus += 1
        if surplus and not self._dropped:
            _log.warning("event spool %s is full; the oldest events are dropped", self.path)
        self._dropped += surplus
        self._last_seq, self._rows = seq, count
        return seq

    def _remove(self, db: sqlite3.Connection, seqs: list[int]) -> None:
        # The next append syncs the log anyway; a sync of its own would double the wear of an SD card.
        db.execute("PRAGMA synchronous=NORMAL")
        try:
            with db:
                gone = db.executemany("DELETE FROM spool WHERE seq = ?", [(seq,) for seq in seqs]).rowcount
        finally:
            db.execute("PRAGMA synchronous=FULL")
        self._rows -= max(gone, 0)

    def _guarded(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock:
            try:
                return self._file.run(work)
            except (sqlite3.Error, OSError) as error:
                raise SinkError(f"event spool {self.path}: {error}; check the space on that disk") from None

    def _prepare(self, db: sqlite3.Connection) -> None:
        with db:
            db.execute(f"CREATE TABLE IF NOT EXISTS spool ({_COLUMNS})")
        last, self._rows = db.execute("SELECT coalesce(max(seq), 0), count(*) FROM spool").fetchone()
        # A number is never given twice in one life, even where a damaged file was replaced by an empty one.
        self._last_seq = max(self._last_seq, last)

    def _why_not_opened(self, error: sqlite3.Error | OSError) -> str:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return f"event spool {self.path} is in use by another process; stop it or set another device.data_dir"
        return f"event spool {self.path} cannot be opened: {error}; check that the folder can be written"


def _message(topic: str, payload: bytes, properties: str, at: float) -> Message:
    try:
        return Message(topic, payload, json.loads(properties), at)
    except ValueError as error:
        raise sqlite3.DatabaseError(f"a row cannot be read: {error}") from None
