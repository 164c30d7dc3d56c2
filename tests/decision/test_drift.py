from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.decision.drift import BINS, DriftAlarm, place_of, spread


def beta(seed: int, count: int, a: float = 4, b: float = 2) -> np.ndarray:
    return np.random.default_rng(seed).beta(a, b, count)


def first_alarm(alarm: DriftAlarm, confidences: np.ndarray) -> int | None:
    return next((place for place, value in enumerate(confidences) if alarm.update(float(value))), None)


def test_confidences_of_the_same_kind_raise_no_alarm() -> None:
    alarms = 0
    for seed in range(60):
        alarm = DriftAlarm(spread(beta(seed, 200)), seed=seed)
        alarms += first_alarm(alarm, beta(seed + 1_000, 500)) is not None
    # At most one in a hundred; three of sixty would happen by chance in one run of fifty.
    assert alarms <= 2


@pytest.mark.parametrize(
    ("changed", "within"),
    [
        pytest.param(beta(5, 500, 2, 4), 150, id="the box gets less sure"),
        pytest.param(beta(5, 500, 40, 2), 150, id="the box gets surer"),
        pytest.param(np.full(500, 0.6), 500, id="one question again and again"),
    ],
)
def test_other_confidences_raise_it(changed: np.ndarray, within: int) -> None:
    alarm = DriftAlarm(spread(beta(1, 500)), seed=0)
    assert first_alarm(alarm, beta(2, 200)) is None
    place = first_alarm(alarm, changed)
    assert place is not None
    assert place < within
    assert alarm.alarmed
    assert first_alarm(alarm, changed) is None, "it goes off once"
    assert alarm.alarmed


def test_it_goes_on_where_it_was() -> None:
    one = DriftAlarm(spread(beta(1, 100)), seed=0)
    first_alarm(one, beta(2, 50))
    other = DriftAlarm((), one.state, seed=0)
    assert other.state == one.state
    assert other.capital == pytest.approx(one.capital)


def test_nothing_to_compare_with_is_no_trouble() -> None:
    alarm = DriftAlarm(())
    assert first_alarm(alarm, beta(1, 100)) is None


@pytest.mark.parametrize(("confidence", "place"), [(0.0, 0), (1.0, BINS - 1), (-1.0, 0), (2.0, BINS - 1), (0.5, 100)])
def test_each_confidence_has_a_bin(confidence: float, place: int) -> None:
    assert place_of(confidence) == place
