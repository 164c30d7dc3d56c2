"""A site's own threshold keeps its promise of false alarms, forgets nothing at a restart, and learns what was fine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.decision.site_threshold import BLOCKS_A_DAY, ENOUGH, SiteThreshold

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]

DAYS, SITES = 4, 5


def visits(rng: np.random.Generator, minutes: int) -> NDArray[np.float64]:
    scores = rng.normal(0.0, 0.3, minutes)
    for begin in np.flatnonzero(rng.random(minutes) < 1 / 60):
        scores[begin : begin + rng.integers(1, 6)] += rng.exponential()
    return scores


def daily(rng: np.random.Generator, minutes: int) -> NDArray[np.float64]:
    day = 2.0 * np.sin(2 * np.pi * (np.arange(minutes) / BLOCKS_A_DAY + rng.random()))
    return np.asarray(rng.normal(0.0, 1.0, minutes) + day)


def episodes(alarms: list[int]) -> list[int]:
    return [minute for before, minute in zip([-99, *alarms], alarms, strict=False) if minute - before > 5]


def alarms_of(threshold: SiteThreshold, scores: NDArray[np.float64]) -> list[int]:
    judged = [threshold.update(minute * 60.0, float(score)) for minute, score in enumerate(scores)]
    return episodes([minute for minute, one in enumerate(judged) if one.alarm])


def grown(rng: np.random.Generator, minutes: int = 300) -> SiteThreshold:
    threshold = SiteThreshold(1.0)
    alarms_of(threshold, rng.exponential(1.0, minutes))
    return threshold


@pytest.mark.parametrize(
    ("draw", "per_day"),
    [
        pytest.param(lambda rng, n: rng.normal(0.0, 1.0, n), 1.0, id="scores with a light tail"),
        pytest.param(lambda rng, n: rng.exponential(1.0, n), 1.0, id="scores with an exponential tail"),
        pytest.param(lambda rng, n: rng.exponential(1.0, n), 3.0, id="three a day are three a day"),
        pytest.param(daily, 1.0, id="days and nights differ"),
        pytest.param(visits, 1.0, id="visits of some minutes"),
    ],
)
def test_all_is_well_at_many_sites_and_alarms_stay_within_the_promise(draw: Draw, per_day: float) -> None:
    rng = np.random.default_rng(5)
    alarms = [alarms_of(SiteThreshold(per_day), draw(rng, DAYS * BLOCKS_A_DAY)) for _ in range(SITES)]
    assert sum(len(site) for site in alarms) / (SITES * DAYS) <= per_day


@pytest.mark.parametrize("minutes", [ENOUGH, 6 * 60, 3 * BLOCKS_A_DAY], ids=["an hour", "six hours", "three days"])
def test_what_is_far_beyond_the_history_alarms_as_soon_as_something_can_be_promised(minutes: int) -> None:
    threshold = SiteThreshold(1.0)
    alarms_of(threshold, np.random.default_rng(1).normal(0.0, 1.0, minutes + 1))
    seen = threshold.update((minutes + 2) * 60.0, 30.0)
    assert seen.alarm
    assert seen.p_value < 1 / BLOCKS_A_DAY


def test_too_short_a_history_promises_nothing() -> None:
    threshold = SiteThreshold(1.0)
    alarms_of(threshold, np.random.default_rng(1).normal(0.0, 1.0, ENOUGH - 5))
    judged = threshold.update(ENOUGH * 60.0, 1e6)
    assert (judged.alarm, judged.threshold) == (False, None)


def test_many_looks_within_a_minute_are_one_minute_of_history() -> None:
    threshold = SiteThreshold(1.0)
    for look in range(600):
        threshold.update(look * 0.1, 1.0)
    assert threshold.minutes == 0
    threshold.update(60.0, 1.0)
    assert threshold.minutes == 1


def test_an_alarm_does_not_become_normal_by_itself() -> None:
    threshold = grown(np.random.default_rng(2))
    assert all(threshold.update(30_000.0 + second, 50.0).alarm for second in range(90))
    for minute in range(30):
        threshold.update(40_000.0 + 60 * minute, 1.0)
    assert threshold.update(50_000.0, 45.0).alarm


def test_what_was_said_to_be_fine_does_not_alarm_again_and_what_is_far_above_it_does() -> None:
    threshold = grown(np.random.default_rng(2))
    assert threshold.update(30_000.0, 20.0).alarm
    threshold.fine(20.0)
    assert not threshold.update(30_300.0, 20.2).alarm
    assert threshold.update(30_600.0, 60.0).alarm


@pytest.mark.parametrize(("persists", "alarms"), [(30, False), (None, True)], ids=["believed", "never believed"])
def test_what_persists_is_the_way_things_are(persists: int | None, *, alarms: bool) -> None:
    threshold = SiteThreshold(1.0, persists=persists)
    alarms_of(threshold, np.random.default_rng(2).normal(0.0, 1.0, 300))
    judged = [threshold.update((300 + minute) * 60.0, 20.0) for minute in range(60)]
    assert judged[0].alarm
    assert judged[-1].alarm is alarms


def test_more_alarms_than_the_promise_can_be_wrong_about_raise_the_threshold() -> None:
    threshold = grown(np.random.default_rng(2))
    before = threshold.threshold
    for event in range(8):
        for minute in range(10):
            threshold.update((1000 + 10 * event + minute) * 60.0, 20.0 if minute == 0 else 1.0)
    assert before is not None
    assert before < 20.0
    assert not threshold.judge(20.0).alarm


@pytest.mark.parametrize(
    ("hours", "alarms"), [(1, True), (8, False)], ids=["many in one hour may all be true", "some in each hour are not"]
)
def test_alarms_of_an_hour_speak_once_against_the_threshold(hours: int, *, alarms: bool) -> None:
    threshold = SiteThreshold(1.0, patience=60)
    alarms_of(threshold, np.random.default_rng(2).exponential(1.0, 300))
    for event in range(8):
        for minute in range(7):
            threshold.update((1000 + hours * 8 * event + minute) * 60.0, 20.0 if minute == 0 else 1.0)
        for minute in range(7, hours * 8):
            threshold.update((1000 + hours * 8 * event + minute) * 60.0, 1.0)
    assert threshold.judge(20.0).alarm is alarms


def test_how_something_begins_and_ends_is_no_history() -> None:
    threshold = grown(np.random.default_rng(2))
    before = threshold.threshold
    for minute, score in enumerate([1.0, 1.0, 8.0, 50.0, 8.0, 1.0, 1.0]):
        threshold.update((1000 + minute) * 60.0, score)
    assert before is not None
    assert threshold.threshold is not None
    assert threshold.threshold < 1.5 * before


def test_what_is_known_to_be_strange_is_told_before_the_history_is_long() -> None:
    threshold = SiteThreshold(1.0, believed=5.0, enough=20)
    alarms_of(threshold, np.random.default_rng(2).exponential(1.0, 25))
    assert not threshold.judge(4.9).alarm
    assert threshold.judge(5.1).alarm


def test_no_score_below_the_least_alarms_where_nothing_ever_changes() -> None:
    threshold = SiteThreshold(1.0, least=0.5)
    alarms_of(threshold, np.zeros(200))
    assert not threshold.judge(0.4).alarm
    assert threshold.judge(0.6).alarm


def test_a_restart_forgets_nothing() -> None:
    rng = np.random.default_rng(3)
    before = grown(rng, 2000)
    before.update(2000 * 60.0, 30.0)
    before.fine(12.0)
    stored = json.loads(json.dumps(before.state()))
    after = SiteThreshold(1.0)
    after.restore(stored)
    for minute, score in enumerate(rng.exponential(3.0, 500)):
        at = (2000 + minute) * 60.0 + 30.0
        assert before.update(at, float(score)) == after.update(at, float(score))
    assert len(json.dumps(stored)) < 6_000


def test_p_values_fall_as_scores_rise_and_are_probabilities() -> None:
    threshold = grown(np.random.default_rng(4), 3000)
    values = [threshold.judge(score).p_value for score in np.linspace(-1.0, 40.0, 200)]
    assert values == sorted(values, reverse=True)
    assert 0.0 < values[-1] <= values[0] <= 1.0
