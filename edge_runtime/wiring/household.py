"""What the skills without a camera are handed: timers, the state of the box, the home's commands, the owner's texts."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from edge_runtime.errors import InputError
from edge_runtime.wiring.home import home_of
from edge_runtime.wiring.knowledge import make_library
from edge_runtime.wiring.machine import machine_of
from edge_runtime.wiring.timekeeping import Timers

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from edge_runtime.config import Settings
    from edge_runtime.house import House
    from edge_runtime.skills.builtin import Means
    from edge_runtime.types import Event
    from edge_runtime.wiring.assembly import Models


def furnished(means: Means, settings: Settings, models: Models) -> Means:
    """Return `means` with what this home keeps; nothing is loaded before it is asked for."""
    return replace(
        means,
        timers=timers_of(settings),
        library=make_library(settings, models),
        home=home_of(settings, models),
        machine=machine_of(settings, models),
    )


def timers_of(settings: Settings) -> Timers:
    """Return the timers that this box keeps on disk."""
    return Timers(settings.device.data_dir.expanduser())


def keep_time(house: House, settings: Settings) -> None:
    """Let the running box tell when timers end: to all who listen, and aloud where it speaks."""
    timers = timers_of(settings)

    def tell(event: Event, said: str) -> None:
        house.publish(event)
        if house.mouth:
            with suppress(InputError):
                house.mouth.speaker.say(said)

    def serve(stopping: threading.Event, alive: Callable[[], None]) -> None:
        timers.serve(tell, stopping, alive)

    house.add_server("timers", serve)
