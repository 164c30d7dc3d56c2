from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.skills.when import when

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = datetime(2026, 11, 23, 15, 10, tzinfo=BERLIN)
NIGHT = datetime(2026, 11, 23, 2, 30, tzinfo=BERLIN)
SHAPE = "%d %H:%M"


def told(text: str, now: datetime = MONDAY) -> tuple[str, str, str] | None:
    span = when(text, now)
    return None if span is None else (span.start.strftime(SHAPE), span.end.strftime(SHAPE), span.phrase)


@pytest.mark.parametrize(
    ("text", "start", "end", "phrase"),
    [
        ("who came today?", "23 00:00", "23 15:10", "today"),
        ("what happened this morning", "23 05:00", "23 12:00", "this morning"),
        ("in the morning", "23 05:00", "23 12:00", "this morning"),
        ("did the dog go out this afternoon?", "23 12:00", "23 15:10", "this afternoon"),
        ("yesterday", "22 00:00", "23 00:00", "yesterday"),
        ("what was there yesterday evening", "22 18:00", "22 23:00", "yesterday evening"),
        ("yesterday in the morning", "22 05:00", "22 12:00", "yesterday morning"),
        ("was anyone at the door last night?", "22 20:00", "23 06:00", "last night"),
        ("overnight", "22 20:00", "23 06:00", "last night"),
        ("while I was asleep", "22 20:00", "23 06:00", "last night"),
        ("the day before yesterday", "21 00:00", "22 00:00", "on Saturday"),
        ("in the last hour", "23 14:10", "23 15:10", "in the last hour"),
        ("during the past two hours", "23 13:10", "23 15:10", "in the last 2 hours"),
        ("in the last 90 minutes", "23 13:40", "23 15:10", "in the last 90 minutes"),
        ("within the last half hour", "23 14:40", "23 15:10", "in the last 30 minutes"),
        ("over the last couple of hours", "23 13:10", "23 15:10", "in the last 2 hours"),
        ("the last few minutes", "23 15:07", "23 15:10", "in the last 3 minutes"),
        ("in the last twenty-five minutes", "23 14:45", "23 15:10", "in the last 25 minutes"),
        ("in the last week", "16 15:10", "23 15:10", "in the last week"),
        ("past 24 hrs", "22 15:10", "23 15:10", "in the last 24 hours"),
        ("since lunch", "23 12:30", "23 15:10", "since 12:30"),
        ("since lunchtime", "23 12:30", "23 15:10", "since 12:30"),
        ("since breakfast", "23 08:00", "23 15:10", "since 08:00"),
        ("since noon", "23 12:00", "23 15:10", "since 12:00"),
        ("since midnight", "23 00:00", "23 15:10", "since 00:00"),
        ("since dinner", "22 19:00", "23 15:10", "since 19:00 yesterday"),
        ("since 8", "23 08:00", "23 15:10", "since 08:00"),
        ("since 2", "23 14:00", "23 15:10", "since 14:00"),
        ("since eight o'clock", "23 08:00", "23 15:10", "since 08:00"),
        ("since half past nine", "23 09:30", "23 15:10", "since 09:30"),
        ("after 5 pm", "22 17:00", "23 15:10", "since 17:00 yesterday"),
        ("after 5 p.m. yesterday", "22 17:00", "23 00:00", "after 17:00 yesterday"),
        ("since this morning", "23 05:00", "23 15:10", "since this morning"),
        ("since yesterday", "22 00:00", "23 15:10", "since yesterday"),
        ("since Friday", "20 00:00", "23 15:10", "since Friday"),
        ("since an hour ago", "23 14:10", "23 15:10", "in the last 1 hour"),
        ("before 9", "23 00:00", "23 09:00", "before 09:00"),
        ("before lunch", "23 00:00", "23 12:30", "before 12:30"),
        ("between 2 and 4 pm", "23 14:00", "23 15:10", "between 14:00 and 16:00"),
        ("between two and three", "23 14:00", "23 15:00", "between 14:00 and 15:00"),
        ("between 1 and 3 a.m.", "23 01:00", "23 03:00", "between 01:00 and 03:00"),
        ("between 10 and 11 yesterday", "22 10:00", "22 11:00", "between 10:00 and 11:00 yesterday"),
        ("yesterday between 8 and 9 in the evening", "22 20:00", "22 21:00", "between 20:00 and 21:00 yesterday"),
        ("from 22:30 to 6", "22 22:30", "23 06:00", "between 22:30 yesterday and 06:00 the next day"),
        ("from 9 to 11:30", "23 09:00", "23 11:30", "between 09:00 and 11:30"),
        ("between noon and 1 pm", "23 12:00", "23 13:00", "between 12:00 and 13:00"),
        ("at noon", "23 11:45", "23 12:15", "around 12:00"),
        ("at half past two", "23 14:15", "23 14:45", "around 14:30"),
        ("at quarter to three", "23 14:30", "23 15:00", "around 14:45"),
        ("at ten to three", "23 14:35", "23 15:05", "around 14:50"),
        ("around 14:30 yesterday", "22 14:15", "22 14:45", "around 14:30 yesterday"),
        ("at 3 in the morning", "23 02:45", "23 03:15", "around 03:00"),
        ("at 7 last night", "22 18:45", "22 19:15", "around 19:00 yesterday"),
        ("two hours ago", "23 12:40", "23 13:40", "about 2 hours ago"),
        ("20 minutes ago", "23 14:45", "23 14:55", "about 20 minutes ago"),
        ("an hour and a half ago", "23 13:17", "23 14:02", "about 90 minutes ago"),
        ("three days ago", "20 00:00", "21 00:00", "on Friday"),
        ("a week ago", "16 00:00", "17 00:00", "on Monday"),
        ("on Monday", "16 00:00", "17 00:00", "on Monday"),
        ("on Friday afternoon", "20 12:00", "20 18:00", "on Friday afternoon"),
        ("last Saturday night", "21 20:00", "22 06:00", "in the night from Saturday to the next day"),
        ("this week", "23 00:00", "23 15:10", "this week"),
        ("last week", "16 00:00", "23 00:00", "last week"),
        ("at the weekend", "21 00:00", "23 00:00", "last weekend"),
        ("this month", "01 00:00", "23 15:10", "this month"),
        ("last month", "01 00:00", "01 00:00", "last month"),
        ("on the 20th", "20 00:00", "21 00:00", "on Friday"),
        ("on the 2nd of November", "02 00:00", "03 00:00", "on 2 November"),
        ("November 2nd", "02 00:00", "03 00:00", "on 2 November"),
        ("on 24 December", "24 00:00", "25 00:00", "on 24 December 2025"),
        ("2026-11-20", "20 00:00", "21 00:00", "on Friday"),
        ("just now", "23 15:00", "23 15:10", "in the last 10 minutes"),
        ("recently", "23 13:10", "23 15:10", "in the last 2 hours"),
        ("while I was away", "23 00:00", "23 15:10", "today"),
        ("so far", "23 00:00", "23 15:10", "today"),
        ("have you ever seen a cat", "01 01:00", "23 15:10", "since I began to keep a record"),
    ],
    ids=lambda value: value if isinstance(value, str) and ":" not in value else "",
)
def test_understood(text: str, start: str, end: str, phrase: str) -> None:
    assert told(text) == (start, end, phrase)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("is there a dog", id="no time"),
        pytest.param("between 2 and 4 people", id="a number of people is no hour"),
        pytest.param("will anyone come tomorrow", id="the future"),
        pytest.param("what happens next week", id="next week"),
        pytest.param("tonight", id="an evening that is still to come"),
        pytest.param("on 31 February", id="no such day"),
        pytest.param("", id="nothing"),
    ],
)
def test_not_a_time(text: str) -> None:
    assert when(text, MONDAY) is None


@pytest.mark.parametrize(
    ("text", "now", "start", "end"),
    [
        pytest.param("last night", NIGHT, "22 20:00", "23 02:30", id="at night, last night is not over"),
        pytest.param("tonight", NIGHT, "22 18:00", "22 23:00", id="after midnight, tonight began yesterday"),
        pytest.param("this morning", NIGHT, "22 05:00", "22 12:00", id="before five the last morning is yesterday's"),
        pytest.param(
            "since midnight",
            datetime(2026, 3, 29, 4, 0, tzinfo=BERLIN),
            "29 00:00",
            "29 04:00",
            id="the clock goes forward",
        ),
        pytest.param(
            "at 2:30", datetime(2026, 3, 29, 9, 0, tzinfo=BERLIN), "29 03:15", "29 03:45", id="an hour that is skipped"
        ),
        pytest.param(
            "in the last 4 hours",
            datetime(2026, 10, 25, 4, 0, tzinfo=BERLIN),
            "25 01:00",
            "25 04:00",
            id="the clock goes back: four hours are three on the wall",
        ),
        pytest.param(
            "yesterday", datetime(2026, 10, 26, 9, 0, tzinfo=BERLIN), "25 00:00", "26 00:00", id="a day of 25 hours"
        ),
        pytest.param(
            "this morning",
            datetime(2026, 7, 1, 9, 0, tzinfo=timezone(timedelta(hours=9))),
            "01 05:00",
            "01 09:00",
            id="a zone without rules",
        ),
    ],
)
def test_at_other_times(text: str, now: datetime, start: str, end: str) -> None:
    found = told(text, now)
    assert found is not None
    assert found[:2] == (start, end)


def test_a_day_with_a_clock_change_has_its_own_length() -> None:
    day = when("yesterday", datetime(2026, 10, 26, 9, 0, tzinfo=BERLIN))
    assert day is not None
    assert day.seconds == 25 * 3600


SAID = (
    "since before after between and from to at on in the last past next 2 3:30 99 14:05 0 am pm noon lunch few half "
    "yesterday today monday night morning hour hours weeks ago year 31st february 2024-13-40 9999 quarter past 12 "
    "november"
)
WORDS = st.sampled_from(sorted(set(SAID.split())))


@settings(deadline=None, max_examples=300)
@given(
    st.one_of(st.text(), st.lists(WORDS, max_size=8).map(" ".join)),
    st.datetimes(datetime(2024, 1, 1), datetime(2200, 1, 1), timezones=st.sampled_from([UTC, BERLIN])),  # noqa: DTZ001
)
def test_any_text_gives_a_stretch_of_the_past_or_nothing(text: str, now: datetime) -> None:
    found = when(text, now)
    if found is not None:
        assert found.start.timestamp() <= found.end.timestamp() <= now.timestamp()
        assert found.phrase
