"""What goes out next and what is on its way: replies, then states, then the spool in order."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edge_runtime.sinks.spool import Message, Spool

if TYPE_CHECKING:
    from edge_runtime.sinks.connection import Acknowledged

_READ_AHEAD = 200
_FORGET_TOGETHER = 100
_REPLIES = 100
_LATENCIES = 4096


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to send: from the spool where it has a `seq`, else a retained state or a reply."""

    message: Message
    seq: int | None = None
    retain: bool = False
    correlation: bytes | None = None
    sent_at: float = 0.0


class Outbox:
    """`retain`, `reply`, `wait_empty` and `latencies` are for any thread, the rest for the one that sends.

    A state is only its newest payload, sent again in each connection. A row of the spool is deleted some time after its
    acknowledgement, together with others.
    """

    def __init__(self, spool: Spool) -> None:
        self.acknowledged = 0
        self.refused = 0
        self._spool = spool
        self._changed = threading.Condition()
        self._states: dict[str, bytes] = {}
        self._unsent: dict[str, None] = {}
        self._replies: deque[Outgoing] = deque(maxlen=_REPLIES)
        self._latencies: deque[float] = deque(maxlen=_LATENCIES)
        self._inflight: dict[int, Outgoing] = {}
        self._ahead: deque[Outgoing] = deque()
        self._position = 0
        self._done: list[int] = []

    @property
    def inflight(self) -> int:
        """Return how many messages wait for their acknowledgement."""
        return len(self._inflight)

    def retain(self, topic: str, payload: str | bytes, *, again: bool = False) -> None:
        """Set a state; sent if it is new or `again`."""
        payload = payload.encode() if isinstance(payload, str) else payload
        with self._changed:
            if again or self._states.get(topic) != payload:
                self._states[topic] = payload
                self._unsent[topic] = None

    def reply(self, topic: str, payload: bytes, correlation: bytes | None) -> None:
        """Send once; of many that wait for a connection only the newest hundred are kept."""
        with self._changed:
            self._replies.append(Outgoing(Message(topic, payload), correlation=correlation))

    def latencies(self) -> list[float]:
        """Return the newest seconds from sending to acknowledgement, sorted."""
        with self._changed:
            return sorted(self._latencies)

    def wait_empty(self, timeout_s: float) -> bool:
        """Wait until all is acknowledged; False when `timeout_s` was not enough."""

        def is_empty() -> bool:
            return self._spool.depth == 0 and not (self._unsent or self._replies or self._inflight)

        with self._changed:
            return self._changed.wait_for(is_empty, timeout=timeout_s)

    def rewind(self) -> None:
        """Begin a new connection: what was in flight and every state go again."""
        self.settle(every=True)
        self._inflight.clear()
        self._ahead.clear()
        self._position = 0
        with self._changed:
            self._unsent = dict.fromkeys(self._states)

    def next(self, *, spool: bool) -> Outgoing | None:
        """Return what to send now, from the `spool` too if wanted, or None."""
        with self._changed:
            if self._replies:
                return self._replies.popleft()
            if self._unsent:
                topic = next(iter(self._unsent))
                del self._unsent[topic]
                return Outgoing(Message(topic, self._states[topic]), retain=True)
        if not spool:
            return None
        if not self._ahead:
            self._ahead.extend(Outgoing(row, seq) for seq, row in self._spool.batch(self._position, _READ_AHEAD))
        if not self._ahead:
            return None
        outgoing = self._ahead.popleft()
        self._position = outgoing.seq or self._position
        return outgoing

    def sent(self, mid: int, outgoing: Outgoing, at: float) -> None:
        """Remember that `outgoing` is on its way as packet `mid` since `at`."""
        self._inflight[mid] = replace(outgoing, sent_at=at)

    def take(self, signal: Acknowledged) -> Outgoing | None:
        """Return what an acknowledgement or refusal is about, no longer in flight."""
        outgoing = self._inflight.pop(signal.mid, None)
        if outgoing is not None and signal.refusal is None:
            with self._changed:
                self._latencies.append(signal.at - outgoing.sent_at)
            if outgoing.seq is not None:
                self._done.append(outgoing.seq)
                self.acknowledged += outgoing.message.topic.endswith("/events")
        return outgoing

    def give_up(self, outgoing: Outgoing) -> None:
        """Forget a message that the broker will never take."""
        self.refused += 1
        if outgoing.seq is not None:
            self._done.append(outgoing.seq)

    def waiting_s(self) -> float:
        """Return for how long the oldest message in flight has waited."""
        oldest = next(iter(self._inflight.values()), None)
        return 0.0 if oldest is None else time.monotonic() - oldest.sent_at

    def settle(self, *, every: bool = False) -> None:
        """Delete what was acknowledged: `every` row, else once it is worth a write to the disk.

        Raises:
            SinkError: the disk is failing; the rows are kept, and deleted another time.
        """
        if self._done and (every or not self._inflight or len(self._done) >= _FORGET_TOGETHER):
            self._spool.delete(self._done)
            self._done.clear()
        with self._changed:
            self._changed.notify_all()
