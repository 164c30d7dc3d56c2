from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.decision.places import Line, Zone
from edge_runtime.decision.tracking import Tracker
from edge_runtime.decision.zones import ZoneMonitor
from edge_runtime.pipelines.rules import Rules
from edge_runtime.types import Detection, Event, Frame, Look, Sight

if TYPE_CHECKING:
    from numpy.random import Generator

FPS = 6
PICTURE = np.zeros((4, 4, 3), np.uint8)
YARD = Zone("yard", ((0.3, 0.0), (0.7, 0.0), (0.7, 1.0), (0.3, 1.0)), cooldown_s=2.0)
PORCH = Zone("porch", ((0.0, 0.0), (1.0, 0.0), (0.5, 1.0)), labels=("person",), dwell_s=0.7, cooldown_s=0.0)
GATE = Line("gate", (0.5, 0.0), (0.5, 1.0))


def make_rules() -> Rules:
    return Rules(Tracker(2, 1.0), ZoneMonitor([YARD, PORCH], [GATE]))


def seen(at: float, *found: Detection, unsure: tuple[Detection, ...] = ()) -> Sight:
    look = Look(found, unsure, {"person": 0.8, "dog": 0.3})
    return Sight(Frame("door", at, PICTURE), look, 0.01, moving=True, novelty=(1.0,) * len(found))


def person(x: float, y: float = 0.5, label: str = "person", score: float = 0.9) -> Detection:
    return Detection(label, score, (x - 0.05, y - 0.2, x + 0.05, y))


def wander(random: Generator, looks: int) -> list[Sight]:
    """Return looks at some people and dogs that walk, jump, hide, flicker and are taken for each other."""
    places, sights, at = random.random((4, 2)), [], float(random.random() * 1e5)
    for _ in range(looks):
        at += float(random.choice([1 / FPS, 0.31, 1.7], p=[0.9, 0.08, 0.02]))
        places = np.clip(places + random.normal(0, 0.04, places.shape), 0.05, 0.95)
        boxes = [
            person(float(x), float(y), str(random.choice(["person", "dog"], p=[0.8, 0.2])), float(random.random()))
            for x, y in places[random.random(4) < 0.8]
        ]
        cut = int(random.integers(0, len(boxes) + 1))
        sights.append(seen(at, *boxes[:cut], unsure=tuple(boxes[cut:])))
    return sights


def canonical(event: Event) -> str:
    steps = [[step.gate, dict(step.facts)] for step in event.steps]
    return json.dumps([event.kind, event.source, event.at, event.data, steps], sort_keys=True, allow_nan=False)


@pytest.mark.parametrize("seed", range(6))
def test_a_restored_state_decides_the_same_byte_for_byte(seed: int) -> None:
    random = np.random.default_rng(seed)
    rules, alerts = make_rules(), 0
    for sight in wander(random, 150):
        state, arrays = rules.state()
        kept = json.dumps(state, sort_keys=True, allow_nan=False)
        decided = rules.decide(sight)
        assert json.dumps(state, sort_keys=True) == kept, "what was returned as the state does not change afterwards"
        other = make_rules()
        other.restore(json.loads(kept), arrays)
        assert [canonical(event) for event in other.decide(sight)] == [canonical(event) for event in decided]
        assert json.dumps(other.state()[0], sort_keys=True) == json.dumps(rules.state()[0], sort_keys=True)
        alerts += sum(bool(event.steps) for event in decided)
    assert alerts, "the looks led to alerts, or nothing was proved of them"


def test_an_alert_says_what_each_gate_decided() -> None:
    rules = make_rules()
    alerts = [
        event for tick in range(12) for event in rules.decide(seen(tick / FPS, person(0.5))) if event.kind == "zone"
    ]
    yard, porch = ({step.gate: step.facts for step in event.steps} for event in alerts)
    assert [*yard] == ["motion", "detector", "novelty", "tracker", "zone", "cooldown"]
    assert yard["motion"] == {"area": 0.01, "moving": True}
    assert yard["detector"] == {"label": "person", "score": 0.9, "box": [0.45, 0.3, 0.55, 0.5], "presence": 0.8}
    assert yard["tracker"]["hits"] == 3
    assert yard["tracker"]["confirm_frames"] == 2
    assert porch["zone"]["inside_s"] == pytest.approx(5 / FPS), "the first look at which the dwell was over"
    assert porch["zone"]["dwell_s"] == 0.7


def test_only_alerts_carry_steps() -> None:
    rules = make_rules()
    path = [0.1, 0.2, 0.3, 0.4, 0.45, 0.55, 0.6, 0.7, 0.8, 0.9]
    events = [event for tick, x in enumerate(path) for event in rules.decide(seen(tick / FPS, person(x)))]
    events += rules.finish("door", 9.0)
    alerts = {"line", "enter"}
    assert {"line", "enter", "leave", "new", "end"} <= {str(event.data.get("type", event.kind)) for event in events}
    for event in events:
        assert bool(event.steps) == (str(event.data.get("type", event.kind)) in alerts)
