from __future__ import annotations

import lzma
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge_runtime.bundles.manifest import Manifest, default_bundle
from edge_runtime.bundles.parts import PhonesPart
from edge_runtime.errors import BundleError
from edge_runtime.inference.lexicon import Lexicon
from edge_runtime.inference.spelling import Spelling, windows

if TYPE_CHECKING:
    from pathlib import Path

COMMON = "the DH AH\nthe DH IY\nnight N AY T\nlamp L AE M P\n"
OTHERS = "abacus AE B AH K AH S\nbox B AA K S\nfrits F R IH T S\nfrits F R IY T S\nglass G L AE S\nzoo Z UW\n"


def written(folder: Path, *streams: str) -> Path:
    path = folder / "lexicon.xz"
    path.write_bytes(b"".join(lzma.compress(stream.encode()) for stream in streams))
    return path


def letter_by_letter(word: str) -> tuple[str, ...]:
    return tuple(word.upper())


@pytest.fixture
def lexicon(tmp_path: Path) -> Lexicon:
    return Lexicon.load(written(tmp_path, COMMON, OTHERS), letter_by_letter)


@pytest.mark.parametrize(
    ("word", "ways"),
    [
        pytest.param("the", ["DH AH", "DH IY"], id="a common word, said in two ways"),
        pytest.param("abacus", ["AE B AH K AH S"], id="the first of the others"),
        pytest.param("zoo", ["Z UW"], id="the last of the others"),
        pytest.param("frits", ["F R IH T S", "F R IY T S"], id="one of the others, said in two ways"),
        pytest.param("Lamp", ["L AE M P"], id="upper case"),
        pytest.param("lämp", ["L AE M P"], id="without its accent"),
        pytest.param("lamp's", ["L AE M P S"], id="possessive after a voiceless sound"),
        pytest.param("zoo's", ["Z UW Z"], id="possessive after a vowel"),
        pytest.param("glass's", ["G L AE S AH Z"], id="possessive after a hiss"),
        pytest.param("nightlamp", ["N AY T L AE M P", "N I G H T L A M P"], id="two words in one, or as it is spelled"),
        pytest.param("tv", ["T IY V IY"], id="initials"),
        pytest.param("a.c.", ["EY S IY"], id="initials with points"),
        pytest.param("zorbo", ["Z O R B O"], id="by its spelling"),
        pytest.param("fri", ["F R I"], id="the beginning of a listed word"),
        pytest.param("窓", [], id="not Latin"),
        pytest.param("!", [], id="no letter"),
        pytest.param("", [], id="nothing"),
    ],
)
def test_how_a_word_is_said(lexicon: Lexicon, word: str, ways: list[str]) -> None:
    assert [" ".join(way) for way in lexicon.pronunciations(word)] == ways


def test_common_words_keep_their_order(lexicon: Lexicon) -> None:
    assert list(lexicon.common) == ["the", "night", "lamp"]


def test_without_a_speller_unknown_words_are_left_to_nobody(tmp_path: Path) -> None:
    lexicon = Lexicon.load(written(tmp_path, COMMON))
    assert lexicon.pronunciations("zorbo") == ()
    assert lexicon.pronunciations("lamp") == (("L", "AE", "M", "P"),)


@pytest.mark.parametrize(
    "content", [None, b"", b"no xz", lzma.compress(b"a")[:-9]], ids=["no file", "empty", "text", "cut"]
)
def test_what_is_no_word_list_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "lexicon.xz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BundleError, match=r"word list .*lexicon.xz cannot be read .*; reinstall"):
        Lexicon.load(path)


def tiny_speller(path: Path) -> Path:
    """Write a network that says b as B, and a as AA after B, as nothing elsewhere."""
    letters = np.zeros((11, 28, 3), np.int8)
    letters[5, [1, 2], [0, 1]] = 1
    said = np.zeros((2, 3, 3), np.int8)
    said[1, 1, 2] = 1
    second = np.eye(3, dtype=np.int8)
    last = np.array([[5, 0, 0], [0, 9, 0], [-9, -9, 20]], np.int8)
    arrays: dict[str, Any] = {"letters": letters, "said": said, "second": second, "last": last}
    arrays["sounds"] = np.array(["", "B", "AA"])
    for name in ("first", "second", "last"):
        arrays |= {f"{name}_scale": np.ones(3, np.float32), f"{name}_bias": np.zeros(3, np.float32)}
    with path.open("wb") as file:
        np.savez(file, **arrays)
    return path


@pytest.mark.parametrize(("word", "phones"), [("ba", ("B", "AA")), ("ab", ("B",)), ("baba", ("B", "AA", "B", "AA"))])
def test_a_letter_is_said_by_what_is_around_it_and_before_it(
    tmp_path: Path, word: str, phones: tuple[str, ...]
) -> None:
    assert Spelling(tiny_speller(tmp_path / "spelling.npz")).pronounce(word) == phones


def test_what_is_no_speller_is_refused(tmp_path: Path) -> None:
    (tmp_path / "spelling.npz").write_bytes(b"nothing of the kind")
    with pytest.raises(BundleError, match=r"spelling .*spelling.npz cannot be read .*; reinstall"):
        Spelling(tmp_path / "spelling.npz")


def test_windows_end_with_the_word() -> None:
    assert windows("ab").tolist() == [[0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0], [0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("snowboy", "S N OW B OY"),
        ("jarvis", "JH AA R V AH S"),
        ("alexa", "AH L EH K S AH"),
        ("fritzbox", "F R IH T S B AA K S"),
        ("thermostat", "TH ER M AH S T AE T"),
        ("zigbee", "Z IH G B IY"),
    ],
)
def test_the_shipped_lexicon_says_names_and_products(word: str, phones: str) -> None:
    manifest = Manifest.load(default_bundle())
    if manifest.phones is None or manifest.phones.spelling is None:
        pytest.skip("the bundle in this checkout has no acoustic model")
    part = manifest.part(PhonesPart)
    spelling = Spelling(manifest.path(str(part.spelling)))
    lexicon = Lexicon.load(manifest.path(part.lexicon), spelling.pronounce)
    assert tuple(phones.split()) in lexicon.pronunciations(word)
