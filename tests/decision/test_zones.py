from __future__ import annotations

import pytest

from edge_runtime.decision.places import Line, Zone
from edge_runtime.decision.tracking import Track
from edge_runtime.decision.zones import Moment, ZoneMonitor

YARD = ((0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8))
HORSESHOE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.7, 1.0), (0.7, 0.3), (0.3, 0.3), (0.3, 1.0), (0.0, 1.0))


def track(x: float, y: float, number: int = 1, label: str = "person") -> Track:
    """Return a track whose feet (the anchor) are at x, y."""
    return Track(number, (x - 0.05, y - 0.2, x + 0.05, y), 0.9, 0.0, 0.0, 0.0, votes={label: 1.0})


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
        pytest.param([(0.5, y) for y in (0.49, 0.51, 0.49, 0.51)], ["left_to_right"], id="trembling-on-it-is-one"),
    ],
)
def test_line_tells_crossings(steps: list[tuple[float, float]], told: list[str]) -> None:
    monitor = ZoneMonitor([], [Line("gate", (0.1, 0.5), (0.9, 0.5))])
    found = [
        crossing.what for t, step in enumerate(steps) for crossing in monitor.update(Moment(t / 6), [track(*step)], [])
    ]
    assert found == told
