from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.inference.decoding import NEVER, Chain, Lattice
from edge_runtime.inference.paths import best_sentences

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

A, B, C = 1, 2, 3
CHANNELS = 4
WORDS = (
    # Two ways from 0 to 1, one of them said in two ways; then back together, or past the middle.
    Chain(0, 1, "ab", (A, B)), Chain(0, 1, "ab", (A, C)), Chain(0, 1, "aa", (A, A)), Chain(0, 2, "cab", (C, A, B)),
    Chain(1, 2, "b", (B,)), Chain(1, 2, "c", (C,), -0.7), Chain(2, 3, "aab", (A, A, B)), Chain(1, 3, "cc", (C, C)),
)  # fmt: skip
ACCEPTING = (2, 3)


def noise(frames: int, seed: int) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(0, 2, (frames, CHANNELS))
    return np.asarray(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)), np.float32)


def sentences(node: int = 0) -> Iterator[tuple[Chain, ...]]:
    if node in ACCEPTING:
        yield ()
    for chain in WORDS:
        if chain.start == node:
            yield from ((chain, *rest) for rest in sentences(chain.end))


def by_hand(chains: Sequence[Chain], frames: np.ndarray) -> float:
    """Return the best score of one sentence: the same rules, one state after the other."""
    states: list[tuple[int, bool, float]] = [(0, False, 0.0)]  # channel, may be skipped, entry score
    skippable = {0}
    for number, chain in enumerate(chains):
        for place, channel in enumerate(chain.channels):
            states.append((channel, False, chain.score if place == 0 else 0.0))
            last = place == len(chain.channels) - 1
            if last or chain.channels[place + 1] != channel:
                skippable.add(len(states))
            states.append((0, False, 0.0))
        assert number < 10
    scores = np.full(len(states), -np.inf)
    scores[0] = frames[0, 0]
    scores[1] = frames[0, states[1][0]] + states[1][2] if len(states) > 1 else -np.inf
    for frame in frames[1:]:
        before = scores.copy()
        for at, (channel, _, entry) in enumerate(states):
            ways = [before[at]]
            if at:
                ways.append(before[at - 1] + entry)
            if at > 1 and at - 1 in skippable and channel:
                ways.append(before[at - 2] + entry)
            scores[at] = max(ways) + frame[channel]
    return float(max(scores[-2:]))


@pytest.fixture(scope="module")
def lattice() -> Lattice:
    return Lattice(WORDS, 4, ACCEPTING)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("frames", [2, 3, 5, 9, 20])
def test_the_best_score_is_that_of_every_sentence_tried(lattice: Lattice, frames: int, seed: int) -> None:
    heard = noise(frames, seed)
    best = max(by_hand(sentence, heard) for sentence in sentences())
    assert lattice.prefixes(heard)[-1, list(ACCEPTING)].max() == pytest.approx(max(best, float(NEVER)), abs=1e-3)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("frames", [8, 11, 20])
def test_the_score_of_a_word_is_that_of_the_best_sentence_with_it(lattice: Lattice, frames: int, seed: int) -> None:
    heard = noise(frames, seed)
    scored = [(sentence, by_hand(sentence, heard)) for sentence in sentences()]
    for chain, marginal in zip(WORDS, lattice.marginals(heard), strict=True):
        assert marginal == pytest.approx(max(score for sentence, score in scored if chain in sentence), abs=1e-3)


@pytest.mark.parametrize("seed", range(30))
def test_the_best_two_sentences_are_found_with_their_scores(lattice: Lattice, seed: int) -> None:
    heard = noise(14, seed)
    by_text: dict[str, float] = {}
    for sentence in sentences():
        text = " ".join(chain.word for chain in sentence)
        by_text[text] = max(by_text.get(text, -np.inf), by_hand(sentence, heard))
    expected = sorted(by_text.items(), key=lambda item: -item[1])
    found = best_sentences(lattice, heard, 5)
    assert [sentence.text for sentence in found][:2] == [text for text, _ in expected[:2]]
    for one in found:
        assert one.score == pytest.approx(by_text[one.text], abs=1e-3)
    assert len({one.text for one in found}) == len(found)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


@pytest.mark.parametrize("seed", range(10))
def test_the_places_of_the_phones_add_up_to_the_score(lattice: Lattice, seed: int) -> None:
    heard = noise(16, seed)
    for sentence in best_sentences(lattice, heard, 4):
        channels = np.zeros(16, int)
        for word in sentence.words:
            for channel, (start, end) in zip(word.chain.channels, word.spans, strict=True):
                assert (channels[start:end] == 0).all()
                channels[start:end] = channel
        spans = [span for word in sentence.words for span in word.spans]
        assert spans == sorted(spans)
        entry = sum(word.chain.score for word in sentence.words)
        assert heard[np.arange(16), channels].sum() + entry == pytest.approx(sentence.score, abs=1e-3)


def collapsed(labels: Sequence[int]) -> tuple[int, ...]:
    return tuple(label for label, _ in itertools.groupby(labels) if label)


@pytest.mark.parametrize(
    "phones", [(A,), (A, B), (A, A), (A, A, A), (A, B, A), (B, A, A)], ids=lambda phones: "".join(map(str, phones))
)
@pytest.mark.parametrize("seed", range(4))
def test_a_word_is_what_ctc_makes_of_the_frames(phones: tuple[int, ...], seed: int) -> None:
    heard = noise(6, seed)
    labellings = [labels for labels in itertools.product(range(CHANNELS), repeat=6) if collapsed(labels) == phones]
    best = max(heard[np.arange(6), labels].sum() for labels in labellings)
    assert Lattice([Chain(0, 1, "x", phones)], 2, [1]).marginals(heard)[0] == pytest.approx(best, abs=1e-4)


def painted(*labels: int) -> np.ndarray:
    heard = np.full((len(labels), CHANNELS), np.log(0.02), np.float32)
    heard[np.arange(len(labels)), labels] = np.log(0.94)
    return heard


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        pytest.param([A, B, B], "ab b", id="no pause between words, a doubled phone said once"),
        pytest.param([0, 0, A, 0, C, 0, 0, 0, B, 0], "ab b", id="pauses before, inside, between and after"),
        pytest.param([A, 0, A, 0, B], "aa b", id="two of the same with a blank"),
        pytest.param([A, C, C, 0, C], "ab cc", id="the second way to say a word"),
        pytest.param([C, A, B, A, 0, A, B], "cab aab", id="another way through the graph"),
    ],
)
def test_sentences_are_read_off_clear_frames(lattice: Lattice, labels: list[int], text: str) -> None:
    assert best_sentences(lattice, painted(*labels))[0].text == text


@pytest.mark.parametrize("frames", [0, 1], ids=["none", "fewer than phones"])
def test_too_few_frames_say_nothing(lattice: Lattice, frames: int) -> None:
    assert best_sentences(lattice, noise(frames, 0)) == []


def test_a_part_of_a_lattice_scores_its_chains_as_the_whole_does(lattice: Lattice) -> None:
    heard = noise(12, 3)
    whole = lattice.marginals(heard)
    keep = np.argsort(-whole)[:4]
    assert lattice.part(keep).marginals(heard) == pytest.approx(whole[keep], abs=1e-4)
