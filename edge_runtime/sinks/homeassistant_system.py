"""The box itself as Home Assistant is told of it: connection, machine, money, the version of its model: pure."""

from __future__ import annotations

from edge_runtime.sinks.topics import press_topic, root, status_topic

_MEASURES = (
    ("cpu", "Processor load", "%", None, "mdi:cpu-64-bit"),
    ("temperature", "Processor temperature", "°C", "temperature", None),
    ("memory", "Memory used", "%", None, "mdi:memory"),
    ("disk_free", "Disk free", "GB", "data_size", None),
    ("queue", "Messages waiting", None, None, "mdi:tray-full"),
)
_MONEY = (("spent_today", "Spent today"), ("spent_month", "Spent this month"))


def system_components(device: str, *, bundle: str, spends: bool) -> dict[str, dict[str, object]]:
    """Return the entities of the machine, by their keys; `bundle` names a model that may be exchanged, or is empty."""
    found = {"connectivity": _connectivity(device)}
    for key, name, unit, kind, icon in _MEASURES:
        found[key] = _measure(device, key, name, {"unit_of_measurement": unit, "device_class": kind, "icon": icon})
    for key, name in _MONEY if spends else ():
        found[key] = _measure(device, key, name, {"unit_of_measurement": "USD", "icon": "mdi:cash"})
    if bundle:
        found["bundle"] = {
            "p": "update",
            "name": f"Model {bundle}",
            "entity_category": "config",
            "state_topic": bundle_topic(device),
            "command_topic": press_topic(device, "bundle"),
            "payload_install": "PRESS",
        }
    return found


def system_topic(device: str) -> str:
    """Return the retained topic that holds what the machine measures, as JSON."""
    return f"{root(device)}/system"


def bundle_topic(device: str) -> str:
    """Return the retained topic that says which version of the model is used, and which could be, as JSON."""
    return f"{root(device)}/bundle"


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


def _measure(device: str, key: str, name: str, shown: dict[str, str | None]) -> dict[str, object]:
    return {
        "p": "sensor",
        "name": name,
        "state_class": "measurement",
        "entity_category": "diagnostic",
        "state_topic": system_topic(device),
        "value_template": f"{{{{ value_json.{key} }}}}",
        **{option: value for option, value in shown.items() if value},
    }
