from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.errors import InputError
from edge_runtime.skills.features import WIDTH, count_grams
from edge_runtime.skills.figures import auroc, calibration_error, cross_validated, measured
from edge_runtime.skills.meaning import FOLDS, MOST, Examples, Guess, Meaning

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 32
NAMES = ("bake", "call", "drive", "garden", "paint", "read", "sing", "swim")
TAUGHT = 24


def cloud(name: str, count: int, seed: int, spread: float = 0.5) -> np.ndarray:
    """Return unit vectors around a direction of its own for each name."""
    centre = np.random.default_rng(sum(map(ord, name))).normal(size=SIZE)
    rows = centre + spread * np.random.default_rng(seed).normal(size=(count, SIZE))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def examples(count: int = TAUGHT, *, seed: int = 1, outside: int = 30) -> Examples:
    texts, vectors, classes = [], [], []
    for name in NAMES:
        texts += [f"{name} number {number}" for number in range(count)]
        vectors.append(cloud(name, count, seed))
        classes += [name] * count
    noise = np.random.default_rng(seed + 7).normal(size=(outside, SIZE))
    texts += [f"stray thought {number}" for number in range(outside)]
    vectors.append(np.asarray(noise / np.linalg.norm(noise, axis=1, keepdims=True), np.float32))
    return Examples(texts, np.concatenate(vectors), [*classes, *[None] * outside])


TAUGHT_MODEL = Meaning.fit(examples())


def test_what_is_new_is_recognised_and_what_is_strange_is_turned_away() -> None:
    new = examples(40, seed=2, outside=100)
    found = measured(TAUGHT_MODEL.judge(new.texts, new.vectors), new.classes)
    assert found["in_scope_accuracy"] > 0.9
    assert found["out_of_scope_recall"] > 0.8
    assert found["auroc"] > 0.95
    assert found["calibration_error"] < 0.15


def test_without_strange_examples_intents_are_hidden_to_see_some() -> None:
    made = Meaning.fit(examples(outside=0))
    assert made.held is not None
    assert made.held.hidden
    assert (made.held.truth < 0).any()
    new = examples(40, seed=2, outside=100)
    assert measured(made.judge(new.texts, new.vectors), new.classes)["out_of_scope_recall"] > 0.5


@pytest.mark.parametrize("keep", [0.8, 0.95, 1.0])
def test_the_threshold_keeps_the_share_of_held_out_sentences_that_it_should(keep: float) -> None:
    made = Meaning.fit(examples(), keep=keep)
    assert made.held is not None
    kept = made.chances(made.held.clues)[made.held.truth >= 0] >= made.threshold
    assert made.threshold <= MOST
    assert kept.mean() >= keep - 0.01


def test_the_same_examples_give_the_same_model() -> None:
    again = Meaning.fit(examples())
    assert again.threshold == pytest.approx(TAUGHT_MODEL.threshold, abs=1e-4)
    assert np.allclose(again.planes.weights, TAUGHT_MODEL.planes.weights, atol=1e-3)


def test_a_model_is_the_same_after_it_was_kept(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "intents.npz"
    TAUGHT_MODEL.save(path)
    kept, new = Meaning.load(path), examples(3, seed=5)
    assert kept.judge(new.texts, new.vectors) == TAUGHT_MODEL.judge(new.texts, new.vectors)
    assert [one.name for one in path.parent.iterdir()] == ["intents.npz"]


@pytest.mark.parametrize(
    "content",
    [b"", b"no zip at all", b"PK\x03\x04 cut short", None],
    ids=["nothing", "text", "half a zip", "arrays of something else"],
)
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "intents.npz"
    if content is None:
        np.savez(path, about=np.array('{"names": ["a"]}'), mean=np.zeros(3))
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match="intents fit"):
        Meaning.load(path)


def test_a_model_that_runs_code_is_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "intents.npz"
    np.savez(path, about=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match="no model"):
        Meaning.load(path)


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        pytest.param(["a", "a", "a"], "two classes", id="one class"),
        pytest.param([None, None, None], "two classes", id="none at all"),
        pytest.param(["a", "a", "b"], "'b' has a single example", id="one example"),
    ],
)
def test_too_little_to_learn_from(classes: list[str | None], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Meaning.fit(Examples(["x"] * 3, np.eye(3, dtype=np.float32), classes))


def test_two_examples_of_two_classes_are_enough() -> None:
    made = Meaning.fit(Examples(["tea", "more tea", "rain", "much rain"], np.eye(4, dtype=np.float32), list("aabb")))
    assert [guess.name for guess in made.judge(["tea", "rain"], np.eye(4, dtype=np.float32)[[0, 2]])] == ["a", "b"]


def test_nothing_to_judge_is_no_trouble() -> None:
    assert TAUGHT_MODEL.judge([], np.empty((0, SIZE), np.float32)) == []


def test_ranked_probabilities_fall_and_leave_room_for_none_of_them() -> None:
    ranked = TAUGHT_MODEL.rank("sing to me", cloud("sing", 1, 9)[0])
    chances = [chance for _, chance in ranked]
    assert ranked[0][0] == "sing"
    assert chances == sorted(chances, reverse=True)
    assert sum(chances) <= 1.0 + 1e-6


def test_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    Meaning.fit(examples(6), on_fold=lambda done, of: told.append((done, of)))
    assert told == [(number, FOLDS + 1) for number in range(1, FOLDS + 2)]


@pytest.mark.parametrize(
    ("text", "empty"),
    [("Wake me up", False), ("\u00fcber \u4f60\u597d", False), ("?!", False), ("", False), ("\ud800", False)],
    ids=["words", "other scripts", "marks", "nothing", "a lone surrogate"],
)
def test_any_text_has_features(text: str, empty: bool) -> None:
    found = count_grams([text])
    assert found.shape == (1, WIDTH)
    assert np.isfinite(found).all()
    assert (np.abs(found).sum() == 0.0) is empty or not empty


def guess(name: str, probability: float) -> Guess:
    return Guess(name, probability, known=probability >= 0.5, second="c")


def test_figures_by_hand() -> None:
    guesses = [
        guess("a", 0.9),
        guess("a", 0.8),
        guess("b", 0.4),
        guess("b", 0.3),
        guess("b", 0.7),
    ]
    found = measured(guesses, ["a", "b", "b", None, None])
    assert found["in_scope_accuracy"] == pytest.approx(1 / 3, abs=1e-3)
    assert found["accuracy_without_threshold"] == pytest.approx(2 / 3, abs=1e-3)
    assert found["out_of_scope_recall"] == 0.5
    assert found["auroc"] == pytest.approx(5 / 6, abs=1e-3)
    assert {(row["meant"], row["taken_for"]) for row in found["confused"]} == {
        ("b", "a"),
        ("b", "(none)"),
        ("(none)", "b"),
    }


def test_figures_that_nothing_measures_are_none() -> None:
    found = measured([guess("a", 0.9)], ["a"])
    assert found["out_of_scope_recall"] is None
    assert found["auroc"] is None


def test_ties_count_half() -> None:
    assert auroc(np.array([0.5]), np.array([0.5])) == 0.5


def test_a_sure_model_that_errs_is_badly_calibrated() -> None:
    assert calibration_error(np.array([0.95, 0.95]), np.array([True, False])) == pytest.approx(0.45)


def test_a_fit_says_what_it_measured_and_a_kept_model_cannot(tmp_path: Path) -> None:
    found = cross_validated(TAUGHT_MODEL)
    assert found["in_scope_accuracy"] > 0.9
    TAUGHT_MODEL.save(tmp_path / "m.npz")
    with pytest.raises(ValueError, match="forgotten"):
        cross_validated(Meaning.load(tmp_path / "m.npz"))
