from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from edge_runtime.decision.grammar import number_words, spoken
from edge_runtime.decision.intents import IntentMatcher, speech_grammar
from edge_runtime.sentences import home

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_runtime.decision.grammar import WordGraph


def said(graph: WordGraph, most: int = 10_000) -> set[str]:
    """Return every sentence of a graph."""
    states = graph.states()

    def walk(state: int, words: tuple[str, ...]) -> Iterator[str]:
        accepting, arcs = states[state]
        if accepting:
            yield " ".join(words)
        for word, end in arcs.items():
            yield from walk(end, (*words, word))

    return set(itertools.islice(walk(0, ()), most))


def source(*sentences: str, **more: Any) -> dict[str, Any]:
    return {"intents": {"Test": {"data": [{"sentences": list(sentences)}]}}, **more}


LISTS = {
    "room": {"values": [{"in": "(den|study)", "out": "office"}, "attic"]},
    "few": {"range": {"from": 19, "to": 22}},
    "half": {"range": {"from": 1, "to": 2, "fractions": "halves"}},
    "what": {"wildcard": True},
    "none": {"values": []},
}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(source("yes", "no"), {"yes", "no"}, id="words"),
        pytest.param(source("turn [the] light[s] (on|off)"),
                     {f"turn {the}light{s} {o}" for the in ("the ", "") for s in ("s", "") for o in ("on", "off")},
                     id="optional word, optional ending, alternatives"),
        pytest.param(source("day[ ]light"), {"day light", "daylight"}, id="optional space"),
        pytest.param(source("{few}( |-)minute[s]"),
                     {f"{n} minute{s}" for n in ("nineteen", "twenty", "twenty one", "twenty two") for s in ("", "s")},
                     id="range in words"),
        pytest.param(source("{half}"), {"one", "one point five", "two", "two point five"}, id="halves"),
        pytest.param(source("{1..2:n} up"), {"one up", "two up"}, id="range inside the sentence"),
        pytest.param(source("(red;{room})"),
                     {"red den", "red study", "red attic", "den red", "study red", "attic red"}, id="any order"),
        pytest.param(source("{few}%"),
                     {f"{n} percent" for n in ("nineteen", "twenty", "twenty one", "twenty two")}, id="signs"),
        pytest.param(source("Stop, NOW!"), {"stop now"}, id="case and punctuation"),
        pytest.param(source("play {what}", "play on"), {"play on"}, id="a wildcard cannot be recognised"),
        pytest.param(source("to {none}", "go"), {"go"}, id="an empty list says nothing"),
        pytest.param(source("<greet> you", expansion_rules={"greet": "(hi|<long>)", "long": "good day"}),
                     {"hi you", "good day you"}, id="rules within rules"),
        pytest.param(source("go", skip_words=["please", "can you"]),
                     {f"{before}go{after}" for before in ("", "please ", "can you ") for after in ("", " please")},
                     id="courtesies before, a single word of them after"),
    ],
)  # fmt: skip
def test_a_template_says_what_it_says(data: dict[str, Any], expected: set[str]) -> None:
    assert said(speech_grammar([{**data, "lists": LISTS}])) == expected


def test_every_sentence_that_can_be_heard_is_understood() -> None:
    sources = home(None, ("kitchen", "living room"), ("lamp", "coffee machine"), builtin=True)
    matcher = IntentMatcher(sources)
    sentences = sorted(said(speech_grammar(sources), 200_000))
    assert len(sentences) > 10_000
    for sentence in sentences[:: len(sentences) // 1000]:
        assert matcher.match(sentence) is not None, sentence


def test_the_graph_of_a_home_stays_small() -> None:
    lists = [[f"room {letter}" for letter in "abcdefgh"], [f"device {letter}" for letter in "abcdefghijkl"]]
    states = speech_grammar(home(None, *lists, builtin=True)).states()
    assert len(states) < 400
    assert sum(len(words) for _, words in states) < 2000


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "zero"), (13, "thirteen"), (20, "twenty"), (75, "seventy five"), (100, "one hundred"),
     (342, "three hundred forty two"), (1900, "one thousand nine hundred"), (21.5, "twenty one point five"),
     (-4, "minus four")],
)  # fmt: skip
def test_numbers(number: float, words: str) -> None:
    assert number_words(number) == words


@pytest.mark.parametrize(
    ("written", "words"),
    [("75", "seventy five"), ("1/2", "half"), ("3d", "three d"), ("mp3", "mp three"), ("1st", "1st"), ("lamp", "lamp")],
)
def test_how_a_word_is_said(written: str, words: str) -> None:
    assert spoken(written) == words
