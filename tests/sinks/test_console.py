from __future__ import annotations

import json

import pytest

from edge_runtime.sinks.console import ConsoleSink, in_words
from edge_runtime.types import Event

AFTER = {"id": "a-1", "label": "cat", "score": 0.87, "box": [0, 0, 1, 1], "seen_s": 2.5}


@pytest.mark.parametrize(
    ("kind", "data", "words"),
    [
        pytest.param(
            "object", {"type": "new", "label": "cat", "before": None, "after": AFTER}, "cat appears", id="new"
        ),
        pytest.param(
            "object", {"type": "end", "label": "cat", "before": AFTER, "after": AFTER}, "seen for 2.5 s", id="end"
        ),
        pytest.param("motion", {"active": True}, "motion", id="motion"),
        pytest.param("count", {"label": "cat", "count": 2}, "cat: 2 in view", id="count"),
        pytest.param(
            "zone", {"zone": "yard", "label": "cat", "type": "enter", "track": "1"}, "cat enters yard", id="zone"
        ),
        pytest.param(
            "line",
            {"line": "gate", "label": "cat", "direction": "left_to_right", "track": "1"},
            "cat crosses gate left to right",
            id="line",
        ),
        pytest.param(
            "alert", {"prompt": "a dog", "score": 3.1, "threshold": 2.0, "confirmed": None}, 'sees "a dog"', id="alert"
        ),
        pytest.param(
            "alert_denied",
            {"prompt": "a dog", "score": 3.1, "threshold": 2.0, "confirmed": False},
            'sees "a dog", but a second look denies it',
            id="alert that was denied",
        ),
        pytest.param(
            "anomaly",
            {"unusual": "time", "label": "person", "score": 9.0, "threshold": 5.25},
            "unusual time person (9, usual is below 5.25)",
            id="anomaly",
        ),
        pytest.param(
            "intent",
            {"intent": "HassTurnOn", "slots": {"name": "lamp"}, "transcript": "turn on the lamp", "confidence": 0.9},
            'heard "turn on the lamp" -> HassTurnOn (name: lamp) 90%',
            id="intent",
        ),
        pytest.param(
            "answered",
            {"question": "who?", "text": "A cat.", "origin": "local", "confidence": 0.9},
            'asked "who?" -> "A cat." [local, 90% sure]',
            id="answered",
        ),
        pytest.param("source_status", {"status": "lost", "reason": "no picture"}, "is lost (no picture)", id="status"),
        pytest.param("not_understood", {"transcript": "", "confidence": 0.1}, "not understood", id="not-understood"),
        pytest.param("something_new", {"a": 1}, 'something_new: {"a": 1}', id="a-kind-it-does-not-know"),
    ],
)
def test_events_in_words(kind: str, data: dict[str, object], words: str) -> None:
    assert words in in_words(Event(kind, "door", 1.0, data))


def test_json_keeps_the_whole_event() -> None:
    shown: list[str] = []
    event = Event("motion", "door", 1.0, {"active": True})
    ConsoleSink(shown.append, as_json=True, started_at=0.0).publish(event)
    assert json.loads(shown[0]) == {"id": event.id, "kind": "motion", "source": "door", "at": 1.0, "active": True}


def test_words_come_with_the_time_since_the_start() -> None:
    shown: list[str] = []
    ConsoleSink(shown.append, as_json=False, started_at=10.0).publish(Event("motion", "door", 12.5, {"active": True}))
    assert shown == ["   2.5 s  door        motion"]
