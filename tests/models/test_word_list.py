from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

pytest.importorskip("pocketsphinx", reason="the extra [build] is not installed")

from edge_runtime.inference.lexicon import Lexicon
from models.omni_nano.lexicon import COMMON, pronunciations, write

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def lexicon(tmp_path_factory: pytest.TempPathFactory) -> Lexicon:
    path: Path = tmp_path_factory.mktemp("lexicon") / "lexicon.xz"
    write(path)
    assert path.stat().st_size < 900_000
    return Lexicon.load(path)


def test_common_words_come_first(lexicon: Lexicon) -> None:
    common = list(lexicon.common)
    assert len(common) == COMMON
    assert {"the", "to", "and", "you"} < set(common[:20])
    assert {"house", "kitchen", "seven", "stop"} < set(common)


def test_every_word_is_found_again_as_it_was(lexicon: Lexicon) -> None:
    words = pronunciations()
    for word in sorted(words)[::97]:
        assert [" ".join(way) for way in lexicon.pronunciations(word)] == words[word][:6]


def test_possessives_that_follow_the_rule_are_left_to_it(lexicon: Lexicon) -> None:
    assert "kitchen's" not in pronunciations()
    assert lexicon.pronunciations("kitchen's")
