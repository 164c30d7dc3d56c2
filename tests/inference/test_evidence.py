from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.inference.decoding import Chain, Lattice
from edge_runtime.inference.evidence import evidence, probability
from edge_runtime.inference.paths import best_sentences

A, B = 1, 2
GRAMMAR = Lattice([Chain(0, 1, "a", (A,)), Chain(1, 2, "ba", (B, A))], 3, [2])


def frames(*rows: tuple[float, float, float]) -> np.ndarray:
    return np.log(np.array(rows, np.float32))


CLEAR = frames((0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.8, 0.1, 0.1), (0.1, 0.1, 0.8), (0.1, 0.8, 0.1), (0.8, 0.1, 0.1))


def seen(heard: np.ndarray, free: np.ndarray | None = None, margin: float = 1.0) -> dict[str, float]:
    sentence = best_sentences(GRAMMAR, heard)[0]
    best = np.concatenate([[0], np.cumsum(heard.max(axis=1))]).astype(np.float32)
    return evidence(sentence, heard, best if free is None else free, best, margin)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("words", 0.0, id="nothing fits better"),
        pytest.param("sum", 0.0, id="nor in sum"),
        pytest.param("phones", 0.0, id="nor any phones"),
        pytest.param("worst_word", 0.0, id="in no word"),
        pytest.param("worst_phone", np.log(0.8), id="the phone heard least"),
        pytest.param("silence", np.log(8), id="three frames that are no silence"),
        pytest.param("rest", np.log(0.8), id="silence before, between and after"),
        pytest.param("gap", 0.0, id="no speech in any gap"),
        pytest.param("margin", 1.0, id="the next sentence"),
        pytest.param("length", np.log(3), id="three phones"),
        pytest.param("slow", 0.0, id="a frame each"),
    ],
)
def test_a_clear_sentence(name: str, value: float) -> None:
    assert seen(CLEAR)[name] == pytest.approx(value, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "worse"),
    [
        ("worst_phone", frames((0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.8, 0.1, 0.1), (0.5, 0.4, 0.1), (0.1, 0.8, 0.1))),
        ("worst_word", frames((0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.8, 0.1, 0.1), (0.5, 0.4, 0.1), (0.1, 0.8, 0.1))),
        ("rest", frames((0.15, 0.05, 0.8), (0.1, 0.8, 0.1), (0.8, 0.1, 0.1), (0.1, 0.1, 0.8), (0.1, 0.8, 0.1))),
        ("gap", frames((0.15, 0.05, 0.8), (0.1, 0.8, 0.1), (0.8, 0.1, 0.1), (0.1, 0.1, 0.8), (0.1, 0.8, 0.1))),
        ("phones", frames((0.1, 0.1, 0.8), (0.1, 0.8, 0.1), (0.8, 0.1, 0.1), (0.1, 0.1, 0.8), (0.1, 0.8, 0.1))),
    ],
    ids=["a phone not heard", "a word not heard", "speech before", "speech in a gap", "speech that fits better"],
)
def test_what_speaks_against_a_sentence(name: str, worse: np.ndarray) -> None:
    assert seen(worse)[name] < seen(CLEAR)[name] - 0.1


def test_margins_and_sums_are_bounded() -> None:
    assert seen(CLEAR, margin=1e9)["margin"] < 100
    assert seen(CLEAR, free=np.full(7, 1e9, np.float32))["sum"] > -100


@pytest.mark.parametrize(
    ("weights", "expected"),
    [({}, 0.5), ({"bias": 2.0}, 0.881), ({"bias": 1.0, "x": -1.0, "unheard": 5.0}, 0.269), ({"bias": 1e9}, 1.0)],
    ids=["no weights", "bias alone", "evidence weighed, what is missing left out", "out of range"],
)
def test_the_probability_is_logistic(weights: dict[str, float], expected: float) -> None:
    assert probability({"x": 2.0}, weights) == pytest.approx(expected, abs=1e-3)
