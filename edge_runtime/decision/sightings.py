"""Is a thing where its kind never was, or at an hour at which it never was? Only what some looks show counts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_runtime.decision.whereabouts import Whereabouts, feet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from edge_runtime.types import Box, Detection

TOGETHER_S = 15.0
LOOKS = 3
"""So many looks in a row must show a thing: boxes jump."""
SEEN = 0.5
"""A detection less sure than this is no thing."""
STEP = 0.15
"""A thing of the look before is the same one where it moved by less than this share of the picture."""


@dataclass(frozen=True, slots=True)
class Odd:
    """The thing that is furthest from what is usual, and how far; nothing and 0 where all is."""

    score: float = 0.0
    label: str = ""
    box: Box = (0.0, 0.0, 1.0, 1.0)


class Sightings:
    """Compares the things of each look with where and when their kinds were before."""

    def __init__(self) -> None:
        self.whereabouts = Whereabouts()
        self._at = float("-inf")
        self._before: tuple[tuple[str, float, float, tuple[float, ...]], ...] = ()
        self._sure: tuple[Detection, ...] = ()

    def judge(self, at: float, things: Sequence[Detection], minute: int, local: datetime | None) -> tuple[Odd, Odd]:
        """Return the thing that is furthest from its kind's places, and the one that is rarest at this hour."""
        before = self._before if 0 <= at - self._at <= TOGETHER_S else ()
        places, times, now, sure = [Odd()], [Odd()], [], []
        for thing in (one for one in things if one.score >= SEEN):
            x, y = feet(thing.box)
            away = self.whereabouts.away(thing.label, thing.box, minute) or 0.0
            same = [one[3] for one in before if one[0] == thing.label and math.hypot(x - one[1], y - one[2]) < STEP]
            looks = (*max(same, key=min, default=()), away)[-LOOKS:]
            now.append((thing.label, x, y, looks))
            if len(looks) < LOOKS:
                continue
            sure.append(thing)
            places.append(Odd(min(looks), thing.label, thing.box))
            if local is not None:
                times.append(Odd(self.whereabouts.seldom(thing.label, local) or 0.0, thing.label, thing.box))
        self._at, self._before, self._sure = at, tuple(now), tuple(sure)
        return max(places, key=lambda odd: odd.score), max(times, key=lambda odd: odd.score)

    def learn(self, minute: int, local: datetime | None, odd: Sequence[Odd]) -> None:
        """Remember the things of the look that was judged last, but those that are `odd`."""
        strange = {(one.label, one.box) for one in odd}
        usual = [thing for thing in self._sure if (thing.label, thing.box) not in strange]
        self._sure = ()
        for thing in usual:
            self.whereabouts.learn(thing.label, thing.box, minute)
        if local is not None:
            for label in sorted({"", *(thing.label for thing in usual)}):
                self.whereabouts.count(label, local, minute)

    def state(self) -> Mapping[str, object]:
        """Return it as JSON values."""
        at = None if self._at == float("-inf") else self._at
        return {"whereabouts": self.whereabouts.state(), "at": at, "before": self._before}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take on what `state` returned.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        self.whereabouts.restore(state["whereabouts"])
        self._at = float("-inf") if state["at"] is None else float(state["at"])
        self._before = tuple(
            (str(label), float(x), float(y), tuple(float(away) for away in looks))
            for label, x, y, looks in state["before"]
        )
