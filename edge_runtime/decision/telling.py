"""What was told of a view already: what stays is not told again, and what comes thick and fast not all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.decision.regions import wider

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Places = NDArray[np.bool_]

AWAY_S = 60.0
"""What was told may be told again after it was away for so long."""
AT_ONCE = 6
"""Alarms that may follow one another closely; later ones wait until the cooldown of one of them is over."""


class Telling:
    """Knows what was told, and how much may still be.

    Args:
        cooldown_s: seconds for each alarm once `AT_ONCE` were told (a token bucket).

    Attributes:
        places: when each place was last told or still as strange as when it was, float64 (rows, columns).
    """

    def __init__(self, cooldown_s: float) -> None:
        self._cooldown_s = cooldown_s
        self.places: NDArray[np.float64] = np.zeros((0, 0))
        self._thing_at: float | None = None
        self._left, self._left_at = float(AT_ONCE), 0.0

    def untold(self, at: float, grid: tuple[int, int]) -> Places:
        """Return the places of which nothing was told lately."""
        if self.places.shape != grid:
            self.places = np.full(grid, -np.inf)
        out: Places = at - self.places > AWAY_S
        return out

    def stay(self, at: float, strange: Places) -> None:
        """Note which places are strange: those that were told, and what grows from them, are no news."""
        self.places = np.where(strange & wider(at - self.places <= AWAY_S), at, self.places)

    def is_news(self, at: float, away_s: float = AWAY_S) -> bool:
        """Note that there is something strange that has no place; return whether there was none lately."""
        before, self._thing_at = self._thing_at, at
        return before is None or not 0 <= at - before <= away_s

    def left(self, at: float) -> float:
        """Return how many alarms may be told at once."""
        passed = at - self._left_at
        # A clock that ran backwards is another one.
        full = self._cooldown_s <= 0 or passed < 0
        return float(AT_ONCE) if full else min(self._left + passed / self._cooldown_s, float(AT_ONCE))

    def tell(self, at: float, there: Places | None = None) -> None:
        """Note that an alarm was told, and of which places."""
        self._left, self._left_at = self.left(at) - 1.0, at
        if there is not None:
            self.places = np.where(wider(there), at, self.places)

    def state(self) -> Mapping[str, object]:
        """Return it as JSON values, but for the places."""
        return {"left": self._left, "left_at": self._left_at, "thing_at": self._thing_at}

    def restore(self, state: Mapping[str, Any], places: NDArray[np.float64] | None = None) -> None:
        """Take on what `state` returned, and the places.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        self._left, self._left_at = float(state["left"]), float(state["left_at"])
        self._thing_at = None if state["thing_at"] is None else float(state["thing_at"])
        if places is not None:
            self.places = places
