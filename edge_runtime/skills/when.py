"""What "this morning", "since lunch" or "between 2 and 4 pm" mean: English for a stretch of the past."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from edge_runtime.skills.calendar_words import DAYS_AGO, day_of, day_phrase, period_of
from edge_runtime.skills.clock_words import CLOCK, minutes_of, plain
from edge_runtime.skills.wording import FIRST_SET_YEAR

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PARTS = {"morning": (5, 12), "afternoon": (12, 18), "evening": (18, 23), "night": (20, 30)}
"""Hours of the day, from and to; a night ends on the next day."""
UNIT_S = {
    "second": 1,
    "minute": 60,
    "hour": 3_600,
    "day": 86_400,
    "week": 604_800,
    "month": 2_592_000,
    "year": 31_536_000,
}
SOON_S = (
    ("just now|a moment ago|right now", 600),
    ("recently|a while ago|a short while ago", 7_200),
    ("lately", 86_400),
)
AROUND_S = 900
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)

_UNIT = r"(second|minute|hour|day|week|month|year)s?\b"
_ROLLING = re.compile(rf"\b(?:(?:in|during|over|within|for) the )?(last|past|previous) (?:(\d{{1,4}}) )?{_UNIT}")
_AGO = re.compile(rf"\b(\d{{1,4}}) {_UNIT} ago\b")
_FROM_TO = re.compile(rf"\b(?:between|from) ({CLOCK}) (?:and|to|till|until|-) ({CLOCK})")
_SINCE = re.compile(rf"\b(?:since|after|from) (?:about |around )?({CLOCK})")
_BEFORE = re.compile(rf"\b(?:before|until|till|up to) (?:about |around )?({CLOCK})")
_AT = re.compile(rf"\b(?:at|around|about) (?:about |around )?({CLOCK})")
_SINCE_ANY = re.compile(r"\bsince\b|\bafter\b")
_PART = re.compile(r"\b(tonight|overnight|morning|afternoon|evening|night|asleep|sleeping|slept|in bed)\b")
_AWAY = re.compile(
    r"\b(?:while|when|since) (?:i|we) (?:was|were|am|are|have been|left|went)\b|\bso far\b|\ball day\b|\bearlier\b"
)
_FUTURE = re.compile(r"\b(tomorrow|next (week|month|year|day|hour|time)|will)\b")
_EVER = re.compile(r"\b(ever|at all times|all time|since you (started|began))\b")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the past; `phrase` is how to say it, for example "since 12:30"; `start` is never after `end`."""

    start: datetime
    end: datetime
    phrase: str

    @property
    def seconds(self) -> float:
        """Return how long it is."""
        return self.end.timestamp() - self.start.timestamp()


def when(text: str, now: datetime) -> Span | None:
    """Return the stretch of the past that `text` names, None where it names none, or the future.

    Args:
        text: a question, as people type or say it.
        now: the present with its time zone; a `ZoneInfo`, or the system's, is followed through its clock changes.
    """
    said = plain(text)
    if _FUTURE.search(said):
        return None
    reading = _Reading(said, now)
    for read in (reading.clocks, reading.rolling, reading.part, reading.days, reading.soon):
        found = read()
        if found is not None:
            return found
    return None


def says_when(text: str, now: datetime) -> bool:
    """Tell whether `text` names a stretch of the past, even where the clock is not set."""
    return when(text, now if now.year >= FIRST_SET_YEAR else now.replace(year=FIRST_SET_YEAR)) is not None


class _Reading:
    """One text read at one time."""

    def __init__(self, said: str, now: datetime) -> None:
        self._said = said
        self._now = now
        self._today = now.date()
        self._day = day_of(said, self._today)

    def clocks(self) -> Span | None:
        """Read what names hours: between, since, before, at."""
        readers: Sequence[tuple[re.Pattern[str], Callable[[re.Match[str]], Span | None]]] = (
            (_FROM_TO, self._from_to),
            (_SINCE, self._since),
            (_BEFORE, self._before),
            (_AT, self._at),
        )
        return next((read(found) for pattern, read in readers if (found := pattern.search(self._said))), None)

    def rolling(self) -> Span | None:
        """Read "in the last two hours", "20 minutes ago"."""
        found = _ROLLING.search(self._said)
        calendar = found is not None and found[1] == "last" and found[2] is None and not found[0].startswith(_LEADS)
        if found and not (calendar and found[3] in {"day", "week", "month", "year"}):
            number = int(found[2] or 1)
            phrase = f"in the last {found[3]}" if number == 1 else f"in the last {number} {found[3]}s"
            return self._span(self._back(number * UNIT_S[found[3]]), self._now, phrase)
        ago = _AGO.search(self._said)
        if ago is None or (ago[2] in DAYS_AGO and not _SINCE_ANY.search(self._said)):
            return None
        back_s = int(ago[1]) * UNIT_S[ago[2]]
        unit = ago[2] if ago[1] == "1" else f"{ago[2]}s"
        if _SINCE_ANY.search(self._said):
            return self._span(self._back(back_s), self._now, f"in the last {ago[1]} {unit}")
        near_s = max(0.25 * back_s, 60.0)
        return self._span(self._back(back_s + near_s), self._back(back_s - near_s), f"about {ago[1]} {unit} ago")

    def part(self) -> Span | None:
        """Read "this morning", "yesterday evening", "last night"."""
        found = _PART.search(self._said)
        if found is None:
            return None
        if "tonight" in self._said and PARTS["morning"][0] <= self._now.hour < PARTS["evening"][0]:
            return None
        word = {
            "tonight": "evening",
            "overnight": "night",
            "asleep": "night",
            "sleeping": "night",
            "slept": "night",
            "in bed": "night",
        }
        part = word.get(found[1], found[1])
        day = self._day
        if day is None:
            last = part == "night" and "tonight" not in self._said
            day = self._today - timedelta(days=1) if last else self._today
            if self._at_hour(day, PARTS[part][0]) > self._now:
                day -= timedelta(days=1)
        start, end = (self._at_hour(day, hour) for hour in PARTS[part])
        phrase = self._part_phrase(day, part)
        if _SINCE_ANY.search(self._said):
            return self._span(start, self._now, f"since {phrase.removeprefix('on ')}")
        return self._span(start, end, phrase)

    def days(self) -> Span | None:
        """Read "today", "on Monday", "last week", "on the 20th"."""
        since = _SINCE_ANY.search(self._said) is not None
        if self._day is not None:
            phrase = day_phrase(self._day, self._today)
            if since:
                return self._span(self._at_hour(self._day, 0), self._now, f"since {phrase.removeprefix('on ')}")
            return self._span(self._at_hour(self._day, 0), self._at_hour(self._day, 24), phrase)
        period = period_of(self._said, self._today)
        if period is None:
            return None
        start, end = self._at_hour(period.first, 0), self._at_hour(period.after, 0)
        if since:
            return self._span(start, self._now, f"since {period.phrase}")
        return self._span(start, end, period.phrase)

    def soon(self) -> Span | None:
        """Read "just now", "recently", "while I was away"."""
        for words, seconds in SOON_S:
            if re.search(rf"\b({words})\b", self._said):
                minutes = seconds // 60
                phrase = f"in the last {minutes} minutes" if minutes < 60 else f"in the last {minutes // 60} hours"
                return self._span(self._back(seconds), self._now, phrase)
        if _EVER.search(self._said):
            return Span(EARLIEST.astimezone(self._now.tzinfo), self._now, "since I began to keep a record")
        # When somebody left is not known here; the day is said, so nobody is misled.
        return self._span(self._at_hour(self._today, 0), self._now, "today") if _AWAY.search(self._said) else None

    def _from_to(self, found: re.Match[str]) -> Span | None:
        first, second = found[1], found[2]
        if (half := re.search(r"[ap]m$", second)) and first.isdigit() and int(first) <= 12:
            first += half[0]
        starts, ends = minutes_of(first), minutes_of(second)
        pairs = [(a, b if b > a else b + 1440) for a in starts for b in ends]
        shortest = min(b - a for a, b in pairs)
        start, day = self._latest([a for a, b in pairs if b - a == shortest])
        low, high = self._at_minute(day, start), self._at_minute(day, start + shortest)
        day_too = day_phrase(day, self._today)
        over_night = f" {day_too} and {high:%H:%M} the next day"
        phrase = f"between {low:%H:%M}" + (
            over_night if start + shortest > 1440 else f" and {high:%H:%M}{self._on(day)}"
        )
        return self._span(low, high, phrase)

    def _since(self, found: re.Match[str]) -> Span | None:
        minute, day = self._latest(minutes_of(found[1]))
        start = self._at_minute(day, minute)
        if self._day not in {None, self._today} and not found[0].startswith("since"):
            return self._span(start, self._at_hour(day, 24), f"after {start:%H:%M}{self._on(day)}")
        return self._span(start, self._now, f"since {start:%H:%M}{self._on(day)}")

    def _before(self, found: re.Match[str]) -> Span | None:
        minute, day = self._latest(minutes_of(found[1]))
        end = self._at_minute(day, minute)
        return self._span(self._at_hour(day, 0), end, f"before {end:%H:%M}{self._on(day)}")

    def _at(self, found: re.Match[str]) -> Span | None:
        minute, day = self._latest(minutes_of(found[1]))
        centre, near = self._at_minute(day, minute), timedelta(seconds=AROUND_S)
        return self._span(centre - near, centre + near, f"around {centre:%H:%M}{self._on(day)}")

    def _latest(self, minutes: Sequence[int]) -> tuple[int, date]:
        """Return which of several readings of an hour is meant, and of which day: the last one that has been."""
        if self._day is not None and (self._day != self._today or len(minutes) == 1):
            waking = [minute for minute in minutes if 7 * 60 <= minute < 19 * 60]
            part = _PART.search(self._said)
            if part and part[1] != "morning" and len(minutes) > 1:
                return max(minutes), self._day
            return (waking or list(minutes))[0], self._day
        past = [minute for minute in minutes if self._at_minute(self._today, minute) <= self._now]
        part = _PART.search(self._said)
        if part and len(minutes) > 1:
            wanted = min(minutes) if part[1] == "morning" else max(minutes)
            past = [minute for minute in past if minute == wanted]
            minutes = [wanted]
        if past or self._day is not None:
            return max(past or minutes), self._today
        return max(minutes), self._today - timedelta(days=1)

    def _on(self, day: date) -> str:
        return "" if day == self._today else f" {day_phrase(day, self._today)}"

    def _part_phrase(self, day: date, part: str) -> str:
        ago = (self._today - day).days
        if part == "night":
            return {0: "tonight", 1: "last night"}.get(ago, f"in the night from {day:%A} to the next day")
        return f"this {part}" if ago == 0 else f"{day_phrase(day, self._today)} {part}"

    def _at_hour(self, day: date, hour: int) -> datetime:
        return self._at_minute(day, hour * 60)

    def _at_minute(self, day: date, minute: int) -> datetime:
        """Return a minute of a day as the clock on the wall shows it there."""
        if day.year < EARLIEST.year:
            return EARLIEST.astimezone(self._now.tzinfo)
        wall = datetime.combine(day + timedelta(days=minute // 1440), time(minute % 1440 // 60, minute % 60))
        zone = self._now.tzinfo
        if not isinstance(zone, ZoneInfo) and self._now.astimezone().utcoffset() == self._now.utcoffset():
            return wall.astimezone()
        # Through UTC and back: an hour that a clock change skips becomes one that is.
        return wall.replace(tzinfo=zone).astimezone(UTC).astimezone(zone)

    def _back(self, seconds: float) -> datetime:
        now = self._now.astimezone(UTC)
        back = max(min(timedelta(seconds=seconds), now - EARLIEST), timedelta(0))
        return (now - back).astimezone(self._now.tzinfo)

    def _span(self, start: datetime, end: datetime, phrase: str) -> Span | None:
        """Return the part of it that is past; None where all of it lies ahead."""
        now = self._now.timestamp()
        if start.timestamp() > now or start.timestamp() > end.timestamp():
            return None
        return Span(start, self._now if end.timestamp() > now else end, phrase)


_LEADS = ("in the", "during the", "over the", "within the", "for the")
