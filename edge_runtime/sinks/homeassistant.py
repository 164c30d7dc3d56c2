"""What Home Assistant is told about this box, so that its sensors appear by themselves: pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from edge_runtime.sinks.topics import level, root, status_topic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COUNTED = ("person", "cat", "dog", "bird", "car", "bicycle")
"""Objects that get a sensor each; every other label is still counted on its topic."""

# MQTT 3.1.1 carries the same JSON one level deeper, under `data`.
_BODY = "(value_json.data | default(value_json))"
_LONGEST_STATE = 250


def discovery_messages(
    prefix: str,
    device: str,
    version: str,
    cameras: Mapping[str, Sequence[str]],
    microphones: Mapping[str, Sequence[str]],
    *,
    speaks: bool = False,
) -> list[tuple[str, str]]:
    """Return topics and payloads to be published retained, in Home Assistant's device discovery format.

    An empty payload on the same topic removes the device. Source:
    https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload

    Args:
        prefix: Home Assistant's, of the topics.
        device: name of this box.
        version: of the software.
        cameras: the objects counted, by the camera's name.
        microphones: the kinds of sound told, by the microphone's name; none where they are not told.
        speaks: texts sent to it are spoken.
    """
    components: dict[str, dict[str, object]] = {"connectivity": _connectivity(device)}
    for camera, labels in cameras.items():
        components |= _camera(device, camera, labels)
    for microphone, sounds in microphones.items():
        if sounds:
            components[f"{microphone}_sound"] = _sound(device, microphone, sounds)
    if microphones:
        components["last_intent"] = _last(device, "intent", "Last intent", "intent", "mdi:microphone-message")
        components["last_wake"] = _last(device, "wake", "Last wake word", "word", "mdi:account-voice")
        components["last_answer"] = _last(device, "answer", "Last answer", "text", "mdi:comment-text")
    if speaks:
        components["say"] = _say(device)
    for key, component in components.items():
        component["unique_id"] = f"edge_{device}_{key}"
    config = {
        "dev": {
            "ids": [f"edge_{device}"],
            "name": device,
            "mf": "edge-runtime",
            "mdl": "edge-runtime",
            "sw": version,
        },
        "o": {"name": "edge-runtime", "sw": version},
        "cmps": components,
        "availability": [{"topic": status_topic(device)}],
        "qos": 1,
    }
    return [(_config_topic(prefix, device), json.dumps(config, ensure_ascii=False, separators=(",", ":")))]


def removal_messages(prefix: str, device: str) -> list[tuple[str, str]]:
    """Return what makes Home Assistant forget this box."""
    return [(_config_topic(prefix, device), "")]


def _config_topic(prefix: str, device: str) -> str:
    return f"{prefix}/device/edge_{device}/config"


def _connectivity(device: str) -> dict[str, object]:
    return {
        "p": "binary_sensor",
        "name": "Connection",
        "device_class": "connectivity",
        "entity_category": "diagnostic",
        "state_topic": status_topic(device),
        "payload_on": "online",
        "payload_off": "offline",
        # Its own word is the state; with the device's availability it could never be seen to be off.
        "availability": [],
    }


def _camera(device: str, camera: str, labels: Sequence[str]) -> dict[str, dict[str, object]]:
    topic = f"{root(device)}/{level(camera)}"
    components: dict[str, dict[str, object]] = {
        f"{camera}_motion": {
            "p": "binary_sensor",
            "name": f"{camera} motion",
            "device_class": "motion",
            "state_topic": f"{topic}/motion",
        },
        f"{camera}_status": {
            "p": "sensor",
            "name": f"{camera} status",
            "icon": "mdi:camera",
            "entity_category": "diagnostic",
            "state_topic": f"{topic}/status",
        },
    }
    for label in labels:
        components[f"{camera}_{level(label)}"] = {
            "p": "sensor",
            "name": f"{camera} {label} count",
            "icon": "mdi:counter",
            "state_class": "measurement",
            "state_topic": f"{topic}/{level(label)}",
        }
    return components


def _sound(device: str, microphone: str, sounds: Sequence[str]) -> dict[str, object]:
    return {
        "p": "event",
        "name": f"{microphone} sound",
        "icon": "mdi:ear-hearing",
        "state_topic": f"{root(device)}/{level(microphone)}/sound",
        "event_types": list(sounds),
        "value_template": f"{{{{ dict({_BODY}, event_type={_BODY}.label) | tojson }}}}",
    }


def _say(device: str) -> dict[str, object]:
    """Return the entity that takes a text; source: https://www.home-assistant.io/integrations/notify.mqtt/."""
    return {"p": "notify", "name": "Say", "icon": "mdi:bullhorn", "command_topic": f"{root(device)}/say"}


def _last(device: str, topic: str, name: str, field: str, icon: str) -> dict[str, object]:
    return {
        "p": "sensor",
        "name": name,
        "icon": icon,
        "state_topic": f"{root(device)}/{topic}",
        # Home Assistant refuses a state of more than 255 characters; the attributes hold all of it.
        "value_template": f"{{{{ {_BODY}.{field} | string | truncate({_LONGEST_STATE}) }}}}",
        "json_attributes_topic": f"{root(device)}/{topic}",
        "json_attributes_template": f"{{{{ {_BODY} | tojson }}}}",
    }
