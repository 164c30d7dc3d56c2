from __future__ import annotations

import contextlib
import itertools
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from brokers import Listener, Mosquitto, make_event, wait_until

from edge_runtime.config import MqttSettings
from edge_runtime.sinks import delivery
from edge_runtime.sinks.mqtt import MqttSink
from edge_runtime.sinks.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytest_plugins = ["broker_fixtures"]

EVENTS = "edge/box/events"
CHILD = Path(__file__).with_name("publishing_child.py")


@contextlib.contextmanager
def child(folder: Path, port: int, inflight: int, count: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(CHILD), str(folder), str(port), str(inflight), str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def accepted(process: subprocess.Popen[str], count: int | None) -> list[str]:
    assert process.stdout is not None
    return [line.strip() for line in itertools.islice(process.stdout, count) if line.endswith("\n")]


def ids(*listeners: Listener) -> set[str]:
    return {json.loads(text)["id"] for listener in listeners for text in listener.texts(EVENTS)}


@pytest.mark.parametrize("inflight", [pytest.param(1, id="one in flight"), pytest.param(20, id="twenty in flight")])
def test_nothing_accepted_is_lost_when_broker_and_runtime_are_killed(
    mosquitto: Callable[..., Mosquitto], listen: Callable[..., Listener], tmp_path: Path, inflight: int
) -> None:
    broker = mosquitto()
    # At QoS 0 a killed broker takes nothing with it: it passes each event on before it acknowledges it.
    before = listen(broker.port, EVENTS, "edge/box/status", qos=0)
    with child(tmp_path, broker.port, inflight, 1_000_000) as first:
        told = accepted(first, 300)
        assert wait_until(lambda: before.on(EVENTS))
        broker.kill()
        told += accepted(first, 300)
        first.send_signal(signal.SIGKILL)
        told += accepted(first, None)
    assert set(told) - ids(before), "the outage was too short to prove anything"
    broker.start()
    after = listen(broker.port, EVENTS, "edge/box/status", qos=0)
    with child(tmp_path, broker.port, inflight, 50) as second:
        told += accepted(second, None)
        assert second.wait(30) == 0, second.stderr and second.stderr.read()
    assert wait_until(lambda: not set(told) - ids(before, after)), f"{len(set(told) - ids(before, after))} lost"
    assert len(told) == len(set(told)) >= 650
    assert after.texts("edge/box/status") == ["online", "offline"]


def test_killed_runtime_is_reported_offline_by_the_broker(
    mosquitto: Callable[..., Mosquitto], listen: Callable[..., Listener], tmp_path: Path
) -> None:
    broker = mosquitto()
    listener = listen(broker.port, "edge/box/status")
    with child(tmp_path, broker.port, 20, 1_000_000) as process:
        assert wait_until(lambda: listener.texts("edge/box/status") == ["online"])
        process.send_signal(signal.SIGKILL)
        assert wait_until(lambda: listener.texts("edge/box/status") == ["online", "offline"])


class Cable:
    """A relay to the broker that can go silent without hanging up, as an unplugged network does."""

    def __init__(self, broker_port: int) -> None:
        self.cut = False
        self._broker_port = broker_port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._open: list[socket.socket] = [self._server]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = socket.create_connection(("127.0.0.1", self._broker_port))
                self._open += [near, far]
                self.cut = False
                dead = threading.Event()
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(source, target, dead), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, dead: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self.cut:
                    dead.set()
                if not dead.is_set():
                    target.sendall(data)


def test_silent_network_is_noticed_and_its_events_sent_again(
    mosquitto: Callable[..., Mosquitto],
    listen: Callable[..., Listener],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delivery, "_FIRST_BACKOFF_S", 0.05)
    broker = mosquitto()
    listener = listen(broker.port, EVENTS)
    cable = Cable(broker.port)
    settings = MqttSettings(port=cable.port).model_copy(update={"keepalive_s": 1})
    sink = MqttSink(settings, "box", Spool(tmp_path / "spool.db", 1000, 10))
    sink.start()
    try:
        sink.publish(make_event())
        assert sink.flush(10.0)
        cable.cut = True
        events = [make_event() for _ in range(50)]
        for event in events:
            sink.publish(event)
        started = time.monotonic()
        assert sink.flush(15.0)
        assert 0.5 < time.monotonic() - started < 8.0
        assert sink.stats.reconnects == 1
        assert wait_until(lambda: {event.id for event in events} <= ids(listener))
    finally:
        sink.close(2.0)
        cable.close()
