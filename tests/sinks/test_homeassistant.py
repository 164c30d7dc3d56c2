from __future__ import annotations

import json
import re
from typing import Any

from jinja2.sandbox import ImmutableSandboxedEnvironment

from edge_runtime.sinks import topics
from edge_runtime.sinks.homeassistant import discovery_messages, removal_messages
from edge_runtime.types import Event


def config(**changes: object) -> dict[str, Any]:
    labels = ["person", "potted plant"]
    eyes, ears = {"door": labels, "yard-2": labels}, {"kitchen": ["dog", "glass breaking"]}
    arguments = {"cameras": eyes, "microphones": ears, **changes}
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
    assert all(component["p"] in {"sensor", "binary_sensor", "event"} for component in components.values())
    assert all(component["state_topic"].startswith("edge/box/") for component in components.values())
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", component["unique_id"]) for component in components.values())
    assert len({component["unique_id"] for component in components.values()}) == len(components) == 1 + 2 * 4 + 1 + 3


def test_state_topics_are_those_the_events_are_published_on() -> None:
    told = {component["state_topic"] for component in config()["cmps"].values()}
    data = {"active": True, "label": "potted plant", "count": 1, "status": "online", "intent": "x"}
    for kind in ("motion", "count", "source_status"):
        state = topics.state(Event(kind, "yard-2", 0.0, data), "box")
        assert state is not None
        assert state[0] in told
    for kind in ("intent", "answered"):
        assert topics.event_messages(Event(kind, "mic", 0.0, data), "box", 2e9)[1].topic in told
    assert topics.event_messages(Event("sound", "kitchen", 0.0, data), "box", 2e9)[1].topic in told


def test_a_box_that_speaks_takes_notifications_and_no_other_does() -> None:
    assert "say" not in config()["cmps"]
    say = config(speaks=True)["cmps"]["say"]
    assert (say["p"], say["command_topic"], say["unique_id"]) == ("notify", "edge/box/say", "edge_box_say")


def test_a_microphone_is_an_event_whose_types_are_its_sounds() -> None:
    ear = config()["cmps"]["kitchen_sound"]
    assert (ear["p"], ear["event_types"]) == ("event", ["dog", "glass breaking"])
    heard = Event("sound", "kitchen", 0.0, {"label": "dog", "score": 0.9})
    _, message = topics.event_messages(heard, "box", 2e9)
    body = json.loads(message.payload)
    template = ImmutableSandboxedEnvironment().from_string(ear["value_template"])
    for payload in (body, {"specversion": "1.0", "data": body}):
        told = json.loads(template.render(value_json=payload))
        assert told["event_type"] == told["label"] == "dog"
        assert told["score"] == 0.9


def test_a_microphone_that_tells_no_sounds_has_no_event() -> None:
    found = config(microphones={"kitchen": ()})["cmps"]
    assert "kitchen_sound" not in found
    assert "last_intent" in found


def test_no_voice_no_camera_leaves_the_connection() -> None:
    assert list(config(cameras={}, microphones={})["cmps"]) == ["connectivity"]


def test_removal_is_an_empty_payload_on_the_same_topic() -> None:
    assert removal_messages("homeassistant", "box") == [("homeassistant/device/edge_box/config", "")]
