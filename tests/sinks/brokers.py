"""A real broker and a real listener for the tests of the sinks."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge_runtime.types import Event

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MOSQUITTO = shutil.which("mosquitto", path="/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin:/opt/homebrew/sbin")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], object], timeout_s: float = 10.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def make_event(kind: str = "zone", source: str = "door", **data: object) -> Event:
    return Event(kind, source, time.monotonic(), data)


class Mosquitto:
    """A Mosquitto of its own on a free port of loopback; `config` is appended to its settings."""

    def __init__(self, folder: Path, config: str = "allow_anonymous true") -> None:
        self.port = free_port()
        self._file = folder / f"mosquitto-{self.port}.conf"
        self._file.write_text(f"listener {self.port} 127.0.0.1\nuser root\n{config}\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert MOSQUITTO is not None
        self._process = subprocess.Popen(
            [MOSQUITTO, "-c", str(self._file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        assert wait_until(self._answers), "Mosquitto did not start"

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1.0):
            return True
        return False


class Listener:
    """A plain MQTT client that remembers what it hears."""

    def __init__(self, port: int, *filters: str, mqtt5: bool = True, qos: int = 1) -> None:
        self.heard: list[MQTTMessage] = []
        version = MQTTProtocolVersion.MQTTv5 if mqtt5 else MQTTProtocolVersion.MQTTv311
        self.client = Client(CallbackAPIVersion.VERSION2, protocol=version)
        self.client.on_message = self._on_message
        subscribed = threading.Event()
        self.client.on_subscribe = lambda *_: subscribed.set()
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        self.client.subscribe([(topic, qos) for topic in filters])
        assert subscribed.wait(10.0)

    def on(self, topic: str) -> list[MQTTMessage]:
        return [message for message in self.heard if message.topic == topic]

    def texts(self, topic: str) -> list[str]:
        return [message.payload.decode() for message in self.on(topic)]

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self.heard.append(message)
