"""Are today's confidences still like those the gate was fitted to? A bet against it that wins big says no.

A conformal test martingale (Vovk, Gammerman and Shafer 2005, chapter 8): each confidence gets a p-value among all
before it, calibration rows first, and these are independent and uniform as long as all are exchangeable. A capital of 1
is bet on them with the Simple Jumper (Vovk et al. 2021), averaged over several rates; by Ville's inequality it ever
reaches 250 with probability at most 0.4 % while nothing has changed. That leaves room below 1 % for calibration rows
having been judged by heads that each lacked one row, and questions to come by the head of all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

BINS = 200
ALARM = 250.0
_BETS = np.array([-1.0, 0.0, 1.0])
_RATES = np.array([0.0001, 0.001, 0.01, 0.1])
_FLOOR = 1e-200


def spread(confidences: NDArray[np.float64]) -> tuple[int, ...]:
    """Return how many confidences fall into each bin."""
    places = [place_of(float(value)) for value in confidences]
    return tuple(int(count) for count in np.bincount(places, minlength=BINS))


def place_of(confidence: float) -> int:
    """Return the bin of a confidence; bins do not depend on the data, which keeps the p-values exact."""
    return min(max(int(confidence * BINS), 0), BINS - 1)


@dataclass(frozen=True, slots=True)
class DriftState:
    """All that has to be kept between two runs of the program."""

    counts: tuple[int, ...]
    capital: tuple[tuple[float, ...], ...]
    seen: int = 0
    alarmed: bool = False


class DriftAlarm:
    """Watches one gate's confidences; not safe across threads.

    Args:
        reference: `spread` of the calibration rows' confidences.
        state: where an earlier run stopped.
        seed: for breaking ties between equal confidences.
    """

    def __init__(self, reference: Sequence[int], state: DriftState | None = None, seed: int | None = None) -> None:
        usable = state is not None and len(state.counts) == BINS
        self._counts = np.array(state.counts if usable and state else reference or [0] * BINS, np.int64)
        start = state.capital if usable and state else [[1 / len(_BETS)] * len(_BETS)] * len(_RATES)
        self._capital = np.array(start, np.float64)
        self._seen = state.seen if usable and state else 0
        self._alarmed = bool(usable and state and state.alarmed)
        self._random = np.random.default_rng(seed)

    @property
    def alarmed(self) -> bool:
        """Tell whether the alarm has gone off; it stays on."""
        return self._alarmed

    @property
    def capital(self) -> float:
        """Return what a capital of 1 has become."""
        return float(self._capital.sum(axis=1).mean())

    @property
    def state(self) -> DriftState:
        """Return what the next run needs."""
        rows = tuple(tuple(float(value) for value in row) for row in self._capital)
        return DriftState(tuple(int(count) for count in self._counts), rows, self._seen, self._alarmed)

    def update(self, confidence: float) -> bool:
        """Take a confidence in, and return whether the alarm goes off just now."""
        place = place_of(confidence)
        below, equal = int(self._counts[:place].sum()), int(self._counts[place]) + 1
        self._counts[place] += 1
        rank = (below + self._random.random() * equal) / int(self._counts.sum())
        mixed = (1 - _RATES)[:, None] * self._capital + (_RATES / len(_BETS))[:, None] * self._capital.sum(
            axis=1, keepdims=True
        )
        self._capital = np.maximum(mixed * (1 + _BETS * (rank - 0.5)), _FLOOR)
        self._seen += 1
        if self._alarmed or self.capital < ALARM:
            return False
        self._alarmed = True
        return True
