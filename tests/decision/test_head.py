from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge_runtime.decision import head as heads
from edge_runtime.decision.head import Head, Shape, Terms, choose_shape, fit_head, kernel, rounded
from edge_runtime.decision.prompt_shape import SHAPE_SIZE, prompt_shapes

SHAPE = Shape(gamma=2.0, ridge=0.1, looks=0.1)


def rows(count: int, seed: int = 0) -> tuple[Terms, np.ndarray]:
    """Prompts around ten places of a small space; at every second place the answers are mostly right."""
    random = np.random.default_rng(seed)
    places = np.random.default_rng(99).normal(size=(10, 16))
    place = random.integers(0, 10, count)
    vectors = places[place] + 0.6 * random.normal(size=(count, 16))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    right = (random.random(count) < np.where(place % 2, 0.95, 0.1)).astype(np.float64)
    looks = random.normal(size=(count, 3)).astype(np.float32)
    return Terms(rounded(vectors), looks, np.empty((count, 0), np.float32)), right


def brier(head: Head, terms: Terms, right: np.ndarray) -> float:
    return float(np.mean((head.predict(terms) - right) ** 2))


def test_it_learns_where_answers_are_right() -> None:
    terms, right = rows(300)
    other, truth = rows(300, seed=1)
    head, _ = fit_head(SHAPE, terms, right)
    assert brier(head, other, truth) < 0.6 * float(truth.var())


def test_what_is_said_of_a_row_is_what_a_head_without_it_says() -> None:
    terms, right = rows(40)
    _, unseen = fit_head(SHAPE, terms, right)
    for row in (0, 17, 39):
        others = np.delete(np.arange(40), row)
        without, _ = fit_head(SHAPE, terms[others], right[others])
        assert unseen[row] == pytest.approx(float(without.predict(terms[np.array([row])])[0]), abs=1e-4)


def test_of_many_rows_some_stand_for_all_and_are_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    terms, right = rows(400)
    other, truth = rows(300, seed=1)
    whole, _ = fit_head(SHAPE, terms, right)
    monkeypatch.setattr(heads, "MOST_ROWS", 300)
    monkeypatch.setattr(heads, "LANDMARKS", 150)
    few, unseen = fit_head(SHAPE, terms, right)
    assert len(few.landmarks) == 150
    assert int(np.isnan(unseen).sum()) == 150
    judged = ~np.isnan(unseen)
    assert np.mean((unseen[judged] - right[judged]) ** 2) < 0.6 * right.var()
    assert brier(few, other, truth) < brier(whole, other, truth) + 0.03


def test_the_shape_that_predicts_best_is_chosen() -> None:
    terms, right = rows(200)
    useless = Shape(gamma=2.0, ridge=1e6)
    assert choose_shape([useless, SHAPE], terms, right) == SHAPE


def test_all_rows_alike_are_no_trouble() -> None:
    terms, right = rows(30)
    same = replace(terms, vectors=np.repeat(terms.vectors[:1], 30, axis=0), looks=np.zeros((30, 3), np.float32))
    head, unseen = fit_head(SHAPE, same, right)
    assert np.isfinite(unseen).all()
    assert head.predict(same) == pytest.approx(np.full(30, right.mean()), abs=0.02)


def test_rounded_vectors_keep_their_angles() -> None:
    vectors = np.random.default_rng(0).normal(size=(20, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    exact = np.exp(-2 * (2 - 2 * vectors @ vectors.T))
    assert kernel(rounded(vectors), rounded(vectors), 2.0) == pytest.approx(exact, abs=5e-3)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("?", id="a mark"),
        pytest.param("wie spät ist es 🙂", id="other letters"),
        pytest.param("x" * 1_000_000, id="a very long text"),
    ],
)
def test_any_text_has_a_shape(text: str) -> None:
    shape = prompt_shapes([text])
    assert shape.shape == (1, SHAPE_SIZE)
    assert np.isfinite(shape).all()
    assert float(np.abs(shape).max()) < 10


def test_texts_that_look_alike_have_shapes_that_are() -> None:
    one, two, other = prompt_shapes(["what is 17 + 4?", "what is 18 + 4?", "tell me about the French revolution"])
    assert float(one @ two) > float(one @ other)
