"""What the cloud cost, on disk: money is reserved before a call, and whatever goes wrong counts as spent."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from edge_runtime.decision.budget import Budget, pico_usd, usd
from edge_runtime.errors import BudgetExceededError, CloudError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

logger = logging.getLogger(__name__)

FIRST_DAY = date(2024, 1, 1)
KEPT_DAYS = 62
BUSY_S = 10.0
SCHEMA = """CREATE TABLE IF NOT EXISTS calls (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    day TEXT NOT NULL,
    pico_usd INTEGER NOT NULL CHECK (pico_usd >= 0),
    settled INTEGER NOT NULL DEFAULT 0
)"""


@dataclass(frozen=True, slots=True)
class Reservation:
    """Money set aside for one call, in picodollars; counted as spent until it is settled."""

    id: int
    worst_case: int


class Spending:
    """A money cap for each day (UTC) that holds across threads, processes, crashes and clock jumps.

    Args:
        path: SQLite file, made when missing.
        usd_per_day: the cap.
        now: seconds since 1970.
    """

    def __init__(self, path: Path, usd_per_day: float, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._cap = pico_usd(usd_per_day)
        self._now = now
        self._lock = threading.Lock()

    def reserve(self, worst_case: int) -> Reservation:
        """Set `worst_case` picodollars aside; raises BudgetExceededError, or CloudError where the file is unusable."""
        with self._transaction() as db:
            day = self._day(db)
            if Budget(self._cap, self._committed(db, day)).reserve(worst_case) is None:
                raise BudgetExceededError(
                    f"a call of up to {usd(worst_case):.6f} USD does not fit under the cap of {usd(self._cap):.2f} USD "
                    f"for {day}; wait for tomorrow or raise cloud.usd_per_day"
                )
            oldest = (date.fromisoformat(day) - timedelta(days=KEPT_DAYS)).isoformat()
            db.execute("DELETE FROM calls WHERE day < ?", (oldest,))
            row = db.execute("INSERT INTO calls (day, pico_usd) VALUES (?, ?)", (day, worst_case))
            return Reservation(int(row.lastrowid or 0), worst_case)

    def settle(self, reservation: Reservation, actual: int) -> None:
        """Put what the call really cost in place of its reservation, which stays where the file cannot be written."""
        try:
            with self._transaction() as db:
                db.execute("UPDATE calls SET pico_usd = ?, settled = 1 WHERE id = ?", (max(actual, 0), reservation.id))
        except CloudError as error:
            logger.warning("the full reservation counts as spent: %s", error)

    def today_usd(self) -> float:
        """Return what is spent and reserved of today's cap, in dollars."""
        with self._transaction() as db:
            return usd(self._committed(db, self._day(db)))

    def _day(self, db: sqlite3.Connection) -> str:
        """Return today, or the newest day on record where the clock fell behind it."""
        newest = db.execute("SELECT max(day) FROM calls").fetchone()[0] or ""
        day = max(datetime.fromtimestamp(self._now(), UTC).date().isoformat(), newest)
        if date.fromisoformat(day) < FIRST_DAY:
            raise BudgetExceededError(f"no money is spent while the clock is not set (it says {day})")
        return day

    @staticmethod
    def _committed(db: sqlite3.Connection, day: str) -> int:
        return int(db.execute("SELECT coalesce(sum(pico_usd), 0) FROM calls WHERE day = ?", (day,)).fetchone()[0])

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._lock, closing(sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None)) as db:
                db.execute("PRAGMA synchronous = FULL")
                db.execute("BEGIN IMMEDIATE")
                db.execute(SCHEMA)
                yield db
                db.execute("COMMIT")
        except (sqlite3.Error, OSError, ValueError, OverflowError) as error:
            raise CloudError(
                f"the spending record {self._path} cannot be used ({error}), so no call is made"
            ) from error
