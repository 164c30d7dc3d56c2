from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.decision.confidence import Calibration, ConfidenceGate
from edge_runtime.decision.head import Head, Shape
from edge_runtime.decision.learned_gate import Judge, LearnedGate, ScoreScale


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


class Watch:
    def __init__(self, *, alarmed: bool = False) -> None:
        self.alarmed = alarmed
        self.seen: list[float] = []

    def update(self, confidence: float) -> None:
        self.seen.append(confidence)


def learned(*skills: str, scored: bool = True, threshold: float = 0.7) -> LearnedGate:
    by_score = Judge(Calibration(0.5, 0.0), ScoreScale(), None)
    judge = by_score if scored else Judge(Calibration(0.0, 3.0), None, None)
    return LearnedGate(dict.fromkeys(skills, judge), threshold)


@pytest.mark.parametrize(
    ("judges", "skill", "score", "understood", "confidence", "local"),
    [
        pytest.param(learned("mind"), "mind", 0.9, 1.0, 0.75, True, id="a skill with rows has its calibration"),
        pytest.param(learned("mind"), "mind", 0.8, 1.0, 2 / 3, False, id="and the learned threshold"),
        pytest.param(learned("mind"), "mind", 0.9, 0.5, 0.375, False, id="a question hardly understood is no safe one"),
        pytest.param(learned("mind"), "clock", 0.9, 1.0, 0.9, False, id="another skill keeps the cautious threshold"),
        pytest.param(learned("*"), "counting", 0.9, 1.0, 0.75, True, id="rows without a skill are for all skills"),
        pytest.param(learned("*", scored=False), "clock", 1.0, 1.0, 1.0, True, id="but not for one that is certain"),
        pytest.param(
            learned("*", scored=False), "counting", 0.3, 1.0, 0.3, False, id="nor does it hide a skill's doubt"
        ),
        pytest.param(learned("*", scored=False), "mind", 0.3, 1.0, 0.953, True, id="a big model's doubt says little"),
        pytest.param(learned("mind", threshold=2.0), "mind", 1.0, 1.0, 1.0, False, id="no threshold was safe"),
    ],
)
def test_what_was_learned(
    judges: LearnedGate, skill: str, score: float, understood: float, confidence: float, local: bool
) -> None:
    judged = ConfidenceGate(0.95, learned=judges).judge(skill, score, "?", understood)
    assert judged.confidence == pytest.approx(confidence, abs=1e-3)
    assert judged.local is local


def test_only_what_was_learned_is_watched() -> None:
    watch = Watch()
    gate = ConfidenceGate(0.95, learned=learned("mind"), drift=watch)
    gate.judge("clock", 1.0, "?")
    assert watch.seen == []
    gate.judge("mind", 0.9, "?", 0.1)
    assert watch.seen == [pytest.approx(0.75)], "how well a question was understood is no part of it"


@pytest.mark.parametrize(
    ("score", "local"),
    [
        pytest.param(0.999, False, id="nothing is kept on the strength of what was learned"),
        pytest.param(1.0, True, id="what is certain is kept"),
    ],
)
def test_drift_falls_back_to_the_safe_side(score: float, local: bool) -> None:
    gate = ConfidenceGate(0.95, learned=learned("mind"), drift=Watch(alarmed=True))
    assert gate.judge("mind", score, "?").local is local


def test_a_prompt_that_cannot_be_read_is_not_kept() -> None:
    head = Head(Shape(1.0, 1.0), np.ones((1, 4), np.int8), np.ones(1, np.float32), np.ones(265, np.float32))
    made = LearnedGate({"mind": Judge(Calibration(), None, head)}, 0.0)
    assert not ConfidenceGate(0.5, learned=made).judge("mind", 0.9, "?").local
    read = ConfidenceGate(0.5, learned=made, embed=lambda _: np.full(4, 0.5, np.float32))
    assert read.judge("mind", 0.9, "?").confidence > 0.5
