"""Money and patience, in exact whole numbers: a cap that is reserved before it is spent, and a circuit breaker."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal

PICO = 10**12


def pico_usd(usd: float | Decimal) -> int:
    """Return dollars as whole picodollars, rounded up, so that a sum of prices is never a rounding error short."""
    return int((Decimal(str(usd)) * PICO).to_integral_value(ROUND_CEILING))


def usd(pico: int) -> float:
    """Return picodollars as dollars, for showing."""
    return pico / PICO


@dataclass(frozen=True, slots=True)
class Price:
    """Picodollars of one token in and one token out."""

    input_pico: int
    output_pico: int

    @classmethod
    def per_million(cls, input_usd: float, output_usd: float) -> Price:
        """Return the price of tokens that cost this many dollars a million."""
        return cls(*(pico_usd(Decimal(str(value)) / 1_000_000) for value in (input_usd, output_usd)))

    def cost(self, input_tokens: int, output_tokens: int) -> int:
        """Return what these tokens cost, in picodollars."""
        return self.input_pico * input_tokens + self.output_pico * output_tokens


@dataclass(frozen=True, slots=True)
class Budget:
    """A cap and what is committed of it, settled or still reserved, in picodollars."""

    cap: int
    committed: int = 0

    def reserve(self, worst_case: int) -> Budget | None:
        """Return the budget with `worst_case` taken, None where it does not fit under the cap."""
        if worst_case < 0 or self.committed + worst_case > self.cap:
            return None
        return replace(self, committed=self.committed + worst_case)

    def settle(self, worst_case: int, actual: int) -> Budget:
        """Return the budget with a reservation replaced by what the call really cost."""
        return replace(self, committed=self.committed - worst_case + max(actual, 0))


class CircuitBreaker:
    """Stops asking an endpoint that keeps failing, then lets a single call try it; safe across threads.

    Args:
        failures: this many in a row open it.
        cool_off_s: seconds it stays open before one call may try.
    """

    def __init__(self, failures: int = 5, cool_off_s: float = 60.0) -> None:
        self._limit = failures
        self._cool_off_s = cool_off_s
        self._lock = threading.Lock()
        self._failed = 0
        self._open_until: float | None = None

    def wait_s(self, at: float) -> float:
        """Return 0 where a call may go now, and takes the trial turn if it is one; else the seconds to wait."""
        with self._lock:
            if self._open_until is None:
                return 0.0
            if at < self._open_until:
                return self._open_until - at
            self._open_until = at + self._cool_off_s
            return 0.0

    def succeeded(self) -> None:
        """Close it: the endpoint answers."""
        with self._lock:
            self._failed = 0
            self._open_until = None

    def failed(self, at: float) -> None:
        """Count a failure at monotonic seconds `at`."""
        with self._lock:
            self._failed += 1
            if self._failed >= self._limit:
                self._open_until = at + self._cool_off_s
