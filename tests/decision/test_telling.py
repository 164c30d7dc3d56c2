"""What was told is not told again while it stays, and a flood of alarms is told in part."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edge_runtime.decision.telling import AT_ONCE, AWAY_S, Telling

GRID = (3, 4)


def spot(row: int, column: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    places = np.zeros(GRID, bool)
    places[row, column] = True
    return places


def test_a_place_is_news_again_after_it_was_away() -> None:
    telling = Telling(300.0)
    assert telling.untold(0.0, GRID).all()
    telling.tell(0.0, spot(0, 0))
    for at in np.arange(1.0, 200.0, 10.0):
        telling.stay(float(at), spot(0, 0))
    untold = telling.untold(200.0, GRID)
    assert not untold[0, 0]
    assert untold[2, 3]
    assert telling.untold(200.0 + AWAY_S, GRID).all()


@pytest.mark.parametrize(("gap_s", "news"), [(AWAY_S - 1, False), (AWAY_S + 1, True)], ids=["still there", "again"])
def test_a_thing_is_news_again_after_it_was_away(gap_s: float, *, news: bool) -> None:
    telling = Telling(300.0)
    assert telling.is_news(5.0)
    assert telling.is_news(5.0 + gap_s) is news


@pytest.mark.parametrize(
    ("cooldown_s", "every_s", "told"),
    [
        pytest.param(300.0, 30.0, AT_ONCE + 3, id="some at once, then one each cooldown"),
        pytest.param(300.0, 300.0, 34, id="those that keep apart are all told"),
        pytest.param(0.0, 1.0, 34, id="no cooldown"),
    ],
)
def test_a_flood_is_told_in_part(cooldown_s: float, every_s: float, told: int) -> None:
    telling = Telling(cooldown_s)
    count = 0
    for event in range(34):
        at = 1000.0 + event * every_s
        if telling.left(at) >= 1:
            telling.tell(at, None)
            count += 1
    assert count == told


def test_a_restored_one_knows_the_same() -> None:
    telling = Telling(300.0)
    telling.untold(0.0, GRID)
    telling.tell(10.0, spot(1, 1))
    telling.is_news(12.0)
    again = Telling(300.0)
    again.restore(json.loads(json.dumps(telling.state())), telling.places)
    assert again.left(20.0) == telling.left(20.0)
    assert not again.is_news(13.0)
    assert np.array_equal(again.untold(20.0, GRID), telling.untold(20.0, GRID))
