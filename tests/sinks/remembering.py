"""A sink for tests that look at events."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_runtime.types import Event


class Memory:
    """A sink that remembers."""

    name = "memory"
    durable = True

    def __init__(self) -> None:
        self.events: list[Event] = []

    def publish(self, event: Event) -> None:
        self.events.append(event)

    def close(self, timeout_s: float) -> None: ...
