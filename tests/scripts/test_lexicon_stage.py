from __future__ import annotations

import lzma

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra [build] is not installed")
pytest.importorskip("pocketsphinx", reason="the extra [build] is not installed")

from edge_runtime.inference.lexicon import Lexicon
from edge_runtime.inference.spelling import Spelling
from models.omni_nano import lexicon, spelling, utterances
from scripts import lexicon as making
from scripts.stage import Workshop

RECIPE = """
name = "tiny"
[lexicon]
seed = 1
hidden = 150
epochs = 8
"""


@pytest.fixture(scope="module", autouse=True)
def few_words() -> object:
    """Know one word in twenty-five."""
    words = lexicon.pronunciations()
    some = {word: words[word] for word in [*sorted(words)[::25], "kitchen", "stop"]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lexicon, "pronunciations", lambda: some)
        patch.setattr(lexicon, "COMMON", 300)
        yield some


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    root = tmp_path_factory.mktemp("lexicon")
    (root / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    workshop = Workshop(root / "recipe.toml", root, root, root / "build")
    making.run(workshop)
    return workshop


def test_the_lexicon_and_the_spelling_go_together(made: Workshop, few_words: dict[str, list[str]]) -> None:
    words, network = (made.folder("lexicon") / name for name in making.OUTPUTS)
    known = Lexicon.load(words, Spelling(network).pronounce)
    assert len(known.common) == 300
    assert [" ".join(way) for way in known.pronunciations("kitchen")] == few_words["kitchen"]
    # The factory reads the same file with the same words.
    assert utterances.read_lexicon(words) == {
        word: [tuple(way.split()) for way in ways] for word, ways in few_words.items()
    }
    said = known.pronunciations("blimfot")
    assert said
    assert set(said[0]) <= set(utterances.PHONES)


def test_hidden_words_are_said_better_than_by_guessing(made: Workshop) -> None:
    network = Spelling(made.folder("lexicon") / "spelling.npz")
    pairs = spelling.words(made.folder("lexicon") / "lexicon.xz")
    dice = np.random.default_rng(1)
    right = spelling.measure(network.pronounce, pairs[::20])[0]
    guessed = spelling.measure(lambda word: [str(dice.choice(utterances.PHONES)) for _ in word], pairs[::20])[0]
    assert right < 0.8 * guessed


def test_it_is_made_once_and_says_how_well_words_are_spelled(
    made: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    making.run(made)
    assert "lexicon: nothing has changed" in capsys.readouterr().out
    record = (made.folder("lexicon") / "stage.json").read_text(encoding="utf-8")
    assert all(f'"{name}"' in record for name in ("words", "hidden_phones_wrong", "hidden_words_wrong"))
    assert all(f'"{name}"' in record for name in ("cmudict-en-us.dict", "en-us.lm.bin"))


@pytest.mark.parametrize(
    ("phones", "possessive"),
    [("K AE T", "K AE T S"), ("D AO G", "D AO G Z"), ("HH AO R S", "HH AO R S AH Z"), ("B IY CH", "B IY CH AH Z")],
)
def test_possessives_follow_their_rule(phones: str, possessive: str) -> None:
    assert lexicon.possessive(phones) == possessive


def test_both_streams_are_xz(made: Workshop) -> None:
    stored = (made.folder("lexicon") / "lexicon.xz").read_bytes()
    first = lzma.LZMADecompressor()
    lines = first.decompress(stored).decode("ascii").splitlines()
    assert len({line.split()[0] for line in lines}) == 300
    rest = [line.split()[0] for line in lzma.decompress(first.unused_data).decode("ascii").splitlines()]
    assert rest == sorted(rest)
