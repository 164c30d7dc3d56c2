"""Every sink gets every event; one that fails or hangs never stops another."""

from __future__ import annotations

import logging
import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from edge_runtime.errors import EdgeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edge_runtime.types import Event

_log = logging.getLogger(__name__)

_QUEUE = 256
_SAY_AGAIN_S = 3600.0


class Sink(Protocol):
    """Where events can go."""

    @property
    def name(self) -> str:
        """Name in logs and counts."""

    @property
    def durable(self) -> bool:
        """Whether an event is safe on disk once `publish` has returned."""

    def publish(self, event: Event) -> None:
        """Take one event."""

    def close(self, timeout_s: float) -> None:
        """Finish within about `timeout_s`."""


@dataclass(slots=True)
class SinkCounts:
    """What became of the events handed to one sink."""

    published: int = 0
    failed: int = 0
    dropped: int = 0


class FanOut:
    """Hands events to sinks: to durable ones at once, to the others through a queue and thread each.

    `publish` may be called from any thread. A full queue drops its oldest event.
    """

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._counts = {sink.name: SinkCounts() for sink in sinks}
        self._said: dict[tuple[str, type], float] = {}
        self._lock = threading.Lock()
        self._sinks = sinks
        self._lanes = {sink.name: _Lane(sink, self._hand) for sink in sinks if not sink.durable}

    @property
    def counts(self) -> Mapping[str, SinkCounts]:
        """Return the counts by sink name."""
        for name, lane in self._lanes.items():
            self._counts[name].dropped = lane.dropped
        return self._counts

    def publish(self, event: Event) -> bool:
        """Hand `event` to every sink and return whether every durable one has it on disk; never raises."""
        kept = True
        for sink in self._sinks:
            lane = self._lanes.get(sink.name)
            if lane is not None:
                lane.put(event)
            else:
                kept &= self._hand(sink, event)
        return kept

    def close(self, timeout_s: float) -> None:
        """Empty the queues and close every sink, all within about `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        for lane in self._lanes.values():
            lane.end()
        for lane in self._lanes.values():
            lane.join(max(deadline - time.monotonic(), 0.0))
        for sink in self._sinks:
            self._hand(sink, max(deadline - time.monotonic(), 0.1))

    def _hand(self, sink: Sink, item: Event | float) -> bool:
        """Publish an event, or close with a time-out in seconds."""
        try:
            if isinstance(item, float):
                sink.close(item)
                return True
            sink.publish(item)
        except Exception as error:  # noqa: BLE001 - whatever one sink does, the others go on
            with self._lock:
                self._counts[sink.name].failed += 1
            self._say(sink, error)
            return False
        with self._lock:
            self._counts[sink.name].published += 1
        return True

    def _say(self, sink: Sink, error: Exception) -> None:
        kind, now = (sink.name, type(error)), time.monotonic()
        with self._lock:
            if now - self._said.get(kind, -_SAY_AGAIN_S) < _SAY_AGAIN_S:
                return
            self._said[kind] = now
        trace = None if isinstance(error, EdgeError) else error
        _log.error("sink %s: %s; counted, said again in an hour at the earliest", sink.name, error, exc_info=trace)


class _Lane:
    """The queue and thread of one sink."""

    def __init__(self, sink: Sink, hand: Callable[[Sink, Event], bool]) -> None:
        self.dropped = 0
        self._sink = sink
        self._hand = hand
        self._queue: queue.Queue[Event | None] = queue.Queue(_QUEUE)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"sink-{sink.name}", daemon=True)
        self._thread.start()

    def put(self, event: Event | None) -> None:
        while True:
            try:
                self._queue.put_nowait(event)
            except queue.Full:
                self._drop_oldest()
            else:
                return

    def end(self) -> None:
        self.put(None)

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def _drop_oldest(self) -> None:
        try:
            self._queue.get_nowait()
        except queue.Empty:
            return
        self.dropped += 1

    def _run(self) -> None:
        while (event := self._queue.get()) is not None:
            self._hand(self._sink, event)
