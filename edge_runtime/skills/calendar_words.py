"""Days and periods as people say them: yesterday, on Monday, last week, on the 20th of November."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
DAYS_AGO = {"day": 1, "week": 7}

_MONTH = "|".join(MONTHS)
_WEEKDAY = re.compile(rf"\b({'|'.join(WEEKDAYS)})s?\b")
_AGO = re.compile(r"\b(\d{1,3}) (day|week)s? ago\b")
_ISO = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b|\b(\d{4}) - (\d{2}) - (\d{2})\b")
_DAY_FIRST = re.compile(rf"\b(?:the )?(\d{{1,2}})(?:st|nd|rd|th)?(?: of)? ({_MONTH})(?: (\d{{4}}))?\b")
_MONTH_FIRST = re.compile(rf"\b({_MONTH}) (?:the )?(\d{{1,2}})(?:st|nd|rd|th)?(?: (\d{{4}}))?\b")
_ORDINAL = re.compile(r"\bthe (\d{1,2})(?:st|nd|rd|th)\b")
_PERIOD = re.compile(r"\b(this|last|previous|the) (weekend|week|month|year)\b")


@dataclass(frozen=True, slots=True)
class Period:
    """Whole days: the first, the one after the last, and how to say them."""

    first: date
    after: date
    phrase: str


def day_of(said: str, today: date) -> date | None:
    """Return the day that a plain text names, the last one that has been; None where it names none."""
    for words, ago in (("day before yesterday", 2), ("yesterday", 1), ("today", 0)):
        if re.search(rf"\b{words}s?\b", said):
            return today - timedelta(days=ago)
    if found := _AGO.search(said):
        return today - timedelta(days=int(found[1]) * DAYS_AGO[found[2]])
    if found := _WEEKDAY.search(said):
        # On a Monday, "on Monday" is the one before; today is called today.
        return today - timedelta(days=(today.weekday() - WEEKDAYS.index(found[1]) - 1) % 7 + 1)
    return _date_of(said, today)


def _date_of(said: str, today: date) -> date | None:
    if found := _ISO.search(said):
        year, month, day = (int(part) for part in found.groups() if part)
        return _day(year, month, day)
    for pattern, month_at, day_at in ((_DAY_FIRST, 2, 1), (_MONTH_FIRST, 1, 2)):
        if found := pattern.search(said):
            month, day = MONTHS.index(found[month_at]) + 1, int(found[day_at])
            if found[3]:
                return _day(int(found[3]), month, day)
            this_year = _day(today.year, month, day)
            return this_year if this_year and this_year <= today else _day(today.year - 1, month, day)
    if found := _ORDINAL.search(said):
        for ago in range(62):
            then = today - timedelta(days=ago)
            if then.day == int(found[1]):
                return then
    return None


def period_of(said: str, today: date) -> Period | None:
    """Return the week, weekend, month or year that a plain text names, None where it names none."""
    found = _PERIOD.search(said)
    if found is None:
        return None
    back, monday = found[1] in {"last", "previous"}, today - timedelta(days=today.weekday())
    if found[2] == "weekend":
        begun = today.weekday() >= 5
        saturday = monday + timedelta(days=5 if begun and not back else -2)
        return Period(saturday, saturday + timedelta(days=2), "this weekend" if begun and not back else "last weekend")
    if found[2] == "week":
        first = monday - timedelta(days=7 if back else 0)
        return Period(first, first + timedelta(days=7), "last week" if back else "this week")
    if found[2] == "month":
        first = today.replace(day=1)
        if back:
            return Period((first - timedelta(days=1)).replace(day=1), first, "last month")
        return Period(first, (first + timedelta(days=32)).replace(day=1), "this month")
    year = today.year - back
    return Period(date(year, 1, 1), date(year + 1, 1, 1), "last year" if back else "this year")


def day_phrase(day: date, today: date) -> str:
    """Return for example "today", "yesterday", "on Monday", "on 12 October"."""
    ago = (today - day).days
    if ago in {0, 1}:
        return ("today", "yesterday")[ago]
    if 0 < ago <= 7:
        return f"on {day:%A}"
    year = "" if day.year == today.year else f" {day.year}"
    return f"on {day.day} {day:%B}{year}"


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
