from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.decision.budget import PICO, Budget, CircuitBreaker, Price, pico_usd, usd


@pytest.mark.parametrize(
    ("prices", "tokens", "dollars"),
    [
        pytest.param((0.15, 0.60), (1_000_000, 1_000_000), 0.75, id="a million each"),
        pytest.param((0.15, 0.60), (1, 0), 0.00000015, id="a single token is not lost"),
        pytest.param((0.0, 0.0), (10**9, 10**9), 0.0, id="a free endpoint"),
    ],
)
def test_prices_are_exact(prices: tuple[float, float], tokens: tuple[int, int], dollars: float) -> None:
    assert usd(Price.per_million(*prices).cost(*tokens)) == dollars


def test_a_price_below_the_smallest_unit_is_rounded_up_never_to_nothing() -> None:
    assert pico_usd(1e-15) == 1


@settings(deadline=None)
@given(
    st.integers(0, PICO),
    st.lists(st.tuples(st.integers(0, PICO // 4), st.integers(0, PICO // 4)), max_size=30),
)
def test_reservations_never_pass_the_cap(cap: int, calls: list[tuple[int, int]]) -> None:
    budget = Budget(cap)
    for worst_case, actual in calls:
        reserved = budget.reserve(worst_case)
        if reserved is None:
            assert budget.committed + worst_case > cap
            continue
        assert reserved.committed <= cap
        budget = reserved.settle(worst_case, min(actual, worst_case))
        assert 0 <= budget.committed <= cap


@pytest.mark.parametrize(
    ("worst_case", "fits"),
    [
        pytest.param(100, True, id="exactly the cap"),
        pytest.param(101, False, id="one above"),
        pytest.param(-1, False, id="a negative price gives no money back"),
    ],
)
def test_edges_of_the_cap(worst_case: int, fits: bool) -> None:
    assert (Budget(100).reserve(worst_case) is not None) is fits


def test_a_breaker_opens_after_failures_in_a_row_and_lets_one_call_try() -> None:
    breaker = CircuitBreaker(failures=3, cool_off_s=60)
    for at in (0.0, 1.0):
        breaker.failed(at)
    assert breaker.wait_s(1.0) == 0
    breaker.failed(2.0)
    assert breaker.wait_s(3.0) == 59.0
    assert breaker.wait_s(62.0) == 0, "the first call after the pause tries"
    assert breaker.wait_s(62.0) == 60.0, "the second waits for the first"
    breaker.succeeded()
    assert breaker.wait_s(62.0) == 0


def test_a_success_forgets_the_failures_before_it() -> None:
    breaker = CircuitBreaker(failures=2, cool_off_s=60)
    breaker.failed(0.0)
    breaker.succeeded()
    breaker.failed(1.0)
    assert breaker.wait_s(1.0) == 0


def test_a_trial_that_fails_opens_it_again() -> None:
    breaker = CircuitBreaker(failures=1, cool_off_s=60)
    breaker.failed(0.0)
    assert breaker.wait_s(60.0) == 0
    breaker.failed(61.0)
    assert breaker.wait_s(62.0) == 59.0


def test_of_many_threads_one_makes_the_trial() -> None:
    breaker, turns = CircuitBreaker(failures=1, cool_off_s=60), []
    breaker.failed(0.0)
    threads = [threading.Thread(target=lambda: turns.append(breaker.wait_s(60.0) == 0)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert sum(turns) == 1
