"""How the box tells the past: visits with their times, what happened in a stretch, and what it could not watch."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING

from edge_runtime.decision.confidence import Reply
from edge_runtime.skills.wording import amount, counted, duration, indefinite, listed, moment, on_camera

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from edge_runtime.skills.visits import Coverage, Past, Record, Visit
    from edge_runtime.skills.when import Span

MOST_TIMES = 4
WATCHED = 0.95
LOST = 0.05
UNREADABLE = Reply("My record of the past cannot be read; the log says why.", 0.0, blind=True)


def told(found: Sequence[Visit], span: Span, now: datetime, cameras: Collection[str]) -> str:
    """Return for example "Since 12:30 I saw two people: one at 13:05 on the door camera and one at 14:40."."""
    many = len(cameras) > 1
    labels = dict.fromkeys(visit.label for visit in found)
    by_label = [_of_label([v for v in found if v.label == label], span, now, many=many) for label in labels]
    return f"{_first_up(span.phrase)} I saw {listed(by_label)}."


def caveat(cover: Coverage, span: Span, now: datetime) -> str:
    """Return a sentence that says what was not watched, nothing where all was."""
    if cover.share >= WATCHED or cover.since is None:
        return ""
    away = [source for source, seconds in cover.lost.items() if seconds > LOST * span.seconds]
    if away:
        return f" I had no good picture {listed([on_camera(source) for source in away])} for some of that time."
    begins_late = cover.since > span.start.timestamp() + LOST * span.seconds
    # Else it broke off, or began and ended again.
    goes_on = cover.share * span.seconds > WATCHED * (span.end.timestamp() - cover.since)
    if not (begins_late and goes_on):
        return f" I was watching for only {duration(cover.share * span.seconds)} of that time."
    return f" My record begins {moment(datetime.fromtimestamp(cover.since, now.tzinfo), now)}."


def happenings(past: Past, found: Sequence[Visit], cover: Coverage, span: Span, now: datetime) -> Reply:
    """Return everything of note in a stretch: what was seen and heard, crossed lines, what was asked of the box.

    Raises:
        SinkError: the record cannot be read.
    """
    cameras = set(past.sources("object"))
    records = past.between(span.start.timestamp(), span.end.timestamp(), ("sound", "line", "zone", "intent"))
    sounds = [record for record in records if record.kind == "sound" and record.label]
    crossed = [record for record in records if record.kind in {"line", "zone"}]
    parts = [told(found, span, now, cameras)] if found else []
    if sounds:
        parts.append(f"I heard {heard(sounds, span, now)}.")
    if crossed:
        times = amount(len(crossed)) + (" time" if len(crossed) == 1 else " times")
        places = listed(sorted({str(record.data.get(record.kind, "")) for record in crossed}))
        parts.append(f"Something passed {places} {times}.")
    commands = sum(record.kind == "intent" for record in records)
    if commands:
        parts.append(f"I was given {counted(commands, 'command')}.")
    if not parts:
        if cover.since is None:
            return Reply(f"I was not watching {span.phrase}, so I cannot tell.", 0.0, blind=True)
        quiet = f"{_first_up(span.phrase)} I noticed nothing."
        return Reply(quiet + caveat(cover, span, now), 0.9 * (0.5 + 0.5 * cover.share))
    score = math.prod(visit.chance for visit in found) * math.prod(record.score or 0.5 for record in sounds)
    return Reply(" ".join(parts) + caveat(cover, span, now), score)


def heard(sounds: Sequence[Record], span: Span, now: datetime) -> str:
    """Return for example "a doorbell at 08:04 and a dog three times, last at 09:10"."""
    parts = []
    for label in dict.fromkeys(record.label or "" for record in sounds):
        of_it = [record for record in sounds if record.label == label]
        last = _clock(of_it[-1].wall, span, now)
        times = f" {last}" if len(of_it) == 1 else f" {_often(len(of_it))}, last {last}"
        parts.append(f"{named_sound(label)}{times}")
    return listed(parts)


def named_sound(label: str) -> str:
    """Return a sound as people say it: "a dog", "glass breaking", "music"."""
    return label if label in _NO_ARTICLE else indefinite(label)


_NO_ARTICLE = frozenset(
    {"speech", "baby crying", "glass breaking", "footsteps", "snoring", "music", "water", "rain", "thunder", "applause",
     "laughter", "typing"}
)  # fmt: skip


def _often(number: int) -> str:
    return "twice" if number == 2 else f"{amount(number)} times"


def _of_label(found: Sequence[Visit], span: Span, now: datetime, *, many: bool) -> str:
    label = found[0].label

    def place(visit: Visit) -> str:
        return f" {on_camera(visit.source)}" if many else ""

    if len(found) == 1:
        return f"{indefinite(label)} {_clock(found[0].start, span, now)}{place(found[0])}"
    if len(found) <= MOST_TIMES:
        each = [f"one {_clock(visit.start, span, now)}{place(visit)}" for visit in found]
        return f"{counted(len(found), label)}: {listed(each)}"
    first, last = (_clock(visit.start, span, now) for visit in (found[0], found[-1]))
    return f"{counted(len(found), label)}, the first {first} and the last {last}"


def _clock(wall: float, span: Span, now: datetime) -> str:
    """Return when it was; the day only where the stretch holds several."""
    then = datetime.fromtimestamp(wall, now.tzinfo)
    one_day = span.start.date() == span.end.date() or span.seconds <= 20 * 3_600
    return f"at {then:%H:%M}" if one_day else moment(then, now)


def _first_up(phrase: str) -> str:
    return phrase[0].upper() + phrase[1:]
