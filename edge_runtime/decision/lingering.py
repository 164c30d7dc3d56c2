"""How long something lasts: the least of what each place of a view scored over the last seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

STEP_S = 2.0
KEPT = 25
"""Stretches of two seconds that are kept."""
SPAN = 0.6
"""Share of the wanted seconds that the looks must lie apart."""


@dataclass(frozen=True, slots=True)
class Lingering:
    """The least score of each place in each of the last stretches of looks; never changed, only followed by another.

    Attributes:
        times: when each stretch's first and last look were, oldest first.
        least: float32 (stretches, rows, columns).
    """

    times: tuple[tuple[float, float], ...] = ()
    least: Floats | None = None

    def then(self, at: float, scores: Floats) -> Lingering:
        """Return it with one look more."""
        if self.least is None or self.least.shape[1:] != scores.shape:
            return Lingering(((at, at),), scores[None])
        begun, _ = self.times[-1]
        if 0 <= at - begun < STEP_S:
            lower = np.minimum(self.least[-1:], scores)
            return Lingering((*self.times[:-1], (begun, at)), np.concatenate([self.least[:-1], lower]))
        times = (*self.times, (at, at))[-KEPT:]
        return Lingering(times, np.concatenate([self.least, scores[None]])[-KEPT:])

    def over(self, seconds: float) -> Floats | None:
        """Return the least score of each place over the last seconds, None where the looks do not lie so far apart."""
        if self.least is None:
            return None
        now = self.times[-1][1]
        first = next(index for index, (_, last) in enumerate(self.times) if now - last <= seconds)
        if now - self.times[first][0] < SPAN * seconds:
            return None
        lowest: Floats = self.least[first:].min(0)
        return lowest
