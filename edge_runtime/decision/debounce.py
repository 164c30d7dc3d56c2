"""Against flapping and floods: a state must last before it counts, an alert must rest before it repeats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


class Debounce(Generic[T]):
    """Lets a new value through once it has been the same for `settle_s` seconds."""

    def __init__(self, initial: T, settle_s: float) -> None:
        self.value = initial
        self._settle_s = settle_s
        self._candidate = initial
        self._since = 0.0

    def update(self, value: T, at: float) -> bool:
        """Take the value seen at `at` (seconds) and return whether `self.value` changed to it."""
        if value != self._candidate:
            self._candidate, self._since = value, at
        if self._candidate == self.value or at - self._since < self._settle_s:
            return False
        self.value = self._candidate
        return True

    def state(self) -> list[object]:
        """Return all that the next `update` depends on, as JSON values if `T` is one."""
        return [self.value, self._candidate, self._since]

    def restore(self, state: Sequence[Any]) -> None:
        """Take on what `state` returned."""
        self.value, self._candidate, self._since = state


class Cooldown:
    """Lets one alert per key through, then none for `rest_s` seconds; remembers at most `keys` of them."""

    def __init__(self, rest_s: float, keys: int = 1000) -> None:
        self._rest_s = rest_s
        self._keys = keys
        self._last: dict[str, float] = {}

    def ready(self, key: str, at: float) -> bool:
        """Return whether `key` may alert at `at` (seconds), and if so start its rest."""
        if not self.rested(key, at):
            return False
        self._last.pop(key, None)
        self._last[key] = at
        while (oldest := next(iter(self._last))) != key and (len(self._last) > self._keys or self.rested(oldest, at)):
            del self._last[oldest]
        return True

    def rested(self, key: str, at: float) -> bool:
        """Return whether `key` may alert at `at` (seconds)."""
        last = self._last.get(key)
        return last is None or at - last >= self._rest_s

    def state(self) -> list[list[object]]:
        """Return when each key alerted last, oldest first, as JSON values."""
        return [[key, at] for key, at in self._last.items()]

    def restore(self, state: Sequence[Sequence[Any]]) -> None:
        """Take on what `state` returned."""
        self._last = {str(key): float(at) for key, at in state}
