from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.decision.passages import Passage
from edge_runtime.decision.retrieval import SAME_WORDS, Index, likelihood, terms

PASSAGES = [
    Passage("manual.md", "Heating", ("Bleed the radiators in October.", "The pressure is 1.5 bar.")),
    Passage("manual.md", "Water", ("The main valve is in the cellar.", "Close it before a journey.")),
    Passage("faq.csv", "line 2", ("When is the rubbish collected?",), "every Tuesday"),
]


def embed(texts: list[str]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Return unit vectors of bags of terms: texts with the same words are near."""
    vectors = np.zeros((len(texts), 64), np.float32)
    for row, text in zip(vectors, texts, strict=True):
        row[0] = 0.01
        for term in terms(text):
            row[hashlib.md5(term.encode(), usedforsecurity=False).digest()[0] % 63 + 1] += 1.0
    unit: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def index(passages: list[Passage]) -> Index:
    parts = [part for passage in passages for part in passage.parts]
    return Index(passages, embed([passage.text for passage in passages] or [""])[: len(passages)], embed(parts or [""]))


@pytest.mark.parametrize(
    ("question", "source", "quoted"),
    [
        ("when do I bleed radiators?", "manual.md", "Bleed the radiators in October."),
        ("where is the valve for water", "manual.md", "The main valve is in the cellar."),
        ("on which day is rubbish collected", "faq.csv", "When is the rubbish collected?"),
    ],
)
def test_the_right_part_is_found(question: str, source: str, quoted: str) -> None:
    best = index(PASSAGES).search(question, embed([question])[0])[0]
    assert best.passage.source == source
    assert quoted in best.quote


def test_the_words_of_a_list_are_surest_and_what_is_elsewhere_is_not() -> None:
    found = index(PASSAGES)
    same = found.search("when is the rubbish collected", embed(["when is the rubbish collected"])[0])[0]
    assert likelihood(same, "When is the rubbish collected?") == SAME_WORDS
    other = found.search("who wrote hamlet", embed(["who wrote hamlet"])[0])[0]
    assert likelihood(other, "who wrote hamlet") < 0.1


def test_an_empty_index_finds_nothing() -> None:
    assert index([]).search("anything", embed(["anything"])[0]) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The radiators were bleeding", ["radiator", "bleed"]),
        ("batteries, battery", ["battery", "battery"]),
        ("stopped stopping stops", ["stop", "stop", "stop"]),
        ("what is the of", []),
        ("the cat's food", ["cat", "food"]),
    ],
)
def test_words_lose_their_endings(text: str, expected: list[str]) -> None:
    assert terms(text) == expected


@given(st.text(max_size=100))
@settings(deadline=None)
def test_any_question_is_survived(text: str) -> None:
    hits = index(PASSAGES).search(text, embed([text])[0])
    assert all(0 <= likelihood(hit, text) <= 1 for hit in hits)
