from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge_runtime.decision.anomaly import AnomalyMemory, exceeded_by, warmth

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

WIDE = 24
SPREADS = np.geomspace(0.2, 5.0, WIDE)


def things(seed: int, count: int = 40) -> Floats:
    """Return rows of two kinds, one of them rare, with features of very different spread."""
    dice = np.random.default_rng(seed)
    rows = dice.normal(size=(count, WIDE))
    rows[dice.random(count) < 0.05] += 6.0
    return (rows * SPREADS).astype(np.float32)


def taught(size: int = 60, lessons: int = 30) -> AnomalyMemory:
    memory = AnomalyMemory(size)
    for seed in range(lessons):
        memory.learn(things(seed))
    return memory


def test_what_is_unlike_all_that_was_learnt_scores_high_and_is_where_it_is() -> None:
    cells = things(100, 30).reshape(5, 6, WIDE)
    usual, calm = taught().score(cells)
    cells[2, 3, 0] = 2.4
    unusual, heat = taught().score(cells)
    assert unusual > 1.2 * usual, "one of three cells that count, twelve spreads off in one feature"
    assert heat.shape == (5, 6)
    assert heat.dtype == np.float32
    assert heat.argmax() == 2 * 6 + 3
    assert (np.delete(heat, 2 * 6 + 3) == np.delete(calm, 2 * 6 + 3)).all()


def test_the_rare_that_is_normal_is_kept() -> None:
    rare = ((np.ones(WIDE) * 6.0) * SPREADS).astype(np.float32)
    unheard = rare * np.where(np.arange(WIDE) % 2, 1, -1).astype(np.float32)
    memory = taught()
    assert memory.score(rare[None])[0] < 0.5 * memory.score(unheard[None])[0]


@pytest.mark.parametrize("size", [1, 7, 60])
def test_it_never_keeps_more_rows_than_it_may(size: int) -> None:
    memory = taught(size)
    assert memory.count == 30 * 40
    assert memory.to_arrays()["rows"].shape == (size, WIDE)


def test_learning_again_adds_and_forgets_nothing() -> None:
    memory = taught(lessons=5)
    new = (things(7, 20) + 9.0 * SPREADS).astype(np.float32)
    before, old = memory.score(new)[0], memory.score(things(3))[0]
    memory.learn(new)
    assert memory.score(new)[0] < 0.6 * before
    assert memory.score(things(3))[0] <= 1.1 * old


def test_a_copy_learns_for_itself() -> None:
    memory = taught()
    digest, other = memory.digest(), memory.copy()
    other.learn(things(900) * 3)
    assert memory.digest() == digest != other.digest()


def test_it_is_the_same_after_a_restart_and_wherever_the_same_was_learnt() -> None:
    memory = taught()
    again = AnomalyMemory.from_arrays(memory.to_arrays())
    cells = things(50)
    for other in (again, taught()):
        assert other.score(cells)[0] == memory.score(cells)[0]
        assert (other.score(cells)[1] == memory.score(cells)[1]).all()
    assert again.digest() == memory.digest()
    for one in (memory, again):
        one.learn(things(51))
    assert again.digest() == memory.digest()


@pytest.mark.parametrize(
    ("scores", "false_alarms", "threshold"),
    [
        pytest.param(range(1, 100), 0.05, 95.0, id="of a hundred at most five are above the 95th"),
        pytest.param(range(1, 100), 0.01, 99.0, id="of a hundred at most one"),
        pytest.param(range(1, 12), 0.05, 11 + 0.5 * 5, id="too few for a quantile: some way above the highest"),
        pytest.param((), 0.05, math.inf, id="nobody knows: nothing is unusual"),
    ],
)
def test_the_threshold_comes_from_what_normal_things_scored(
    scores: range, false_alarms: float, threshold: float
) -> None:
    assert exceeded_by([float(score) for score in scores], false_alarms) == pytest.approx(threshold)


def test_the_share_of_false_alarms_is_the_one_that_was_asked_for() -> None:
    memory = taught(lessons=60)
    threshold = exceeded_by([memory.score(things(1000 + seed))[0] for seed in range(400)], 0.1)
    assert 0.05 < np.mean([memory.score(things(5000 + seed))[0] > threshold for seed in range(400)]) < 0.16


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda: AnomalyMemory().score(things(1)), "nothing was learnt"),
        (lambda: taught().learn(things(1)[:, :5]), "rows have 5 features, the memory's have 24"),
        (lambda: taught().score(things(1)[:, :5]), "cells have 5 features"),
        (lambda: AnomalyMemory.from_arrays({"rows": np.zeros(3)}), "no anomaly memory"),
        (lambda: AnomalyMemory.from_arrays(taught().to_arrays() | {"format": np.array(9)}), "format 9"),
        (lambda: AnomalyMemory.from_arrays(taught().to_arrays() | {"mean": np.zeros(3)}), "do not fit each other"),
    ],
)
def test_what_cannot_be_is_said(act: Callable[[], Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        act()


def test_a_feature_that_never_moved_does_not_outweigh_the_others() -> None:
    memory = AnomalyMemory()
    rows = np.random.default_rng(1).normal(size=(200, 4)).astype(np.float32)
    rows[:, 3] = 5.0
    memory.learn(rows)
    assert math.isfinite(memory.score(rows + np.float32(0.001))[0])
    assert memory.score(rows + np.float32(0.001))[0] < 0.1


def test_shown_heat_is_none_where_all_is_normal() -> None:
    heat = np.array([[0.0, 0.75, 1.125, 1.5, 9.0]], np.float32)
    assert warmth(heat * 2, 2.0)[0].tolist() == pytest.approx([0.0, 0.0, 0.5, 1.0, 1.0])
