"""What Home Assistant is told about this box, so that its entities appear by themselves: pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from edge_runtime.sinks import topics
from edge_runtime.sinks.homeassistant_system import system_components

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Component: TypeAlias = dict[str, object]

COUNTED = ("person", "cat", "dog", "bird", "car", "bicycle")
"""Objects that get a sensor each; every other label is still counted on its topic."""

ALERTS = ("zone", "line", "alert", "anomaly")
ANOMALY_S = 60
"""Seconds that something unusual is shown as going on."""

# MQTT 3.1.1 carries the same JSON one level deeper, under `data`.
_BODY = "(value_json.data | default(value_json))"
_LONGEST_STATE = 250
_SEEN = "{{ 'offline' if value == 'lost' else 'online' }}"


@dataclass(frozen=True, slots=True)
class Eye:
    """A camera as it is announced.

    Attributes:
        labels: objects that are counted.
        zones: names of its zones.
        restarts: it can be started anew.
    """

    name: str
    labels: Sequence[str] = ()
    zones: Sequence[str] = ()
    restarts: bool = False


@dataclass(frozen=True, slots=True)
class Box:
    """This box as it is announced.

    Attributes:
        device: its name in topics.
        version: of the software.
        eyes: its cameras.
        ears: the kinds of sound told, by the microphone's name; none where they are not told.
        speaks: texts sent to it are spoken.
        pictures: pictures are sent.
        switches: names of what can be switched, and what it is called.
        bundle: the model's name, where another version of it may be chosen.
        spends: the cloud is used.
    """

    device: str
    version: str
    eyes: Sequence[Eye] = ()
    ears: Mapping[str, Sequence[str]] = field(default_factory=dict)
    speaks: bool = False
    pictures: bool = True
    switches: Mapping[str, str] = field(default_factory=dict)
    bundle: str = ""
    spends: bool = False


def discovery_messages(prefix: str, box: Box, gone: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
    """Return topics and payloads to be published retained, in Home Assistant's device discovery format.

    An empty payload on the same topic removes the device; a component with its platform alone removes that component.
    Source: https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload

    Args:
        prefix: Home Assistant's, of the topics.
        box: what there is.
        gone: platforms of components that were there once, by their keys.
    """
    found = components(box)
    for key, component in found.items():
        component["unique_id"] = f"edge_{box.device}_{key}"
    removed = {key: {"p": platform} for key, platform in (gone or {}).items() if key not in found}
    config = {
        "dev": {
            "ids": [f"edge_{box.device}"],
            "name": box.device,
            "mf": "edge-runtime",
            "mdl": "edge-runtime",
            "sw": box.version,
        },
        "o": {"name": "edge-runtime", "sw": box.version},
        "cmps": {**found, **removed},
        "availability": [{"topic": topics.status_topic(box.device)}],
        "qos": 1,
    }
    return [(_config_topic(prefix, box.device), json.dumps(config, ensure_ascii=False, separators=(",", ":")))]


def removal_messages(prefix: str, device: str) -> list[tuple[str, str]]:
    """Return what makes Home Assistant forget this box."""
    return [(_config_topic(prefix, device), "")]


def components(box: Box) -> dict[str, Component]:
    """Return every entity of the box by its key."""
    found = system_components(box.device, bundle=box.bundle, spends=box.spends)
    for eye in box.eyes:
        found |= _camera(box.device, eye, pictures=box.pictures)
    for microphone, sounds in box.ears.items():
        if sounds:
            found[f"{microphone}_sound"] = _sound(box.device, microphone, sounds)
            found[f"{microphone}_anomaly"] = _anomaly(box.device, microphone)
    for switch, name in box.switches.items():
        found[switch] = _switch(box.device, switch, name)
    if box.eyes:
        found |= _last_alert(box.device)
    if box.ears:
        found["last_intent"] = _last(box.device, "intent", "Last intent", "intent", "mdi:microphone-message")
        found["last_wake"] = _last(box.device, "wake", "Last wake word", "word", "mdi:account-voice")
        found["last_answer"] = _last(box.device, "answer", "Last answer", "text", "mdi:comment-text")
    if box.speaks:
        found["say"] = _say(box.device)
    return found


def _config_topic(prefix: str, device: str) -> str:
    return f"{prefix}/device/edge_{device}/config"


def _camera(device: str, eye: Eye, *, pictures: bool) -> dict[str, Component]:
    name, topic = eye.name, f"{topics.root(device)}/{topics.level(eye.name)}"
    found: dict[str, Component] = {
        f"{name}_motion": {"p": "binary_sensor", "name": f"{name} motion", "device_class": "motion"},
        f"{name}_alert": _alert(device, name),
        f"{name}_anomaly": _anomaly(device, name),
    }
    found[f"{name}_motion"]["state_topic"] = f"{topic}/motion"
    for label in eye.labels:
        found[f"{name}_{topics.level(label)}"] = {
            "p": "sensor",
            "name": f"{name} {label} count",
            "icon": "mdi:counter",
            "state_class": "measurement",
            "state_topic": f"{topic}/{topics.level(label)}",
        }
    for zone in eye.zones:
        found[f"{name}_zone_{zone}"] = {
            "p": "binary_sensor",
            "name": f"{name} {zone}",
            "device_class": "occupancy",
            "state_topic": topics.zone_topic(device, name, zone),
        }
    if pictures:
        found[f"{name}_picture"] = {"p": "camera", "name": name, "topic": topics.picture_topic(device, name)}
        found[f"{name}_take_picture"] = {
            "p": "button",
            "name": f"{name} take picture",
            "icon": "mdi:camera-iris",
            "command_topic": topics.press_topic(device, f"{name}_picture"),
        }
    for component in found.values():
        # A camera that gives no picture knows nothing of what it should see.
        component["avty"] = [{"t": topics.status_topic(device)}, {"t": f"{topic}/status", "val_tpl": _SEEN}]
        component["avty_mode"] = "all"
    return found | _camera_state(device, eye, pictures=pictures)


def _camera_state(device: str, eye: Eye, *, pictures: bool) -> dict[str, Component]:
    """Return what is known of a camera even while it gives no picture."""
    name, topic = eye.name, f"{topics.root(device)}/{topics.level(eye.name)}"
    found: dict[str, Component] = {
        f"{name}_status": {
            "p": "sensor",
            "name": f"{name} status",
            "icon": "mdi:camera",
            "entity_category": "diagnostic",
            "state_topic": f"{topic}/status",
        },
        f"{name}_problem": {
            "p": "binary_sensor",
            "name": f"{name} problem",
            "device_class": "problem",
            "entity_category": "diagnostic",
            "state_topic": f"{topic}/status",
            "value_template": "{{ 'OFF' if value == 'online' else 'ON' }}",
            "json_attributes_topic": f"{topic}/health",
        },
    }
    if pictures:
        found[f"{name}_snapshot"] = {
            "p": "image",
            "name": f"{name} last alert",
            "image_topic": topics.snapshot_topic(device, name),
            "content_type": "image/jpeg",
        }
    if eye.restarts:
        found[f"{name}_restart"] = {
            "p": "button",
            "name": f"{name} restart",
            "device_class": "restart",
            "entity_category": "config",
            "command_topic": topics.press_topic(device, f"{name}_restart"),
        }
    return found


def _alert(device: str, camera: str) -> Component:
    return {
        "p": "event",
        "name": f"{camera} alert",
        "icon": "mdi:alert",
        "state_topic": f"{topics.root(device)}/{topics.level(camera)}/alert",
        "event_types": list(ALERTS),
        "value_template": f"{{{{ dict({_BODY}, event_type={_BODY}.kind) | tojson }}}}",
    }


def _anomaly(device: str, source: str) -> Component:
    return {
        "p": "binary_sensor",
        "name": f"{source} unusual",
        "icon": "mdi:eye-plus",
        # An event is JSON; the state that stands there from the start is OFF.
        "state_topic": f"{topics.root(device)}/{topics.level(source)}/anomaly",
        "value_template": "{{ value if value == 'OFF' else 'ON' }}",
        "off_delay": ANOMALY_S,
    }


def _last_alert(device: str) -> dict[str, Component]:
    kind = f"{_BODY}.prompt | default({_BODY}.zone) | default({_BODY}.line) | default('something unusual')"
    return {
        "last_alert": {
            "p": "sensor",
            "name": "Last alert",
            "icon": "mdi:alert-circle",
            "state_topic": f"{topics.root(device)}/+/alert",
            "value_template": f"{{{{ ({_BODY}.source ~ ': ' ~ ({kind})) | truncate({_LONGEST_STATE}, true) }}}}",
            "json_attributes_topic": f"{topics.root(device)}/+/alert",
            "json_attributes_template": f"{{{{ {_BODY} | tojson }}}}",
        },
        "fine": {
            "p": "button",
            "name": "Last alert was fine",
            "icon": "mdi:check-circle",
            "command_topic": topics.press_topic(device, "fine"),
        },
    }


def _switch(device: str, switch: str, name: str) -> Component:
    return {
        "p": "switch",
        "name": name,
        "icon": "mdi:eye",
        "command_topic": f"{topics.switch_topic(device, switch)}/set",
        "state_topic": f"{topics.switch_topic(device, switch)}/state",
    }


def _sound(device: str, microphone: str, sounds: Sequence[str]) -> Component:
    return {
        "p": "event",
        "name": f"{microphone} sound",
        "icon": "mdi:ear-hearing",
        "state_topic": f"{topics.root(device)}/{topics.level(microphone)}/sound",
        "event_types": list(sounds),
        "value_template": f"{{{{ dict({_BODY}, event_type={_BODY}.label) | tojson }}}}",
    }


def _say(device: str) -> Component:
    """Return the entity that takes a text; source: https://www.home-assistant.io/integrations/notify.mqtt/."""
    return {"p": "notify", "name": "Say", "icon": "mdi:bullhorn", "command_topic": f"{topics.root(device)}/say"}


def _last(device: str, topic: str, name: str, field_: str, icon: str) -> Component:
    return {
        "p": "sensor",
        "name": name,
        "icon": icon,
        "state_topic": f"{topics.root(device)}/{topic}",
        # Home Assistant refuses a state of more than 255 characters; the attributes hold all of it.
        "value_template": f"{{{{ {_BODY}.{field_} | string | truncate({_LONGEST_STATE}, true) }}}}",
        "json_attributes_topic": f"{topics.root(device)}/{topic}",
        "json_attributes_template": f"{{{{ {_BODY} | tojson }}}}",
    }
