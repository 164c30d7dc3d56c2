from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.decision.anomaly_levels import LevelMemory

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]


def thing(seed: int) -> tuple[Floats, Floats]:
    """Return a thing in fine and in coarse detail; its coarse features are a thousand times as large."""
    dice = np.random.default_rng(seed)
    return dice.normal(size=(4, 6, 8)).astype(np.float32), (1000 * dice.normal(size=(2, 3, 5))).astype(np.float32)


@pytest.fixture
def memory() -> LevelMemory:
    memory = LevelMemory([1, 0.5], 200)
    for seed in range(40):
        memory.learn(thing(seed))
    memory.judge([memory.each(thing(seed)) for seed in range(100, 200)])
    return memory


@pytest.mark.parametrize(
    ("level", "place"),
    [pytest.param(0, (2, 5), id="seen in the fine level"), pytest.param(1, (0, 2), id="seen in the coarse one")],
)
def test_what_one_level_sees_is_seen(memory: LevelMemory, level: int, place: tuple[int, int]) -> None:
    cells = thing(300)
    cells[level][place[0] // (level + 1), place[1] // (level + 1)] *= 9
    score, heat = memory.score(cells)
    assert score > memory.threshold() > memory.score(thing(300))[0]
    assert heat.shape == (4, 6)
    assert divmod(int(heat.argmax()), 6) == place


def test_what_only_the_whole_shows_is_seen(memory: LevelMemory) -> None:
    fine, coarse = thing(300)
    score, _ = memory.score((fine + 0.8, coarse))
    assert score > memory.threshold(), "each cell is one that is seen, all of them at once are not"


def test_the_whole_may_be_left_out() -> None:
    memory = LevelMemory([1, 0.5], 200, whole=0)
    for seed in range(40):
        memory.learn(thing(seed))
    memory.judge([memory.each(thing(seed)) for seed in range(100, 200)])
    fine, coarse = thing(300)
    assert memory.score((fine + 0.6, coarse))[0] < memory.threshold() < memory.score((fine * 3, coarse))[0]
    assert LevelMemory.from_arrays(memory.to_arrays()).score(thing(7))[0] == memory.score(thing(7))[0]


def test_normal_things_score_about_one(memory: LevelMemory) -> None:
    scores = [memory.score(thing(seed))[0] for seed in range(500, 600)]
    assert np.median(scores) == pytest.approx(1.0, abs=0.05)
    assert np.mean(np.array(scores) > memory.threshold(0.2)) == pytest.approx(0.2, abs=0.12)


def test_it_is_the_same_after_a_restart(memory: LevelMemory) -> None:
    again = LevelMemory.from_arrays(memory.to_arrays())
    assert again.score(thing(7))[0] == memory.score(thing(7))[0]
    assert again.threshold() == memory.threshold()
    assert again.count == memory.count == 40 * (24 + 6)


def test_a_copy_learns_for_itself(memory: LevelMemory) -> None:
    before, other = memory.score(thing(900))[0], memory.copy()
    other.learn(thing(900))
    assert memory.score(thing(900))[0] == before > other.score(thing(900))[0]


def test_before_anything_was_judged_nothing_is_unusual() -> None:
    memory = LevelMemory([1, 1])
    memory.learn(thing(1))
    assert memory.threshold() == math.inf


def test_a_memory_of_another_kind_is_refused(memory: LevelMemory) -> None:
    with pytest.raises(ValueError, match="it has no levels"):
        LevelMemory.from_arrays(memory.memories[0].to_arrays())
    with pytest.raises(ValueError, match="do not fit"):
        LevelMemory.from_arrays({**memory.to_arrays(), "scores": np.zeros((3, 2))})
    with pytest.raises(ValueError, match="zip"):
        memory.learn(thing(1)[:1])
