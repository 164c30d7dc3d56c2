from __future__ import annotations

import json
import re
from typing import Any

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from edge_runtime.sinks import topics
from edge_runtime.sinks.homeassistant import Box, Eye, discovery_messages, removal_messages
from edge_runtime.types import Event, Step

LABELS = ["person", "potted plant"]
EYES = (Eye("door", LABELS, ["mat"], restarts=True), Eye("yard-2", LABELS))
EARS = {"kitchen": ["dog", "glass breaking"]}
SWITCHES = {"door_detection": "door detection", "yard-2_detection": "yard-2 detection"}
WHOLE = Box("box", "1.2", EYES, EARS, speaks=True, switches=SWITCHES, bundle="omni-nano", spends=True)
PLATFORMS = {"sensor", "binary_sensor", "event", "camera", "image", "button", "switch", "update", "notify"}


def config(box: Box = WHOLE, gone: dict[str, str] | None = None) -> dict[str, Any]:
    ((topic, payload),) = discovery_messages("homeassistant", box, gone)
    assert topic == "homeassistant/device/edge_box/config"
    found: dict[str, Any] = json.loads(payload)
    return found


def rendered(template: str, value: str) -> str:
    def value_json() -> object:
        try:
            return json.loads(value)
        except ValueError:
            return None

    return ImmutableSandboxedEnvironment().from_string(template).render(value=value, value_json=value_json())


def test_device_and_origin_are_as_home_assistant_demands() -> None:
    found = config()
    assert found["dev"]["ids"] == ["edge_box"]
    assert found["dev"]["name"] == "box"
    assert found["o"]["name"] == "edge-runtime"
    assert found["availability"] == [{"topic": "edge/box/status"}]


def test_components_have_a_platform_a_topic_and_a_name_of_their_own() -> None:
    components = config()["cmps"]
    assert {component["p"] for component in components.values()} == PLATFORMS
    for component in components.values():
        told = [value for key, value in component.items() if key.endswith("topic")]
        assert told
        assert all(topic.startswith("edge/box/") for topic in told)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", component["unique_id"]) for component in components.values())
    for key in ("unique_id", "name"):
        assert len({component[key] for component in components.values()}) == len(components)


def test_state_topics_are_those_the_events_are_published_on() -> None:
    told = {component.get("state_topic") for component in config()["cmps"].values()}
    data = {"active": True, "label": "potted plant", "count": 1, "status": "online", "intent": "x"}
    data |= {"switch": "yard-2_detection", "on": True}
    for kind in ("motion", "count", "source_status", "switch"):
        assert topics.states(Event(kind, "yard-2", 0.0, data), "box")[0][0] in told
    zone = Event("zone", "door", 0.0, {"zone": "mat", "type": "enter", "track": 1})
    assert topics.Occupancy().states(zone, "box")[0][0] in told
    for kind in ("intent", "answered", "sound", "anomaly"):
        assert topics.event_messages(Event(kind, "kitchen", 0.0, data), "box", 2e9)[1].topic in told
    alert = Event("line", "door", 0.0, data, steps=(Step("line", {}),))
    assert topics.event_messages(alert, "box", 2e9)[1].topic in told


@pytest.mark.parametrize(
    ("status", "available", "problem"),
    [
        pytest.param("online", "online", "OFF", id="well"),
        pytest.param("frozen", "online", "ON", id="a picture that is wrong is a problem, and still a picture"),
        pytest.param("lost", "offline", "ON", id="no picture: what it would show is not known"),
    ],
)
def test_a_camera_is_available_while_it_gives_pictures(status: str, available: str, problem: str) -> None:
    components = config()["cmps"]
    _, camera = components["door_motion"]["avty"]
    assert camera["t"] == "edge/box/door/status"
    assert components["door_motion"]["avty_mode"] == "all"
    assert rendered(camera["val_tpl"], status) == available
    assert rendered(components["door_problem"]["value_template"], status) == problem
    assert "avty" not in components["door_problem"], "a camera that is lost has a problem to show"


@pytest.mark.parametrize(
    ("kind", "data", "text"),
    [
        pytest.param("alert", {"prompt": "a dog on the sofa"}, "door: a dog on the sofa", id="alert in plain words"),
        pytest.param("zone", {"zone": "mat", "label": "cat"}, "door: mat", id="zone"),
        pytest.param("anomaly", {"score": 9}, "door: something unusual", id="anomaly"),
        pytest.param("alert", {"prompt": "x" * 300}, "door: " + "x" * 241 + "...", id="no state is too long"),
    ],
)
def test_an_alert_is_told_by_both_protocols(kind: str, data: dict[str, object], text: str) -> None:
    components = config()["cmps"]
    alert = Event(kind, "door", 0.0, data, steps=(Step(kind, {}),))
    message = topics.event_messages(alert, "box", 2e9)[-1]
    for payload in (message.payload, topics.structured(message)):
        told = json.loads(rendered(components["door_alert"]["value_template"], payload.decode()))
        assert told["event_type"] == kind
        assert told["event_type"] in components["door_alert"]["event_types"]
        assert rendered(components["last_alert"]["value_template"], payload.decode()) == text
        assert json.loads(rendered(components["last_alert"]["json_attributes_template"], payload.decode()))["id"]
        assert rendered(components["door_anomaly"]["value_template"], payload.decode()) == "ON"
    assert rendered(components["door_anomaly"]["value_template"], "OFF") == "OFF"


def test_a_microphone_is_an_event_whose_types_are_its_sounds() -> None:
    ear = config()["cmps"]["kitchen_sound"]
    assert (ear["p"], ear["event_types"]) == ("event", ["dog", "glass breaking"])
    heard = Event("sound", "kitchen", 0.0, {"label": "dog", "score": 0.9})
    _, message = topics.event_messages(heard, "box", 2e9)
    for payload in (message.payload, topics.structured(message)):
        told = json.loads(rendered(ear["value_template"], payload.decode()))
        assert told["event_type"] == told["label"] == "dog"
        assert told["score"] == 0.9


@pytest.mark.parametrize(
    ("box", "there", "missing"),
    [
        pytest.param(
            Box("box", "1"), {"connectivity", "cpu"}, {"last_alert", "last_intent"}, id="neither sees nor hears"
        ),
        pytest.param(Box("box", "1", ears={"hall": ()}), {"last_intent"}, {"hall_sound"}, id="no sounds told"),
        pytest.param(
            Box("box", "1", EYES, pictures=False), {"door_motion"}, {"door_picture", "door_snapshot"}, id="no pictures"
        ),
        pytest.param(Box("box", "1", EYES), {"door_restart"}, {"yard-2_restart"}, id="only a device starts anew"),
        pytest.param(Box("box", "1"), set(), {"say", "bundle", "spent_today"}, id="silent, its model fixed, no cloud"),
    ],
)
def test_there_is_what_the_box_can(box: Box, there: set[str], missing: set[str]) -> None:
    components = set(config(box)["cmps"])
    assert there <= components
    assert not missing & components


def test_what_is_gone_is_taken_back_and_what_is_back_is_not() -> None:
    found = config(gone={"old_motion": "binary_sensor", "door_motion": "binary_sensor"})["cmps"]
    assert found["old_motion"] == {"p": "binary_sensor"}
    assert found["door_motion"]["device_class"] == "motion"


def test_eight_cameras_fit_into_one_message() -> None:
    eyes = [Eye(f"camera-number-{number}", ["person"] * 6, ["a", "b"], restarts=True) for number in range(8)]
    ((_, payload),) = discovery_messages("homeassistant", Box("box", "1", eyes))
    assert len(payload) < 64 * 1024


def test_removal_is_an_empty_payload_on_the_same_topic() -> None:
    assert removal_messages("homeassistant", "box") == [("homeassistant/device/edge_box/config", "")]
