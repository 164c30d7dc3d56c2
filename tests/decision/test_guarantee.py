from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.decision.guarantee import (
    NOTHING_LOCAL,
    allowance,
    at_most,
    chance_of_more,
    interval,
    threshold_for,
)
from edge_runtime.errors import InputError


@pytest.mark.parametrize(
    ("rows", "size", "passed", "allowed", "chance"),
    [
        pytest.param(1, 1, 0, 0, 1 / 2, id="one row and one question: a coin toss"),
        pytest.param(3, 1, 0, 0, 1 / 4, id="the question is the first wrong one of four"),
        pytest.param(4, 2, 0, 1, 2 / 6 * 1 / 5, id="both questions come before every wrong row"),
        pytest.param(2, 2, 1, 0, 1 - 2 / 4 * 1 / 3, id="one row may pass: not both of the first two are rows"),
        pytest.param(5, 3, 0, 3, 0.0, id="no more than all can be wrong"),
    ],
)
def test_the_chance_of_more_is_the_one_counted_by_hand(
    rows: int, size: int, passed: int, allowed: int, chance: float
) -> None:
    assert chance_of_more(rows, size, passed, allowed) == pytest.approx(chance)


def test_the_chance_of_more_is_what_shuffling_gives() -> None:
    random = np.random.default_rng(0)
    rows, size, passed, allowed = 40, 20, 3, 3
    more = 0
    for _ in range(20_000):
        is_row = random.permutation(rows + size) < rows
        before = int(np.flatnonzero(np.cumsum(is_row) == passed + 1)[0])
        more += int((~is_row[:before]).sum()) > allowed
    assert more / 20_000 == pytest.approx(chance_of_more(rows, size, passed, allowed), abs=0.01)


@pytest.mark.parametrize(
    ("rows", "horizon", "allowed"),
    [
        pytest.param(0, 10, -1, id="no rows prove nothing"),
        pytest.param(20, 5, -1, id="twenty rows prove nothing"),
        pytest.param(100, 25, 0, id="a hundred rows let none pass"),
        pytest.param(1_000, 250, 31, id="a thousand rows: fewer than the fifty that alpha would be"),
        pytest.param(1_000, 1_000, 37, id="over more questions chance evens out"),
        pytest.param(100_000, 25_000, 4_802, id="many rows come near to alpha"),
    ],
)
def test_how_many_wrong_rows_may_pass(rows: int, horizon: int, allowed: int) -> None:
    assert allowance(rows, 0.05, 0.10, horizon) == allowed


@settings(deadline=None, max_examples=40)
@given(st.integers(20, 600), st.sampled_from([0.01, 0.05, 0.2]), st.sampled_from([0.05, 0.1]), st.integers(1, 400))
def test_one_question_more_than_the_horizon_breaks_no_promise(
    rows: int, alpha: float, delta: float, horizon: int
) -> None:
    allowed = allowance(rows, alpha, delta, horizon)
    for size in (horizon, horizon + 1, horizon + 7, 2 * horizon, 5 * horizon):
        if allowed >= 0:
            assert chance_of_more(rows, size, allowed, math.floor(alpha * size + 1e-9)) <= delta + 1e-9


@pytest.mark.parametrize(
    ("alpha", "delta", "horizon", "what"),
    [
        pytest.param(0.0, 0.1, 10, "alpha is 0", id="alpha of nothing"),
        pytest.param(0.05, 1.0, 10, "delta is 1", id="delta of everything"),
        pytest.param(0.05, 0.1, 0, "horizon is 0", id="no questions"),
        pytest.param(float("nan"), 0.1, 10, "alpha is nan", id="no number"),
    ],
)
def test_promises_that_make_no_sense(alpha: float, delta: float, horizon: int, what: str) -> None:
    with pytest.raises(InputError, match=what):
        allowance(100, alpha, delta, horizon)


@pytest.mark.parametrize(
    ("confidence", "right", "allowed", "kept"),
    [
        pytest.param([0.9, 0.8, 0.7, 0.6], [1, 1, 0, 1], 0, 2, id="stops before the first wrong one"),
        pytest.param([0.9, 0.8, 0.7, 0.6], [1, 1, 0, 1], 1, 4, id="all are kept where all wrong ones may pass"),
        pytest.param([0.9, 0.8, 0.8, 0.6], [1, 1, 0, 1], 0, 1, id="a tie with a wrong one goes out with it"),
        pytest.param([0.9, 0.9, 0.9], [1, 0, 1], 0, 0, id="where all are alike none is kept"),
        pytest.param([0.9, 0.8], [0, 1], 0, 0, id="the surest is wrong"),
        pytest.param([0.9, 0.8], [1, 1], -1, 0, id="no threshold is safe"),
        pytest.param([0.9, 0.0], [1, 1], 0, 2, id="no wrong one at all: everything is kept"),
        pytest.param([1.0, 1 - 2**-53], [1, 0], 0, 1, id="neighbouring floats are told apart"),
    ],
)
def test_threshold(confidence: list[float], right: list[int], allowed: int, kept: int) -> None:
    found = np.array(confidence)
    threshold = threshold_for(found, np.array(right, bool), allowed)
    assert int((found >= threshold).sum()) == kept
    assert threshold == NOTHING_LOCAL or 0 <= threshold <= 1


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [
        pytest.param(0, 10, 0.0, 0.30850, id="none of ten"),
        pytest.param(10, 10, 0.69150, 1.0, id="ten of ten"),
        pytest.param(5, 100, 0.01643, 0.11283, id="five of a hundred"),
        pytest.param(0, 0, 0.0, 1.0, id="nothing was tried"),
    ],
)
def test_clopper_pearson(hits: int, trials: int, low: float, high: float) -> None:
    assert interval(hits, trials) == pytest.approx((low, high), abs=1e-5)


@pytest.mark.parametrize(("hits", "share", "chance"), [(1, 0.5, 0.75), (2, 0.5, 1.0), (0, 0.0, 1.0), (-1, 0.5, 0.0)])
def test_binomial_tail(hits: int, share: float, chance: float) -> None:
    assert at_most(hits, 2, share) == pytest.approx(chance)


@pytest.mark.parametrize("fitted", [pytest.param(0.5, id="halves"), pytest.param(0.8, id="fifths")])
def test_the_promise_holds_over_random_splits_of_one_table(fitted: float) -> None:
    random = np.random.default_rng(1)
    confidence = np.round(random.random(600), 2)
    right = random.random(600) < confidence**0.5
    exceeded = 0
    cut = int(600 * fitted)
    allowed = allowance(cut, 0.05, 0.10, cut // 4)
    kept = []
    for _ in range(500):
        order = random.permutation(600)
        seen, unseen = order[:cut], order[cut:]
        keep = confidence[unseen] >= threshold_for(confidence[seen], right[seen], allowed)
        exceeded += (keep & ~right[unseen]).mean() > 0.05
        kept.append(keep.mean())
    assert exceeded / 500 <= 0.10
    assert np.mean(kept) > 0.1
