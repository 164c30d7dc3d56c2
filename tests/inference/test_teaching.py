from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from painted import PHONES, PaintedModel, PaintedWords, say

from edge_runtime.errors import BundleError, InputError
from edge_runtime.inference.background import Background
from edge_runtime.inference.lessons import Estimate
from edge_runtime.inference.spotter import Ordinary, Spotter
from edge_runtime.inference.taught import MOST, TaughtThing, TaughtThings
from edge_runtime.inference.taught_phrases import TaughtCommands, arrays_of, facts_of, taught_phrase
from edge_runtime.inference.taught_sounds import learn_sound, pack_sounds, read_sounds, taught_sound
from edge_runtime.inference.teaching import PhraseTeacher, greedy

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MODEL = PaintedModel()
ODD = "HH IY P IY K S OW"
"""How this family says "hey pixel"."""


def heard(*texts: str) -> list[NDArray[np.float32]]:
    return [MODEL.log_probs(say(text, quiet_s=0.1)) for text in texts]


def ordinary(model: PaintedModel = MODEL) -> Ordinary:
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(["turn", "on", "the", "lamp", "jarvis", "no"], 3)) for _ in range(60)]
    clips = tuple(model.log_probs(say(text, quiet_s=0.1)) for text in texts)
    return Ordinary(Background(clips, tuple(texts), (2.0,) * 60, np.full(50, math.log(0.6), np.float32)))


def test_the_likeliest_phones_are_read_off() -> None:
    assert greedy(heard("hey pixel")[0], PHONES) == tuple("HH EY P IH K S AH L".split())  # noqa: SIM905


def test_recordings_sharpen_a_wake_word() -> None:
    words, ground = PaintedWords(), ordinary()
    known = [tuple("HH EY P IH K S AH L".split())]  # noqa: SIM905
    lesson = PhraseTeacher(MODEL, ground).learn("hey pixel", heard(*[ODD] * 5), known)
    assert lesson is not None
    assert lesson.estimate == Estimate(clips=5, found=5, background=60, false=0)
    assert lesson.estimate.shortage() is None
    thing = TaughtThing("hey pixel", "wake", "sha", facts_of(lesson), arrays_of(lesson, PHONES))
    taught = Spotter.of_text(
        "hey pixel", MODEL, words, background=ground.background, taught=taught_phrase(thing, PHONES)
    )
    plain = Spotter.of_text("hey pixel", MODEL, words, background=ground.background)
    [said] = heard(ODD)
    assert taught.find(said).log_score > max(taught.log_threshold, plain.find(said).log_score + 0.5)


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        pytest.param([ODD, ODD], "2 recordings are too few", id="too few"),
        pytest.param(["hey pixel", "jarvis", "turn on the lamp", "computer"], "0 of 4 would be found", id="not alike"),
        pytest.param(["jarvis"] * 5, "other sounds would be taken", id="said all day"),
    ],
)
def test_not_enough_data_is_said(texts: list[str], reason: str) -> None:
    lesson = PhraseTeacher(MODEL, ordinary()).learn("movie night", heard(*texts))
    assert lesson is not None
    assert reason in str(lesson.estimate.shortage())


def test_silence_teaches_nothing() -> None:
    assert PhraseTeacher(MODEL, ordinary()).learn("movie night", heard("", "", "")) is None


def command(name: str, text: str, intent: str) -> TaughtThing:
    lesson = PhraseTeacher(MODEL, ordinary()).learn(name, heard(*[text] * 3))
    assert lesson is not None
    facts = {"intent": intent, "slots": {"area": "hall"}, **facts_of(lesson)}
    return TaughtThing(name, "command", "sha", facts, arrays_of(lesson, PHONES))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param("computer hey", "Movie", id="one of them"),
        pytest.param("hey pixel", "Cosy", id="the other"),
        pytest.param("turn on the lamp", None, id="neither"),
        pytest.param("turn on the lamp hey pixel turn on the lamp", None, id="in the middle of something else"),
    ],
)
def test_taught_commands(said: str, expected: str | None) -> None:
    things = [command("film", "computer hey", "Movie"), command("cosy", "hey pixel", "Cosy")]
    found = TaughtCommands(MODEL, things, ordinary()).heard(say(said))
    assert (found and found.intent) == expected
    if found:
        assert found.slots == {"area": "hall"}
        assert 0.5 <= found.probability <= 1


def directions(seed: int, *axes: int, count: int = 1) -> NDArray[np.float32]:
    """Return `count` unit vectors near the sum of some axes of a space of 32."""
    middle = np.zeros(32)
    middle[list(axes)] = 1
    rows = middle + np.random.default_rng(seed).normal(0, 0.15, (count, 32))
    found: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return found


ORDINARY_SOUNDS = np.concatenate([directions(axis, axis, axis + 1, count=20) for axis in range(20)])


def test_a_sound_is_told_from_ordinary_ones() -> None:
    lesson = learn_sound([directions(100 + at, 25, 27, count=3) for at in range(5)], ORDINARY_SOUNDS)
    assert lesson.estimate.found == 5
    assert lesson.estimate.false <= 2
    again = taught_sound(lesson.arrays(), {"clips": 5, "found": 5, "background": 400, "false": 0})
    for one in (lesson, again):
        assert one.probabilities(directions(7, 25, 27, count=20)).mean() > 0.8
        assert one.probabilities(directions(8, 3, 4, count=20)).max() < 0.5


def test_recordings_of_different_sounds_are_not_enough() -> None:
    lesson = learn_sound([directions(at, at, at + 1, count=3) for at in (1, 9, 17)], ORDINARY_SOUNDS)
    assert lesson.estimate.shortage() is not None


def test_background_sounds_come_back(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "sounds.npz", allow_pickle=False, **pack_sounds(ORDINARY_SOUNDS))
    assert np.allclose(read_sounds(tmp_path / "sounds.npz"), ORDINARY_SOUNDS, atol=0.01)
    (tmp_path / "sounds.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(BundleError, match="reinstall"):
        read_sounds(tmp_path / "sounds.npz")


def thing(name: str = "chime") -> TaughtThing:
    return TaughtThing(name, "sound", "sha", {"clips": 3}, {"weights": np.arange(4, dtype=np.float32)})


def test_what_is_taught_is_kept_replaced_and_forgotten(tmp_path: Path) -> None:
    things = TaughtThings(tmp_path / "taught")
    assert things.all() == []
    things.keep(thing("b"))
    things.keep(thing("Große Türglocke"))
    things.keep(TaughtThing("b", "wake", "sha", {"clips": 9}, {}))
    assert [(one.name, one.kind, one.facts["clips"]) for one in things.all()] == [
        ("Große Türglocke", "sound", 3),
        ("b", "wake", 9),
    ]
    assert things.of("sound")[0].arrays["weights"].tolist() == [0, 1, 2, 3]
    things.remove("b")
    assert [one.name for one in things.all()] == ["Große Türglocke"]
    assert not list((tmp_path / "taught").glob("*.new"))
    with pytest.raises(InputError, match="taught: Große Türglocke"):
        things.remove("b")


def test_another_model_cannot_use_it() -> None:
    thing().check("sha")
    with pytest.raises(BundleError, match="taught with another model"):
        thing().check("other")


@pytest.mark.parametrize("name", ["", " ", " a", "a\n", "x" * 65], ids=["empty", "blank", "space", "line", "long"])
def test_no_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="name"):
        TaughtThings(tmp_path).keep(thing(name))


def test_it_is_bounded(tmp_path: Path) -> None:
    things = TaughtThings(tmp_path)
    large = np.random.default_rng(0).normal(size=100_000)
    with pytest.raises(InputError, match="bytes"):
        things.keep(TaughtThing("large", "sound", "sha", {}, {"weights": large}))
    for number in range(MOST):
        things.keep(thing(f"thing {number}"))
    with pytest.raises(InputError, match="forget one"):
        things.keep(thing("one more"))
    things.keep(thing("thing 0"))


@pytest.mark.parametrize("damage", ["facts", "numbers", "missing", "old"])
def test_a_damaged_file_is_named(tmp_path: Path, damage: str) -> None:
    things = TaughtThings(tmp_path)
    things.keep(thing())
    [facts], [numbers] = tmp_path.glob("*.json"), tmp_path.glob("*.npz")
    if damage == "facts":
        facts.write_text("{")
    elif damage == "numbers":
        numbers.write_bytes(b"PK")
    elif damage == "missing":
        numbers.unlink()
    else:
        facts.write_text(json.dumps({**json.loads(facts.read_text()), "format": 0}))
    with pytest.raises(InputError, match="teach it again"):
        things.all()
