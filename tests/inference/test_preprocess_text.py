from __future__ import annotations

import numpy as np
import pytest
from tokenizers import Tokenizer

from edge_runtime.bundles.manifest import Manifest, TextPart, default_bundle
from edge_runtime.inference.preprocess import token_ids


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    manifest = Manifest.load(default_bundle())
    return Tokenizer.from_file(str(manifest.path(manifest.part(TextPart).tokenizer)))


def test_short_sentences_are_padded_and_masked(tokenizer: Tokenizer) -> None:
    ids, mask = token_ids(tokenizer, ["dog", "is there a dog in the kitchen"], 64)
    assert ids.dtype == mask.dtype == np.int64
    assert ids.shape == mask.shape == (2, 9)
    assert mask.sum(1).tolist() == [3, 9]
    assert (ids[0, 3:] == 0).all()


def test_a_long_sentence_is_cut_but_closed(tokenizer: Tokenizer) -> None:
    ids, mask = token_ids(tokenizer, ["dog " * 500], 64)
    short, _ = token_ids(tokenizer, ["dog"], 64)
    assert ids.shape == (1, 64)
    assert mask.all()
    assert ids[0, -1] == short[0, -1]


def test_no_sentence_gives_no_row(tokenizer: Tokenizer) -> None:
    ids, mask = token_ids(tokenizer, [], 64)
    assert ids.shape == mask.shape == (0, 0)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("zyzzyva quokka bergschrund", id="rare words"),
        pytest.param("it's 7:30 p.m. & 45%", id="digits and marks"),
        pytest.param("CAFÉ", id="accents and capitals"),
        pytest.param("x", id="one letter"),
    ],
)
def test_any_english_word_can_be_spelled(tokenizer: Tokenizer, text: str) -> None:
    assert "[UNK]" not in tokenizer.encode(text).tokens
    assert len(tokenizer.encode(text).tokens) > 2


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("dog \udcff", id="bytes that are no text"),
        pytest.param("dog \x00", id="control character"),
        pytest.param("狗", id="letters it has no piece for"),
        pytest.param("🙂" * 300, id="only pictures"),
        pytest.param("a" * 100_000, id="one endless word"),
    ],
)
def test_no_sentence_is_refused(tokenizer: Tokenizer, text: str) -> None:
    ids, mask = token_ids(tokenizer, [text], 64)
    assert 2 <= ids.shape[1] <= 64
    assert mask.all()


def test_an_empty_sentence_still_has_its_two_ends(tokenizer: Tokenizer) -> None:
    ids, mask = token_ids(tokenizer, [""], 64)
    assert ids.shape == (1, 2)
    assert mask.all()
