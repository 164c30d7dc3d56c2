from __future__ import annotations

import sqlite3
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from edge_runtime.answer_sections import BudgetSettings
from edge_runtime.cloud.spending import Spending
from edge_runtime.decision.budget import PICO
from edge_runtime.errors import BudgetExceededError, CloudError

if TYPE_CHECKING:
    from pathlib import Path

CENT = PICO // 100
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()
DAY_S = 86_400.0


def made(path: Path, usd_per_day: float = 0.10, at: float = NOON) -> Spending:
    return Spending(path, caps(day=usd_per_day), lambda: at)


def caps(minute: float = 100, day: float = 100, month: float = 100) -> BudgetSettings:
    return BudgetSettings(usd_per_minute=minute, usd_per_day=day, usd_per_month=month)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "spending.db"


def spent(path: Path, at: float = NOON) -> float:
    spending = made(path, 1.0, at)
    day = today(spending)
    spending.close()
    return day


def today(spending: Spending) -> float:
    day = next(one for one in spending.summary() if one.name == "day")
    return round(day.spent + day.reserved, 12)


def test_a_reservation_counts_until_settled_and_then_the_real_cost_does(path: Path) -> None:
    spending = made(path)
    reservation = spending.reserve(8 * CENT)
    with pytest.raises(BudgetExceededError, match=r"0\.10 USD"):
        spending.reserve(3 * CENT)
    spending.settle(reservation, CENT)
    assert today(spending) == 0.01
    spending.reserve(9 * CENT)
    assert today(spending) == 0.10


def try_once(spending: Spending) -> bool:
    try:
        spending.reserve(CENT)
    except BudgetExceededError:
        return False
    return True


def test_a_hundred_threads_never_pass_the_cap(path: Path) -> None:
    spending = made(path, 0.25)
    with ThreadPoolExecutor(100) as pool:
        won = list(pool.map(lambda _: try_once(spending), range(100)))
    assert sum(won) == 25
    assert spent(path) == 0.25


RESERVE_MANY = """
    import sys
    from pathlib import Path
    from edge_runtime.answer_sections import BudgetSettings
    from edge_runtime.cloud.spending import Spending
    from edge_runtime.errors import BudgetExceededError
    caps = BudgetSettings(usd_per_minute=1, usd_per_day=0.25, usd_per_month=1)
    spending, won = Spending(Path(sys.argv[1]), caps, lambda: float(sys.argv[2])), 0
    for _ in range(40):
        try:
            spending.reserve(10**10)
            won += 1
        except BudgetExceededError:
            pass
    print(won)
"""


def test_three_processes_share_one_cap(path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(RESERVE_MANY), str(path), str(NOON)]
    all_three = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert sum(int(process.communicate(timeout=60)[0]) for process in all_three) == 25
    assert spent(path) == 0.25


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from edge_runtime.answer_sections import BudgetSettings
    from edge_runtime.cloud.spending import Spending
    Spending(Path(sys.argv[1]), BudgetSettings(usd_per_minute=1), lambda: float(sys.argv[2])).reserve(7 * 10**10)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_between_reserving_and_settling_the_money_counts_as_spent(path: Path) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(path), str(NOON)], timeout=60, check=False
    )
    assert killed.returncode == -9
    assert spent(path) == 0.07
    with pytest.raises(BudgetExceededError):
        made(path).reserve(4 * CENT)


@pytest.mark.parametrize(
    ("capped", "later", "allowed"),
    [
        pytest.param({"minute": 0.10}, NOON + 59, False, id="the same minute"),
        pytest.param({"minute": 0.10}, NOON + 60, True, id="the next minute is a new cap"),
        pytest.param({"minute": 0.10}, NOON - 3600, False, id="a clock that jumps back an hour gives no new minute"),
        pytest.param({"day": 0.10}, NOON + 3600, False, id="the same day"),
        pytest.param({"day": 0.10}, NOON + DAY_S, True, id="tomorrow is a new cap"),
        pytest.param({"day": 0.10}, NOON - DAY_S, False, id="a clock that jumps back a day gives no new day"),
        pytest.param({"day": 0.10}, 0.0, False, id="a clock that starts in 1970 gives no new day"),
        pytest.param({"month": 0.10}, NOON + 7 * DAY_S, False, id="the same month"),
        pytest.param({"month": 0.10}, NOON + 9 * DAY_S, True, id="the next month is a new cap"),
        pytest.param({"month": 0.10}, NOON - 30 * DAY_S, False, id="a clock that jumps back gives no new month"),
    ],
)
def test_a_new_cap_comes_only_with_a_later_period(
    path: Path, capped: dict[str, float], later: float, allowed: bool
) -> None:
    before = Spending(path, caps(**capped), lambda: NOON)
    before.reserve(10 * CENT)
    assert not try_once(before)
    assert try_once(Spending(path, caps(**capped), lambda: later)) is allowed


def test_the_summary_tells_spent_from_reserved(path: Path) -> None:
    spending = Spending(path, caps(minute=0.5, day=0.6, month=0.7), lambda: NOON)
    spending.settle(spending.reserve(8 * CENT), 2 * CENT)
    spending.reserve(5 * CENT)
    month, day, minute = spending.summary()
    assert (month.period, day.period, minute.period) == ("2026-11", "2026-11-22", "2026-11-22T12:00")
    assert [(one.spent, one.reserved) for one in (month, day, minute)] == [(0.02, 0.05)] * 3
    assert [one.cap for one in (month, day, minute)] == [0.7, 0.6, 0.5]


def test_a_call_is_settled_once(path: Path) -> None:
    spending = made(path)
    reservation = spending.reserve(8 * CENT)
    spending.settle(reservation, CENT)
    spending.settle(reservation, CENT)
    assert today(spending) == 0.01


def test_a_call_is_settled_in_the_period_it_was_reserved_in(path: Path) -> None:
    clock = [NOON]
    spending = Spending(path, caps(), lambda: clock[0])
    reservation = spending.reserve(8 * CENT)
    clock[0] += DAY_S
    spending.settle(reservation, CENT)
    assert today(spending) == 0.0
    assert spending.summary()[0].spent == 0.01


def test_what_costs_nothing_needs_no_clock(path: Path) -> None:
    spending = made(path, 0.0, at=0.0)
    spending.settle(spending.reserve(0), 0)
    assert not path.exists()


def test_a_record_of_an_earlier_version_goes_on(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE calls (id INTEGER PRIMARY KEY, day TEXT, pico_usd INTEGER, settled INTEGER)")
        db.executemany(
            "INSERT INTO calls (day, pico_usd, settled) VALUES (?, ?, 1)",
            [("2026-11-22", 4 * CENT), ("2026-11-22", 3 * CENT), ("2026-11-21", CENT)],
        )
    db.close()
    month, day, _ = made(path).summary()
    assert (month.spent, day.spent) == (0.08, 0.07)


def test_a_deleted_record_is_not_written_any_more(path: Path) -> None:
    spending = made(path)
    spending.reserve(10 * CENT)
    path.unlink()
    spending.reserve(CENT)
    assert spent(path) == 0.01


def test_a_clock_that_was_never_set_spends_nothing(path: Path) -> None:
    with pytest.raises(BudgetExceededError, match="clock is not set"):
        made(path, at=0.0).reserve(CENT)


def test_a_cap_of_zero_allows_nothing(path: Path) -> None:
    with pytest.raises(BudgetExceededError):
        made(path, 0.0).reserve(1)


def garbage(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is no database" * 100)


def other_table(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE calls (x)")
    db.close()


def folder(path: Path) -> None:
    path.mkdir(parents=True)


def file_above(path: Path) -> None:
    path.parent.write_text("a file where the folder should be")


@pytest.mark.parametrize("break_it", [garbage, other_table, folder, file_above])
def test_a_broken_record_means_no_call(path: Path, break_it: object) -> None:
    assert callable(break_it)
    break_it(path)
    with pytest.raises(CloudError, match="no call is made") as caught:
        made(path).reserve(CENT)
    assert type(caught.value) is CloudError


def test_a_record_that_breaks_before_settling_keeps_the_reservation(path: Path) -> None:
    spending = made(path)
    reservation = spending.reserve(7 * CENT)
    spending.close()
    whole = path.read_bytes()
    path.write_bytes(b"this is no database" * 100)
    spending.settle(reservation, 0)
    path.write_bytes(whole)
    assert today(spending) == 0.07


def test_what_no_cap_asks_for_is_forgotten(path: Path) -> None:
    for day in range(100):
        spending = made(path, at=NOON + day * DAY_S)
        spending.reserve(CENT)
        spending.close()
    with sqlite3.connect(path) as db:
        kept = [row[0] for row in db.execute("SELECT period FROM totals")]
        assert db.execute("SELECT count(*) FROM reserved").fetchone()[0] == 63
    db.close()
    assert [sum(len(period) == length for period in kept) for length in (16, 10, 7)] == [2, 62, 3]
