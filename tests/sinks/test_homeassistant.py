from __future__ import annotations

import json
import re
from typing import Any

from edge_runtime.sinks import topics
from edge_runtime.sinks.homeassistant import discovery_messages, removal_messages
from edge_runtime.types import Event


def config(**changes: object) -> dict[str, Any]:
    arguments = {"cameras": ["door", "yard-2"], "labels": ["person", "potted plant"], "voice": True, **changes}
    ((topic, payload),) = discovery_messages("homeassistant", "box", "1.2", **arguments)  # type: ignore[arg-type]
    assert topic == "homeassistant/device/edge_box/config"
    found: dict[str, Any] = json.loads(payload)
    return found


def test_device_and_origin_are_as_home_assistant_demands() -> None:
    found = config()
    assert found["dev"]["ids"] == ["edge_box"]
    assert found["dev"]["name"] == "box"
    assert found["o"]["name"] == "edge-runtime"
    assert found["availability"] == [{"topic": "edge/box/status"}]


def test_components_have_a_platform_a_state_and_a_name_of_their_own() -> None:
    components = config()["cmps"]
    assert all(component["p"] in {"sensor", "binary_sensor"} for component in components.values())
    assert all(component["state_topic"].startswith("edge/box/") for component in components.values())
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", component["unique_id"]) for component in components.values())
    assert len({component["unique_id"] for component in components.values()}) == len(components) == 1 + 2 * 4 + 2


def test_state_topics_are_those_the_events_are_published_on() -> None:
    told = {component["state_topic"] for component in config()["cmps"].values()}
    data = {"active": True, "label": "potted plant", "count": 1, "status": "online", "intent": "x"}
    for kind in ("motion", "count", "source_status"):
        state = topics.state(Event(kind, "yard-2", 0.0, data), "box")
        assert state is not None
        assert state[0] in told
    for kind in ("intent", "answered"):
        assert topics.event_messages(Event(kind, "mic", 0.0, data), "box", 2e9)[1].topic in told


def test_no_voice_no_camera_leaves_the_connection() -> None:
    assert list(config(cameras=[], voice=False)["cmps"]) == ["connectivity"]


def test_removal_is_an_empty_payload_on_the_same_topic() -> None:
    assert removal_messages("homeassistant", "box") == [("homeassistant/device/edge_box/config", "")]
