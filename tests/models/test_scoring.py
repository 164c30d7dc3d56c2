from __future__ import annotations

import numpy as np
import pytest

from models.omni_nano import scoring
from models.omni_nano.scoring import Row


def truths(chances: scoring.Floats, seed: int = 0) -> scoring.Floats:
    return (np.random.default_rng(seed).random(len(chances)) < chances).astype(np.float64)


@pytest.mark.parametrize(
    ("chances", "right", "error"),
    [
        pytest.param([0.25, 0.25, 0.25, 0.25], [1, 0, 0, 0], 0.0, id="a quarter sure, a quarter right"),
        pytest.param([0.95, 0.95], [1, 0], 0.45, id="sure and half right"),
        pytest.param([0.05, 0.95], [1, 0], 0.95, id="always wrong"),
        pytest.param([1.0, 0.0], [1, 0], 0.0, id="the ends belong to the last and the first bin"),
    ],
)
def test_calibration_error(chances: list[float], right: list[int], error: float) -> None:
    assert scoring.calibration_error(np.array(chances), np.array(right)) == pytest.approx(error)


def test_weights_count_as_repeats() -> None:
    chances, right = np.array([0.2, 0.7, 0.9]), np.array([0, 1, 0])
    again = np.repeat([0, 1, 2], [1, 3, 2])
    weighted = scoring.calibration_error(chances, right, np.array([1.0, 3.0, 2.0]))
    assert weighted == pytest.approx(scoring.calibration_error(chances[again], right[again]))


def test_bins_of_equal_mass_hold_alike_many() -> None:
    chances = np.random.default_rng(1).random(1000) ** 3
    bins = scoring.binned(chances, truths(chances), equal_mass=True)
    assert bins.weight.tolist() == [100.0] * 10
    assert (np.diff(bins.chance) > 0).all()


@pytest.mark.parametrize("count", [150, 400])
def test_true_scores_of_a_small_sample_are_seen_through(count: int) -> None:
    chances = np.random.default_rng(2).random((40, count))
    plain = [scoring.calibration_error(p, truths(p, n)) for n, p in enumerate(chances)]
    debiased = [scoring.debiased_error(p, truths(p, n)) for n, p in enumerate(chances)]
    by_chance, most = scoring.error_by_chance(chances[0])
    assert np.mean(plain) == pytest.approx(by_chance, rel=0.2)
    # The correction is a careful one: where scores are true it takes about two fifths of what chance adds.
    assert np.mean(debiased) < 0.75 * np.mean(plain)
    assert np.mean(np.array(plain) > most) < 0.2


def test_a_real_error_survives_the_correction() -> None:
    chances = np.random.default_rng(3).random(2000)
    right = truths(chances**3)
    plain, debiased = scoring.calibration_error(chances, right), scoring.debiased_error(chances, right)
    assert debiased == pytest.approx(plain, abs=0.01)
    assert plain > 0.2


ONCE = np.ones(4)


@pytest.mark.parametrize(
    ("measure", "value"),
    [
        pytest.param(scoring.mean_of(np.array([1, 1, 0, 0])), 0.5, id="mean"),
        pytest.param(scoring.mean_of(np.array([1, 1, 1, 0]), np.array([0, 0, 0, 1])), 0.5, id="classes count alike"),
        pytest.param(scoring.mean_of(np.array([1, 1, 0, 0]), np.array([0, 0, 2, 2])), 0.5, id="absent classes do not"),
        pytest.param(scoring.f1_of(np.array([1, 1, 0, 0]), np.ones(4), np.ones(4)), 0.5, id="F1"),
        pytest.param(
            scoring.precision_of(np.array([0.9, 0.8]), np.array([1, 0]), np.array([0, 1]), np.array([1, 0, 0, 0])),
            1.0,
            id="the surest box is the only object",
        ),
        pytest.param(
            scoring.precision_of(np.array([0.9, 0.8]), np.array([0, 1]), np.array([0, 1]), np.array([1, 0, 0, 0])),
            0.5,
            id="the second box is",
        ),
        pytest.param(scoring.average_of([]), 0.0, id="nothing to average"),
    ],
)
def test_measures(measure: scoring.Measure, value: float) -> None:
    assert measure(ONCE) == pytest.approx(value)


def row(int8: scoring.Floats, fp32: scoring.Floats, *, bar: float | None = None, least: bool = True) -> Row:
    measures = scoring.mean_of(int8), scoring.mean_of(fp32)
    return Row("name", "what", len(int8), *measures, bar, least)


@pytest.mark.parametrize(
    ("bar", "least", "reached"),
    [(0.7, True, True), (0.9, True, False), (0.9, False, True), (0.7, False, False), (None, True, None)],
)
def test_a_row_knows_whether_its_bar_is_reached(bar: float | None, least: bool, reached: bool | None) -> None:
    hits = np.repeat([1.0, 0.0], [80, 20])
    found = scoring.answered(row(hits, hits, bar=bar, least=least), draws=200)
    assert found["reached"] is reached
    assert found["low"] < 0.8 < found["high"]
    assert (found["difference"], found["difference_low"], found["difference_high"]) == (0.0, 0.0, 0.0)
    assert scoring.verdict(bar, reached=reached, least=least) == (
        "" if bar is None else f"{'>=' if least else '<='} {bar} {'pass' if reached else 'FAIL'}"
    )


@pytest.mark.parametrize(
    ("int8", "chance", "words"),
    [
        pytest.param(0.04, 0.06, "<= 0.05 pass", id="small enough"),
        pytest.param(0.058, 0.06, "<= 0.05 FAIL, as by chance", id="true scores might show as much"),
        pytest.param(0.07, 0.06, "<= 0.05 FAIL", id="true scores would not"),
        pytest.param(0.07, None, "<= 0.05 FAIL", id="nobody has asked chance"),
    ],
)
def test_an_error_is_held_against_what_chance_would_do(int8: float, chance: float | None, words: str) -> None:
    about = {"int8": int8, "bar": 0.05, "least": False, "reached": int8 <= 0.05, "by_chance_95": chance}
    assert scoring.judged(about) == words


@pytest.mark.parametrize(
    ("flips", "least", "word"),
    [
        pytest.param((0, 0), True, "pass", id="the same answers"),
        pytest.param((300, 300), True, "pass, not certain", id="as many lost as won"),
        pytest.param((25, 0), True, "FAIL, not certain", id="a little more than a point lost"),
        pytest.param((200, 0), True, "FAIL", id="ten points lost"),
        pytest.param((200, 0), False, "pass", id="ten points of an error gone"),
    ],
)
def test_int8_is_compared_picture_by_picture(flips: tuple[int, int], least: bool, word: str) -> None:
    fp32 = np.repeat([1.0, 0.0], [1000, 1000])
    int8 = fp32.copy()
    int8[: flips[0]] = 0
    int8[1000 : 1000 + flips[1]] = 1
    assert scoring.loss(scoring.answered(row(int8, fp32, least=least), draws=300)) == word


def test_risk_falls_with_coverage_when_the_sure_are_right() -> None:
    confidence = np.linspace(0.5, 1, 200)
    wrong = confidence < 0.75
    found = scoring.coverage(confidence, wrong)
    assert found["risk"][0] == 0
    assert found["risk"][-1] == pytest.approx(0.5)
    assert found["coverage"] == sorted(found["coverage"])
    kept = scoring.kept_above(confidence, wrong, 0.9)
    assert (kept["risk"], kept["count"]) == (0.0, int((confidence >= 0.9).sum()))
    assert scoring.kept_above(confidence, wrong, 2.0)["count"] == 0
    assert scoring.coverage(confidence[:0], wrong[:0])["coverage"] == []
    assert scoring.kept_above(confidence[:0], wrong[:0], 0.9)["coverage"] == 0


def test_reliability_counts_every_answer_and_brackets_every_share() -> None:
    chances = np.random.default_rng(4).random(500)
    found = scoring.reliability(chances, truths(chances))
    assert sum(found["count"]) == 500
    for low, right, high in zip(found["low"], found["right"], found["high"], strict=True):
        assert low <= right + 1e-4
        assert right <= high + 1e-4
    assert found["debiased"] <= found["error"]
    assert found["by_chance"] < found["by_chance_95"]
