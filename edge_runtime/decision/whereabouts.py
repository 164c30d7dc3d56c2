"""Where and at which hours of the day each kind of thing has been seen, and how far off the present is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from edge_runtime.types import Box

SPOTS = 128
"""Places kept of one label: of those nearer than `SAME` to each other one."""
SAME = 0.02
ENOUGH_SPOTS, ENOUGH_MINUTES = 4, 12
RECENT_MINUTES = 2
"""What is there since so lately is the present, not what is usual."""
HOUR_MINUTES = 480
"""Minutes of an hour of the day, those beside it counted, from which it can be said what never is then."""
MOST_MINUTES = 1200.0
"""Beyond this many minutes of an hour all counts are halved: what was long ago counts less, and nothing gets ever
more surprising because it is only counted for longer."""
HOURS = 24


class Whereabouts:
    """Remembers where the feet of each kind of thing were, and in which minutes of which hours it was there."""

    def __init__(self) -> None:
        self._spots: dict[str, tuple[tuple[float, float, int, int], ...]] = {}
        self._minutes: dict[str, int] = {}
        self._last: dict[str, int] = {}
        self._hours: dict[str, tuple[float, ...]] = {"": (0.0,) * HOURS}
        self._hour_minute: dict[str, int] = {}

    def away(self, label: str, box: Box, minute: int) -> float | None:
        """Return how far a thing stands from where its kind has been before, in heights of the picture's fractions.

        None where too few of its kind were seen to say.
        """
        if self._minutes.get(label, 0) < ENOUGH_MINUTES:
            return None
        x, y = feet(box)
        old = [spot for spot in self._spots.get(label, ()) if minute - spot[2] > RECENT_MINUTES]
        if len(old) < ENOUGH_SPOTS:
            return None
        return min(math.hypot(x - spot[0], y - spot[1]) for spot in old)

    def seldom(self, label: str, local: datetime) -> float | None:
        """Return how surprising a kind of thing is at this hour: minus the logarithm of the share of minutes with it.

        None where the hour was watched too little to say.
        """
        watched, seen = self._around("", local.hour), self._around(label, local.hour)
        if watched < HOUR_MINUTES:
            return None
        return -math.log((seen + 0.5) / (watched + 1.0))

    def learn(self, label: str, box: Box, minute: int) -> None:
        """Remember where a thing is."""
        x, y = feet(box)
        spots = list(self._spots.get(label, ()))
        for index, (left, top, first, _) in enumerate(spots):
            if math.hypot(x - left, y - top) < SAME:
                spots[index] = (left, top, first, minute)
                break
        else:
            spots.append((round(x, 3), round(y, 3), minute, minute))
            if len(spots) > SPOTS:
                spots.remove(min(spots, key=lambda spot: spot[3]))
        self._spots[label] = tuple(spots)
        if self._last.get(label) != minute:
            self._last[label] = minute
            self._minutes[label] = self._minutes.get(label, 0) + 1

    def count(self, label: str, local: datetime, minute: int) -> None:
        """Count a minute in which a kind of thing was there; "" counts the minutes that were watched."""
        if self._hour_minute.get(label) == minute:
            return
        self._hour_minute[label] = minute
        counts = list(self._hours.get(label, (0.0,) * HOURS))
        counts[local.hour] += 1
        self._hours[label] = tuple(counts)
        if label == "" and counts[local.hour] > MOST_MINUTES:
            for name, old in self._hours.items():
                self._hours[name] = (*old[: local.hour], old[local.hour] / 2, *old[local.hour + 1 :])

    def state(self) -> Mapping[str, object]:
        """Return it as JSON values; cheap, for nothing but the dictionaries is copied."""
        return {
            "spots": dict(self._spots),
            "minutes": dict(self._minutes),
            "last": dict(self._last),
            "hours": dict(self._hours),
            "hour_minute": dict(self._hour_minute),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take on what `state` returned.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        spots = {
            str(label): tuple((float(x), float(y), int(first), int(last)) for x, y, first, last in kept)
            for label, kept in state["spots"].items()
        }
        hours = {str(label): tuple(float(count) for count in counts) for label, counts in state["hours"].items()}
        if any(len(counts) != HOURS for counts in hours.values()) or "" not in hours:
            raise ValueError("a day has 24 hours")
        minutes, last, hour_minute = (
            {str(label): int(minute) for label, minute in state[name].items()}
            for name in ("minutes", "last", "hour_minute")
        )
        self._spots, self._hours, self._minutes, self._last = spots, hours, minutes, last
        self._hour_minute = hour_minute

    def _around(self, label: str, hour: int) -> float:
        counts = self._hours.get(label, (0.0,) * HOURS)
        return counts[hour] + counts[hour - 1] + counts[(hour + 1) % HOURS]


def feet(box: Box) -> tuple[float, float]:
    """Return the middle of a box's lower edge."""
    return (box[0] + box[2]) / 2, box[3]
