from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge_runtime.sources.pace import Arrival, Pace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def steady(fps: float, start: float, end: float, *, seen: int = 0, late: float = 0.0) -> Iterator[Arrival]:
    """Pictures that come evenly, each second `late` seconds later than the camera's own clock says."""
    for number in range(1, int((end - start) * fps) + 1):
        at = start + number / fps
        yield Arrival(at, seen + number, 0, at - start - late * (at - start))


def states(pace: Pace, arrivals: Iterable[Arrival]) -> list[tuple[str, float]]:
    """Return each change of what is wrong, and when."""
    told, before = [], ""
    for arrival in arrivals:
        trouble = pace.update(arrival)
        now = trouble.state if trouble else ""
        if now != before:
            told.append((now, arrival.at))
        before = now
    return told


@pytest.mark.parametrize(
    ("asked", "before", "after", "told"),
    [
        pytest.param(5, 5, 5, [], id="as ever"),
        pytest.param(5, 25, 5, [], id="more than asked for is nothing to miss"),
        pytest.param(5, 5, 2.5, [], id="half of it still does"),
        pytest.param(5, 5, 0.5, ["slow"], id="a trickle"),
        pytest.param(5, 5, 1.2, ["slow"], id="a quarter"),
        pytest.param(6, 1, 1, [], id="a camera that never sent more than one a second"),
        pytest.param(6, 0.25, 0.25, ["slow"], id="so rare from the beginning"),
        pytest.param(0.25, 0.25, 0.25, [], id="so rare because it was asked to"),
    ],
)
def test_slow_is_less_than_half_of_what_is_usual(asked: float, before: float, after: float, told: list[str]) -> None:
    first = list(steady(before, 0, 40))
    then = steady(after, first[-1].at, first[-1].at + 20, seen=first[-1].seen)
    found = states(Pace(asked), [*first, *then])
    assert [state for state, _ in found] == told
    if before != after:
        assert all(at - first[-1].at < 10 for _, at in found), "told within ten seconds"


@pytest.mark.parametrize("began_s", [1.5, 3.0, 6.0])
@pytest.mark.parametrize(("fps", "then"), [(2, 0.5), (5, 0.5), (5, 2), (10, 1), (25, 2)])
def test_a_camera_that_has_only_just_begun_is_told_too(fps: float, then: float, began_s: float) -> None:
    first = list(steady(fps, 0, began_s))
    slow = [
        arrival._replace(media_s=arrival.at)
        for arrival in steady(then, first[-1].at, first[-1].at + 10, seen=first[-1].seen)
    ]
    (state, at), *_ = states(Pace(6), [*first, *slow])
    assert state == "slow"
    assert at - first[-1].at < 8


def test_what_has_been_slow_for_long_is_usual() -> None:
    first = list(steady(5, 0, 20))
    then = steady(1.5, 20, 4000, seen=first[-1].seen)
    (state, _), (after, ended) = states(Pace(5), [*first, *then])
    assert (state, after) == ("slow", "")
    assert 1800 < ended < 1900


def test_it_is_over_within_five_seconds() -> None:
    first = list(steady(5, 0, 20))
    slow = list(steady(0.5, 20, 32, seen=first[-1].seen))
    well = steady(5, 32, 40, seen=slow[-1].seen)
    (_, began), (state, ended) = states(Pace(5), [*first, *slow, *well])
    assert state == ""
    assert began < 30
    assert ended < 37


def test_what_is_usual_outlives_a_new_connection() -> None:
    pace = Pace(5)
    states(pace, steady(5, 0, 20))
    pace.begin()
    assert [state for state, _ in states(pace, steady(1, 100, 115))] == ["slow"]


@pytest.mark.parametrize(
    ("arrivals", "told"),
    [
        pytest.param(steady(5, 0, 60), [], id="in time"),
        pytest.param(steady(5, 0, 60, late=0.5), ["slow"], id="a network that carries half of it"),
        pytest.param(steady(5, 0, 600, late=0.0001), [], id="a clock that goes wrong"),
        pytest.param([*steady(5, 0, 20), *steady(5, 24.5, 60, seen=100)], [], id="a pause, and a clock set anew"),
    ],
)
def test_pictures_that_fall_behind_are_slow(arrivals: Iterable[Arrival], told: list[str]) -> None:
    assert [state for state, _ in states(Pace(5), arrivals)] == told


def test_many_damaged_pictures_are_told_with_their_share() -> None:
    pace = Pace(5)
    arrivals = [Arrival(number / 5, number, number // 2) for number in range(60)]
    assert [state for state, _ in states(pace, arrivals)] == ["damaged"]
    trouble = pace.update(Arrival(12, 60, 30))
    assert trouble is not None
    assert "50% of its pictures arrive damaged" in trouble.reason
