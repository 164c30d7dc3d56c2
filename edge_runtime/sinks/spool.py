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
            path.parent.mkdir(parents=True, exist_ok=True)
            self._open_or_replace()
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
        return self._guarded(lambda: self._insert(rows))

    def batch(self, after: int, limit: int) -> list[tuple[int, Message]]:
        """Return up to `limit` of the oldest rows numbered above `after`, in order."""

        def read() -> list[tuple[int, Message]]:
            found = self._db.execute("SELECT * FROM spool WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit))
            return [(row[0], _message(*row[1:])) for row in found]

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
        seq, count, surplus = self._last_seq, self._rows, 0
        with self._db:
            for message, properties in rows:
                seq += 1
                values = (seq, message.topic, message.payload, properties, message.at)
                self._db.execute("INSERT INTO spool VALUES (?, ?, ?, ?, ?)", values)
                count += 1
            while count > self._max_events or (count > 1 and self._used_bytes() > self._max_bytes):
                self._db.execute("DELETE FROM spool WHERE seq = (SELECT min(seq) FROM spool)")
                count -= 1
                surplus += 1
        if surplus and not self._dropped:
            _log.warning("event spool %s is full; the oldest events are dropped", self.path)
        self._dropped += surplus
        self._last_seq, self._rows = seq, count
        return seq

    def _used_bytes(self) -> int:
        pages, free, size = (
            int(self._db.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * size

    def _remove(self, seqs: Iterable[int]) -> None:
        # The next append syncs the log anyway; a sync of its own would double the wear of an SD card.
        self._db.execute("PRAGMA synchronous=NORMAL")
        try:
            with self._db:
                gone = self._db.executemany("DELETE FROM spool WHERE seq = ?", [(seq,) for seq in seqs]).rowcount
        finally:
            self._db.execute("PRAGMA synchronous=FULL")
        self._rows -= max(gone, 0)

    def _guarded(self, work: Callable[[], T]) -> T:
        with self._lock:
            try:
                return self._mended(work)
            except (sqlite3.Error, OSError) as error:
                raise SinkError(f"event spool {self.path}: {error}; check the space on that disk") from None

    def _mended(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except sqlite3.DatabaseError as error:
            self._set_aside(error)
        self._open()
        return work()

    def _open_or_replace(self) -> None:
        try:
            self._open()
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
            last, self._rows = self._db.execute("SELECT coalesce(max(seq), 0), count(*) FROM spool").fetchone()
            # A number is never given twice in one life, even where a damaged file was replaced by an empty one.
            self._last_seq = max(self._last_seq, last)
        except sqlite3.Error:
            self._db.close()
            raise

    def _set_aside(self, error: sqlite3.DatabaseError) -> None:
        """Move a damaged file out of the way; any other `error` is raised again."""
        if isinstance(error, (sqlite3.OperationalError, sqlite3.ProgrammingError)):
            raise error
        self._db.close()
        aside = self.path.with_name(self.path.name + ".corrupt")
        self.path.replace(aside)
        for suffix in ("-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        _log.error("event spool %s is damaged (%s); moved to %s, a new one is used", self.path, error, aside)

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
