from __future__ import annotations

import sqlite3
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from edge_runtime.cloud.spending import Spending
from edge_runtime.decision.budget import PICO
from edge_runtime.errors import BudgetExceededError, CloudError

if TYPE_CHECKING:
    from pathlib import Path

CENT = PICO // 100
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()
DAY_S = 86_400.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "spending.db"


def spent(path: Path, at: float = NOON) -> float:
    return Spending(path, 1.0, lambda: at).today_usd()


def test_a_reservation_counts_until_settled_and_then_the_real_cost_does(path: Path) -> None:
    spending = Spending(path, 0.10, lambda: NOON)
    reservation = spending.reserve(8 * CENT)
    with pytest.raises(BudgetExceededError, match=r"0\.10 USD"):
        spending.reserve(3 * CENT)
    spending.settle(reservation, CENT)
    assert spending.today_usd() == 0.01
    spending.reserve(9 * CENT)
    assert spending.today_usd() == 0.10


def try_once(spending: Spending) -> bool:
    try:
        spending.reserve(CENT)
    except BudgetExceededError:
        return False
    return True


def test_a_hundred_threads_never_pass_the_cap(path: Path) -> None:
    spending = Spending(path, 0.25, lambda: NOON)
    with ThreadPoolExecutor(100) as pool:
        won = list(pool.map(lambda _: try_once(spending), range(100)))
    assert sum(won) == 25
    assert spent(path) == 0.25


RESERVE_MANY = """
    import sys
    from pathlib import Path
    from edge_runtime.cloud.spending import Spending
    from edge_runtime.errors import BudgetExceededError
    spending, won = Spending(Path(sys.argv[1]), 0.25, lambda: float(sys.argv[2])), 0
    for _ in range(40):
        try:
            spending.reserve(10**10)
            won += 1
        except BudgetExceededError:
            pass
    print(won)
"""


def test_two_processes_share_one_cap(path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(RESERVE_MANY), str(path), str(NOON)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert sum(int(process.communicate(timeout=60)[0]) for process in both) == 25
    assert spent(path) == 0.25


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from edge_runtime.cloud.spending import Spending
    Spending(Path(sys.argv[1]), 0.10, lambda: float(sys.argv[2])).reserve(7 * 10**10)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_between_reserving_and_settling_the_money_counts_as_spent(path: Path) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(path), str(NOON)], timeout=60, check=False
    )
    assert killed.returncode == -9
    assert spent(path) == 0.07
    with pytest.raises(BudgetExceededError):
        Spending(path, 0.10, lambda: NOON).reserve(4 * CENT)


@pytest.mark.parametrize(
    ("later", "allowed"),
    [
        pytest.param(NOON + 60, False, id="the same day"),
        pytest.param(NOON + DAY_S, True, id="tomorrow is a new cap"),
        pytest.param(NOON - DAY_S, False, id="a clock that jumps back a day gives no new cap"),
        pytest.param(0.0, False, id="a clock that starts in 1970 gives no new cap"),
    ],
)
def test_a_new_cap_comes_only_with_a_later_day(path: Path, later: float, allowed: bool) -> None:
    Spending(path, 0.10, lambda: NOON).reserve(10 * CENT)
    spending = Spending(path, 0.10, lambda: later)
    assert try_once(spending) is allowed


def test_a_clock_that_was_never_set_spends_nothing(path: Path) -> None:
    with pytest.raises(BudgetExceededError, match="clock is not set"):
        Spending(path, 0.10, lambda: 0.0).reserve(CENT)


def test_a_cap_of_zero_allows_nothing(path: Path) -> None:
    with pytest.raises(BudgetExceededError):
        Spending(path, 0.0, lambda: NOON).reserve(1)


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
        Spending(path, 0.10, lambda: NOON).reserve(CENT)
    assert type(caught.value) is CloudError


def test_a_record_that_breaks_before_settling_keeps_the_reservation(path: Path) -> None:
    spending = Spending(path, 0.10, lambda: NOON)
    reservation = spending.reserve(7 * CENT)
    whole = path.read_bytes()
    path.write_bytes(b"this is no database" * 100)
    spending.settle(reservation, 0)
    path.write_bytes(whole)
    assert spending.today_usd() == 0.07


def test_old_days_are_forgotten(path: Path) -> None:
    for day in range(100):
        Spending(path, 0.10, lambda day=day: NOON + day * DAY_S).reserve(CENT)  # type: ignore[misc]
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*) FROM calls").fetchone()[0] == 63
    db.close()
