"""Spans of time and times of day to come, read and said: "an hour and a half", "half past seven tomorrow"."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from edge_runtime.skills.calendar_words import WEEKDAYS
from edge_runtime.skills.clock_words import CLOCK, minutes_of
from edge_runtime.skills.numbers import FIGURE, figures, value
from edge_runtime.skills.wording import duration, listed

if TYPE_CHECKING:
    from edge_runtime.decision.timers import Timer

_SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_LONG = r"weeks?|days?|hours?|hrs?|minutes?|mins?|seconds?|secs?"
_WORD = rf"{_LONG}|h|m|s"
_ONE = rf"(?:{FIGURE} ?(?:{_WORD})|(?:{FIGURE} (?:of )?)?an? (?:{_LONG}))(?![a-z])"
_END = r"(?![0-9.]| ?(?!called|named|for|timer|to|long|from)[a-z])"
_REST = rf"(?:and )?(?:a )?{FIGURE}{_END}"
SPAN = rf"(?:{_ONE})(?:(?:,? and|,)? ?{_ONE})*(?:,? {_REST})?"
"""Matches a span of time in a text that went through `spans_plain`."""
_PART = re.compile(
    rf"(?P<number>{FIGURE})?(?:(?: of)? ?an?)? ?(?P<unit>{_WORD})(?![a-z])|"
    rf"(?:and )?(?:a )?(?P<rest>{FIGURE}){_END}"
)
_LATE_S = 60.0
_DAY = r"today|tonight|tomorrow(?: morning| afternoon| evening| night)?|this (?:morning|afternoon|evening)|" + "|".join(
    f"(?:next )?{day}" for day in WEEKDAYS
)
_PART_OF_DAY = r"(?:in the|this) (?:morning|afternoon|evening)|at night"
MOMENT = (
    rf"(?:(?:{_DAY}) )?(?:(?:at|for|by) )?(?:{CLOCK})(?: (?:{_PART_OF_DAY}))?"
    rf"(?: (?:on )?(?:{_DAY})(?: (?:morning|afternoon|evening|night))?)?(?: (?:{_PART_OF_DAY}))?"
)
"""Matches a time to come in a text that went through `plain` of the words of the clock."""
_DAWN, _MORNING = 4 * 60, 6 * 60
"""Who is to be woken means an hour of the morning from the first on; whose day it is, from the second on."""


def spans_plain(text: str) -> str:
    """Return a text in lower case in which `SPAN` can be found."""
    few = re.sub(r"\ba couple(?: of)?\b", "two", re.sub(r"\ba few\b", "three", text.lower().replace("\u2019", "'")))
    return re.sub(r"(?<=[0-9)])-(?=[a-z])", " ", figures(few))


def seconds_of(span: str) -> float | None:
    """Return the seconds of a span that `SPAN` matched, None where its parts do not add up."""
    total, last = 0.0, 0
    for part in _PART.finditer(span):
        if part["unit"]:
            unit = _SECONDS[part["unit"][0]]
            if last and unit >= last:
                return None
            total, last = total + float(value(part["number"] or "1")) * unit, unit
        elif not last:
            return None
        else:
            rest = value(part["rest"])
            # "an hour and a half", "two hours and 15"
            total += float(rest) * (last if rest < 1 else last / 60)
    return total


def span_said(seconds: float) -> str:
    """Return for example "1 hour and 30 minutes", to the second below ten minutes."""
    left = round(seconds) if seconds < 600 else round(seconds / 60) * 60
    parts = []
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number} {unit}{'' if number == 1 else 's'}")
    return listed(parts[:3]) if parts else "0 seconds"


def length_name(seconds: float) -> str:
    """Return what a timer of this length is called: "5 minute", "1 hour 30 minute"."""
    return re.sub(r"s\b", "", span_said(seconds).replace(" and ", " ").replace(", ", " "))


def coming(said: str, now: datetime, *, early: bool) -> datetime | None:
    """Return the next moment that a text matched by `MOMENT` means; None where there is none, or it has passed.

    Args:
        said: the text.
        now: now, in the owner's time zone.
        early: an hour that may be of the morning or the evening is of the morning.
    """
    clock = re.search(CLOCK, re.sub(rf"\b(?:{_DAY}|{_PART_OF_DAY})\b", " ", said))
    if clock is None:
        return None
    minutes = _of_day(minutes_of(clock[0].strip()), said, early=early)
    first = _first_day(said, now)
    for days in range(2 if first is None else 1):
        day = (first or now.date()) + timedelta(days=days)
        for minute in minutes:
            then = datetime.combine(day, time(minute // 60, minute % 60), now.tzinfo)
            if then > now:
                return then
    return None


def _of_day(minutes: tuple[int, ...], said: str, *, early: bool) -> tuple[int, ...]:
    if len(minutes) == 1:
        return minutes
    if re.search(r"evening|afternoon|tonight|night", said):
        return minutes[1:]
    if "morning" in said:
        return minutes[:1]
    by_day = re.search(r"tomorrow|day\b", said) is not None
    if (early or by_day) and minutes[0] >= _DAWN:
        return minutes[:1]
    return minutes if early or minutes[0] >= _MORNING else minutes[1:]


def _first_day(said: str, now: datetime) -> date | None:
    if "tomorrow" in said:
        return now.date() + timedelta(days=1)
    if re.search(r"today|tonight|this (?:morning|afternoon|evening)", said):
        return now.date()
    weekday = next((day for day in WEEKDAYS if day in said), None)
    if weekday is None:
        return None
    ahead = (WEEKDAYS.index(weekday) - now.weekday()) % 7
    return now.date() + timedelta(days=ahead or 7)


def moment_said(then: datetime, now: datetime) -> str:
    """Return for example "at 07:00", "tomorrow at 07:00", "on Friday at 07:00"."""
    days = (then.date() - now.date()).days
    day = ("", "tomorrow ")[days] if days in {0, 1} else f"on {then:%A} " if days < 7 else f"on {then.day} {then:%B} "
    return f"{day}at {then:%H:%M}"


def called(timer: Timer) -> str:
    """Return what one timer is called: "pasta timer", "alarm", "reminder to check the oven"."""
    if timer.kind == "reminder":
        return f"reminder{reminder_of(timer.text)}"
    name = timer.name or (length_name(timer.length_s) if timer.kind == "timer" else "")
    return f"{name} {timer.kind}".strip()


def reminder_of(text: str) -> str:
    """Return what a reminder is of, as it is said to whom it reminds: " to call your mum", " about the meeting"."""
    yours = re.sub(r"\bmy\b", "your", re.sub(r"\bme\b", "you", text))
    link = "" if text.startswith(("about ", "that ")) else "to "
    return f" {link}{yours}" if text else ""


def ended(timer: Timer, late_s: float) -> str:
    """Return what the box says when a timer has ended, `late_s` seconds ago."""
    late = f" That was due {duration(late_s)} ago, while I was off." if late_s > _LATE_S else ""
    if timer.kind == "reminder":
        what = re.sub(r"^(?:to|about|that) ", "", reminder_of(timer.text).strip())
        return f"Reminder: {what or 'it is time'}.{late}"
    if timer.kind == "alarm":
        return f"Time to wake up. This is your {called(timer)}.{late}"
    return f"Your {called(timer)} is done.{late}"
