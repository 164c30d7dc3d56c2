from __future__ import annotations

import math
from dataclasses import asdict

import pytest

from edge_runtime.decision.timers import Moment, Timer, after, at, kept, left_s, longer, out_of_step, timer_of

WALL = 1_800_000_000.0
START = Moment(WALL, 100.0, "first")
FIVE = after(300.0, START, new_id="a", name="egg")
ALARM = at(WALL + 300.0, START, new_id="b")


@pytest.mark.parametrize(
    ("timer", "now", "left"),
    [
        pytest.param(FIVE, Moment(WALL + 60, 160.0, "first"), 240.0, id="a minute later"),
        pytest.param(FIVE, Moment(WALL + 3660, 160.0, "first"), 240.0, id="the wall clock was put forward an hour"),
        pytest.param(FIVE, Moment(0.0, 160.0, "first", is_set=False), 240.0, id="the wall clock was lost"),
        pytest.param(FIVE, Moment(WALL + 60, 5.0, "second"), 240.0, id="after a boot, by the wall clock"),
        pytest.param(FIVE, Moment(9.0, 5.0, "second", is_set=False), 300.0, id="after a boot without a clock"),
        pytest.param(FIVE, Moment(WALL + 900, 5.0, "second"), -600.0, id="it ended while the box was off"),
        pytest.param(ALARM, Moment(WALL + 60, 160.0, "first"), 240.0, id="an alarm"),
        pytest.param(ALARM, Moment(WALL + 200, 160.0, "first"), 100.0, id="an alarm follows the wall clock"),
        pytest.param(ALARM, Moment(9.0, 5.0, "second", is_set=False), math.inf, id="an alarm waits for the clock"),
    ],
)
def test_what_is_left_whatever_the_clocks_do(timer: Timer, now: Moment, left: float) -> None:
    assert left_s(timer, now) == left


def test_a_timer_set_before_the_clock_was_goes_on_after_a_boot() -> None:
    unset = after(300.0, Moment(50.0, 10.0, "first", is_set=False), new_id="a")
    later = kept(unset, Moment(WALL, 110.0, "first"))
    assert left_s(later, Moment(WALL + 50, 5.0, "second")) == 150.0


def test_what_was_kept_without_a_clock_loses_only_the_time_since() -> None:
    unset = after(300.0, Moment(50.0, 10.0, "first", is_set=False), new_id="a")
    later = kept(unset, Moment(150.0, 110.0, "first", is_set=False))
    assert left_s(later, Moment(9.0, 5.0, "second", is_set=False)) == 200.0


@pytest.mark.parametrize(
    ("timer", "now", "expected"),
    [
        pytest.param(FIVE, Moment(WALL + 60, 160.0, "first"), False, id="the same boot"),
        pytest.param(FIVE, Moment(WALL + 60, 5.0, "second"), True, id="another boot"),
        pytest.param(FIVE, Moment(WALL + 3660, 160.0, "first"), True, id="the wall clock was set"),
        pytest.param(ALARM, Moment(WALL + 60, 5.0, "second"), False, id="an alarm needs no keeping"),
    ],
)
def test_when_a_timer_is_to_be_kept_anew(timer: Timer, now: Moment, expected: bool) -> None:
    assert out_of_step(timer, now) is expected
    assert not out_of_step(kept(timer, now), now)
    assert left_s(kept(timer, now), now) == left_s(timer, now)


def test_a_timer_made_longer_ends_later_by_both_clocks() -> None:
    more = longer(FIVE, 60.0)
    assert left_s(more, START) == 360.0
    assert left_s(more, Moment(WALL, 5.0, "second")) == 360.0
    assert more.length_s == 360.0


@pytest.mark.parametrize("timer", [FIVE, ALARM])
def test_a_timer_survives_its_record(timer: Timer) -> None:
    assert timer_of(asdict(timer)) == timer


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"kind": "bomb"}, id="a kind that there is not"),
        pytest.param({"due_wall": math.nan}, id="no number"),
        pytest.param({"left_s": "soon"}, id="words for a number"),
        pytest.param({"length_s": None}, id="nothing for a number"),
    ],
)
def test_a_record_that_is_not_whole_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"missing|range|convert"):
        timer_of(asdict(FIVE) | change)
    with pytest.raises(ValueError, match="missing"):
        timer_of({"id": "a"})
