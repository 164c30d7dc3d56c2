"""The thread that empties the outbox: connect, send, forget what was acknowledged, connect again."""

from __future__ import annotations

import contextlib
import logging
import queue
import random
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.errors import SinkError
from edge_runtime.sinks import topics
from edge_runtime.sinks.connection import Acknowledged, Closed, Connection, Received, RefusedError, Signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.config import MqttSettings
    from edge_runtime.sinks.outbox import Outbox

_log = logging.getLogger(__name__)

_TICK_S = 1.0
_FIRST_BACKOFF_S = 0.5
_LONGEST_BACKOFF_S = 30.0
_STABLE_S = 10.0
_CONNACK_S = 10.0
# Long enough for a phone network; a broker that misreads MQTT 5 and says nothing costs no more than this.
_CONNACK_MQTT5_S = 3.0


@dataclass(frozen=True, slots=True)
class MqttStats:
    """Counts since the start; latencies are seconds from sending to PUBACK, None before the first.

    `state` is connecting, connected, degraded, closed or crashed. `acknowledged` counts events, also those that an
    earlier run left in the spool; `dropped` and `depth` count messages.
    """

    state: str
    protocol: str
    acknowledged: int
    dropped: int
    depth: int
    reconnects: int
    puback_p50_s: float | None
    puback_p99_s: float | None


class Delivery:
    """Owns the connection and the sending end of `outbox`, in one thread of its own.

    Args:
        settings: broker, and how many messages may be in flight.
        device: name of this box.
        password: for `settings.username`.
        outbox: what to send.
        mqtt5: try MQTT 5 before 3.1.1.
    """

    def __init__(
        self, settings: MqttSettings, device: str, password: str | None, outbox: Outbox, *, mqtt5: bool
    ) -> None:
        self.on_received: Callable[[Received], None] = lambda _received: None
        self.filters: list[str] = []
        self.state = "connecting"
        self.protocol = ""
        self.connections = 0
        self._settings = settings
        self._device = device
        self._password = password
        self._outbox = outbox
        self._mqtt5 = mqtt5
        self._signals: queue.SimpleQueue[Signal] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._stop_by = 0.0
        self._complaints: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="mqtt-delivery", daemon=True)

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._outbox.retain(topics.status_topic(self._device), "online")
        self._thread.start()

    def knock(self) -> None:
        """Say that the outbox has something new."""
        self._signals.put(None)

    def close(self, timeout_s: float) -> None:
        """Finish what is in flight, say `offline`, end the thread."""
        self._stop_by = time.monotonic() + timeout_s
        self._stopping.set()
        self.knock()
        if self._thread.is_alive():
            self._thread.join(timeout_s + _TICK_S)

    def _run(self) -> None:
        try:
            self._serve_for_ever()
            with contextlib.suppress(SinkError):
                self._outbox.settle(every=True)
        finally:
            self.state = "closed" if self._stopping.is_set() else "crashed"

    def _serve_for_ever(self) -> None:
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
            if self._stopping.is_set():
                return
            self.state = "degraded"
            self._complain(f"{reason}; events are kept on disk until the broker takes them")
            if time.monotonic() - started > _STABLE_S:
                backoff_s = _FIRST_BACKOFF_S
            self._stopping.wait(backoff_s * random.uniform(0.5, 1.0))  # noqa: S311 - spreads reconnects, no secret
            backoff_s = min(backoff_s * 2, _LONGEST_BACKOFF_S)

    def _complain(self, text: str, kind: str = "") -> None:
        """Log once per `kind`, the text itself by default, and connection."""
        if (kind or text) not in self._complaints:
            self._complaints.add(kind or text)
            _log.warning("MQTT broker %s:%d: %s", self._settings.host, self._settings.port, text)

    def _serve(self, *, mqtt5: bool) -> str:
        """Hold one connection until it ends and return why it did."""
        self._outbox.rewind()
        self._signals = queue.SimpleQueue()
        connection = Connection(self._settings, self._device, self._password, self._signals, mqtt5=mqtt5)
        try:
            connection.open(_CONNACK_MQTT5_S if mqtt5 else _CONNACK_S)
            self._welcome(connection)
            reason = None
            while reason is None:
                if self._stopping.is_set():
                    return self._farewell(connection)
                self._fill(connection, spool=True)
                reason = self._listen()
            return reason
        finally:
            connection.abort()

    def _welcome(self, connection: Connection) -> None:
        self.connections += 1
        self.state, self.protocol = "connected", "5" if connection.mqtt5 else "3.1.1"
        self._complaints.clear()
        _log.info("MQTT %s to %s:%d", self.protocol, self._settings.host, self._settings.port)
        connection.subscribe(self.filters)

    def _fill(self, connection: Connection, *, spool: bool) -> None:
        while self._outbox.inflight < connection.window:
            outgoing = self._outbox.next(spool=spool)
            if outgoing is None:
                return
            at = time.monotonic()
            try:
                mid = connection.send(outgoing.message, retain=outgoing.retain, correlation=outgoing.correlation)
            except SinkError as error:
                self._outbox.give_up(outgoing)
                self._complain(f"{error}; given up", kind=f"size on {outgoing.message.topic}")
                continue
            if mid is None:
                return
            self._outbox.sent(mid, outgoing, at)

    def _listen(self) -> str | None:
        """Take what the network said, waiting a moment for the first; return why the connection ended, if it did."""
        try:
            signal = self._signals.get(timeout=_TICK_S)
            while True:
                reason = self._hear(signal)
                if reason is not None:
                    return reason
                signal = self._signals.get_nowait()
        except queue.Empty:
            self._outbox.settle()
        patience_s = 2.0 * self._settings.keepalive_s
        return f"no acknowledgement for {patience_s:g} s" if self._outbox.waiting_s() > patience_s else None

    def _hear(self, signal: Signal) -> str | None:
        match signal:
            case Closed(reason):
                return reason
            case Received():
                self.on_received(signal)
            case Acknowledged():
                outgoing = self._outbox.take(signal)
                if outgoing is None or signal.refusal is None:
                    return None
                refusal = f"{outgoing.message.topic} refused: {signal.refusal}"
                if outgoing.seq is not None:
                    return refusal
                self._outbox.give_up(outgoing)
                self._complain(f"{refusal}; given up")
        return None

    def _farewell(self, connection: Connection) -> str:
        self._outbox.retain(topics.status_topic(self._device), "offline")
        reason = None
        while reason is None and time.monotonic() < self._stop_by:
            self._fill(connection, spool=False)
            if not self._outbox.inflight:
                break
            reason = self._listen()
        self._outbox.settle(every=True)
        connection.close(max(self._stop_by - time.monotonic(), _TICK_S))
        return "closed"
