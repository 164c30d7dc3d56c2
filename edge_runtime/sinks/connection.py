"""One MQTT connection from CONNECT to its end; nothing in it survives, so nothing is lost with it."""

from __future__ import annotations

import contextlib
import queue
import socket
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge_runtime.errors import ConfigError, SinkError
from edge_runtime.sinks import topics

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge_runtime.config import MqttSettings
    from edge_runtime.sinks.spool import Message

_UNSUPPORTED_VERSION = 132
_KEEPALIVE_MISSED = 141
_REFUSED = 128
_CONNECT_TIMEOUT_S = 5.0
_RECEIVE_MAXIMUM = 65_535
_HEADROOM = 1024
_MAX_PACKET = 268_435_455


class RefusedError(SinkError):
    """The broker cannot be reached or said no; `other_version` where it may be the MQTT version that it refused."""

    def __init__(self, message: str, *, other_version: bool = False) -> None:
        super().__init__(message)
        self.other_version = other_version


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The broker has taken the message `mid`, or refused it with the reason given."""

    mid: int
    at: float
    refusal: str | None


@dataclass(frozen=True, slots=True)
class Received:
    """A message came in; `reply_to` and `correlation` are MQTT 5 request and response."""

    topic: str
    payload: bytes
    reply_to: str | None
    correlation: bytes | None


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection has ended."""

    reason: str


Signal = Acknowledged | Received | Closed | None
"""What the network thread tells; None is only a knock."""


class Connection:
    """A client for one connection; the network thread speaks through `signals` alone.

    Args:
        settings: broker and how to reach it.
        device: name of this box; a second client of the same name takes the connection over.
        password: for `settings.username`.
        signals: where Acknowledged, Received and Closed are put.
        mqtt5: speak MQTT 5, else 3.1.1.
    """

    def __init__(
        self,
        settings: MqttSettings,
        device: str,
        password: str | None,
        signals: queue.SimpleQueue[Signal],
        *,
        mqtt5: bool,
    ) -> None:
        self.mqtt5 = mqtt5
        self.window = settings.inflight
        self.max_packet = _MAX_PACKET
        self._settings = settings
        self._signals = signals
        self._answer: queue.SimpleQueue[tuple[int, str] | str] = queue.SimpleQueue()
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"edge-{device}",
            protocol=MQTTProtocolVersion.MQTTv5 if mqtt5 else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        self._client.will_set(topics.status_topic(device), "offline", qos=1, retain=True)
        if settings.username is not None:
            self._client.username_pw_set(settings.username, password)
        if settings.tls:
            self._client.tls_set_context(tls_context(settings))
        # 0 is no bound of paho's own: `window` is kept by whoever sends, and paho must never queue.
        self._client.max_inflight_messages_set(0)
        self._client.connect_timeout = _CONNECT_TIMEOUT_S
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._client.on_message = self._on_message

    def open(self, timeout_s: float) -> None:
        """Connect and wait for the broker's word.

        Raises:
            RefusedError: no route, TLS failed, the broker said no, or nothing was heard for `timeout_s`.
        """
        try:
            self._client.connect(self._settings.host, self._settings.port, self._settings.keepalive_s)
        except (OSError, UnicodeError) as error:
            raise RefusedError(_cause(error, tls=self._settings.tls)) from None
        self._client.loop_start()
        try:
            answer = self._answer.get(timeout=timeout_s)
        except queue.Empty:
            answer = f"silent for {timeout_s:g} s"
        if isinstance(answer, str):
            self.abort()
            # A broker of another version may hang up, or wait for ever for the rest of a packet it misreads.
            raise RefusedError(f"{answer} before it answered", other_version=True)
        code, reason = answer
        if code >= _REFUSED:
            self.abort()
            raise RefusedError(reason, other_version=code == _UNSUPPORTED_VERSION)

    def send(self, message: Message, *, retain: bool = False, correlation: bytes | None = None) -> int | None:
        """Hand one message to the network thread and return its number, or None once the connection is gone.

        Raises:
            SinkError: the broker would close the connection over a message of this size.
        """
        payload = message.payload if self.mqtt5 else topics.structured(message)
        properties = _properties(message, correlation) if self.mqtt5 else None
        size = len(payload) + len(message.topic.encode()) + _HEADROOM
        if size > self.max_packet:
            raise SinkError(f"message for {message.topic} has {size} bytes; the broker takes {self.max_packet}")
        info = self._client.publish(message.topic, payload, qos=1, retain=retain, properties=properties)
        return info.mid if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None

    def subscribe(self, filters: Iterable[str]) -> None:
        """Ask for messages on `filters` at QoS 1."""
        wanted = [(topic, 1) for topic in filters]
        if wanted:
            self._client.subscribe(wanted)

    def close(self, timeout_s: float) -> None:
        """Say good-bye, so that the broker keeps the last will to itself, and end."""
        self._client.disconnect()
        with contextlib.suppress(queue.Empty):
            while not isinstance(self._signals.get(timeout=timeout_s), Closed):
                pass
        self.abort()

    def abort(self) -> None:
        """End now; afterwards nothing more is put in `signals`."""
        sock = self._client.socket()
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)  # type: ignore[attr-defined]  # paho's protocol leaves it out
        self._client.loop_stop()

    def _on_connect(self, _client: Client, _data: object, _flags: object, reason: Any, properties: Any) -> None:
        if reason.value < _REFUSED:
            self.window = min(self.window, getattr(properties, "ReceiveMaximum", _RECEIVE_MAXIMUM))
            self.max_packet = getattr(properties, "MaximumPacketSize", _MAX_PACKET)
        self._answer.put((reason.value, str(reason).lower()))

    def _on_disconnect(self, _client: Client, _data: object, flags: Any, reason: Any, _properties: object) -> None:
        spoken = flags.is_disconnect_packet_from_server or reason.value == _KEEPALIVE_MISSED
        text = str(reason).lower() if spoken else "connection closed"
        self._answer.put(text)
        self._signals.put(Closed(text))

    def _on_publish(self, _client: Client, _data: object, mid: int, reason: Any, _properties: object) -> None:
        refusal = str(reason).lower() if reason.value >= _REFUSED else None
        self._signals.put(Acknowledged(mid, time.monotonic(), refusal))

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        if message.retain:
            return  # A question left on the broker would be asked again after every reconnect.
        reply_to = getattr(message.properties, "ResponseTopic", None)
        correlation = getattr(message.properties, "CorrelationData", None)
        self._signals.put(Received(message.topic, bytes(message.payload), reply_to, correlation))


def tls_context(settings: MqttSettings) -> ssl.SSLContext:
    """Return a context that checks the broker's certificate and name.

    Raises:
        ConfigError: `ca_file` cannot be read or holds no certificate.
    """
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"mqtt.ca_file {settings.ca_file} cannot be used: {error.strerror or error}") from None


def _cause(error: OSError | UnicodeError, *, tls: bool) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS failed: {error.verify_message}; set mqtt.ca_file to the authority that signed its certificate"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    if tls and isinstance(error, (ssl.SSLError, ConnectionResetError, TimeoutError)):
        return f"TLS failed: {text}; is TLS spoken on this port?"
    return text.lower()


def _properties(message: Message, correlation: bytes | None) -> Properties:
    properties: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho leaves it untyped
    attributes = topics.attributes(message)
    if attributes:
        properties.UserProperty = attributes
        properties.ContentType = "application/json"
        properties.PayloadFormatIndicator = 1
    expiry = topics.expiry_s(message, time.time())
    if expiry is not None:
        properties.MessageExpiryInterval = expiry
    if correlation is not None:
        properties.CorrelationData = correlation
    return properties  # type: ignore[no-any-return]  # paho sets these names at run time
