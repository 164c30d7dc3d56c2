from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from brokers import Listener, Mosquitto, make_event, wait_until
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge_runtime.config import MqttSettings
from edge_runtime.errors import ConfigError, InputError
from edge_runtime.sinks import delivery
from edge_runtime.sinks.broker import EmbeddedBroker
from edge_runtime.sinks.connection import Connection, Received
from edge_runtime.sinks.homeassistant import Box, Eye, discovery_messages
from edge_runtime.sinks.mqtt import MqttSink
from edge_runtime.sinks.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytest_plugins = ["broker_fixtures"]

EVENTS = "edge/box/events"
BOX = Box("box", "1", [Eye("door", ["person"])])
PASSWORD = "correct horse battery staple"  # noqa: S105 - of a broker that lives for one test


@pytest.fixture
def make_sink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., MqttSink]]:
    monkeypatch.setattr(delivery, "_FIRST_BACKOFF_S", 0.05)
    monkeypatch.setattr(delivery, "_LONGEST_BACKOFF_S", 0.2)
    with contextlib.ExitStack() as stack:

        def make(port: int, password: str | None = None, **changes: object) -> MqttSink:
            settings = MqttSettings.model_validate({"port": port, **changes})
            sink = MqttSink(settings, "box", Spool(tmp_path / "spool.db", 10_000, 10), password)
            stack.callback(sink.close, 2.0)
            return sink

        yield make


def ids(listener: Listener, topic: str = EVENTS) -> list[str]:
    return [json.loads(text)["id"] for text in listener.texts(topic)]


def publish(sink: MqttSink, count: int, text: str = "") -> list[str]:
    events = [make_event("zone", "door", number=number, text=text) for number in range(count)]
    for event in events:
        sink.publish(event)
    return [event.id for event in events]


def test_events_states_and_discovery_are_seen_by_other_programs(
    mosquitto: Callable[..., Mosquitto], listen: Callable[..., Listener], make_sink: Callable[..., MqttSink]
) -> None:
    broker = mosquitto()
    listener = listen(broker.port, "edge/#", "homeassistant/#")
    sink = make_sink(broker.port)
    sink.announce(discovery_messages("homeassistant", BOX), "homeassistant/status")
    sink.start()
    sent = publish(sink, 3)
    sink.publish(make_event("motion", active=True))
    for count in (1, 2, 2):
        sink.publish(make_event("count", label="cat", count=count))
    sink.publish(make_event("intent", "mic", intent="HassTurnOn", slots={}))
    assert sink.flush(10.0)
    assert wait_until(lambda: len(listener.on(EVENTS)) == 5)
    assert ids(listener)[:3] == sent
    assert listener.texts("edge/box/status") == ["online"]
    assert listener.texts("edge/box/door/motion") == ["ON"]
    assert listener.texts("edge/box/door/cat")[-1] == "2"
    assert json.loads(listener.texts("homeassistant/device/edge_box/config")[0])["dev"]["name"] == "box"
    (intent,) = listener.on("edge/box/intent")
    attributes = dict(intent.properties.UserProperty)  # type: ignore[union-attr]
    assert attributes["type"] == "edge.intent"
    assert attributes["id"] == json.loads(intent.payload)["id"]
    assert 290 <= intent.properties.MessageExpiryInterval <= 300  # type: ignore[union-attr]
    stats = sink.stats
    assert (stats.state, stats.protocol, stats.depth, stats.dropped) == ("connected", "5", 0, 0)
    assert (sink.published, stats.acknowledged) == (5, 5)
    assert stats.puback_p99_s is not None
    assert stats.puback_p50_s is not None
    assert stats.puback_p50_s <= stats.puback_p99_s < 1.0
    sink.close(5.0)
    assert wait_until(lambda: listener.texts("edge/box/status") == ["online", "offline"])


def test_mosquitto_sub_sees_what_the_manual_says(
    mosquitto: Callable[..., Mosquitto], make_sink: Callable[..., MqttSink]
) -> None:
    broker = mosquitto()
    sink = make_sink(broker.port)
    sink.announce(discovery_messages("homeassistant", BOX), "homeassistant/status")
    sink.start()
    assert sink.flush(10.0)
    command = ["mosquitto_sub", "-p", str(broker.port), "-t", "edge/#", "-t", "homeassistant/#", "-v", "-C", "2"]
    shown = subprocess.run([*command, "-W", "10"], capture_output=True, text=True, timeout=20, check=True).stdout
    assert "edge/box/status online\n" in shown
    assert 'homeassistant/device/edge_box/config {"dev":' in shown


@pytest.mark.parametrize(
    ("config", "window"),
    [
        pytest.param("max_inflight_messages 1", 1, id="broker takes one at a time"),
        pytest.param("max_inflight_messages 0", 20, id="broker sets no bound, ours holds"),
    ],
)
def test_order_is_kept_within_the_receive_maximum(
    mosquitto: Callable[..., Mosquitto],
    listen: Callable[..., Listener],
    make_sink: Callable[..., MqttSink],
    monkeypatch: pytest.MonkeyPatch,
    config: str,
    window: int,
) -> None:
    broker = mosquitto(f"allow_anonymous true\n{config}")
    listener = listen(broker.port, EVENTS)
    sink = make_sink(broker.port)
    most = 0
    send = Connection.send

    def counting(self: Connection, *args: object, **kwargs: object) -> int | None:
        nonlocal most
        most = max(most, sink._outbox.inflight + 1)
        assert self.window == window
        return send(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(Connection, "send", counting)
    sent = publish(sink, 200)
    sink.start()
    assert sink.flush(10.0)
    assert wait_until(lambda: len(listener.heard) == 200)
    assert ids(listener) == sent
    assert most == window


def test_broker_that_comes_late_gets_everything(
    mosquitto: Callable[..., Mosquitto],
    listen: Callable[..., Listener],
    make_sink: Callable[..., MqttSink],
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker = mosquitto(start=False)
    sink = make_sink(broker.port)
    started = time.monotonic()
    sink.start()
    sent = publish(sink, 20)
    assert time.monotonic() - started < 1.0
    assert wait_until(lambda: sink.stats.state == "degraded")
    assert not sink.flush(0.3)
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert f"127.0.0.1:{broker.port}: connection refused" in warnings[0]
    broker.start()
    listener = listen(broker.port, EVENTS)
    assert sink.flush(10.0)
    publish(sink, 1)
    assert sink.flush(10.0)
    assert set(ids(listener)) <= {*sent, ids(listener)[-1]}
    assert sink.stats.acknowledged == 21


def test_broker_that_lost_its_memory_is_told_again(
    mosquitto: Callable[..., Mosquitto], listen: Callable[..., Listener], make_sink: Callable[..., MqttSink]
) -> None:
    broker = mosquitto()
    sink = make_sink(broker.port)
    sink.start()
    sink.publish(make_event("count", label="cat", count=4))
    assert sink.flush(10.0)
    broker.kill()
    assert wait_until(lambda: sink.stats.state == "degraded")
    sent = publish(sink, 5)
    broker.start()
    assert wait_until(lambda: sink.stats.reconnects == 1)
    assert sink.flush(10.0)
    listener = listen(broker.port, "edge/#")
    assert wait_until(lambda: len(listener.heard) == 2)
    assert listener.texts("edge/box/door/cat") == ["4"]
    assert listener.texts("edge/box/status") == ["online"]
    assert len(sent) == 5


def test_wrong_password_is_said_once_and_never_shown(
    mosquitto: Callable[..., Mosquitto],
    make_sink: Callable[..., MqttSink],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "box", PASSWORD], check=True, timeout=10)
    broker = mosquitto(f"allow_anonymous false\npassword_file {passwords}")
    wrong = "wr0ng-and-secret"
    with caplog.at_level(logging.DEBUG):
        sink = make_sink(broker.port, wrong, username="box")
        sink.start()
        sent = publish(sink, 3)
        assert wait_until(lambda: sink.stats.state == "degraded")
        time.sleep(0.5)
        sink.close(2.0)
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert f"127.0.0.1:{broker.port}" in warnings[0]
    assert "not authorized" in warnings[0] or "bad user name or password" in warnings[0]
    assert wrong not in caplog.text + repr(sink) + repr(sink._delivery) + "".join(capfd.readouterr())
    right = make_sink(broker.port, PASSWORD, username="box")
    right.start()
    assert right.flush(10.0)
    assert right.stats.acknowledged == len(sent)


def test_questions_are_answered_where_the_asker_listens(
    mosquitto: Callable[..., Mosquitto], listen: Callable[..., Listener], make_sink: Callable[..., MqttSink]
) -> None:
    def reader(text: str) -> dict[str, object]:
        if text == "bad":
            raise InputError("no such thing")
        return {"text": f"you said {text}"}

    broker = mosquitto()
    listener = listen(broker.port, "answers/#", "edge/box/answer")
    listener.client.publish("edge/box/ask", "left over", qos=1, retain=True).wait_for_publish(5.0)
    sink = make_sink(broker.port)
    sink.on_message("edge/box/ask", reader, reply_to="edge/box/answer")
    sink.start()
    assert sink.flush(10.0)
    time.sleep(0.1)
    for number, (text, reply_to) in enumerate(
        [("hello", "answers/me"), ("bad", "answers/me"), ("loop", "edge/box/ask"), ("wild", "answers/#")]
    ):
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.ResponseTopic = reply_to
        properties.CorrelationData = bytes([number])
        listener.client.publish("edge/box/ask", text, qos=1, properties=properties)
    listener.client.publish("edge/box/ask", "caf\xe9".encode("latin-1"), qos=1)
    listener.client.publish("edge/box/ask", "plain", qos=1)
    assert wait_until(lambda: len(listener.heard) == 3)
    assert [json.loads(message.payload) for message in listener.on("answers/me")] == [
        {"text": "you said hello"},
        {"error": "no such thing"},
    ]
    assert [message.properties.CorrelationData for message in listener.on("answers/me")] == [b"\0", b"\1"]  # type: ignore[union-attr]
    assert [json.loads(text) for text in listener.texts("edge/box/answer")] == [{"text": "you said plain"}]


def test_home_assistant_that_restarts_is_told_again(
    mosquitto: Callable[..., Mosquitto], listen: Callable[..., Listener], make_sink: Callable[..., MqttSink]
) -> None:
    broker = mosquitto()
    listener = listen(broker.port, "homeassistant/device/#")
    sink = make_sink(broker.port)
    sink.announce([("homeassistant/device/edge_box/config", "{}")], "homeassistant/status")
    sink.start()
    assert sink.flush(10.0)
    assert wait_until(lambda: len(listener.heard) == 1)
    listener.client.publish("homeassistant/status", "offline")
    listener.client.publish("homeassistant/status", "online")
    assert wait_until(lambda: len(listener.heard) == 2)


def test_what_the_broker_will_never_take_does_not_hold_up_the_rest(
    mosquitto: Callable[..., Mosquitto],
    listen: Callable[..., Listener],
    make_sink: Callable[..., MqttSink],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    rights = tmp_path / "rights"
    rights.write_text("topic readwrite edge/#\n")
    broker = mosquitto(f"allow_anonymous true\nmax_packet_size 4000\nacl_file {rights}")
    listener = listen(broker.port, "edge/#")
    sink = make_sink(broker.port)
    sink.announce([("homeassistant/device/edge_box/config", "{}")], "homeassistant/status")
    sink.start()
    before, huge = publish(sink, 2), publish(sink, 1, text="x" * 5000) + publish(sink, 1, text="x" * 6000)
    after = publish(sink, 2)
    assert sink.flush(10.0)
    assert wait_until(lambda: len(listener.on(EVENTS)) == 4)
    assert ids(listener) == before + after
    assert len(huge) == sink.stats.dropped - 1 == 2
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 2
    assert any("homeassistant/device/edge_box/config refused: not authorized" in text for text in warnings)
    assert any("the broker takes 4000" in text for text in warnings)


@pytest.mark.skipif(importlib.util.find_spec("amqtt") is None, reason="amqtt is not installed")
def test_broker_without_mqtt_5_is_spoken_to_in_its_own_tongue(
    listen: Callable[..., Listener], make_sink: Callable[..., MqttSink], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_CONNACK_MQTT5_S", 0.5)
    broker = EmbeddedBroker()
    broker.start()
    try:
        listener = listen(broker.port, "edge/#", mqtt5=False)
        sink = make_sink(broker.port)
        sink.on_message("edge/box/ask", lambda text: {"text": text}, reply_to="edge/box/answer")
        sink.start()
        sent = publish(sink, 50)
        assert sink.flush(10.0)
        assert sink.stats.protocol == "3.1.1"
        assert wait_until(lambda: len(listener.on(EVENTS)) == 50)
        assert ids(listener) == sent
        envelope = json.loads(listener.texts(EVENTS)[0])
        assert envelope["specversion"] == "1.0"
        assert envelope["data"]["id"] == envelope["id"]
        listener.client.publish("edge/box/ask", "who is there?", qos=1)
        assert wait_until(lambda: listener.on("edge/box/answer"))
        sink.close(5.0)
        assert wait_until(lambda: listener.texts("edge/box/status") == ["online", "offline"])
        listener.close()
    finally:
        broker.close()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that signs itself, with its key beside it."""
    path = tmp_path / "broker.crt"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    )
    try:
        subprocess.run(
            [*command.split(), "-keyout", str(tmp_path / "broker.key"), "-out", str(path)],
            check=True,
            capture_output=True,
            timeout=30,
        )
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    return path


# paho leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_tls_needs_a_broker_one_can_trust(
    mosquitto: Callable[..., Mosquitto],
    make_sink: Callable[..., MqttSink],
    certificate: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker = mosquitto(f"allow_anonymous true\ncertfile {certificate}\nkeyfile {certificate.with_suffix('.key')}")
    stranger = make_sink(broker.port, tls=True)
    stranger.start()
    assert wait_until(lambda: stranger.stats.state == "degraded")
    stranger.close(2.0)
    assert "TLS failed: self" in caplog.text
    friend = make_sink(broker.port, tls=True, ca_file=certificate)
    friend.start()
    publish(friend, 3)
    assert friend.flush(10.0)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_tls_to_a_broker_without_it_is_named(
    mosquitto: Callable[..., Mosquitto], make_sink: Callable[..., MqttSink], caplog: pytest.LogCaptureFixture
) -> None:
    sink = make_sink(mosquitto().port, tls=True)
    sink.start()
    assert wait_until(lambda: sink.stats.state == "degraded", 20.0)
    assert "is TLS spoken on this port?" in caplog.text


def test_missing_authority_file_is_a_wrong_setting(make_sink: Callable[..., MqttSink], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mqtt.ca_file .*nothing.pem cannot be used: No such file"):
        make_sink(1, tls=True, ca_file=tmp_path / "nothing.pem")


def test_a_flood_of_messages_that_mean_nothing_does_not_fill_the_log(
    make_sink: Callable[..., MqttSink], caplog: pytest.LogCaptureFixture
) -> None:
    sink = make_sink(1)
    sink.on_message("edge/box/ask", lambda _: None)
    for payload in [b"?"] * 500 + [b"x" * 70_000] * 500:
        sink._take_in(Received("edge/box/ask", payload, None, None))
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert warnings == [
        "MQTT: more than 16 messages wait to be read; the oldest are dropped",
        "MQTT: 70000 bytes on edge/box/ask are too many; passed over",
    ]
