from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.decision.confidence import Reply
from edge_runtime.decision.scene import Scene
from edge_runtime.skills.calendar import day_meant, told
from edge_runtime.skills.clock import Clock
from edge_runtime.types import Question

MONDAY = datetime(2026, 11, 23, 6, 30, tzinfo=ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("what day was it yesterday", "Yesterday was Sunday, 22 November."),
        ("What day is tomorrow?", "Tomorrow is Tuesday, 24 November."),
        ("what day is the day after tomorrow", "The day after tomorrow will be Wednesday, 25 November."),
        ("what is the date tomorrow", "Tomorrow is Tuesday, 24 November."),
        ("how many days until Christmas?", "It is 32 days until Friday, 25 December."),
        ("how many days are left until december 24th", "It is 31 days until Thursday, 24 December."),
        ("how many days until the twenty-fourth of December", "It is 31 days until Thursday, 24 December."),
        ("how many days till Friday", "It is 4 days until Friday, 27 November."),
        ("how many days until monday", "It is 7 days until Monday, 30 November."),
        ("how long is it until Easter", "It is 125 days until Sunday, 28 March 2027."),
        ("how many weeks until christmas", "It is 4 weeks and 4 days until Friday, 25 December."),
        ("what is the date in two weeks", "That will be Monday, 7 December."),
        ("what day is it in 10 days", "That will be Thursday, 3 December."),
        ("what date was it three weeks ago", "That was Monday, 2 November."),
        ("what date will it be in 3 months", "That will be Tuesday, 23 February 2027."),
        ("what week is it", "It is week 48."),
        ("is it a leap year", "No, 2026 is not a leap year."),
        ("is 2028 a leap year?", "Yes, 2028 is a leap year."),
        ("is 2100 a leap year?", "No, 2100 is not a leap year."),
        ("when is the next leap year", "The next leap year is 2028."),
        ("what time is it in Tokyo?", "It is 14:30 in Tokyo."),
        ("what's the time in New York", "It is 00:30 in New York."),
        ("what time is it in Honolulu", "It is 19:30 on Sunday in Honolulu."),
        ("what time will it be in 20 minutes", "It will be 06:50."),
        ("when is christmas eve", "That will be Thursday, 24 December."),
        ("what weekday is 24 december 2027", "That will be Friday, 24 December 2027."),
        ("what day was 1 january 2000", "That was Saturday, 1 January 2000."),
        ("how many days since christmas", "333 days since Thursday, 25 December 2025."),
        ("what time is it in New York right now", "It is 00:30 in New York."),
        ("what day is 2024-02-29", "That was Thursday, 29 February 2024."),
        ("is it friday", "No, it is Monday."),
        ("Is it Monday today?", "Yes, it is Monday."),
        ("how many days in february", "February 2026 has 28 days."),
        ("how many days are in february 2028", "February 2028 has 29 days."),
    ],
)
def test_days_and_dates(text: str, expected: str) -> None:
    assert told(text, MONDAY) == expected
    clock = Clock(lambda: MONDAY)
    assert clock.reads(text) == 1.0
    assert clock.answer(Question(text, "test", 0.0), Scene(), {}) == Reply(expected, 1.0)


@pytest.mark.parametrize(
    "text",
    [
        "what time is it",
        "what time is it in atlantis",
        "what time is it in the kitchen",
        "what day is 31 february",
        "how many people since yesterday",
        "how many days did it rain",
        "when is the next bus",
        "what is in two weeks",
        "how many days until the delivery",
        "what is the date next friday",
        "what is the date in 9999 years",
        "",
    ],
)
def test_what_is_not_understood_is_left_to_others(text: str) -> None:
    assert told(text, MONDAY) is None


def test_without_a_clock_no_date_is_told() -> None:
    reply = Clock(lambda: datetime(1970, 1, 1, tzinfo=UTC)).answer(
        Question("how many days until christmas", "test", 0.0), Scene(), {}
    )
    assert reply is not None
    assert reply.blind


@pytest.mark.parametrize(
    ("words", "today", "expected"),
    [
        ("29 february", date(2026, 3, 1), date(2028, 2, 29)),
        ("christmas", date(2026, 12, 25), date(2026, 12, 25)),
        ("easter", date(2026, 4, 5), date(2026, 4, 5)),
        ("easter monday", date(2026, 4, 6), date(2026, 4, 6)),
        ("easter", date(2026, 4, 6), date(2027, 3, 28)),
        ("the weekend", date(2026, 11, 23), date(2026, 11, 28)),
    ],
)
def test_the_next_day_that_is_called_so(words: str, today: date, expected: date) -> None:
    assert day_meant(words, today) == expected


@given(st.text(alphabet="howmanydys until christmas in 29february2030tokyo", max_size=60))
def test_any_text_is_survived(text: str) -> None:
    told(text, MONDAY)


@pytest.mark.parametrize(
    "text",
    [
        "what time is it in sydney australia",
        "what time is it there",
        "what date is next friday",
        "what day is 2024-02-31",
        "is it day or night in the picture",
        "what time is my flight",
        "when is thanksgiving this year",
        "what season is it",
        "how many hours until midnight",
    ],
)
def test_another_time_or_day_is_never_answered_with_that_of_now(text: str) -> None:
    assert Clock(lambda: MONDAY).answer(Question(text, "test", 0.0), Scene(), {}) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("wht time is it", "It is 06:30."),
        ("could u tell me what the time is pls", "It is 06:30."),
        ("what day and time is it", "It is 06:30 on Monday, 23 November 2026."),
        ("what time is it today", "It is 06:30 on Monday, 23 November 2026."),
        ("Got the time?", "It is 06:30."),
        ("How late has it got?", "It is 06:30."),
        ("Do you know what day we have today?", "It is Monday, 23 November 2026."),
        ("Which month is it?", "It is Monday, 23 November 2026."),
    ],
)
def test_the_time_and_day_of_now(text: str, expected: str) -> None:
    assert Clock(lambda: MONDAY).answer(Question(text, "test", 0.0), Scene(), {}) == Reply(expected, 1.0)
