"""What the cloud cost, on disk: money is reserved before a call, and whatever goes wrong counts as spent."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from edge_runtime.decision.budget import Budget, pico_usd, usd
from edge_runtime.errors import BudgetExceededError, CloudError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edge_runtime.answer_sections import BudgetSettings

logger = logging.getLogger(__name__)

FIRST_YEAR = 2024
KEPT_DAYS = 62
BUSY_S = 10.0
PERIODS = {"month": 7, "day": 10, "minute": 16}
"""How much of "2026-11-22T12:00" names each period, the longest period first."""
SCHEMA = """
CREATE TABLE IF NOT EXISTS totals (
    period TEXT PRIMARY KEY,
    pico_usd INTEGER NOT NULL CHECK (pico_usd >= 0)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reserved (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    minute TEXT NOT NULL,
    pico_usd INTEGER NOT NULL CHECK (pico_usd >= 0)
)"""
ADD = "INSERT INTO totals VALUES (?1, ?2) ON CONFLICT (period) DO UPDATE SET pico_usd = pico_usd + ?2"
CORRECT = "UPDATE totals SET pico_usd = max(pico_usd + ?2, 0) WHERE period = ?1"
VERSION = 2


@dataclass(frozen=True, slots=True)
class Reservation:
    """Money set aside for one call, in picodollars; counted as spent until it is settled.

    What costs nothing is not written down and has the id 0.
    """

    id: int
    minute: str
    worst_case: int


@dataclass(frozen=True, slots=True)
class Spent:
    """What became of one cap, in dollars; what was reserved by calls that never ended stays reserved.

    Attributes:
        name: minute, day or month.
        period: which one, "2026-11-22".
        spent: paid for.
        reserved: set aside for calls that have not been settled.
        cap: the most that both may be.
    """

    name: str
    period: str
    spent: float
    reserved: float
    cap: float


class Spending:
    """Money caps for each minute, day and month (UTC) that hold across threads, processes, crashes and clock jumps.

    Args:
        path: SQLite file, made when missing.
        caps: the caps.
        now: seconds since 1970.
    """

    def __init__(self, path: Path, caps: BudgetSettings, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._caps = {
            "month": pico_usd(caps.usd_per_month),
            "day": pico_usd(caps.usd_per_day),
            "minute": pico_usd(caps.usd_per_minute),
        }
        self._now = now
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._file = (0, 0)

    def close(self) -> None:
        """Close the file; it opens again when it is needed."""
        with self._lock:
            self._drop()

    def reserve(self, worst_case: int) -> Reservation:
        """Set `worst_case` picodollars aside; raises BudgetExceededError, or CloudError where the file is unusable."""
        if worst_case == 0:
            return Reservation(0, "", 0)
        with self._transaction() as db:
            minute = self._minute(db)
            for name, digits in PERIODS.items():
                budget = Budget(self._caps[name], _total(db, minute[:digits]))
                if budget.reserve(worst_case) is None:
                    raise BudgetExceededError(
                        f"a call of up to {usd(worst_case):.6f} USD does not fit under the cap of "
                        f"{usd(budget.cap):.2f} USD a {name}, of which {usd(budget.committed):.6f} are taken in "
                        f"{minute[:digits]} UTC; wait for the next {name} or raise cloud.budget.usd_per_{name}"
                    )
            if not _total(db, minute):
                _forget(db, minute)
            for digits in PERIODS.values():
                db.execute(ADD, (minute[:digits], worst_case))
            row = db.execute("INSERT INTO reserved (minute, pico_usd) VALUES (?, ?)", (minute, worst_case))
            return Reservation(int(row.lastrowid or 0), minute, worst_case)

    def settle(self, reservation: Reservation, actual: int) -> None:
        """Put what the call really cost in place of its reservation, which stays where the file cannot be written."""
        if reservation.id == 0:
            return
        try:
            with self._transaction() as db:
                # A reservation is settled once, whoever asks twice.
                if db.execute("DELETE FROM reserved WHERE id = ?", (reservation.id,)).rowcount == 1:
                    difference = max(actual, 0) - reservation.worst_case
                    for digits in PERIODS.values():
                        db.execute(CORRECT, (reservation.minute[:digits], difference))
        except CloudError as error:
            logger.warning("the full reservation counts as spent: %s", error)

    def summary(self) -> tuple[Spent, ...]:
        """Return what is spent and reserved of each cap, the longest period first; raises CloudError as `reserve`."""
        with self._transaction() as db:
            minute = self._minute(db)
            return tuple(self._spent(db, name, minute[:digits]) for name, digits in PERIODS.items())

    def _spent(self, db: sqlite3.Connection, name: str, period: str) -> Spent:
        query = "SELECT coalesce(sum(pico_usd), 0) FROM reserved WHERE substr(minute, 1, ?) = ?"
        reserved = int(db.execute(query, (len(period), period)).fetchone()[0])
        return Spent(name, period, usd(_total(db, period) - reserved), usd(reserved), usd(self._caps[name]))

    def _minute(self, db: sqlite3.Connection) -> str:
        """Return this minute, or the newest on record where the clock fell behind it: old periods do not come back."""
        clock = datetime.fromtimestamp(self._now(), UTC).strftime("%Y-%m-%dT%H:%M")
        newest = db.execute("SELECT max(period) FROM totals WHERE length(period) = 16").fetchone()[0] or ""
        minute = max(clock, str(newest))
        if int(minute[:4]) < FIRST_YEAR:
            raise BudgetExceededError(f"no money is spent while the clock is not set (it says {clock} UTC)")
        return minute

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the lock of the threads, then that of the processes; on any failure nothing of it happened."""
        with self._lock:
            try:
                db = self._opened()
                db.execute("BEGIN IMMEDIATE")
                try:
                    yield db
                except BudgetExceededError:
                    db.execute("ROLLBACK")
                    raise
                db.execute("COMMIT")
            except (sqlite3.Error, OSError, ValueError, OverflowError) as error:
                self._drop()
                raise CloudError(
                    f"the spending record {self._path} cannot be used ({error}), so no call is made"
                ) from error

    def _opened(self) -> sqlite3.Connection:
        """Return the open file; one that was moved or deleted since is not written any more."""
        if self._db is not None and self._path.exists():
            there = self._path.stat()
            if (there.st_dev, there.st_ino) == self._file:
                return self._db
        self._drop()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        self._db = db
        # A commit in a write-ahead log waits for the disk once; where another process is busy it stays as it is.
        with suppress(sqlite3.OperationalError):
            db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("BEGIN IMMEDIATE")
        if db.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            _set_up(db)
        db.execute("COMMIT")
        there = self._path.stat()
        self._file = (there.st_dev, there.st_ino)
        return db

    def _drop(self) -> None:
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
        self._db = None


def _total(db: sqlite3.Connection, period: str) -> int:
    row = db.execute("SELECT pico_usd FROM totals WHERE period = ?", (period,)).fetchone()
    return int(row[0]) if row else 0


def _set_up(db: sqlite3.Connection) -> None:
    """Make the tables, and take over what an earlier version wrote: one row for each call, by day."""
    for statement in SCHEMA.split(";"):
        db.execute(statement)
    if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'calls'").fetchone():
        for day, pico in db.execute("SELECT day, sum(pico_usd) FROM calls GROUP BY day").fetchall():
            for period in (f"{day}T00:00", day, day[:7]):
                db.execute(ADD, (period, pico))
        db.execute("DROP TABLE calls")
    db.execute(f"PRAGMA user_version = {VERSION}")


def _forget(db: sqlite3.Connection, minute: str) -> None:
    """Delete what no cap will ask for again."""
    now = datetime.fromisoformat(minute)
    yesterday, oldest = ((now - timedelta(days=days)).isoformat(timespec="minutes") for days in (1, KEPT_DAYS))
    db.execute("DELETE FROM totals WHERE period < ? AND (period < ? OR length(period) = 16)", (yesterday, oldest))
    db.execute("DELETE FROM reserved WHERE minute < ?", (oldest,))
