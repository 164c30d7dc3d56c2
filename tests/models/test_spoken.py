from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from models.omni_nano import sentences, spoken
from tests.scripts.conftest import write_sentences

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Turn on the Light!", "turn on the light"),
        ("Set it to 21 degrees", "set it to twenty one degrees"),
        ("What\u2019s  that?", "what's that"),
        ("half-past", "half past"),
        ("", ""),
    ],
)
def test_texts_become_words_that_are_said(text: str, words: str) -> None:
    assert spoken.plain(text) == words


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a few sentences in the places of the corpora."""
    root = tmp_path_factory.mktemp("data")
    write_sentences(root)
    return root


def texts(data: Path, words: set[str], seed: int = 3) -> spoken.Texts:
    return spoken.Texts(data / "data", data / "teachers", words, seed)


WORDS = {
    *("the", "in", "a", "on", "turn", "off", "light", "one", "two", "please", "coffee", "milk", "with", "give", "me"),
    *("small", "large", "tea", "hot", "some", "sugar", "i'd", "like", "dog", "cat", "kitchen", "sleeps", "waits"),
    *("garden", "door", "stands", "car", "lamp", "bird", "boat", "truck", "street", "hall", "turns", "moves", "iced"),
}


def test_only_words_of_the_lexicon_are_said(data: Path) -> None:
    drawn = texts(data, WORDS)
    said = [drawn.draw(np.random.default_rng([1, number])) for number in range(300)]
    assert all(set(text.split()) <= WORDS and text for text in said)
    assert max(len(text.split()) for text in said) > 4
    assert len(set(said)) > 150


def test_the_same_dice_say_the_same(data: Path) -> None:
    one, other = texts(data, WORDS), texts(data, WORDS)
    for number in range(30):
        assert one.draw(np.random.default_rng(number)) == other.draw(np.random.default_rng(number))


def test_sentences_kept_for_measuring_are_not_said(data: Path) -> None:
    corpora = sentences.corpora(data / "data", data / "teachers", 3)
    kept = {spoken.plain(text) for part in sentences.split(corpora)[1].values() for text in part}
    drawn = texts(data, WORDS)
    assert kept
    assert not kept & {text for part in drawn._texts.values() for text in part}
