"""Days and dates reckoned with: how long until Christmas, the date in two weeks, the time in Tokyo."""

from __future__ import annotations

import calendar
import re
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from edge_runtime.skills.calendar_words import MONTHS, WEEKDAYS
from edge_runtime.skills.cities import zone_of
from edge_runtime.skills.numbers import figures, ordinals
from edge_runtime.skills.phrasing import normal

if TYPE_CHECKING:
    from collections.abc import Callable

_MONTH = "|".join(MONTHS)
_WEEKDAY = "|".join(WEEKDAYS)
_FEASTS = {
    "christmas": (12, 25), "christmas day": (12, 25), "christmas eve": (12, 24), "boxing day": (12, 26),
    "new year": (1, 1), "new years": (1, 1), "new years day": (1, 1), "new years eve": (12, 31),
    "halloween": (10, 31), "valentines day": (2, 14), "st patricks day": (3, 17), "may day": (5, 1),
}  # fmt: skip
_FEAST = "|".join(sorted(_FEASTS, key=len, reverse=True))
_DAY = (
    rf"(?:{_FEAST}|easter(?: sunday| monday)?|(?:the )?\d{{1,2}} (?:of )?(?:{_MONTH})(?: \d{{4}})?|"
    rf"(?:{_MONTH}) (?:the )?\d{{1,2}}(?: \d{{4}})?|(?:next )?(?:{_WEEKDAY})|the weekend|tomorrow|yesterday|today|"
    r"the day after tomorrow|the day before yesterday|\d{4} \d\d? \d\d?)"
)
_ASK = r"(?:what|which) (?:day|date|weekday|day of the week)"
_AHEAD = {"today": 0, "tomorrow": 1, "the day after tomorrow": 2, "yesterday": -1, "the day before yesterday": -2}


def told(text: str, now: datetime) -> str | None:
    """Return the answer to a question about dates or a time elsewhere, None where it is none or not understood."""
    said = re.sub(r"\s+", " ", figures(ordinals(normal(text)))).strip()
    for pattern, answer in _ANSWERS:
        if found := pattern.fullmatch(said):
            return answer(found, now)
    return None


def day_meant(words: str, today: date) -> date | None:
    """Return the next day that is called so, today included; None where there is none."""
    if words in _AHEAD:
        return today + timedelta(days=_AHEAD[words])
    if words.startswith("easter"):
        wait = 1 if words.endswith("monday") else 0
        return next(day for year in (0, 1) if (day := _easter(today.year + year) + timedelta(days=wait)) >= today)
    weekday = "saturday" if words == "the weekend" else words.removeprefix("next ")
    if weekday in WEEKDAYS:
        return _weekday(WEEKDAYS.index(weekday), today, following=words.startswith("next"))
    if words in _FEASTS:
        return _date(None, *_FEASTS[words], today)
    numbers = [int(number) for number in re.findall(r"\d+", words)]
    if len(numbers) > 2:
        words, numbers = MONTHS[numbers[1] - 1] if 0 < numbers[1] < 13 else "", [numbers[2], numbers[0]]
    name = next((month for month in MONTHS if re.search(rf"\b{month}\b", words)), None)
    if name is None or not numbers:
        return None
    return _date(numbers[1] if len(numbers) > 1 else None, MONTHS.index(name) + 1, numbers[0], today)


def _weekday(weekday: int, today: date, *, following: bool) -> date | None:
    if following and weekday > today.weekday():
        # To some this week's, to others that of the week after.
        return None
    return today + timedelta(days=(weekday - today.weekday()) % 7 or 7)


def _date(year: int | None, month: int, day: int, today: date) -> date | None:
    for candidate in [year] if year else range(today.year, today.year + 9):
        try:
            found = date(candidate, month, day)
        except ValueError:
            continue
        if year or found >= today:
            return found
    return None


def _easter(year: int) -> date:
    """Return Easter Sunday of the Gregorian calendar (Meeus, Jones and Butcher)."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, day + 1)


def _said(day: date, today: date) -> str:
    return f"{day:%A}, {day.day} {day:%B}{'' if day.year == today.year else f' {day.year}'}"


def _until(found: re.Match[str], now: datetime) -> str | None:
    day = day_meant(found["day"], now.date())
    if day is None:
        return None
    days = (day - now.date()).days
    if days == 0:
        return "That is today."
    if days < 0:
        return f"That was {_count(-days, 'day')} ago."
    weeks, rest = divmod(days, 7)
    if found["unit"] == "many weeks":
        count = (
            _count(weeks, "week") + (f" and {_count(rest, 'day')}" if rest else "") if weeks else _count(days, "day")
        )
    else:
        count = _count(days, "day")
    return f"It is {count} until {_said(day, now.date())}."


def _since(found: re.Match[str], now: datetime) -> str | None:
    today = now.date()
    day = day_meant(found["day"], today)
    if day is None:
        return None
    if day > today and not re.search(r"\d{4}|tomorrow", found["day"]):
        week = found["day"].removeprefix("next ") in WEEKDAYS
        day = day - timedelta(days=7) if week else _a_year_before(found["day"], day)
    days = (today - day).days
    return f"{_count(days, 'day')} since {_said(day, today)}." if days > 0 else None


def _a_year_before(words: str, day: date) -> date:
    if words.startswith("easter"):
        return _easter(day.year - 1)
    return day.replace(year=day.year - 1, day=min(day.day, calendar.monthrange(day.year - 1, day.month)[1]))


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}{'' if number == 1 else 's'}"


def _shifted(found: re.Match[str], now: datetime) -> str | None:
    number, unit = (1 if found["number"] in {"a", "an"} else int(found["number"])), found["unit"]
    sign = -1 if "ago" in found[0] else 1
    try:
        if unit in {"day", "week"}:
            day = now.date() + timedelta(days=sign * number * (7 if unit == "week" else 1))
        else:
            months = now.year * 12 + now.month - 1 + sign * number * (12 if unit == "year" else 1)
            year, month = divmod(months, 12)
            day = date(year, month + 1, min(now.day, calendar.monthrange(year, month + 1)[1]))
    except (ValueError, OverflowError):
        return None
    tense = "was" if sign < 0 else "will be"
    return f"That {tense} {_said(day, now.date())}."


def _which_day(found: re.Match[str], now: datetime) -> str | None:
    today = now.date()
    day = day_meant(found["day"], today)
    if day is None or found["day"] == "today":
        return None
    verb = "is" if day == today else "was" if day < today else "is" if found["day"] == "tomorrow" else "will be"
    named = found["day"] in _AHEAD
    subject = found["day"].capitalize() if named and day != today else "It" if named else "That"
    return f"{subject} {verb} {_said(day, today)}."


def _elsewhere(found: re.Match[str], now: datetime) -> str | None:
    place = found["place"].strip()
    zone = zone_of(place)
    if zone is None:
        return None
    there = now.astimezone(zone)
    day = "" if there.date() == now.date() else f" on {there:%A}"
    small = {"de", "the", "of"}
    name = " ".join(word if word in small else word.capitalize() for word in place.split())
    return f"It is {there:%H:%M}{day} in {'UTC' if zone.key == 'Etc/UTC' else name}."


def _is_weekday(found: re.Match[str], now: datetime) -> str:
    return f"{'Yes' if WEEKDAYS.index(found['weekday']) == now.weekday() else 'No'}, it is {now:%A}."


def _leap(found: re.Match[str], now: datetime) -> str:
    year = int(found["year"]) if found["year"] else now.year + (1 if "next" in found[0] else 0)
    return (
        f"{'Yes' if calendar.isleap(year) else 'No'}, {year} is {'' if calendar.isleap(year) else 'not '}a leap year."
    )


def _next_leap(_: re.Match[str], now: datetime) -> str:
    year = next(year for year in range(now.year + 1, now.year + 9) if calendar.isleap(year))
    return f"The next leap year is {year}."


def _week(_: re.Match[str], now: datetime) -> str:
    return f"It is week {now.isocalendar().week}."


def _in_month(found: re.Match[str], now: datetime) -> str:
    month = now.month if found["month"] == "this month" else MONTHS.index(found["month"]) + 1
    year = int(found["year"]) if found["year"] else now.year
    days = calendar.monthrange(year, month)[1]
    return f"{MONTHS[month - 1].capitalize()} {year} has {days} days."


def _later(found: re.Match[str], now: datetime) -> str:
    number = 1 if found["number"] in {"a", "an"} else int(found["number"])
    then = now + timedelta(minutes=number * (60 if found["unit"] == "hour" else 1))
    return f"It will be {then:%H:%M}{'' if then.date() == now.date() else f' on {then:%A}'}."


_SHIFT = r"(?P<number>\d{1,4}|an?) (?P<unit>day|week|month|year)s?"
_IS = r"(?: is| was| will| it| be| the date| the day| today)*"
_HOW_LONG = r"(?: (?:is it|are|is|there|do we have|left))*"
_IN = rf"(?:are |does )?(?:there )?(?:in )?(?P<month>{_MONTH}|this month)"
_ANSWERS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], datetime], str | None]], ...] = tuple(
    (re.compile(pattern), answer)
    for pattern, answer in (
        (
            rf"how (?P<unit>many days|many weeks|long|much longer){_HOW_LONG} (?:until|till|to|before) (?P<day>{_DAY})",
            _until,
        ),
        (rf"how (?:many days|long)(?: (?:is it|has it been|have passed))* since (?P<day>{_DAY})", _since),
        (rf"(?:{_ASK}|what is the (?:date|day)){_IS} in {_SHIFT}", _shifted),
        (rf"(?:{_ASK}|what (?:is|was) the (?:date|day)){_IS} {_SHIFT} (?:from (?:now|today)|ago)", _shifted),
        (
            rf"(?:{_ASK}|when|on (?:what|which) day){_IS}(?: does| on)* (?P<day>{_DAY})(?: be| fall| on| this year)*",
            _which_day,
        ),
        (rf"what is the (?:date|day)(?: of| on)? (?P<day>{_DAY})", _which_day),
        (r"(?:what|which)(?: calendar)? week(?: number)?(?: is| are| it| this| we in| of the year| now)*", _week),
        (r"what is the (?:current |calendar )?week(?: number)?", _week),
        (rf"is (?:it|today)(?: already| still)? (?P<weekday>{_WEEKDAY})(?: today| already| yet)?", _is_weekday),
        (r"is (?:it|this(?: year)?|next year|(?P<year>\d{4}))(?: a)? leap year", _leap),
        (r"(?:when|what|which year) is the next leap year", _next_leap),
        (rf"how many days {_IN}(?: (?P<year>\d{{4}}))?(?: have)?", _in_month),
        (
            r"what (?:time (?:is it|will it be)|will the time be) in (?P<number>\d{1,4}|an?) (?P<unit>minute|hour)s?",
            _later,
        ),
        (
            (
                r"(?:what time is it|(?:what is )?the (?:current |local )?time|time)(?: now| right now)? in "
                r"(?P<place>[a-z ]{2,40}?)(?: right now| now| at the moment| today)?"
            ),
            _elsewhere,
        ),
    )
)
