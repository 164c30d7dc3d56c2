"""Where an event goes and what it looks like on the wire: pure."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from edge_runtime.sinks.spool import Message
from edge_runtime.types import CLOCK_SET_AFTER

if TYPE_CHECKING:
    from edge_runtime.types import Event

_ALSO_TO = {"intent": "intent", "wake": "wake", "answered": "answer"}
# An alert is worth less than the silence once it is this old; the broker forgets it for readers who were away.
_EXPIRY_S = {
    "zone": 86_400,
    "line": 86_400,
    "alert": 86_400,
    "anomaly": 86_400,
    "sound": 86_400,
    "intent": 300,
    "wake": 60,
    "timer_finished": 3_600,
    "not_understood": 300,
}


def root(device: str) -> str:
    """Return the topic all others of this box stand under."""
    return f"edge/{device}"


def status_topic(device: str) -> str:
    """Return the retained topic that says `online` or `offline`."""
    return f"{root(device)}/status"


def event_messages(event: Event, device: str, wall_s: float) -> list[Message]:
    """Return what is kept until acknowledged: the event on `events`, and on its own topic where it has one.

    `wall_s` is the Unix time of the event. A count is a state alone and gives no message.
    """
    if event.kind == "count":
        return []
    time = datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    body: dict[str, object] = {
        **event.data,
        "id": event.id,
        "kind": event.kind,
        "source": event.source,
        "time": time,
    }
    properties: dict[str, str | int] = {
        "specversion": "1.0",
        "id": event.id,
        "source": f"/edge/{device}/{event.source}",
        "type": f"edge.{event.kind}",
        "time": time,
        "datacontenttype": "application/json",
    }
    if wall_s < CLOCK_SET_AFTER:
        body["clock"] = properties["clock"] = "unset"
    if event.kind in _EXPIRY_S:
        properties["expiry_s"] = _EXPIRY_S[event.kind]
    payload = _json(body)
    names = ["events", _ALSO_TO[event.kind]] if event.kind in _ALSO_TO else ["events"]
    if event.kind in {"sound", "anomaly"}:
        names.append(f"{level(event.source)}/{event.kind}")
    if event.steps and event.kind != "alert_denied":
        names.append(f"{level(event.source)}/alert")
    return [Message(f"{root(device)}/{name}", payload, properties, wall_s) for name in names]


def states(event: Event, device: str) -> list[tuple[str, str]]:
    """Return the retained topics and payloads that `event` changes; the newest ones win."""
    topic = f"{root(device)}/{level(event.source)}"
    match event.kind:
        case "count":
            return [(f"{topic}/{level(str(event.data['label']))}", str(event.data["count"]))]
        case "motion":
            return [(f"{topic}/motion", on_off(on=bool(event.data["active"])))]
        case "source_status":
            told = {"status": event.data["status"], "reason": event.data.get("reason", "")}
            return [(f"{topic}/status", str(event.data["status"])), (f"{topic}/health", _json(told).decode())]
        case "switch":
            return [(f"{switch_topic(device, str(event.data['switch']))}/state", on_off(on=bool(event.data["on"])))]
    return []


class Occupancy:
    """Which zones are occupied, by who came in and went out; safe across threads, for each change is one step."""

    def __init__(self) -> None:
        self._inside: dict[tuple[str, str], set[object]] = {}

    def states(self, event: Event, device: str) -> list[tuple[str, str]]:
        """Return the retained topic and payload of the zone that `event` is about."""
        if event.kind != "zone" or "zone" not in event.data:
            return []
        zone = str(event.data["zone"])
        inside = self._inside.setdefault((event.source, zone), set())
        (inside.add if event.data.get("type") == "enter" else inside.discard)(event.data.get("track"))
        return [(zone_topic(device, event.source, zone), on_off(on=bool(inside)))]


def zone_topic(device: str, camera: str, zone: str) -> str:
    """Return the retained topic that says whether a zone is occupied, ON or OFF."""
    return f"{root(device)}/{level(camera)}/zone/{level(zone)}"


def picture_topic(device: str, camera: str) -> str:
    """Return the retained topic of a camera's newest picture, a JPEG."""
    return f"{root(device)}/{level(camera)}/picture"


def snapshot_topic(device: str, camera: str) -> str:
    """Return the retained topic of the picture of a camera's last alert, a JPEG."""
    return f"{root(device)}/{level(camera)}/snapshot"


def switch_topic(device: str, switch: str) -> str:
    """Return what `/set` and the retained `/state` of a switch stand under."""
    return f"{root(device)}/{level(switch)}"


def press_topic(device: str, button: str) -> str:
    """Return the topic that presses a button, whatever is sent there."""
    return f"{root(device)}/{level(button)}/press"


def on_off(*, on: bool) -> str:
    """Return a state as Home Assistant's switches and binary sensors name it."""
    return "ON" if on else "OFF"


def level(name: str) -> str:
    """Return `name` as one topic level: `potted plant` becomes `potted_plant`, wildcards and slashes too."""
    return "".join("_" if char in "/+#$\0 " else char for char in name)


def attributes(message: Message) -> list[tuple[str, str]]:
    """Return the CloudEvents attributes as MQTT 5 user properties (MQTT protocol binding 1.0.2, binary mode)."""
    return [(name, str(value)) for name, value in message.properties.items() if name != "expiry_s"]


def structured(message: Message) -> bytes:
    """Return one JSON document of attributes and `data` (the same binding, structured mode), for MQTT 3.1.1."""
    if "specversion" not in message.properties:
        return message.payload
    envelope = {name: value for name, value in message.properties.items() if name != "expiry_s"}
    head = _json(envelope)
    return head[:-1] + b',"data":' + message.payload + b"}"


def expiry_s(message: Message, now_s: float) -> int | None:
    """Return the seconds an alert is still worth delivering at Unix time `now_s`, at least 1; None means for ever."""
    if "expiry_s" not in message.properties:
        return None
    lifetime = int(message.properties["expiry_s"])
    age_s = 0.0 if "clock" in message.properties else now_s - message.at
    return int(min(max(lifetime - age_s, 1), lifetime))


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
