"""Where an event goes and what it looks like on the wire: pure."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from edge_runtime.sinks.spool import Message

if TYPE_CHECKING:
    from edge_runtime.types import Event

CLOCK_SET_AFTER = datetime(2024, 1, 1, tzinfo=UTC).timestamp()
"""An earlier wall clock was never set: a Raspberry Pi starts in 1970 or at its last shutdown."""

_ALSO_TO = {"intent": "intent", "wake": "wake", "answered": "answer"}
_STATES = ("count", "motion", "source_status")
# An alert is worth less than the silence once it is this old; the broker forgets it for readers who were away.
_EXPIRY_S = {
    "zone": 86_400,
    "line": 86_400,
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
    payload = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    names = ["events", _ALSO_TO[event.kind]] if event.kind in _ALSO_TO else ["events"]
    if event.kind == "sound":
        names.append(f"{level(event.source)}/sound")
    return [Message(f"{root(device)}/{name}", payload, properties, wall_s) for name in names]


def state(event: Event, device: str) -> tuple[str, str] | None:
    """Return the retained topic and payload that `event` changes, or None; the newest one wins."""
    if event.kind not in _STATES:
        return None
    topic = f"{root(device)}/{level(event.source)}"
    if event.kind == "count":
        return f"{topic}/{level(str(event.data['label']))}", str(event.data["count"])
    if event.kind == "motion":
        return f"{topic}/motion", "ON" if event.data["active"] else "OFF"
    return f"{topic}/status", str(event.data["status"])


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
    head = json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()
    return head[:-1] + b',"data":' + message.payload + b"}"


def expiry_s(message: Message, now_s: float) -> int | None:
    """Return the seconds an alert is still worth delivering at Unix time `now_s`, at least 1; None means for ever."""
    if "expiry_s" not in message.properties:
        return None
    lifetime = int(message.properties["expiry_s"])
    age_s = 0.0 if "clock" in message.properties else now_s - message.at
    return int(min(max(lifetime - age_s, 1), lifetime))
