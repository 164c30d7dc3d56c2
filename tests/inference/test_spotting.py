from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from painted import HOP, PHONES, PaintedModel, PaintedWords, say

from edge_runtime.inference.spotting import Keyword, _segments, spoken_forms

FRAME_S = HOP / 16_000


def keyword(phrase: str) -> Keyword:
    forms = spoken_forms(phrase.split(), PaintedWords().pronunciations)
    return Keyword(forms, PHONES, FRAME_S)


def collapsed(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(channel for channel, _ in itertools.groupby(path) if channel)


@pytest.mark.parametrize(
    "sequence", [(0,), (0, 1), (0, 0), (0, 1, 0), (1, 1, 2)], ids=lambda sequence: "-".join(map(str, sequence))
)
def test_segments_hold_what_every_path_adds_up_to(sequence: tuple[int, ...]) -> None:
    probs = np.random.default_rng(0).dirichlet(np.ones(4), 6)
    wanted = tuple(channel + 1 for channel in sequence)
    other = np.array([1, 3, 2, 1])
    logs = _segments(probs, [other, np.array(wanted), other[:1]], np.arange(6), 6)[1]
    for start, length in itertools.product(range(6), range(6)):
        if start + length + 1 > 6:
            continue
        total = sum(
            math.prod(probs[start + at, channel] for at, channel in enumerate(path))
            for path in itertools.product(range(4), repeat=length + 1)
            if path[0] == wanted[0] and path[-1] == wanted[-1] and collapsed(path) == wanted
        )
        expected = math.log(total) if total else -math.inf
        assert logs[start, length] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("words", ["hey pixel", "jarvis", "turn on the lamp"])
def test_a_phrase_is_found_where_it_is_said(words: str) -> None:
    said = say(words)
    hit = keyword(words).find(PaintedModel(0.98).log_probs(said))
    assert math.exp(hit.log_score) > 0.8
    assert hit.start * FRAME_S == pytest.approx(0.5, abs=0.05)
    assert hit.end * FRAME_S == pytest.approx(len(said) / 16_000 - 0.5, abs=0.1)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        pytest.param("hey P IH K S AH L", "hey P IH K S AH", id="a phone is missing"),
        pytest.param("hey P IH K S AH L", "hey P IH T S AH L", id="a phone is another"),
        pytest.param("hey P IH K S AH L", "hey P IH K S T AH L", id="a phone is too many"),
        pytest.param("hey P IH K S AH", "P IH K S", id="the more of it, the better"),
        pytest.param("pixel", "lamp", id="a part of it is better than nothing"),
    ],
)
def test_what_is_nearer_scores_higher(better: str, worse: str) -> None:
    wanted, model = keyword("hey pixel"), PaintedModel()
    high, low = (wanted.find(model.log_probs(say(text))).log_score for text in (better, worse))
    assert high > low + 0.05


@pytest.mark.parametrize(("frames_each", "wanted"), [(1, False), (4, True), (20, False)], ids=["mad", "normal", "slow"])
def test_nobody_speaks_so_fast_or_slowly(frames_each: int, *, wanted: bool) -> None:
    model = PaintedModel(0.99)
    hit = keyword("hey pixel").find(model.log_probs(say("hey pixel", frames_each=frames_each)))
    assert (hit.log_score > math.log(0.7)) == wanted


def test_after_leaves_out_what_was_heard_already() -> None:
    log_probs = PaintedModel().log_probs(say("hey pixel"))
    first = keyword("hey pixel").find(log_probs)
    assert keyword("hey pixel").find(log_probs, first.end).log_score < first.log_score - 1


@pytest.mark.parametrize("frames", [0, 1, 3])
def test_too_little_sound_holds_no_phrase(frames: int) -> None:
    log_probs = np.full((frames, 1 + len(PHONES)), -math.log(1 + len(PHONES)), np.float32)
    assert math.exp(keyword("hey pixel").find(log_probs).log_score) < 0.1


def test_an_r_may_stay_unsaid() -> None:
    said = {"smart": (("S", "M", "AA", "R", "T"),), "mirror": (("M", "IH", "R", "ER"),)}
    forms = spoken_forms(["smart", "mirror"], lambda word: said[word])
    assert forms == [("S", "M", "AA", "R", "T", "M", "IH", "R", "ER"), ("S", "M", "AA", "T", "M", "IH", "R", "ER")]
