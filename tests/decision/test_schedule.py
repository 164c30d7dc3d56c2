from __future__ import annotations

from datetime import datetime

import pytest

from edge_runtime.decision.schedule import Schedule

MONDAY = 5  # of January 2026


def local(day: int, hour: int, minute: int = 0) -> datetime:
    """Return a moment of the week of Monday 5 January 2026, `day` 0 being that Monday."""
    return datetime(2026, 1, MONDAY + day, hour, minute)  # noqa: DTZ001 - a wall clock


@pytest.mark.parametrize(
    ("span", "moment", "holds"),
    [
        pytest.param("08:00-17:30", local(2, 8), True, id="begins-on-the-minute"),
        pytest.param("08:00-17:30", local(2, 17, 30), False, id="ends-on-the-minute"),
        pytest.param("8:00 - 17:30", local(2, 17, 29), True, id="blanks-and-one-digit"),
        pytest.param("mon-fri 22:00-06:00", local(0, 23), True, id="before-midnight"),
        pytest.param("mon-fri 22:00-06:00", local(5, 5, 59), True, id="friday-s-night-ends-on-saturday"),
        pytest.param("mon-fri 22:00-06:00", local(0, 5), False, id="sunday-s-night-is-none-of-it"),
        pytest.param("sun 22:00-06:00", local(0, 5), True, id="sunday-s-night-ends-on-monday"),
        pytest.param("sat,sun", local(5, 0), True, id="a-whole-day-from-its-first-minute"),
        pytest.param("sat,sun", local(4, 23, 59), False, id="not-a-minute-earlier"),
        pytest.param("Friday - Monday", local(6, 12), True, id="days-over-the-end-of-the-week"),
        pytest.param("fri-mon", local(1, 12), False, id="and-no-further"),
        pytest.param("weekend 10:00-24:00", local(6, 23, 59), True, id="until-midnight"),
        pytest.param("weekdays, sun", local(5, 12), False, id="a-group-and-a-day"),
        pytest.param("daily 00:00-24:00", local(3, 3), True, id="always"),
    ],
)
def test_schedule_holds_in_local_time(span: str, moment: datetime, holds: bool) -> None:
    assert Schedule((span,)).holds(moment, unknown=not holds) is holds


def test_several_stretches_add_up_and_none_means_always() -> None:
    both = Schedule(("mon 08:00-09:00", "tue"))
    assert [both.holds(local(day, 8), unknown=False) for day in range(3)] == [True, True, False]
    assert Schedule().holds(local(0, 0), unknown=False)


@pytest.mark.parametrize("unknown", [True, False])
def test_who_asks_decides_what_an_unset_clock_means(unknown: bool) -> None:
    assert Schedule(("mon",)).holds(None, unknown=unknown) is unknown


@pytest.mark.parametrize(
    ("span", "said"),
    [
        pytest.param("", "no stretch", id="empty"),
        pytest.param("mon tue 08:00-09:00", "no stretch", id="days-without-a-comma"),
        pytest.param("mno 08:00-09:00", "did you mean 'mon'", id="day-misspelt"),
        pytest.param("mon-tue-wed", "is no day", id="two-dashes"),
        pytest.param("08:00", "without an end", id="no-end"),
        pytest.param("08:00-08:00", "no time at all", id="lasts-nothing"),
        pytest.param("24:00-08:00", "no time at all", id="begins-after-the-day"),
        pytest.param("25:00-08:00", "'25:00' is no time of day", id="hour-that-is-none"),
        pytest.param("08:60-09:00", "'08:60' is no time of day", id="minute-that-is-none"),
        pytest.param("08:00-09:00pm", "'09:00pm' is no time of day", id="halves-of-the-day"),
    ],
)
def test_impossible_schedules_are_explained(span: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        Schedule((span,))
    assert "write 'mon-fri 22:00-06:00'" in str(caught.value)
