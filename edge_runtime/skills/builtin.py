"""The skills that every box has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.skills.clock import Clock
from edge_runtime.skills.colours import Colours
from edge_runtime.skills.commands import Commands
from edge_runtime.skills.counting import Counting
from edge_runtime.skills.description import Description
from edge_runtime.skills.history import History
from edge_runtime.skills.knowledge import Knowledge
from edge_runtime.skills.last_seen import LastSeen
from edge_runtime.skills.naming import Naming
from edge_runtime.skills.presence import Presence
from edge_runtime.skills.reading import Reading
from edge_runtime.skills.reckoning import Reckoning
from edge_runtime.skills.sounds_heard import SoundsHeard
from edge_runtime.skills.status import Status
from edge_runtime.skills.timers import Timers
from edge_runtime.skills.units import Units
from edge_runtime.skills.unusual import Unusual

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from edge_runtime.skills.commands import Home
    from edge_runtime.skills.knowledge import Library
    from edge_runtime.skills.naming import Namer
    from edge_runtime.skills.nouns import Nouns
    from edge_runtime.skills.reading import Line
    from edge_runtime.skills.skill import Skill
    from edge_runtime.skills.status import Machine
    from edge_runtime.skills.timers import Shelf
    from edge_runtime.skills.visits import Past
    from edge_runtime.types import Image


@dataclass(frozen=True, slots=True)
class Means:
    """What the skills are handed; where one is missing, the skills that need it are left out.

    Attributes:
        nouns: what the detector knows.
        now: gives the wall clock's time in the owner's time zone.
        max_age_s: a look older than this says nothing about now; above `vision.refresh_s`.
        past: the record of events.
        sounds: what the microphones are listened to for; nothing where there are none.
        namer: names a picture.
        read: reads what is written in one.
        timers: where timers are kept.
        library: the owner's own texts.
        home: the commands that this home understands.
        machine: what the box can tell of itself.
    """

    nouns: Nouns
    now: Callable[[], datetime]
    max_age_s: float = 15.0
    past: Past | None = None
    sounds: tuple[str, ...] = ()
    namer: Namer | None = None
    read: Callable[[Image], Sequence[Line]] | None = None
    timers: Shelf | None = None
    library: Library | None = None
    home: Home | None = None
    machine: Machine | None = None


def builtin_skills(means: Means) -> tuple[Skill, ...]:
    """Return one of each that `means` allows."""
    nouns, now, max_age_s = means.nouns, means.now, means.max_age_s
    past = means.past
    about_the_past = (SoundsHeard(now, past, means.sounds), History(nouns, now, past)) if past else ()
    return (
        # Before the description, which takes "what is this?" where nobody can name things.
        *([Naming(means.namer, max_age_s)] if means.namer else []),
        *([Reading(means.read, max_age_s)] if means.read else []),
        Colours(nouns, max_age_s),
        Unusual(max_age_s),
        Presence(nouns, max_age_s),
        Counting(nouns, max_age_s),
        Description(nouns, max_age_s),
        LastSeen(nouns, now, past),
        *about_the_past,
        *([Timers(means.timers, now)] if means.timers else []),
        Clock(now),
        Reckoning(),
        Units(),
        *([Status(means.machine, max_age_s)] if means.machine else []),
        *([Commands(means.home)] if means.home else []),
        *([Knowledge(means.library)] if means.library else []),
    )
