from __future__ import annotations

from datetime import datetime

import pytest

from edge_runtime.decision.places import Line, Zone
from edge_runtime.decision.schedule import Schedule
from edge_runtime.decision.tracking import Track
from edge_runtime.decision.zones import Moment, ZoneMonitor

YARD = ((0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8))
HORSESHOE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.7, 1.0), (0.7, 0.3), (0.3, 0.3), (0.3, 1.0), (0.0, 1.0))

MONDAY_NOON = datetime(2026, 1, 5, 12)  # noqa: DTZ001 - a wall clock
MONDAY_NIGHT = datetime(2026, 1, 5, 23)  # noqa: DTZ001


def track(x: float, y: float, number: int = 1, label: str = "person", *, height: float = 0.2) -> Track:
    """Return a track whose feet (the anchor) are at x, y."""
    return Track(number, (x - 0.05, y - height, x + 0.05, y), 0.9, 0.0, 0.0, 0.0, votes={label: 1.0})


@pytest.mark.parametrize(
    ("polygon", "point", "inside"),
    [
        pytest.param(YARD, (0.5, 0.5), True, id="middle"),
        pytest.param(YARD, (0.1, 0.5), False, id="left-of-it"),
        pytest.param(YARD, (0.5, 0.9), False, id="below-it"),
        pytest.param(HORSESHOE, (0.9, 1.0), True, id="feet-on-the-picture-s-lower-edge"),
        pytest.param(HORSESHOE, (0.0, 0.0), True, id="the-picture-s-corner"),
        pytest.param(HORSESHOE, (0.5, 0.7), False, id="in-the-gap-of-a-concave-one"),
        pytest.param(HORSESHOE, (0.5, 0.1), True, id="in-the-bow-of-a-concave-one"),
        pytest.param(HORSESHOE, (0.9, 0.9), True, id="in-the-leg-of-a-concave-one"),
    ],
)
def test_polygon_holds_point(
    polygon: tuple[tuple[float, float], ...], point: tuple[float, float], inside: bool
) -> None:
    assert Zone("z", polygon).contains(point) is inside


def visits(zone: Zone, steps: list[tuple[float, Track]]) -> list[str]:
    monitor = ZoneMonitor([zone], [])
    return [crossing.what for at, seen in steps for crossing in monitor.update(Moment(at), [seen], [])]


@pytest.mark.parametrize(
    ("zone", "steps", "told"),
    [
        pytest.param(
            Zone("yard", YARD),
            [(t, track(x, 0.5)) for t, x in enumerate((0.1, 0.3, 0.5, 0.9, 0.9))],
            ["enter", "leave"],
            id="in-and-out-is-one-visit",
        ),
        pytest.param(
            Zone("yard", YARD), [(t, track(0.5, 0.5)) for t in range(9)], ["enter"], id="staying-is-told-once"
        ),
        pytest.param(
            Zone("yard", YARD),
            [(t, track(0.21 if t % 2 else 0.19, 0.5)) for t in range(12)],
            ["enter"],
            id="trembling-on-the-edge-is-one-visit",
        ),
        pytest.param(
            Zone("yard", YARD, labels=("dog",)), [(t, track(0.5, 0.5)) for t in range(5)], [], id="another-label-passes"
        ),
        pytest.param(
            Zone("yard", YARD, dwell_s=3), [(t, track(0.5, 0.5)) for t in range(3)], [], id="shorter-than-the-dwell"
        ),
        pytest.param(
            Zone("yard", YARD, dwell_s=3),
            [(t, track(0.5, 0.5)) for t in range(5)],
            ["enter"],
            id="as-long-as-the-dwell",
        ),
        pytest.param(
            Zone("yard", YARD, cooldown_s=60),
            [(t, track(0.5, 0.5, number=1 + t // 3)) for t in range(12)],
            ["enter"],
            id="a-crowd-within-the-cooldown-is-one-alert",
        ),
        pytest.param(
            Zone("yard", YARD, debounce_looks=1), [(0, track(0.5, 0.5))], ["enter"], id="one-look-if-that-is-enough"
        ),
        pytest.param(
            Zone("yard", YARD, debounce_looks=4),
            [(t, track(x, 0.5)) for t, x in enumerate((0.5, 0.5, 0.5, 0.9, 0.9, 0.9, 0.9))],
            [],
            id="fewer-looks-than-it-takes",
        ),
        pytest.param(
            Zone("yard", YARD, debounce_s=3),
            [(t, track(x, 0.5)) for t, x in enumerate((0.5, 0.5, 0.5, 0.5, 0.9, 0.9, 0.9, 0.5, 0.9))],
            ["enter"],
            id="outside-for-less-than-the-debounce",
        ),
        pytest.param(
            Zone("yard", YARD, debounce_s=3),
            [(t, track(x, 0.5)) for t, x in enumerate((0.5, 0.5, 0.5, 0.5, 0.9, 0.9, 0.9, 0.9))],
            ["enter", "leave"],
            id="outside-for-as-long",
        ),
        pytest.param(
            Zone("yard", YARD, min_size=0.03), [(t, track(0.5, 0.5)) for t in range(5)], [], id="a-cat-is-too-small"
        ),
        pytest.param(
            Zone("yard", YARD, max_size=0.03),
            [(t, track(0.5, 0.5, height=0.4)) for t in range(5)],
            [],
            id="a-lorry-is-too-large",
        ),
        pytest.param(
            Zone("yard", YARD, min_score=0.95),
            [(t, track(0.5, 0.5)) for t in range(5)],
            [],
            id="never-seen-well-enough",
        ),
        pytest.param(
            Zone("yard", YARD, anchor="centre"),
            [(t, track(0.5, 0.85)) for t in range(5)],
            ["enter"],
            id="its-centre-is-inside-though-its-feet-are-not",
        ),
    ],
)
def test_zone_tells_visits(zone: Zone, steps: list[tuple[float, Track]], told: list[str]) -> None:
    assert visits(zone, steps) == told


def test_zone_is_left_when_the_track_ends() -> None:
    monitor = ZoneMonitor([Zone("yard", YARD)], [])
    seen = track(0.5, 0.5)
    told = [crossing.what for at in (0, 1) for crossing in monitor.update(Moment(at), [seen], [])]
    told += [crossing.what for crossing in monitor.update(Moment(2), [], [seen])]
    assert told == ["enter", "leave"]


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        pytest.param([(0.5, 0.3), (0.5, 0.7)], ["left_to_right"], id="down-across-a-line-drawn-to-the-right"),
        pytest.param([(0.5, 0.7), (0.5, 0.3)], ["right_to_left"], id="up-across-it"),
        pytest.param([(0.5, 0.3), (0.6, 0.4)], [], id="not-reaching-it"),
        pytest.param([(0.95, 0.3), (0.95, 0.7)], [], id="past-its-end"),
        pytest.param([(0.5, y) for y in (0.49, 0.51) * 30], ["left_to_right"], id="trembling-on-it-is-one"),
        pytest.param(
            [(0.5, y) for y in (0.4, 0.6, 0.4)], ["left_to_right", "right_to_left"], id="there-and-back-at-once"
        ),
        pytest.param(
            [(0.5, y) for y in (0.4, 0.51, 0.495, 0.47)],
            ["left_to_right", "right_to_left"],
            id="back-counts-once-clear-of-it",
        ),
        pytest.param(
            [(0.5, y) for y in (0.4, 0.51, 0.495, 0.505, 0.7)], ["left_to_right"], id="hesitating-and-going-on"
        ),
        pytest.param(
            [(0.5, 0.4), (0.5, 0.6), (0.95, 0.6), (0.95, 0.4), (0.5, 0.4), (0.5, 0.6)],
            ["left_to_right"] * 2,
            id="again-after-walking-round-its-end",
        ),
    ],
)
def test_line_tells_crossings(steps: list[tuple[float, float]], told: list[str]) -> None:
    monitor = ZoneMonitor([], [Line("gate", (0.1, 0.5), (0.9, 0.5))])
    found = [
        crossing.what for t, step in enumerate(steps) for crossing in monitor.update(Moment(t / 6), [track(*step)], [])
    ]
    assert found == told


@pytest.mark.parametrize(
    ("line", "told"),
    [
        pytest.param(Line("gate", (0.1, 0.5), (0.9, 0.5), direction="left_to_right"), 3, id="one-direction"),
        pytest.param(Line("gate", (0.1, 0.5), (0.9, 0.5), cooldown_s=100), 2, id="once-each-way-in-the-cooldown"),
        pytest.param(Line("gate", (0.1, 0.5), (0.9, 0.5), labels=("dog",)), 0, id="another-label"),
        pytest.param(Line("gate", (0.1, 0.5), (0.9, 0.5), min_size=0.1), 0, id="too-small"),
        pytest.param(Line("gate", (0.1, 0.5), (0.9, 0.5), schedule=Schedule(("tue",))), 0, id="not-today"),
    ],
)
def test_line_counts_what_its_terms_admit(line: Line, told: int) -> None:
    monitor = ZoneMonitor([], [line])
    found = [monitor.update(Moment(t, MONDAY_NOON), [track(0.5, 0.7 if t % 2 else 0.3)], []) for t in range(6)]
    assert sum(map(len, found)) == told


@pytest.mark.parametrize(
    ("local", "told"),
    [
        pytest.param([MONDAY_NOON] * 4, 0, id="out-of-its-hours"),
        pytest.param([MONDAY_NOON] * 2 + [MONDAY_NIGHT] * 2, 1, id="who-is-there-as-they-begin"),
        pytest.param([None] * 4, 1, id="in-force-while-the-clock-was-never-set"),
    ],
)
def test_zone_keeps_its_schedule(local: list[datetime | None], told: int) -> None:
    monitor = ZoneMonitor([Zone("yard", YARD, schedule=Schedule(("22:00-06:00",)))], [])
    found = [monitor.update(Moment(t, now), [track(0.5, 0.5)], []) for t, now in enumerate(local)]
    alerts = [crossing for crossings in found for crossing in crossings]
    assert len(alerts) == told
    for alert in alerts:
        facts = next(step.facts for step in alert.steps if step.gate == "schedule")
        assert facts["hours"] == ["22:00-06:00"]
        assert ("note" in facts) == (local[-1] is None), "an alert by an unset clock says so"


def test_redrawing_keeps_who_is_inside_and_lets_go_what_is_no_more() -> None:
    west, east = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)), ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0))
    monitor, seen = ZoneMonitor([Zone("a", west), Zone("b", west)], []), track(0.2, 0.5)
    told: list[str] = []

    def look(at: float) -> None:
        told.extend(f"{crossing.what} {crossing.place}" for crossing in monitor.update(Moment(at), [seen], []))

    look(0)
    look(1)
    monitor.redraw([Zone("a", west, dwell_s=9), Zone("c", east)], [])
    look(2)
    monitor.redraw([Zone("a", east)], [])
    look(3)
    look(4)
    assert told == ["enter a", "enter b", "leave b", "leave a"]


def test_a_visit_lasts_until_the_thing_was_last_seen_inside() -> None:
    monitor, seen = ZoneMonitor([Zone("yard", YARD)], []), track(0.5, 0.5)
    path = [(0, 0.5), (1, 0.5), (2, 0.9), (3, 0.9)]
    found = [monitor.update(Moment(at), [track(x, 0.5)], []) for at, x in path]
    assert [(one.what, one.inside_s) for crossings in found for one in crossings] == [("enter", 1), ("leave", 2)]
    for at in (10, 11):
        monitor.update(Moment(at), [seen], [])
    seen.last_at = 11
    assert [one.inside_s for one in monitor.update(Moment(14), [], [seen])] == [1]
