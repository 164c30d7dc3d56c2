"""Where and when each kind of thing usually is, and how far off another sighting of it is."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

import pytest

from edge_runtime.decision.sightings import Sightings
from edge_runtime.decision.whereabouts import ENOUGH_MINUTES, HOUR_MINUTES, SAME, SPOTS, Whereabouts
from edge_runtime.types import Box, Detection

NIGHT, DAY = (datetime(2026, 3, 2, hour, 30, tzinfo=UTC) for hour in (3, 12))


def at(x: float, y: float) -> Box:
    return (x - 0.05, y - 0.3, x + 0.05, y)


def walked(minutes: int = ENOUGH_MINUTES + 3) -> Whereabouts:
    """People walked along one line."""
    known = Whereabouts()
    for minute in range(minutes):
        for step in range(8):
            known.learn("person", at(0.1 + 0.1 * step, 0.8), minute)
    return known


@pytest.mark.parametrize(
    ("label", "x", "y", "away"),
    [
        pytest.param("person", 0.43, 0.8, 0.03, id="on the path"),
        pytest.param("person", 0.4, 0.3, 0.5, id="where nobody walks"),
        pytest.param("dog", 0.4, 0.3, None, id="of its kind nothing is known"),
    ],
)
def test_how_far_a_thing_is_from_where_its_kind_was(label: str, x: float, y: float, away: float | None) -> None:
    found = walked().away(label, at(x, y), 100)
    assert found == (None if away is None else pytest.approx(away, abs=0.01))


def test_too_few_minutes_say_nothing_and_the_present_is_not_the_past() -> None:
    assert walked(5).away("person", at(0.4, 0.3), 100) is None
    known = walked()
    known.learn("person", at(0.4, 0.3), 99)
    assert known.away("person", at(0.4, 0.3), 100) == pytest.approx(0.5, abs=0.01)
    assert known.away("person", at(0.4, 0.3), 110) == pytest.approx(0.0, abs=0.01)


def test_places_are_bounded_and_the_oldest_go() -> None:
    known = Whereabouts()
    for minute in range(3 * SPOTS):
        known.learn("car", at((minute % 40) / 40, 0.1 + (minute // 40) / 12), minute)
    assert len(json.dumps(known.state())) < 10_000
    assert (known.away("car", at(0.0, 0.1), 1000) or 0.0) > SAME


@pytest.mark.parametrize(
    ("hour", "surprise"),
    [
        pytest.param(NIGHT, math.log(2 * (HOUR_MINUTES + 1)), id="never at night"),
        pytest.param(DAY, math.log(2), id="every other minute by day"),
    ],
)
def test_how_surprising_a_thing_is_at_an_hour(hour: datetime, surprise: float) -> None:
    known = Whereabouts()
    for minute in range(HOUR_MINUTES):
        known.count("", NIGHT, minute)
        known.count("", DAY, 10_000 + minute)
        if minute % 2:
            known.count("person", DAY, 10_000 + minute)
    assert known.seldom("person", hour) == pytest.approx(surprise, rel=0.02)


def test_an_hour_that_was_hardly_watched_surprises_nobody() -> None:
    known = Whereabouts()
    known.count("", NIGHT, 1)
    assert known.seldom("person", NIGHT) is None


def test_two_looks_are_believed_by_nobody() -> None:
    sightings = Sightings()
    sightings.whereabouts = walked()
    thing = Detection("person", 0.9, at(0.4, 0.3))
    assert sightings.judge(0.0, (thing,), 100, None)[0].score == 0.0
    assert sightings.judge(1.0, (thing,), 100, None)[0].score == 0.0
    assert sightings.judge(2.0, (thing,), 100, None)[0].score == pytest.approx(0.5, abs=0.01)
    assert sightings.judge(60.0, (thing,), 101, None)[0].score == 0.0


def test_what_is_hardly_seen_is_no_thing() -> None:
    sightings = Sightings()
    sightings.whereabouts = walked()
    thing = Detection("person", 0.45, at(0.4, 0.3))
    assert [sightings.judge(float(second), (thing,), 100, None)[0].score for second in range(4)] == [0.0] * 4


def test_what_is_odd_is_not_learnt() -> None:
    sightings = Sightings()
    sightings.whereabouts = walked()
    thing = Detection("person", 0.9, at(0.4, 0.3))
    for second in range(5):
        odd = sightings.judge(float(second), (thing,), 100, DAY)
        sightings.learn(100, DAY, odd[:1])
    assert sightings.whereabouts.away("person", thing.box, 200) == pytest.approx(0.5, abs=0.01)


def test_a_restart_forgets_nothing() -> None:
    before = Sightings()
    before.whereabouts = walked()
    before.judge(5.0, (Detection("person", 0.9, at(0.4, 0.3)),), 100, DAY)
    after = Sightings()
    after.restore(json.loads(json.dumps(before.state())))
    thing = (Detection("person", 0.9, at(0.41, 0.3)),)
    assert after.judge(6.0, thing, 100, DAY) == before.judge(6.0, thing, 100, DAY)
