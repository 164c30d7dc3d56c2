"""What happened and what happens, for the page: the last events in memory, older ones from the event log."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from edge_runtime.api.page_services import ToldEvent
from edge_runtime.errors import SinkError
from edge_runtime.sinks.event_log import KEPT, told
from edge_runtime.sinks.event_past import Past
from edge_runtime.wiring.senses import events_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge_runtime.api.page_services import EventFilter
    from edge_runtime.config import Settings
    from edge_runtime.sinks.event_past import Remembered
    from edge_runtime.types import Event

IN_MEMORY = 500
TOLD = KEPT | {"gate_drift", "timer_finished", "wake"}
ALERTS = frozenset({"line", "alert", "alert_denied", "anomaly"})


def make_feed(settings: Settings) -> EventFeed:
    """Return the sink that the page's events come from."""
    return EventFeed(Past(events_file(settings)) if settings.event_log.enabled else None)


class EventFeed:
    """A sink that tells whoever follows, and remembers the newest; safe across threads.

    Args:
        past: what the event log remembers, None where there is none.
    """

    name = "page"
    durable = False

    def __init__(self, past: Past | None) -> None:
        self._past = past
        self._lock = threading.Lock()
        self._newest: deque[ToldEvent] = deque(maxlen=IN_MEMORY)
        self._followers: list[Callable[[ToldEvent], None]] = []

    def publish(self, event: Event) -> None:
        """Take one event; those that are not worth remembering are passed over."""
        if event.kind not in TOLD or (event.kind == "object" and event.data.get("type") == "update"):
            return
        label, score, data = told(event)
        now = time.time()
        # A recording may be read faster than it was made; nothing has happened after now.
        at = min(now - time.monotonic() + event.at, now)
        one = ToldEvent(event.id, event.kind, event.source, at, label, score, data, bool(event.steps))
        with self._lock:
            self._newest.append(one)
            followers = list(self._followers)
        for take in followers:
            take(one)

    def close(self, timeout_s: float) -> None:
        """Do nothing: what is worth keeping is in the event log."""

    def follow(self, take: Callable[[ToldEvent], None]) -> Callable[[], None]:
        """Give each event to `take` as it comes, from another thread; returns what ends that."""
        with self._lock:
            self._followers.append(take)

        def leave() -> None:
            with self._lock:
                if take in self._followers:
                    self._followers.remove(take)

        return leave

    def recent(self, wanted: EventFilter) -> Sequence[ToldEvent]:
        """Return events, the newest first.

        Raises:
            SinkError: the event log cannot be read, and there is nothing in memory.
        """
        with self._lock:
            found = {one.id: one for one in self._newest if _is_wanted(one, wanted)}
        try:
            for one in self._remembered(wanted):
                found.setdefault(one.id, one)
        except SinkError:
            if not found:
                raise
        return sorted(found.values(), key=lambda one: one.at, reverse=True)[: wanted.limit]

    def _remembered(self, wanted: EventFilter) -> list[ToldEvent]:
        if self._past is None:
            return []
        rows = self._past.newest(wanted.since, wanted.before, wanted.limit, wanted.kinds, wanted.sources)
        return [
            ToldEvent(row.id, row.kind, row.source, row.wall, row.label, row.score, row.data, _was_alert(row))
            for row in rows
        ]


def _was_alert(row: Remembered) -> bool:
    # The log does not keep the steps of an event, by which an alert is told.
    alarming = row.kind in ALERTS or (row.kind == "zone" and row.data.get("type") == "enter")
    return alarming and not row.data.get("quiet")


def _is_wanted(event: ToldEvent, wanted: EventFilter) -> bool:
    kind, source = wanted.kinds, wanted.sources
    return (
        (not kind or event.kind in kind)
        and (not source or event.source in source)
        and wanted.since <= event.at < wanted.before
    )
