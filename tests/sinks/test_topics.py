from __future__ import annotations

import json

import pytest

from edge_runtime.sinks import topics
from edge_runtime.types import Event, Step

WALL_S = 1_700_000_000.25
TIME = "2023-11-14T22:13:20.250Z"
AFTER_2024 = 1_800_000_000.0


def event(kind: str, **data: object) -> Event:
    return Event(kind, "door", 12.5, data, id="e1")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(event("object", type="new", label="cat", before=None, after={}), ["events"], id="tracked object"),
        pytest.param(event("zone", zone="bed", label="cat", track=3, type="enter"), ["events"], id="zone"),
        pytest.param(event("motion", active=True), ["events"], id="motion"),
        pytest.param(event("source_status", status="lost", reason="x"), ["events"], id="source status"),
        pytest.param(event("intent", intent="HassTurnOn"), ["events", "intent"], id="intent has its own topic too"),
        pytest.param(event("answered", text="yes"), ["events", "answer"], id="answer has its own topic too"),
        pytest.param(
            event("anomaly", unusual="place", score=2.0), ["events", "door/anomaly"], id="what is unusual is told flat"
        ),
        pytest.param(event("brand_new_kind", x=1), ["events"], id="unknown kind"),
        pytest.param(event("count", label="cat", count=2), [], id="count is a state alone"),
    ],
)
def test_topics_of_an_event(given: Event, expected: list[str]) -> None:
    found = topics.event_messages(given, "box", AFTER_2024)
    assert [message.topic for message in found] == [f"edge/box/{name}" for name in expected]
    for message in found:
        body = json.loads(message.payload)
        assert body == {**given.data, "id": "e1", "kind": given.kind, "source": "door", "time": body["time"]}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(event("motion", active=True), [("edge/box/door/motion", "ON")], id="motion on"),
        pytest.param(event("motion", active=False), [("edge/box/door/motion", "OFF")], id="motion off"),
        pytest.param(event("count", label="potted plant", count=2), [("edge/box/door/potted_plant", "2")], id="count"),
        pytest.param(
            event("count", label="a/+#", count=0), [("edge/box/door/a___", "0")], id="no wildcard gets through"
        ),
        pytest.param(
            event("source_status", status="frozen", reason="it is"),
            [("edge/box/door/status", "frozen"), ("edge/box/door/health", '{"status":"frozen","reason":"it is"}')],
            id="source status, and why",
        ),
        pytest.param(
            event("switch", switch="door_detection", on=False), [("edge/box/door_detection/state", "OFF")], id="switch"
        ),
        pytest.param(event("zone", zone="bed"), [], id="zone alone is no state"),
    ],
)
def test_state_of_an_event(given: Event, expected: list[tuple[str, str]]) -> None:
    assert topics.states(given, "box") == expected


def test_attributes_follow_cloudevents_in_both_modes() -> None:
    (message,) = topics.event_messages(event("line", line="gate", direction="in"), "box", AFTER_2024)
    envelope = json.loads(topics.structured(message))
    data = envelope.pop("data")
    assert data == json.loads(message.payload)
    assert dict(topics.attributes(message)) == envelope
    assert envelope == {
        "specversion": "1.0",
        "id": "e1",
        "source": "/edge/box/door",
        "type": "edge.line",
        "time": "2027-01-15T08:00:00.000Z",
        "datacontenttype": "application/json",
    }


@pytest.mark.parametrize(
    ("wall_s", "time", "clock"),
    [
        pytest.param(12.0, "1970-01-01T00:00:12.000Z", "unset", id="clock from 1970 is marked"),
        pytest.param(WALL_S, TIME, "unset", id="clock before this program was written"),
        pytest.param(AFTER_2024, "2027-01-15T08:00:00.000Z", None, id="clock set by NTP"),
    ],
)
def test_time_is_never_lied_about(wall_s: float, time: str, clock: str | None) -> None:
    (message,) = topics.event_messages(event("zone", zone="bed"), "box", wall_s)
    body = json.loads(message.payload)
    assert (body["time"], body.get("clock"), message.properties.get("clock")) == (time, clock, clock)


@pytest.mark.parametrize(
    ("kind", "wall_s", "age_s", "expected"),
    [
        pytest.param("intent", AFTER_2024, 0.0, 300, id="a command is fresh for minutes"),
        pytest.param("intent", AFTER_2024, 100.0, 200, id="time on disk counts"),
        pytest.param("intent", AFTER_2024, 4000.0, 1, id="late, but those who listen still get it"),
        pytest.param("intent", AFTER_2024, -50.0, 300, id="clock was set back"),
        pytest.param("intent", 5.0, AFTER_2024, 300, id="clock was set after the event"),
        pytest.param("zone", AFTER_2024, 0.0, 86_400, id="an alert for a day"),
        pytest.param("object", AFTER_2024, 0.0, None, id="a record for ever"),
    ],
)
def test_expiry(kind: str, wall_s: float, age_s: float, expected: int | None) -> None:
    message = topics.event_messages(event(kind), "box", wall_s)[0]
    assert topics.expiry_s(message, wall_s + age_s) == expected


def test_a_zone_is_occupied_until_the_last_one_has_left() -> None:
    occupancy = topics.Occupancy()

    def told(kind: str, track: str, zone: str = "bed") -> str:
        ((topic, payload),) = occupancy.states(event("zone", zone=zone, type=kind, label="cat", track=track), "box")
        assert topic == f"edge/box/door/zone/{zone}"
        return payload

    assert [told("enter", "a"), told("enter", "b"), told("leave", "a"), told("leave", "b")] == ["ON", "ON", "ON", "OFF"]
    assert (told("enter", "a", "rug"), told("leave", "never came in")) == ("ON", "OFF"), "zones are apart"
    assert occupancy.states(event("motion", active=True), "box") == []


def test_an_alert_has_a_topic_of_its_camera() -> None:
    alert = Event("zone", "door", 12.5, {"zone": "bed", "type": "enter"}, steps=(Step("zone", {}),))
    assert [message.topic for message in topics.event_messages(alert, "box", AFTER_2024)] == [
        "edge/box/events",
        "edge/box/door/alert",
    ]
    unusual = Event("anomaly", "door", 12.5, {"score": 1.0}, steps=(Step("anomaly", {}),))
    told = [message.topic for message in topics.event_messages(unusual, "box", AFTER_2024)]
    assert told == ["edge/box/events", "edge/box/door/anomaly", "edge/box/door/alert"]
