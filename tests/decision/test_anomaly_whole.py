from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.decision.anomaly_whole import WholeMemory

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

WIDE = 12
SPREADS = np.geomspace(0.3, 3.0, WIDE)


def vector(dice: np.random.Generator) -> NDArray[np.float64]:
    """Return features of unlike spreads that vary in three directions only, but for a little noise."""
    mixed = np.random.default_rng(0).normal(size=(3, WIDE))
    return np.asarray((dice.normal(size=3) @ mixed + 0.05 * dice.normal(size=WIDE)) * SPREADS)


def taught(count: int) -> WholeMemory:
    dice, memory = np.random.default_rng(1), WholeMemory()
    for _ in range(count):
        memory.learn(vector(dice))
    return memory


@pytest.mark.parametrize(
    ("count", "above"),
    [
        pytest.param(2000, 1.0, id="many: the covariance is known, the score of what is normal is one"),
        pytest.param(40, 0.9, id="some: it is among the strangest"),
        pytest.param(6, 0.5, id="fewer than features: it is drawn towards a ball, and nothing breaks"),
    ],
)
def test_what_varies_as_nothing_did_scores_more_than_what_varies_as_all_did(count: int, above: float) -> None:
    memory, dice = taught(count), np.random.default_rng(2)
    normal = [memory.score(vector(dice)) for _ in range(200)]
    odd = vector(dice) + np.eye(WIDE)[4] * 0.8 * SPREADS
    assert memory.score(odd) > np.quantile(normal, above)
    assert count < 2000 or np.sqrt(np.mean(np.square(normal))) == pytest.approx(1.0, abs=0.2)


def test_a_feature_that_never_moved_does_not_make_everything_strange() -> None:
    memory = WholeMemory()
    for number in range(20):
        memory.learn(np.array([float(number), 7.0]))
    assert memory.score(np.array([10.0, 7.0])) < memory.score(np.array([10.0, 9.0])) < np.inf


def test_one_thing_many_times_is_normal() -> None:
    memory = WholeMemory()
    for _ in range(5):
        memory.learn(np.ones(3))
    assert memory.score(np.ones(3)) == 0.0


def test_it_is_the_same_after_a_restart_and_a_copy_learns_for_itself() -> None:
    memory, dice = taught(30), np.random.default_rng(5)
    one = vector(dice)
    again, other = WholeMemory.from_arrays(memory.to_arrays()), memory.copy()
    before = memory.score(one)
    for _ in range(10):
        other.learn(one)
    assert again.score(one) == before == memory.score(one) > other.score(one)


@pytest.mark.parametrize(
    ("act", "said"),
    [
        pytest.param(
            lambda memory: memory.learn(np.ones(3)), r"\(3,\) features.*\(12,\)", id="another length is learnt"
        ),
        pytest.param(lambda memory: memory.score(np.ones(3)), r"\(3,\) features", id="another length is scored"),
        pytest.param(lambda _: taught(1).score(np.ones(WIDE)), "1 things were learnt", id="no spread yet"),
        pytest.param(lambda _: WholeMemory.from_arrays({}), "no memory of whole things", id="no memory"),
        pytest.param(
            lambda memory: WholeMemory.from_arrays({**memory.to_arrays(), "mean": np.ones(3)}),
            "do not fit",
            id="damaged",
        ),
    ],
)
def test_what_cannot_be_is_refused(act: Callable[[WholeMemory], object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        act(taught(20))
