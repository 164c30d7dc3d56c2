"""One SQLite file that outlives damage: what is no sound database is moved aside, and a new one made."""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_log = logging.getLogger(__name__)

T = TypeVar("T")


class SqliteFile:
    """An open database, checked when it is opened and replaced where it is damaged. Not safe across threads: lock.

    A damaged file is moved to `<path>.corrupt` and said in the log.

    Args:
        path: the file; its folder is made.
        what: what the log calls it, such as "event log".
        pragmas: statements that every connection begins with.
        prepare: makes the tables of the connection that it is handed; called for the replacement of a damaged file too.
        wait_s: seconds to wait for another process that holds a lock.

    Raises:
        sqlite3.Error: it cannot be opened, or another process has it.
        OSError: the folder cannot be written.
    """

    def __init__(
        self,
        path: Path,
        what: str,
        pragmas: Sequence[str],
        prepare: Callable[[sqlite3.Connection], None],
        wait_s: float = 0.0,
    ) -> None:
        self._path = path
        self._what = what
        self._pragmas = pragmas
        self._prepare = prepare
        self._wait_s = wait_s
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            self._set_aside(error)
            self._open()

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` does with the connection; where it finds the file damaged, once more with a new file.

        Raises:
            sqlite3.Error: the disk is full or failing, or this is closed.
            OSError: the damaged file cannot be moved.
        """
        try:
            return work(self._db)
        except sqlite3.DatabaseError as error:
            self._set_aside(error)
        self._open()
        return work(self._db)

    def close(self) -> None:
        """Fold the write-ahead log into the file and close it; twice is no fault."""
        self._db.close()

    def _open(self) -> None:
        self._db = sqlite3.connect(self._path, timeout=self._wait_s, check_same_thread=False)
        try:
            for pragma in self._pragmas:
                self._db.execute(pragma)
            verdict = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise sqlite3.DatabaseError(verdict)
            self._prepare(self._db)
        except sqlite3.Error:
            self._db.close()
            raise

    def _set_aside(self, error: sqlite3.DatabaseError) -> None:
        # A full disk, a lock or a closed connection is no damage.
        if isinstance(error, (sqlite3.OperationalError, sqlite3.ProgrammingError)):
            raise error
        self._db.close()
        aside = self._path.with_name(self._path.name + ".corrupt")
        self._path.replace(aside)
        for suffix in ("-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        _log.error("%s %s is damaged (%s); moved to %s, a new one is used", self._what, self._path, error, aside)


def used_bytes(db: sqlite3.Connection) -> int:
    """Return how many bytes of a database hold something; deleted rows leave free pages behind."""
    pages, free, size = (
        int(db.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size
