"""Timers, alarms and reminders: how long each has left, whatever became of the clocks meanwhile."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["timer", "alarm", "reminder"]
STEPPED_S = 2.0
"""A wall clock that moved by more than this against the other one was set."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Now, by both clocks.

    Attributes:
        wall: Unix seconds.
        elapsed: seconds of a clock that only ever goes forward, through sleep too, and begins anew with each boot.
        boot: which boot that clock belongs to.
        is_set: the wall clock can be believed.
    """

    wall: float
    elapsed: float
    boot: str
    is_set: bool = True


@dataclass(frozen=True, slots=True)
class Timer:
    """Something that is to happen once.

    A timer counts elapsed time, whatever is done to the wall clock; after a boot it goes on by the wall clock, or with
    what was left when it was last kept where that clock cannot be believed. What is set for a time of day follows the
    wall clock.

    Attributes:
        id: the same in every process and in the event that tells its end.
        kind: what it is called.
        name: "pasta", "5 minute".
        text: what a reminder says.
        length_s: seconds asked for, 0 for a time of day.
        due_wall: Unix seconds at which it ends.
        due_elapsed: the same by the other clock of `boot`; None for a time of day.
        left_s: what was left when it was last kept.
        is_set: the wall clock could be believed then.
    """

    id: str
    kind: Kind
    name: str
    text: str
    length_s: float
    due_wall: float
    due_elapsed: float | None
    boot: str
    left_s: float
    is_set: bool


def after(seconds: float, now: Moment, *, new_id: str, kind: Kind = "timer", name: str = "", text: str = "") -> Timer:
    """Return what ends `seconds` from now."""
    return Timer(
        new_id, kind, name, text, seconds, now.wall + seconds, now.elapsed + seconds, now.boot, seconds, now.is_set
    )


def at(wall: float, now: Moment, *, new_id: str, kind: Kind = "alarm", name: str = "", text: str = "") -> Timer:
    """Return what ends when the wall clock shows `wall` (Unix seconds)."""
    return Timer(new_id, kind, name, text, 0.0, wall, None, now.boot, wall - now.wall, now.is_set)


def left_s(timer: Timer, now: Moment) -> float:
    """Return the seconds until it ends, negative once it should have; infinite while no clock can tell."""
    if timer.due_elapsed is None:
        return timer.due_wall - now.wall if now.is_set else math.inf
    if timer.boot == now.boot:
        return timer.due_elapsed - now.elapsed
    return timer.due_wall - now.wall if timer.is_set and now.is_set else timer.left_s


def kept(timer: Timer, now: Moment) -> Timer:
    """Return it as it is to be kept now, so that a boot that follows loses as little as can be."""
    if timer.due_elapsed is None:
        return timer
    left = left_s(timer, now)
    return replace(
        timer, due_wall=now.wall + left, due_elapsed=now.elapsed + left, boot=now.boot, left_s=left, is_set=now.is_set
    )


def out_of_step(timer: Timer, now: Moment) -> bool:
    """Tell whether it was kept in an earlier boot, or before the wall clock was set."""
    if timer.due_elapsed is None:
        return False
    moved = abs((timer.due_wall - now.wall) - (timer.due_elapsed - now.elapsed)) > STEPPED_S
    return timer.boot != now.boot or timer.is_set != now.is_set or moved


def longer(timer: Timer, seconds: float) -> Timer:
    """Return it with so many seconds more, or fewer where negative."""
    due = None if timer.due_elapsed is None else timer.due_elapsed + seconds
    return replace(
        timer, length_s=timer.length_s + seconds, due_wall=timer.due_wall + seconds, due_elapsed=due,
        left_s=timer.left_s + seconds,
    )  # fmt: skip


def timer_of(record: Mapping[str, Any]) -> Timer:
    """Return the timer that `dataclasses.asdict` made `record` of.

    Raises:
        ValueError: it is not whole.
    """
    try:
        length, due_wall, left = (float(record[key]) for key in ("length_s", "due_wall", "left_s"))
        due = None if record["due_elapsed"] is None else float(record["due_elapsed"])
        identity, name, text, boot = (str(record[key]) for key in ("id", "name", "text", "boot"))
        kind: Kind = record["kind"]
        timer = Timer(identity, kind, name, text, length, due_wall, due, boot, left, bool(record["is_set"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"{error!r} is missing or of the wrong kind") from None
    if kind not in get_args(Kind) or not all(map(math.isfinite, (length, due_wall, left, due or 0.0))):
        raise ValueError("a value is out of range")
    return timer
