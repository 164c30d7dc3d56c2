"""Hours and numbers as people say them: half past two, noon, lunch, a couple of hours."""

from __future__ import annotations

import re

MEALS = {"breakfast": 8 * 60, "lunch": 12 * 60 + 30, "dinner": 19 * 60, "supper": 19 * 60}
NAMED = {"noon": 720, "midday": 720, "midnight": 0, **MEALS}
_NO_HOUR = r"(?! ?(?:second|minute|hour|day|week|month|year|percent|people|times))"
CLOCK = rf"(?:\d{{1,2}}(?::\d{{2}})? ?(?:am|pm)\b|\d{{1,2}}:\d{{2}}\b|\d{{1,2}}\b{_NO_HOUR}|(?:{'|'.join(NAMED)})\b)"
"""Matches an hour of the day in a text that went through `plain`."""

_ONES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_NUMBERS = {word: number for number, word in enumerate((*_ONES, *_TEENS))}
_TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "ninety": 90}
_TEN = re.compile(rf"\b({'|'.join(_TENS)})(?:[ -]({'|'.join(_ONES[1:])}))?\b")
_NUMBER = re.compile(rf"(?<!no )\b({'|'.join(_NUMBERS)})\b")
_UNITS = r"(?=(?:second|minute|hour|day|week|month|year)s?\b)"
_SPELLINGS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"[\u2018\u2019']", ""),
        (r"\u2013|\u2014|(?<=\d)-(?=\d)", " - "),
        (r"\b([ap])\.? ?m\b\.?", r"\1m"),
        (r"(?<=\d)[.h](?=\d\d\b(?!\d))", ":"),
        (r"[^\w:\- ]+", " "),
        (r"\bmins?\b", "minutes"),
        (r"\bsecs?\b", "seconds"),
        (r"\bhrs?\b", "hours"),
        (r"\b(o clock|oclock)\b", ""),
        (r"\blunch ?time\b|\bmidday meal\b", "lunch"),
        (rf"\ban? (?:couple|pair) (?:of )?{_UNITS}|\bcouple (?:of )?{_UNITS}", "2 "),
        (rf"\b(?:a )?few {_UNITS}", "3 "),
        (r"\b(?:1|an?) hour and (?:a )?half\b|\b(?:1 and a half|one and a half) hours\b", "90 minutes"),
        (r"\bhalf (?:an )?hour\b", "30 minutes"),
        (r"\b(?:a )?quarter of an hour\b", "15 minutes"),
        (r"\b(?:a )?quarter past (\d{1,2})\b", r"\1:15"),
        (r"\bhalf past (\d{1,2})\b|\bhalf (\d{1,2})\b(?= ?(?:am|pm|\?|$))", r"\1\2:30"),
        (rf"\ban? {_UNITS}", "1 "),
        (r"\s+", " "),
    )
)
_MINUTES_TO = re.compile(r"(?<!from )(?<!between )(?<!since )\b(5|10|20|25) (?:minutes? )?(to|past) (\d{1,2})\b(?!:)")
_QUARTER_TO = re.compile(r"\b(?:a )?quarter (?:to|of) (\d{1,2})\b")
_CLOCK = re.compile(r"(\d{1,2})(?::(\d{2}))? ?(am|pm)?$")


def plain(text: str) -> str:
    """Return a text in lower case with figures for numbers, "14:30" for hours, and no marks."""
    said = _TEN.sub(lambda found: str(_TENS[found[1]] + _NUMBERS.get(found[2] or "", 0)), text.lower())
    said = _NUMBER.sub(lambda found: str(_NUMBERS[found[1]]), said)
    said = re.sub(r"\ban? (?=half hour)", "", said)
    for pattern, replacement in _SPELLINGS:
        said = pattern.sub(replacement, said)
    said = _QUARTER_TO.sub(lambda found: f"{(int(found[1]) - 1) % 24}:45", said)
    return _MINUTES_TO.sub(_by_minutes, said).strip()


def _by_minutes(found: re.Match[str]) -> str:
    """Return "5:50" for "10 to 6"."""
    hour, minutes = int(found[3]), int(found[1])
    return f"{hour}:{minutes:02d}" if found[2] == "past" else f"{(hour - 1) % 24}:{60 - minutes}"


def minutes_of(clock: str) -> tuple[int, ...]:
    """Return the minutes of the day that an hour may mean: two for one that may be of the morning or the evening.

    An hour that there is not, such as 77, counts modulo a day.
    """
    if clock in NAMED:
        return (NAMED[clock],)
    found = _CLOCK.match(clock)
    if found is None:
        return (0,)
    hour, minute = int(found[1]) % 24, int(found[2] or 0) % 60
    if found[3]:
        return (((hour % 12) + (12 if found[3] == "pm" else 0)) * 60 + minute,)
    if hour == 0 or hour > 12 or found[1].startswith("0"):
        return (hour * 60 + minute,)
    return (hour % 12 * 60 + minute, (hour % 12 + 12) * 60 + minute)
