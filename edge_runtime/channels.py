"""Where threads meet: the newest frames of every source win, older ones are dropped and counted."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

MOST = 4
"""Items of one source that wait at most: each may be a picture of some megabytes."""


class Latest(Generic[T]):
    """One slot per source, emptied in the order in which the sources filled theirs, so none starves another."""

    def __init__(self, patience_s: float = 0.0) -> None:
        """Let an item wait for `patience_s` before a newer one of its source overtakes it."""
        self._patience_s = patience_s
        self._slots: dict[str, deque[tuple[float, T]]] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._dropped: Counter[str] = Counter()

    @property
    def dropped(self) -> Mapping[str, int]:
        """Return how many items of each source were overwritten before anyone took them."""
        return self._dropped

    @property
    def closed(self) -> bool:
        """Return whether no more will come and everything was taken."""
        return self._closed and not self._slots

    def put(self, source: str, item: T, *, wait_s: float = 0.0) -> None:
        """Put `item` in the slot of `source`, waiting up to `wait_s` for it to be free, then overtaking what waits."""
        with self._changed:
            if wait_s > 0:
                self._changed.wait_for(lambda: self._closed or source not in self._slots, timeout=wait_s)
            now = time.monotonic()
            slot = self._slots.setdefault(source, deque())
            while slot and (now - slot[0][0] >= self._patience_s or len(slot) >= MOST):
                slot.popleft()
                self._dropped[source] += 1
            slot.append((now, item))
            self._changed.notify_all()

    def get(self, timeout_s: float) -> T | None:
        """Take the item that has waited longest, or None after `timeout_s` or once closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._slots) or self._closed, timeout=timeout_s)
            if not self._slots:
                return None
            source, slot = next(iter(self._slots.items()))
            del self._slots[source]
            _, item = slot.popleft()
            if slot:
                self._slots[source] = slot
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Wake every waiter; what is in the slots can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
