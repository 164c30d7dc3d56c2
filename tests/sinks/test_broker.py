from __future__ import annotations

import importlib.util
import signal
import socket
import subprocess
import sys

import psutil
import pytest
from brokers import free_port, wait_until

from edge_runtime.errors import SinkError
from edge_runtime.sinks import broker
from edge_runtime.sinks.broker import EmbeddedBroker, answers

pytestmark = pytest.mark.skipif(importlib.util.find_spec("amqtt") is None, reason="amqtt is not installed")


def test_listens_on_loopback_alone_and_ends_when_told() -> None:
    wanted = free_port()
    embedded = EmbeddedBroker(wanted)
    assert not answers(embedded.host, wanted)
    embedded.start()
    try:
        assert embedded.port == wanted
        assert answers(embedded.host, embedded.port)
        listening = [
            connection.laddr
            for child in psutil.Process().children()
            for connection in child.net_connections()
            if connection.status == psutil.CONN_LISTEN
        ]
        assert [(address.ip, address.port) for address in listening] == [("127.0.0.1", wanted)]
    finally:
        embedded.close()
    assert not answers(embedded.host, embedded.port)
    embedded.close()


def test_takes_another_port_where_the_wanted_one_is_taken() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        assert EmbeddedBroker(taken).port != taken


def test_ends_with_its_parent_even_killed() -> None:
    program = (
        "from edge_runtime.sinks.broker import EmbeddedBroker\n"
        "b = EmbeddedBroker(); b.start(); print(b.port, flush=True); import time; time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        port = int(parent.stdout.readline())
        assert answers("127.0.0.1", port)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        assert wait_until(lambda: not answers("127.0.0.1", port), 5.0)


def test_missing_amqtt_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(SinkError, match=r"pip install 'edge-runtime\[demo\]'"):
        EmbeddedBroker().start()


def test_broker_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "_CONFIG", "plugins: {{no.such.Plugin: {{}}}}\n")
    with pytest.raises(SinkError, match=r"did not start: .*\S"):
        EmbeddedBroker().start()
