from __future__ import annotations

import pytest

from edge_runtime.decision.debounce import Cooldown, Debounce


@pytest.mark.parametrize(
    ("values", "changes"),
    [
        pytest.param([(0, 0), (1, 1), (1, 1.5), (1, 2)], [False, False, False, True], id="changes-after-it-settled"),
        pytest.param([(1, 0), (0, 0.5), (1, 1), (0, 1.5)], [False] * 4, id="flapping-never-gets-through"),
        pytest.param([(1, 0), (1, 1), (1, 9)], [False, True, False], id="a-change-is-told-once"),
        pytest.param([(1, 0), (2, 0.9), (2, 1.5), (2, 2.0)], [False, False, False, True], id="third-value-starts-anew"),
    ],
)
def test_debounce_lets_settled_values_through(values: list[tuple[int, float]], changes: list[bool]) -> None:
    debounce = Debounce(0, settle_s=1.0)
    assert [debounce.update(value, at) for value, at in values] == changes


def test_cooldown_rests_each_key_by_itself() -> None:
    cooldown = Cooldown(10.0)
    asked = [("a", 0.0), ("a", 9.9), ("b", 5.0), ("a", 10.0), ("a", 19.0), ("b", 15.0)]
    assert [cooldown.ready(key, at) for key, at in asked] == [True, False, True, True, False, True]


def test_cooldown_remembers_a_bounded_number_of_keys() -> None:
    cooldown = Cooldown(1e9, keys=3)
    assert all(cooldown.ready(str(key), 0.0) for key in range(100))
    assert not cooldown.ready("99", 1.0), "the newest keys are still resting"
    assert cooldown.ready("0", 1.0), "the oldest were forgotten to stay bounded"
