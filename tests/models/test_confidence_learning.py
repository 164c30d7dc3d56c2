from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.bundles.parts import PhonesPart
from edge_runtime.inference.asr import SpeechToText
from edge_runtime.inference.evidence import probability
from edge_runtime.inference.lexicon import Lexicon
from models.omni_nano.confidence import Trials, fit

PHONES = ("AH", "G", "K", "L", "N", "OW", "S", "T")
WAYS = {"go": "G OW", "no": "N OW", "so": "S OW", "cut": "K AH T", "nut": "N AH T", "low": "L OW", "tongue": "T AH N"}
LEXICON = Lexicon({word: (tuple(way.split()),) for word, way in WAYS.items()})
PART = PhonesPart(file="x", hop=384, shortest=4096, phones=PHONES, lexicon="x")


def painted(text: str, rng: np.random.Generator) -> np.ndarray:
    said = [0, 0, *(1 + PHONES.index(phone) for word in text.split() for phone in WAYS[word].split()), 0, 0]
    logits = rng.normal(0, 0.7, (len(said), 1 + len(PHONES)))
    logits[np.arange(len(said)), said] += 4
    return np.asarray(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)), np.float32)


@pytest.mark.parametrize("shift", [-2.0, 0.0, 3.0])
def test_the_weights_are_those_that_the_rows_were_drawn_with(shift: float) -> None:
    rng = np.random.default_rng(0)
    table = rng.normal(0, (1.0, 5.0), (4000, 2))
    chance = 1 / (1 + np.exp(-(shift + 2 * table[:, 0] - 0.4 * table[:, 1])))
    said = rng.random(4000) < chance
    weights = fit([({"a": a, "b": b}, bool(right)) for (a, b), right in zip(table, said, strict=True)], 1e-5)
    assert weights["a"] == pytest.approx(2, rel=0.2)
    assert weights["b"] == pytest.approx(-0.4, rel=0.2)


def test_right_and_wrong_count_alike_however_many_there_are() -> None:
    rows = [({"a": 1.0}, True)] * 10 + [({"a": 0.0}, False)] * 990
    assert probability({"a": 0.5}, fit(rows)) == pytest.approx(0.5, abs=0.01)


def test_sentences_that_were_said_are_told_from_others() -> None:
    rng = np.random.default_rng(1)
    texts = ["go", "no", "so cut", "go low nut", "tongue", "nut", "cut low", "no go so"] * 4
    trials = Trials([(text, painted(text, rng)) for text in texts], sorted(WAYS), 2)
    ears = SpeechToText(None, PART, LEXICON, [(False, {"go": 1}), (True, {})])  # type: ignore[arg-type]
    rows = list(trials.rows(ears))
    weights = fit([row for _, row in rows])
    said = [probability(seen, weights) for _, (seen, right) in rows if right]
    wrong = [probability(seen, weights) for _, (seen, right) in rows if not right]
    kinds = {kind for kind, _ in rows}
    assert kinds == {"keyword", "said", "other", "near", "longer"} | ({"home"} & kinds)
    assert np.mean(np.array(said) > 0.5) > 0.9
    assert np.mean(np.array(wrong) > 0.5) < 0.15
