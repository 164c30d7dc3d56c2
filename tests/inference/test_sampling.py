from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from edge_runtime.inference.sampling import Sampler

LOGITS = np.log(np.array([0.5, 0.3, 0.15, 0.05], np.float32))


def drawn(temperature: float, top_p: float, count: int = 4000) -> Counter[int]:
    sampler = Sampler(temperature, top_p, 1)
    return Counter(sampler.pick(LOGITS)[0] for _ in range(count))


@pytest.mark.parametrize(
    ("temperature", "top_p", "shares"),
    [
        pytest.param(0.0, 1.0, (1, 0, 0, 0), id="without heat the likeliest alone"),
        pytest.param(1.0, 1.0, (0.5, 0.3, 0.15, 0.05), id="as the model says"),
        pytest.param(1.0, 0.75, (0.625, 0.375, 0, 0), id="among the likely ones"),
        pytest.param(1.0, 0.0, (1, 0, 0, 0), id="among the likeliest alone"),
        pytest.param(0.5, 1.0, (0.685, 0.247, 0.062, 0.007), id="cooler is more decided"),
        pytest.param(100.0, 1.0, (0.25, 0.25, 0.25, 0.25), id="hot is any"),
    ],
)
def test_tokens_are_drawn_by_their_shares(temperature: float, top_p: float, shares: tuple[float, ...]) -> None:
    found = drawn(temperature, top_p)
    assert [found[token] / found.total() for token in range(4)] == pytest.approx(shares, abs=0.03)


def test_the_same_seed_draws_the_same() -> None:
    def some(seed: int) -> list[int]:
        sampler = Sampler(1.0, 1.0, seed)
        return [sampler.pick(LOGITS)[0] for _ in range(50)]

    assert some(1) == some(1) != some(2)


@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_the_probability_told_is_the_models_own(temperature: float) -> None:
    token, log_prob = Sampler(temperature, 0.1, 0).pick(LOGITS + 7)
    assert token == 0
    assert math.exp(log_prob) == pytest.approx(0.5)
