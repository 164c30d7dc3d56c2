from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge_runtime.decision.grammar import spoken
from edge_runtime.decision.intents import speech_grammar
from edge_runtime.inference.graphs import phone_loop, sentence_lattice, word_loop
from edge_runtime.inference.lexicon import Lexicon
from edge_runtime.inference.paths import best_sentences

if TYPE_CHECKING:
    from edge_runtime.inference.decoding import Lattice

PHONES = ("AH", "B", "D", "DH", "EY", "K", "L", "N", "P", "T")
CHANNELS = {phone: number for number, phone in enumerate(PHONES, 1)}
LETTERS = dict(zip("abdeklnptx", PHONES, strict=True))


def ways(*said: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(way.split()) for way in said)


LEXICON = Lexicon(
    {
        "the": ways("DH AH", "DH EY"), "a": ways("AH"), "plane": ways("P L EY N"), "late": ways("L EY T"),
        "cat": ways("K AH T"), "two": ways("T AH"), "ten": ways("T AH N"), "zebra": ways("Z IY B R AH"),
        "tall": ways("T AA L", "T AH L"), "percent": ways("P AH P"),
    }
)  # fmt: skip


def painted(said: str, sure: float = 0.9) -> np.ndarray:
    """Return frames of phones, "." for the blank."""
    frames = np.full((len(said.split()), 1 + len(PHONES)), (1 - sure) / len(PHONES), np.float32)
    for at, phone in enumerate(said.split()):
        frames[at, CHANNELS.get(phone, 0)] = sure
    return np.asarray(np.log(frames))


def lattice_of(*sentences: str, **more: Any) -> Lattice | None:
    source = {"intents": {"X": {"data": [{"sentences": list(sentences)}]}}, **more}
    return sentence_lattice(speech_grammar([source]).states(), LEXICON, CHANNELS, spoken)


THINGS = {"lists": {"thing": {"values": ["cat", {"in": "(plane|late plane)", "out": "flight"}]}}}


@pytest.mark.parametrize(
    ("sentences", "more", "frames", "text"),
    [
        pytest.param(["the {thing}"], THINGS, "DH AH . K AH T", "the cat", id="a slot"),
        pytest.param(["the {thing}"], THINGS, "DH EY L EY T P L EY N", "the late plane", id="a slot of two words"),
        pytest.param(["[the] cat"], {}, "K AH T .", "cat", id="an optional word left out"),
        pytest.param(["[the] cat"], {}, "DH DH EY EY . K AH T .", "the cat", id="and said, the other way"),
        pytest.param(["(cat|plane) late"], {}, ". P L EY N . L EY T", "plane late", id="alternatives"),
        pytest.param(["(cat;plane)"], {}, "P L EY N K AH T", "plane cat", id="in any order"),
        pytest.param(["cat {2..10:n}"], {}, "K AH T . T AH N .", "cat ten", id="a range of numbers"),
        pytest.param(["10% cat"], {}, "T AH N P AH P K AH T", "10 percent cat", id="digits and signs"),
        pytest.param(["cat [the] [a] plane"], {}, "K AH T P L EY N", "cat plane", id="several left out"),
    ],
)
def test_sentences_of_a_grammar_are_heard(sentences: list[str], more: dict[str, Any], frames: str, text: str) -> None:
    lattice = lattice_of(*sentences, **more)
    assert lattice is not None
    assert best_sentences(lattice, painted(frames))[0].text == text


def test_words_that_nobody_can_say_are_left_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    lattice = lattice_of("the (cat|窓)")
    assert lattice is not None
    assert {chain.word for chain in lattice.chains} == {"the", "cat"}
    assert "窓" in caplog.text


@pytest.mark.parametrize("sentence", ["窓", "zebra"], ids=["no letters", "phones that the model lacks"])
def test_a_grammar_without_a_word_to_say_has_no_lattice(sentence: str) -> None:
    assert lattice_of(sentence) is None


def test_a_pronunciation_with_unknown_phones_is_left_out_alone() -> None:
    lattice = lattice_of("tall")
    assert lattice is not None
    assert [chain.channels for chain in lattice.chains] == [tuple(CHANNELS[phone] for phone in ("T", "AH", "L"))]


def test_common_words_cost_more_the_rarer_they_are() -> None:
    loop = word_loop(LEXICON, CHANNELS, 5)
    scores = {chain.word: chain.score for chain in loop.chains}
    assert list(scores) == ["the", "a", "plane", "late", "cat"]
    assert sorted(scores.values(), reverse=True) == list(scores.values())
    assert sum(np.exp(list(scores.values()))) == pytest.approx(1, abs=1e-6)


def test_any_phones_fit_better_than_words_and_words_better_than_others() -> None:
    heard = painted("K AH T . K AH T", 0.99)
    words = word_loop(LEXICON, CHANNELS, 9).prefixes(heard)[-1].max()
    other = word_loop(Lexicon({"late": ways("L EY T")}), CHANNELS, 9).prefixes(heard)[-1].max()
    assert words > other
    nonsense = painted("T K . B D . L", 0.99)
    assert (
        phone_loop(LEXICON, CHANNELS).prefixes(nonsense)[-1].max()
        > word_loop(LEXICON, CHANNELS, 9).prefixes(nonsense)[-1].max()
    )


def test_after_each_phone_the_next_ones_add_up_to_one() -> None:
    loop = phone_loop(LEXICON, CHANNELS)
    totals = np.zeros(1 + len(PHONES))
    for chain in loop.chains:
        totals[chain.start] += np.exp(chain.score)
    assert totals == pytest.approx(np.ones(len(totals)))


def test_english_follows_more_likely_than_what_it_never_does() -> None:
    scores = {(chain.start, chain.end): chain.score for chain in phone_loop(LEXICON, CHANNELS).chains}
    assert scores[CHANNELS["DH"], CHANNELS["AH"]] > scores[CHANNELS["DH"], CHANNELS["B"]]
