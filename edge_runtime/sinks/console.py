"""Events on the terminal, as they happen."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.types import Event


class ConsoleSink:
    """Shows each event as one line: words for people, or the event itself as JSON."""

    name = "console"
    durable = False

    def __init__(self, show: Callable[[str], None], *, as_json: bool, started_at: float) -> None:
        """Hand finished lines to `show`; times in words are seconds since `started_at` (monotonic)."""
        self._show = show
        self._as_json = as_json
        self._started_at = started_at

    def publish(self, event: Event) -> None:
        """Show one event."""
        if self._as_json:
            own = {"id": event.id, "kind": event.kind, "source": event.source, "at": round(event.at, 3)}
            # What an event is, its data cannot say otherwise.
            record = {**own, **event.data, **own}
            self._show(json.dumps(record, ensure_ascii=False))
        else:
            self._show(f"{event.at - self._started_at:6.1f} s  {event.source:<10}  {in_words(event)}")

    def close(self, timeout_s: float) -> None:
        """Nothing is kept, so nothing is left to do."""


def in_words(event: Event) -> str:
    """Return one event as a person would say it."""
    data: dict[str, Any] = dict(event.data)
    say = _SAY.get(event.kind)
    return say(data) if say else f"{event.kind}: {json.dumps(data, ensure_ascii=False)}"


def _object(data: dict[str, Any]) -> str:
    after = data["after"]
    what = {"new": "appears", "update": "is still there", "end": "has gone"}[data["type"]]
    seen = f", seen for {after['seen_s']:.1f} s" if data["type"] != "new" else ""
    return f"{data['label']} {what} ({after['score']:.0%} sure{seen})"


def _intent(data: dict[str, Any]) -> str:
    slots = ", ".join(f"{name}: {value}" for name, value in data["slots"].items())
    return f'heard "{data["transcript"]}" -> {data["intent"]} ({slots}) {data["confidence"]:.0%}'


def _answered(data: dict[str, Any]) -> str:
    return f'asked "{data["question"]}" -> "{data["text"]}" [{data["origin"]}, {data["confidence"]:.0%} sure]'


def _source_status(data: dict[str, Any]) -> str:
    return f"is {data['status']}" + (f" ({data['reason']})" if data.get("reason") else "")


def _alert(data: dict[str, Any]) -> str:
    confirmed = data.get("confirmed")
    looked = (
        "" if confirmed is None else ", confirmed by a second look" if confirmed else ", but a second look denies it"
    )
    return f'sees "{data["prompt"]}"{looked}'


def _anomaly(data: dict[str, Any]) -> str:
    what = f" {data['label']}" if data.get("label") else ""
    return f"unusual {data['unusual']}{what} ({data['score']:.3g}, usual is below {data['threshold']:.3g})"


_SAY: dict[str, Callable[[dict[str, Any]], str]] = {
    "object": _object,
    "motion": lambda data: "motion" if data["active"] else "still",
    "count": lambda data: f"{data['label']}: {data['count']} in view",
    "zone": lambda data: f"{data['label']} {data['type']}s {data['zone']}",
    "line": lambda data: f"{data['label']} crosses {data['line']} {data['direction'].replace('_', ' ')}",
    "alert": _alert,
    "alert_denied": _alert,
    "anomaly": _anomaly,
    "sound": lambda data: f"heard {data['label']} ({data['score']:.0%} sure)",
    "intent": _intent,
    "answered": _answered,
    "source_status": _source_status,
    "timer_set": lambda data: f"{data['timer']} {data['name']}".strip() + f" ends in {data['left_s']:.0f} s",
    "timer_cancelled": lambda data: f"{len(data['ids'])} timers cancelled",
    "timer_finished": lambda data: str(data["said"]),
    "gate_drift": lambda data: f"has drifted since {data['since']}: answers are left to the cloud until `gate fit`",
    "not_understood": lambda data: f"speech not understood ({data.get('confidence', 0):.0%} sure)",
}
