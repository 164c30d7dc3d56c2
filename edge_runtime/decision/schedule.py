"""Days and hours at which a rule is in force, as people write them down."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LONG = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_GROUPS = {"daily": range(7), "weekdays": range(5), "weekend": range(5, 7)}
_DAY_MIN = 24 * 60
_WEEK_MIN = 7 * _DAY_MIN
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})")
_FORM = "write 'mon-fri 22:00-06:00', 'sat,sun' or '08:00-17:30'"


@dataclass(frozen=True)
class Schedule:
    """Stretches of the week in local time, each "mon-fri 22:00-06:00"; without days it is daily, without hours all day.

    What begins on a day ends on the next where its end is before its begin. No stretch at all means always.
    """

    spans: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Read the stretches.

        Raises:
            ValueError: one cannot be read, or never begins.
        """
        _ = self._minutes

    def holds(self, local: datetime | None, *, unknown: bool) -> bool:
        """Return whether the moment lies within; `unknown` if it has to be known and is not."""
        if not self.spans:
            return True
        if local is None:
            return unknown
        minute = local.weekday() * _DAY_MIN + local.hour * 60 + local.minute
        return any(begin <= now < end for begin, end in self._minutes for now in (minute, minute + _WEEK_MIN))

    @cached_property
    def _minutes(self) -> tuple[tuple[int, int], ...]:
        """Begin and end of each stretch in minutes since Monday."""
        return tuple(minutes for span in self.spans for minutes in _read(span))


def _read(span: str) -> Iterator[tuple[int, int]]:
    days, hours = range(7), (0, _DAY_MIN)
    words = re.sub(r"\s*([,-])\s*", r"\1", span.strip().lower()).split()
    if not words or len(words) > 2:
        raise ValueError(f"{span!r} is no stretch of the week; {_FORM}")
    if ":" in words[-1]:
        hours = _hours(words.pop(), span)
    for day in sorted({day for word in words for day in _days(word, span)} or days):
        yield day * _DAY_MIN + hours[0], day * _DAY_MIN + hours[1]


def _hours(word: str, span: str) -> tuple[int, int]:
    begin, dash, end = word.partition("-")
    if not dash:
        raise ValueError(f"{span!r} has a begin without an end; {_FORM}")
    first, last = _minute(begin, span), _minute(end, span)
    if first in {last, _DAY_MIN}:
        raise ValueError(f"{span!r} lasts no time at all; leave the hours out for the whole day, or {_FORM}")
    return first, last if last > first else last + _DAY_MIN


def _minute(word: str, span: str) -> int:
    read = _CLOCK.fullmatch(word)
    minute = int(read[1]) * 60 + int(read[2]) if read and int(read[2]) < 60 else -1
    if not 0 <= minute <= _DAY_MIN:
        raise ValueError(f"{span!r}: {word!r} is no time of day, 00:00 to 24:00; {_FORM}")
    return minute


def _days(word: str, span: str) -> Iterator[int]:
    for part in word.split(","):
        if part in _GROUPS:
            yield from _GROUPS[part]
            continue
        first, dash, last = part.partition("-")
        begin = _day(first, span)
        length = (_day(last, span) - begin) % 7 if dash else 0
        yield from ((begin + passed) % 7 for passed in range(length + 1))


def _day(word: str, span: str) -> int:
    for names in (_DAYS, _LONG):
        if word in names:
            return names.index(word)
    close = difflib.get_close_matches(word, [*_DAYS, *_LONG, *_GROUPS], n=1)
    raise ValueError(f"{span!r}: {word!r} is no day{f'; did you mean {close[0]!r}?' if close else ''}; {_FORM}")
