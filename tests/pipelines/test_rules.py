from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.decision.places import Line, Zone
from edge_runtime.decision.schedule import Schedule
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
NIGHT = Zone(
    "night", YARD.polygon, schedule=Schedule(("22:00-22:02",)), debounce_looks=3, debounce_s=0.5, min_score=0.5
)
GATE = Line("gate", (0.5, 0.0), (0.5, 1.0))
DOOR = Line("door", (0.3, 0.5), (0.9, 0.4), direction="left_to_right", cooldown_s=3.0, anchor="centre", max_size=0.1)


DUSK = datetime(2026, 1, 5, 21, 59, 50, tzinfo=UTC)


def make_rules(quiet: Schedule | None = None) -> Rules:
    return Rules(Tracker(2, 1.0), ZoneMonitor([YARD, PORCH], [GATE]), quiet)


def seen(at: float, *found: Detection, unsure: tuple[Detection, ...] = (), local: datetime | None = DUSK) -> Sight:
    look = Look(found, unsure, {"person": 0.8, "dog": 0.3})
    now = local and local + timedelta(seconds=at)
    return Sight(Frame("door", at, PICTURE), look, 0.01, moving=True, novelty=(1.0,) * len(found), local=now)


def person(x: float, y: float = 0.5, label: str = "person", score: float = 0.9) -> Detection:
    return Detection(label, score, (x - 0.05, y - 0.2, x + 0.05, y))


def wander(random: Generator, looks: int) -> list[Sight]:
    """Return looks at some people and dogs that walk, jump, hide, flicker and are taken for each other."""
    places, sights, at = random.random((4, 2)), [], float(random.random())
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
    rules, alerts = make_rules(Schedule(("22:00-22:01",))), 0
    for number, sight in enumerate(wander(random, 150)):
        if number == 50:
            rules.redraw([YARD, NIGHT], [GATE, DOOR])
        state, arrays = rules.state()
        kept = json.dumps(state, sort_keys=True, allow_nan=False)
        decided = rules.decide(sight)
        assert json.dumps(state, sort_keys=True) == kept, "what was returned as the state does not change afterwards"
        other = make_rules(Schedule(("22:00-22:01",)))
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


@pytest.mark.parametrize(
    ("quiet", "local", "alert"),
    [
        pytest.param("21:00-22:00", DUSK, False, id="in-quiet-hours"),
        pytest.param("22:00-23:00", DUSK, True, id="before-them"),
        pytest.param("21:00-22:00", None, True, id="while-the-clock-was-never-set"),
    ],
)
def test_in_quiet_hours_all_is_told_and_nothing_is_an_alert(quiet: str, local: datetime | None, alert: bool) -> None:
    rules = make_rules(Schedule((quiet,)))
    events = [event for tick in range(6) for event in rules.decide(seen(tick / FPS, person(0.5), local=local))]
    enter = next(event for event in events if event.kind == "zone")
    assert enter.data.get("quiet", False) is not alert
    steps = {step.gate: step.facts for step in enter.steps}
    assert ("quiet_hours" in steps) is alert
    assert not alert or steps["quiet_hours"]["local"] == (local and enter_local(enter, local))


def enter_local(enter: Event, local: datetime) -> str:
    return (local + timedelta(seconds=enter.at)).isoformat()


def test_what_was_told_quietly_keeps_no_alert_from_coming_after() -> None:
    rules = Rules(
        Tracker(1, 0.3), ZoneMonitor([Zone("yard", YARD.polygon, cooldown_s=60)], []), Schedule(("21:00-22:00",))
    )
    visits = [rules.decide(seen(at, *found)) for at, found in visit_times()]
    enters = [event for events in visits for event in events if event.data.get("type") == "enter"]
    assert [bool(event.steps) for event in enters] == [False, True]


def visit_times() -> list[tuple[float, tuple[Detection, ...]]]:
    """Return somebody at 21:59:50, nobody, and somebody else at 22:00:05."""
    first = [(tick / FPS, (person(0.5),)) for tick in range(4)]
    nobody: list[tuple[float, tuple[Detection, ...]]] = [(1 + tick / FPS, ()) for tick in range(6)]
    return [*first, *nobody, *((15 + tick / FPS, (person(0.6),)) for tick in range(4))]


def test_what_is_drawn_is_watched_from_the_next_look_on() -> None:
    rules = Rules(Tracker(1, 1.0), ZoneMonitor([], []))
    looks = iter(seen(tick / FPS, person(0.5)) for tick in range(20))

    def zones() -> list[str]:
        rules.state()
        return [str(event.data["zone"]) for event in rules.decide(next(looks)) if event.kind == "zone"]

    assert zones() + zones() == []
    drawing = threading.Thread(target=rules.redraw, args=([Zone("yard", YARD.polygon)], []))
    drawing.start()
    drawing.join()
    assert zones() + zones() == ["yard"]
    before = rules.state()[0]
    rules.redraw([], [])
    other = Rules(Tracker(1, 1.0), ZoneMonitor([], []))
    other.restore(json.loads(json.dumps(before)), {})
    assert json.dumps(other.state()[0]) == json.dumps(before), "a replay watches what was drawn at the time"
