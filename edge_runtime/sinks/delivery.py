"""The thread that empties the spool: connect, send in order, forget what was acknowledged, connect again."""

from __future__ import annotations

import logging
import queue
import random
import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edge_runtime.errors import SinkError
from edge_runtime.sinks import topics
from edge_runtime.sinks.connection import Acknowledged, Closed, Connection, Received, RefusedError, Signal
from edge_runtime.sinks.spool import Message, Spool

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.config import MqttSettings

_log = logging.getLogger(__name__)

_TICK_S = 1.0
_FIRST_BACKOFF_S = 0.5
_LONGEST_BACKOFF_S = 30.0
_STABLE_S = 10.0
_CONNACK_S = 10.0
# Long enough for a phone network; a broker that misreads MQTT 5 and says nothing costs no more than this.
_CONNACK_MQTT5_S = 3.0
_READ_AHEAD = 200
_FORGET_TOGETHER = 100


@dataclass(frozen=True, slots=True)
class MqttStats:
    """Counts since the start; latencies are seconds from sending to PUBACK, None before the first.

    `acknowledged` counts events and includes those that an earlier run left in the spool; `depth` counts messages.
    """

    state: str
    protocol: str
    acknowledged: int
    dropped: int
    depth: int
    reconnects: int
    puback_p50_s: float | None
    puback_p99_s: float | None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to send: from the spool where it has a `seq`, else a retained state or a reply."""

    message: Message
    seq: int | None = None
    retain: bool = False
    correlation: bytes | None = None
    sent_at: float = 0.0


class Delivery:
    """Owns the connection and everything in flight, in one thread of its own.

    Args:
        settings: broker, and how many messages may be in flight.
        device: name of this box.
        spool: where events wait; rows go when their PUBACK has come.
        password: for `settings.username`.
        mqtt5: try MQTT 5 before 3.1.1.
    """

    def __init__(self, settings: MqttSettings, device: str, spool: Spool, password: str | None, *, mqtt5: bool) -> None:
        self.on_received: Callable[[Received], None] = lambda _received: None
        self.filters: list[str] = []
        self._settings = settings
        self._device = device
        self._spool = spool
        self._password = password
        self._mqtt5 = mqtt5
        self._signals: queue.SimpleQueue[Signal] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._stop_by = 0.0
        self._lock = threading.Condition()
        self._states = {topics.status_topic(device): "online"}
        self._dirty: dict[str, None] = {}
        self._replies: deque[Outgoing] = deque(maxlen=100)
        self._latencies: deque[float] = deque(maxlen=4096)
        self._acknowledged = self._refused = self._connections = 0
        self._state, self._protocol = "connecting", ""
        self._complaints: set[str] = set()
        self._inflight: dict[int, Outgoing] = {}
        self._ahead: deque[Outgoing] = deque()
        self._position = 0
        self._taken: list[int] = []
        self._thread = threading.Thread(target=self._run, name="mqtt-delivery", daemon=True)

    @property
    def stats(self) -> MqttStats:
        """Return the counts so far."""
        with self._lock:
            waits = sorted(self._latencies)
        return MqttStats(
            state=self._state,
            protocol=self._protocol,
            acknowledged=self._acknowledged,
            dropped=self._spool.dropped + self._refused,
            depth=self._spool.depth,
            reconnects=max(self._connections - 1, 0),
            puback_p50_s=waits[len(waits) // 2] if waits else None,
            puback_p99_s=waits[len(waits) * 99 // 100] if waits else None,
        )

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._thread.start()

    def knock(self) -> None:
        """Say that the spool has something new."""
        self._signals.put(None)

    def retain(self, topic: str, payload: str, *, again: bool) -> None:
        """Send a retained state if it is new or `again`, and after each reconnect; only the newest is kept."""
        with self._lock:
            if self._states.get(topic) == payload and not again:
                return
            self._states[topic] = payload
            self._dirty[topic] = None
        self.knock()

    def reply(self, reply: Outgoing) -> None:
        """Send once if there is a connection soon; of many only the newest hundred are kept."""
        with self._lock:
            self._replies.append(reply)
        self.knock()

    def flush(self, timeout_s: float) -> bool:
        """Wait until all is acknowledged; False when `timeout_s` was not enough."""
        with self._lock:
            return self._lock.wait_for(self._is_idle, timeout=timeout_s)

    def close(self, timeout_s: float) -> None:
        """Finish what is in flight, say `offline`, end the thread."""
        self._stop_by = time.monotonic() + timeout_s
        self._stopping.set()
        self.knock()
        if self._thread.is_alive():
            self._thread.join(timeout_s + _TICK_S)

    def _is_idle(self) -> bool:
        return self._spool.depth == 0 and not (self._dirty or self._replies or self._inflight)

    def _run(self) -> None:
        mqtt5, backoff_s = self._mqtt5, _FIRST_BACKOFF_S
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                reason = self._serve(mqtt5=mqtt5)
            except RefusedError as error:
                if error.other_version and mqtt5:
                    _log.debug("MQTT 5: %s; trying MQTT 3.1.1", error)
                    mqtt5 = False
                    continue
                reason = str(error)
            except SinkError as error:
                reason = str(error)
            mqtt5 = self._mqtt5
            if not self._stopping.is_set():
                self._complain(reason)
                if time.monotonic() - started > _STABLE_S:
                    backoff_s = _FIRST_BACKOFF_S
                self._stopping.wait(backoff_s * random.uniform(0.5, 1.0))  # noqa: S311 - spreads reconnects
                backoff_s = min(backoff_s * 2, _LONGEST_BACKOFF_S)
        self._state = "closed"

    def _complain(self, reason: str) -> None:
        self._state = "degraded"
        if reason not in self._complaints:
            self._complaints.add(reason)
            broker = f"{self._settings.host}:{self._settings.port}"
            _log.warning("MQTT broker %s: %s; events are kept on disk until it is back", broker, reason)

    def _serve(self, *, mqtt5: bool) -> str:
        """Hold one connection until it ends and return why it did."""
        self._settle()
        self._ahead.clear()
        self._position = 0
        self._signals = queue.SimpleQueue()
        connection = Connection(self._settings, self._device, self._password, self._signals, mqtt5=mqtt5)
        try:
            connection.open(_CONNACK_MQTT5_S if mqtt5 else _CONNACK_S)
            self._welcome(connection)
            reason = None
            while reason is None:
                if self._stopping.is_set():
                    return self._farewell(connection)
                self._fill(connection)
                reason = self._listen()
            self._settle()
            return reason
        finally:
            connection.abort()
            self._inflight.clear()

    def _welcome(self, connection: Connection) -> None:
        self._connections += 1
        self._state, self._protocol = "connected", "5" if connection.mqtt5 else "3.1.1"
        self._complaints.clear()
        _log.info("MQTT %s to %s:%d", self._protocol, self._settings.host, self._settings.port)
        connection.subscribe(self.filters)
        with self._lock:
            self._dirty = dict.fromkeys(self._states)

    def _fill(self, connection: Connection) -> None:
        while len(self._inflight) < connection.window:
            outgoing = self._next()
            if outgoing is None:
                return
            try:
                mid = connection.send(outgoing.message, retain=outgoing.retain, correlation=outgoing.correlation)
            except SinkError as error:
                self._refuse(outgoing, str(error))
                continue
            if mid is None:
                return
            self._inflight[mid] = replace(outgoing, sent_at=time.monotonic())

    def _next(self) -> Outgoing | None:
        with self._lock:
            if self._replies:
                return self._replies.popleft()
            if self._dirty:
                topic = next(iter(self._dirty))
                del self._dirty[topic]
                return Outgoing(Message(topic, self._states[topic].encode()), retain=True)
        if not self._ahead and not self._stopping.is_set():
            self._ahead.extend(Outgoing(row, seq) for seq, row in self._spool.batch(self._position, _READ_AHEAD))
        if not self._ahead:
            return None
        outgoing = self._ahead.popleft()
        self._position = outgoing.seq or self._position
        return outgoing

    def _listen(self) -> str | None:
        """Take what the network said, waiting a moment for the first; return why the connection ended, if it did."""
        try:
            signal = self._signals.get(timeout=_TICK_S)
        except queue.Empty:
            signal = None
        while True:
            if isinstance(signal, Closed):
                return signal.reason
            if isinstance(signal, Received):
                self.on_received(signal)
            if isinstance(signal, Acknowledged):
                reason = self._acknowledge(signal)
                if reason is not None:
                    return reason
            try:
                signal = self._signals.get_nowait()
            except queue.Empty:
                break
        if not self._inflight or len(self._taken) >= _FORGET_TOGETHER:
            self._settle()
        return self._overdue()

    def _acknowledge(self, signal: Acknowledged) -> str | None:
        outgoing = self._inflight.pop(signal.mid, None)
        if outgoing is None:
            return None
        if signal.refusal is not None:
            if outgoing.seq is None:
                self._refuse(outgoing, f"refused {outgoing.message.topic}: {signal.refusal}")
                return None
            return f"refused {outgoing.message.topic}: {signal.refusal}"
        with self._lock:
            self._latencies.append(signal.at - outgoing.sent_at)
        if outgoing.seq is not None:
            self._taken.append(outgoing.seq)
            self._acknowledged += outgoing.message.topic.endswith("/events")
        return None

    def _refuse(self, outgoing: Outgoing, reason: str) -> None:
        """Give up on a message that the broker will never take."""
        if reason not in self._complaints:
            self._complaints.add(reason)
            _log.warning("MQTT: %s; given up", reason)
        self._refused += 1
        if outgoing.seq is not None:
            self._taken.append(outgoing.seq)

    def _overdue(self) -> str | None:
        patience_s = 2.0 * self._settings.keepalive_s
        oldest = next(iter(self._inflight.values()), None)
        if oldest is not None and time.monotonic() - oldest.sent_at > patience_s:
            return f"no acknowledgement for {patience_s:g} s"
        return None

    def _settle(self) -> None:
        if self._taken:
            self._spool.delete(self._taken)
            self._taken.clear()
        with self._lock:
            self._lock.notify_all()

    def _farewell(self, connection: Connection) -> str:
        self.retain(topics.status_topic(self._device), "offline", again=True)
        while time.monotonic() < self._stop_by and (self._dirty or self._inflight):
            self._fill(connection)
            reason = self._listen()
            if reason is not None:
                break
        self._settle()
        connection.close(max(self._stop_by - time.monotonic(), _TICK_S))
        return "closed"
