from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.decision.confidence import Calibration, ConfidenceGate


@pytest.mark.parametrize(
    ("calibration", "score", "probability"),
    [
        pytest.param(Calibration(), 0.7, 0.7, id="the default changes nothing"),
        pytest.param(Calibration(), 1.0, 1.0, id="the default keeps certainty"),
        pytest.param(Calibration(), 1.2, 1.0, id="never above one"),
        pytest.param(Calibration(0.5, 0.0), 0.9, 0.75, id="half the scale takes overconfidence away"),
        pytest.param(Calibration(1.0, -1.0), 0.5, 0.2689, id="a negative bias lowers"),
        pytest.param(Calibration(0.0, 0.0), 0.99, 0.5, id="a worthless score is a coin toss"),
        pytest.param(Calibration(100.0, 1000.0), 1.0, 1.0, id="extremes do not overflow"),
    ],
)
def test_calibration(calibration: Calibration, score: float, probability: float) -> None:
    assert calibration.apply(score) == pytest.approx(probability, abs=1e-4)


@settings(deadline=None)
@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 10), st.floats(-5, 5))
def test_calibration_keeps_the_order(low: float, high: float, scale: float, bias: float) -> None:
    low, high = sorted((low, high))
    calibration = Calibration(scale, bias)
    assert 0.0 <= calibration.apply(low) <= calibration.apply(high) <= 1.0


@pytest.mark.parametrize(
    ("score", "understood", "local"),
    [
        pytest.param(0.80, 1.0, True, id="at the threshold the box answers"),
        pytest.param(0.79, 1.0, False, id="below it somebody else is asked"),
        pytest.param(1.00, 0.79, False, id="a question that was hardly understood is not answered surely"),
    ],
)
def test_one_threshold_decides(score: float, understood: float, local: bool) -> None:
    judged = ConfidenceGate(0.8).judge("presence", score, "?", understood)
    assert judged.confidence == pytest.approx(score * understood)
    assert judged.local is local


def test_each_skill_has_its_own_calibration() -> None:
    gate = ConfidenceGate(0.8, {"counting": Calibration(0.5, 0.0)})
    assert gate.judge("counting", 0.9, "?").confidence == pytest.approx(0.75)
    assert gate.judge("presence", 0.9, "?").confidence == 0.9
