"""Whole walks through the house, started as a person starts it, with a real broker."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import soundfile
from brokers import Listener, Mosquitto, wait_until
from running import RUN, Running

from edge_runtime import demo

if TYPE_CHECKING:
    from collections.abc import Callable

    from pulse import SoundServer

pytest_plugins = ["broker_fixtures", "pulse_fixtures"]

DEMO = Path(demo.__file__).parent


def settings(folder: Path, port: int, extra: str = "") -> str:
    file = folder / "settings.yaml"
    file.write_text(
        f"device: {{name: box, data_dir: {folder}/data}}\n"
        f"mqtt: {{port: {port}}}\n"
        f"cameras: [{{name: door, url: {DEMO}/clip.mp4, fps: 8, realtime: true}}]\n{extra}"
    )
    return str(file)


def test_the_demo_sees_hears_answers_and_publishes(tmp_path: Path) -> None:
    running = Running(tmp_path, "--demo", "--once")
    status, err = running.end()
    assert status == 0, err
    *events, last = running.events
    summary = last["summary"]
    new = [event["label"] for event in events if event["kind"] == "object" and event["type"] == "new"]
    assert {"person", "cat"} <= set(new)
    assert any(event["kind"] == "intent" and event["intent"] for event in events)
    assert any(event["kind"] == "answered" and event["origin"] == "local" for event in events)
    assert summary["events_published"] > 0
    assert summary["messages_waiting"] == 0, "the broker has acknowledged everything"
    assert summary["messages_acknowledged"] >= summary["events_published"]
    assert (tmp_path / summary["picture"]).read_bytes().startswith(b"\xff\xd8"), "the annotated frame is a JPEG"
    assert err == "", "nothing to complain about"


def test_a_subscriber_sees_status_discovery_and_events(
    mosquitto: Callable[..., Mosquitto], listen: Callable[..., Listener], tmp_path: Path
) -> None:
    broker = mosquitto()
    heard = listen(broker.port, "edge/#", "homeassistant/#")
    running = Running(tmp_path, "--once", "--config", settings(tmp_path, broker.port))
    assert wait_until(lambda: heard.texts("edge/box/status") == ["online"], 20)
    status, err = running.end()
    assert status == 0, err
    assert wait_until(lambda: heard.texts("edge/box/status")[-1] == "offline")
    config = json.loads(heard.texts("homeassistant/device/edge_box/config")[0])
    assert {"dev", "o", "cmps"} <= set(config)
    published = {json.loads(text)["id"] for text in heard.texts("edge/box/events")}
    accepted = {event["id"] for event in running.events[:-1] if event["kind"] != "count"}
    assert accepted
    assert accepted <= published
    assert heard.texts("edge/box/door/person")[0] == "0", "a count is known before anything was seen"
    assert heard.texts("edge/box/door/motion")[:2] == ["OFF", "ON"]
    assert heard.texts("edge/box/door/status")[0] == "online"


def test_nothing_accepted_is_lost_when_the_broker_dies_and_the_program_is_killed(
    mosquitto: Callable[..., Mosquitto], listen: Callable[..., Listener], tmp_path: Path
) -> None:
    broker = mosquitto()
    # At QoS 0, since Mosquitto acknowledges what it still holds in memory for a listener at QoS 1.
    first = listen(broker.port, "edge/box/events", qos=0)
    config = settings(tmp_path, broker.port)
    running = Running(tmp_path, "--once", "--config", config)
    assert wait_until(lambda: running.events, 30)
    broker.kill()
    before = len(running.events)
    assert wait_until(lambda: len(running.events) > before, 30), "events are accepted during the outage"
    running.end(signal.SIGKILL)
    accepted = {event["id"] for event in running.events if event["kind"] != "count"}
    broker.start()
    second = listen(broker.port, "edge/box/events")
    status, err = Running(tmp_path, "--once", "--config", config).end()
    assert status == 0, err

    def arrived() -> set[str]:
        return {json.loads(text)["id"] for heard in (first, second) for text in heard.texts("edge/box/events")}

    assert wait_until(lambda: accepted <= arrived()), f"lost: {accepted - arrived()}"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_goes_on_without_a_broker_and_stops_when_told(tmp_path: Path, number: signal.Signals) -> None:
    running = Running(tmp_path, "--config", settings(tmp_path, 1))
    assert wait_until(lambda: any(event["kind"] == "object" for event in running.events), 30)
    began = time.monotonic()
    status, err = running.end(number)
    assert status == 0, err
    assert time.monotonic() - began < 15
    assert "127.0.0.1:1" in err, "it says which broker cannot be reached"
    assert running.events[-1]["summary"]["messages_waiting"] > 0, "the events wait on disk"


def test_a_question_over_mqtt_is_answered(
    mosquitto: Callable[..., Mosquitto], listen: Callable[..., Listener], tmp_path: Path
) -> None:
    broker = mosquitto()
    heard = listen(broker.port, "edge/box/answer", "edge/box/status")
    running = Running(tmp_path, "--config", settings(tmp_path, broker.port))
    assert wait_until(lambda: heard.texts("edge/box/status") == ["online"], 20)
    heard.client.publish("edge/box/ask", "what time is it?", qos=1)
    assert wait_until(lambda: heard.texts("edge/box/answer"), 20)
    status, err = running.end(signal.SIGTERM)
    assert status == 0, err
    assert '"local"' in heard.texts("edge/box/answer")[0]


def test_a_command_spoken_into_a_microphone_arrives_over_mqtt(
    sound_server: SoundServer,
    mosquitto: Callable[..., Mosquitto],
    listen: Callable[..., Listener],
    tmp_path: Path,
) -> None:
    speech, rate_hz = soundfile.read(DEMO / "commands.wav", dtype="float32")
    command = speech[: round(2.5 * rate_hz)]
    sound_server.name_devices("desk")
    microphone = sound_server.plug("desk", rate_hz)
    broker = mosquitto()
    heard = listen(broker.port, "edge/box/intent", "edge/box/hall/status")
    config = tmp_path / "settings.yaml"
    config.write_text(
        f"device: {{name: box, data_dir: {tmp_path}/data}}\nmqtt: {{port: {broker.port}}}\n"
        "microphones: [{name: hall, device: desk}]\nsounds: {enabled: false}\n"
    )
    running = Running(tmp_path, "--config", str(config))
    assert wait_until(lambda: heard.texts("edge/box/hall/status") == ["online"], 60)
    microphone.play(command)
    assert wait_until(lambda: len(heard.texts("edge/box/intent")) == 1, 30)
    sound_server.unplug("desk")
    assert wait_until(lambda: heard.texts("edge/box/hall/status")[-1] == "lost", 30)
    microphone = sound_server.plug("desk", rate_hz)
    assert wait_until(lambda: heard.texts("edge/box/hall/status")[-1] == "online", 30)
    microphone.play(command)
    assert wait_until(lambda: len(heard.texts("edge/box/intent")) == 2, 30)
    status, err = running.end(signal.SIGTERM)
    assert status == 0, err
    for text in heard.texts("edge/box/intent"):
        told = json.loads(text)
        assert (told["intent"], told["slots"]) == ("HassTurnOn", {"name": "kitchen light"})


def test_the_program_loads_nothing_that_only_building_a_model_needs(tmp_path: Path) -> None:
    command = [sys.executable, "-X", "importtime", *RUN[1:], "--demo", "--once"]
    with (tmp_path / "imports").open("wb") as log:
        subprocess.run(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=log, timeout=60, check=True)
    lines = (tmp_path / "imports").read_text().splitlines()
    loaded = {line.rsplit("|", 1)[1].strip().split(".")[0] for line in lines if line.startswith("import time:")}
    assert "onnxruntime" in loaded
    assert not loaded & {"torch", "transformers", "optimum", "onnx", "openai"}
