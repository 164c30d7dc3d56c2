from __future__ import annotations

import json
import math

import pytest

from edge_runtime.decision.places import Line, Point, Zone, checked_polygon
from edge_runtime.decision.schedule import Schedule

YARD = ((0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8))


@pytest.mark.parametrize(
    ("corners", "said"),
    [
        pytest.param([(0, 0), (1, 1), (1, 0), (0, 1)], r"edges 1 .* and 3 .* cross", id="corners-out-of-order"),
        pytest.param([(0, 0), (0.5, 0.5), (1, 1)], "encloses 0.000000", id="all-on-one-line"),
        pytest.param([(0, 0), (0.001, 0), (0.001, 0.001)], "is nothing", id="smaller-than-anything"),
        pytest.param([(0, 0), (1, 0), (1, 0), (1, 1)], "corner 2 .* twice", id="corner-given-twice"),
    ],
)
def test_impossible_polygons_are_explained(corners: list[Point], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        checked_polygon(corners)


def test_a_polygon_may_be_closed_by_its_first_corner() -> None:
    assert checked_polygon([*YARD, YARD[0]]) == YARD


@pytest.mark.parametrize(
    "place",
    [
        Zone("yard", YARD, labels=("person",), dwell_s=0.1, min_size=0.3, schedule=Schedule(("mon 08:00-09:00",))),
        Line("gate", (0.1, 0.2), (0.3, 0.4), direction="left_to_right", cooldown_s=3.0, anchor="centre"),
    ],
    ids=lambda place: place.name,
)
def test_places_survive_json(place: Zone | Line) -> None:
    assert type(place).restored(json.loads(json.dumps(place.state()))) == place


def test_distance_is_measured_at_right_angles() -> None:
    line = Line("gate", (0.0, 0.0), (1.0, 1.0))
    assert line.distance((0.5, 0.7)) == pytest.approx(0.2 / math.sqrt(2))
