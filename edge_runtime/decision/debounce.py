"""Against flapping and floods: a state must last before it counts, an alert must rest before it repeats."""

from __future__ import annotations

from typing import Generic, TypeVar

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


class Cooldown:
    """Lets one alert per key through, then none for `rest_s` seconds; remembers at most `keys` of them."""

    def __init__(self, rest_s: float, keys: int = 1000) -> None:
        self._rest_s = rest_s
        self._keys = keys
        self._last: dict[str, float] = {}

    def ready(self, key: str, at: float) -> bool:
        """Return whether `key` may alert at `at` (seconds), and if so start its rest."""
        last = self._last.get(key)
        if last is not None and at - last < self._rest_s:
            return False
        self._last.pop(key, None)
        self._last[key] = at
        if len(self._last) > self._keys:
            del self._last[next(iter(self._last))]
        return True
