"""Events to the broker and questions from it; what `publish` has taken is delivered at least once."""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import threading
import time
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from edge_runtime.errors import EdgeError
from edge_runtime.sinks import topics
from edge_runtime.sinks.connection import Received, tls_context
from edge_runtime.sinks.delivery import Delivery, MqttStats
from edge_runtime.sinks.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from edge_runtime.config import MqttSettings
    from edge_runtime.sinks.spool import Spool
    from edge_runtime.types import Event

    Said: TypeAlias = Mapping[str, object] | None
    TextReader: TypeAlias = Callable[[str], Said | Future[Said]]

_log = logging.getLogger(__name__)

_INCOMING = 16
_LONGEST_TEXT = 64 * 1024
_COMPLAIN_EVERY_S = 60.0


class MqttSink:
    """Events go to the spool and from there, in order and at QoS 1, to the broker.

    `start` connects in the background and for ever. The sink owns `spool` and closes it.

    Args:
        settings: broker, and how many messages may be in flight.
        device: name of this box in topics.
        spool: where events wait.
        password: for `settings.username`.
        mqtt5: try MQTT 5 before 3.1.1.

    Raises:
        ConfigError: `settings.ca_file` cannot be used.
    """

    name = "mqtt"
    durable = True

    def __init__(
        self, settings: MqttSettings, device: str, spool: Spool, password: str | None = None, *, mqtt5: bool = True
    ) -> None:
        if settings.tls:
            tls_context(settings)
        self._device = device
        self._spool = spool
        self._outbox = Outbox(spool)
        self._delivery = Delivery(settings, device, password, self._outbox, mqtt5=mqtt5)
        self._delivery.on_received = self._take_in
        self._occupancy = topics.Occupancy()
        self._announced: dict[str, Sequence[tuple[str, str]]] = {}
        self._published = 0
        self._lock = threading.Lock()
        self._complained: dict[str, float] = {}
        self._readers: dict[str, tuple[TextReader, str | None]] = {}
        self._incoming: queue.Queue[Received | None] = queue.Queue(_INCOMING)
        self._reading = threading.Thread(target=self._read, name="mqtt-reader", daemon=True)

    @property
    def published(self) -> int:
        """Return how many events were accepted for delivery; states alone, such as counts, are not events."""
        return self._published

    @property
    def stats(self) -> MqttStats:
        """Return the counts of the delivery."""
        waits = self._outbox.latencies()
        return MqttStats(
            state=self._delivery.state,
            protocol=self._delivery.protocol,
            acknowledged=self._outbox.acknowledged,
            dropped=self._spool.dropped + self._outbox.refused,
            depth=self._spool.depth,
            reconnects=max(self._delivery.connections - 1, 0),
            puback_p50_s=waits[len(waits) // 2] if waits else None,
            puback_p99_s=waits[len(waits) * 99 // 100] if waits else None,
        )

    def on_message(self, topic: str, reader: TextReader, *, reply_to: str | None = None) -> None:
        """Have `reader` called with each text that comes in on `topic`, one at a time, off the network's thread.

        What it returns now or, as a future, later, or `{"error": ...}` for an EdgeError, goes to the message's Response
        Topic with its Correlation Data (MQTT 5), else to `reply_to`, else nowhere. Retained messages are passed
        over. Call this before `start`.
        """
        self._readers[topic] = (reader, reply_to)
        self._delivery.filters = list(self._readers)

    def start(self) -> None:
        """Connect in the background; returns at once whatever the broker does."""
        self._delivery.start()
        self._reading.start()

    def publish(self, event: Event) -> None:
        """Keep `event` on disk, and send it when there is a broker.

        Raises:
            SinkError: the disk is full or failing.
        """
        wall_s = time.time() - (time.monotonic() - event.at)
        messages = topics.event_messages(event, self._device, wall_s)
        if messages:
            self._spool.append(*messages)
            with self._lock:
                self._published += 1
            self._delivery.knock()
        for topic, payload in (*topics.states(event, self._device), *self._occupancy.states(event, self._device)):
            self.retain(topic, payload)

    def retain(self, topic: str, payload: str | bytes, *, again: bool = False) -> None:
        """Set a retained state: sent if it changed or `again`, and after each reconnect; empty removes it."""
        self._outbox.retain(topic, payload, again=again)
        self._delivery.knock()

    def announce(self, messages: Iterable[tuple[str, str]], again_on: str) -> None:
        """Retain discovery `messages`, and send them again whenever `again_on` says `online`.

        The first call must come before `start`; later ones on the same topic tell something else instead.
        """
        first = again_on not in self._announced
        self._announced[again_on] = list(messages)

        def send(text: str = "online") -> None:
            if text == "online":
                for topic, payload in self._announced[again_on]:
                    self.retain(topic, payload, again=True)

        if first:
            self.on_message(again_on, send)
        send()

    def flush(self, timeout_s: float) -> bool:
        """Wait until all is acknowledged; False when `timeout_s` was not enough."""
        return self._outbox.wait_empty(timeout_s)

    def close(self, timeout_s: float) -> None:
        """Finish what is in flight, say `offline`, end; what is still in the spool goes out after the next start."""
        deadline = time.monotonic() + timeout_s
        self._delivery.close(timeout_s)
        self._put(None)
        if self._reading.is_alive():
            self._reading.join(max(deadline - time.monotonic(), 0.1))
        self._spool.close()

    def _take_in(self, received: Received) -> None:
        if received.topic not in self._readers:
            return
        if len(received.payload) > _LONGEST_TEXT:
            self._complain("%d bytes on %s are too many; passed over", len(received.payload), received.topic)
            return
        self._put(received)

    def _put(self, received: Received | None) -> None:
        while True:
            try:
                self._incoming.put_nowait(received)
            except queue.Full:
                with contextlib.suppress(queue.Empty):
                    self._incoming.get_nowait()
                    self._complain("more than %d messages wait to be read; the oldest are dropped", _INCOMING)
            else:
                return

    def _complain(self, text: str, *values: object) -> None:
        """Say what is wrong with messages: once a minute each, for whoever sends many would fill the disk with it."""
        now = time.monotonic()
        if now - self._complained.get(text, -_COMPLAIN_EVERY_S) >= _COMPLAIN_EVERY_S:
            self._complained[text] = now
            _log.warning(f"MQTT: {text}", *values)

    def _read(self) -> None:
        while True:
            received = self._incoming.get()
            if received is None:
                return
            reader, reply_to = self._readers[received.topic]
            try:
                answer = reader(received.payload.decode())
            except UnicodeDecodeError:
                self._complain("a message on %s is not UTF-8 text; passed over", received.topic)
                continue
            except EdgeError as error:
                answer = {"error": str(error)}
            if isinstance(answer, Future):
                answer.add_done_callback(partial(self._reply, received, reply_to))
            else:
                self._reply(received, reply_to, answer)

    def _reply(self, received: Received, reply_to: str | None, said: Said | Future[Said]) -> None:
        answer = _outcome(said) if isinstance(said, Future) else said
        topic = received.reply_to or reply_to
        if answer is not None and topic is not None and self._may_reply_to(topic):
            payload = json.dumps(answer, ensure_ascii=False).encode()
            self._outbox.reply(topic, payload, received.correlation)
            self._delivery.knock()

    def _may_reply_to(self, topic: str) -> bool:
        # A reply to a topic that is read here would be answered in turn, for ever.
        return not set(topic) & set("+#\0") and topic not in self._readers


def _outcome(done: Future[Said]) -> Said:
    error = done.exception()
    if error is None:
        return done.result()
    if not isinstance(error, EdgeError):
        raise error
    return {"error": str(error)}
