from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from tokenizers import Tokenizer

from edge_runtime.bundles.manifest import Manifest, default_bundle
from edge_runtime.bundles.parts import TextPart
from edge_runtime.errors import BundleError
from edge_runtime.inference.preprocess import read_tokenizer, token_ids

if TYPE_CHECKING:
    from pathlib import Path


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


@pytest.mark.parametrize(
    ("text", "pad_to", "real"),
    [
        pytest.param("dog", 16, 3, id="filled up"),
        pytest.param("dog " * 500, 16, 16, id="cut to what it is filled up to"),
        pytest.param("", 2, 2, id="full already"),
    ],
)
def test_every_sentence_is_filled_up_where_the_model_learned_so(
    tokenizer: Tokenizer, text: str, pad_to: int, real: int
) -> None:
    ids, mask = token_ids(tokenizer, [text], 64, pad_id=7, pad_to=pad_to)
    assert ids.shape == mask.shape == (1, pad_to)
    assert mask.sum() == real
    assert (ids[0, real:] == 7).all()


def test_padding_and_cutting_that_the_file_asks_for_are_left_out(tokenizer: Tokenizer, tmp_path: Path) -> None:
    padded = Tokenizer.from_str(tokenizer.to_str())
    padded.enable_padding(length=40)
    padded.enable_truncation(4)
    padded.save(str(tmp_path / "tokenizer.json"))
    text = "is there a dog in the kitchen"
    assert read_tokenizer(tmp_path / "tokenizer.json").encode(text).ids == tokenizer.encode(text).ids


def test_a_missing_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"tokenizer .*nowhere\.json is missing"):
        read_tokenizer(tmp_path / "nowhere.json")


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
