from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

pytest.importorskip("torch", reason="the extra [build] is not installed")

from edge_runtime.inference.spelling import Spelling
from models.omni_nano.phones import distance
from models.omni_nano.spelling import align, measure, train, write

if TYPE_CHECKING:
    from pathlib import Path

PAIRS = [
    ("ship", ("SH", "IH", "P")), ("shop", ("SH", "AA", "P")), ("hop", ("HH", "AA", "P")), ("hip", ("HH", "IH", "P")),
    ("sip", ("S", "IH", "P")), ("box", ("B", "AA", "K", "S")), ("six", ("S", "IH", "K", "S")),
    ("hit", ("HH", "IH", "T")),
    ("pits", ("P", "IH", "T", "S")), ("tip", ("T", "IH", "P")), ("top", ("T", "AA", "P")), ("bob", ("B", "AA", "B")),
]  # fmt: skip


def test_letters_are_given_the_phones_that_they_stand_for() -> None:
    aligned = dict(align(PAIRS * 3))
    assert aligned["ship"] == ["SH", "", "IH", "P"]
    assert aligned["hit"] == ["HH", "IH", "T"]
    assert {word: tuple(" ".join(said).split()) for word, said in aligned.items()} == dict(PAIRS)


def test_more_phones_than_two_a_letter_cannot_be_aligned() -> None:
    assert align([("w", ("D", "AH", "B", "AH", "L"))], 1) == []


def test_what_was_taught_is_said_after_eight_bits_too(tmp_path: Path) -> None:
    sounds, network = train(align(PAIRS * 20), epochs=30, batch=64)
    write(tmp_path / "spelling.npz", sounds, network)
    say = Spelling(tmp_path / "spelling.npz").pronounce
    assert measure(say, PAIRS) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("said", "right", "errors"),
    [("A B", "A B", 0), ("A", "A B", 1), ("A B C", "A C", 1), ("A B", "B A", 2), ("", "A B", 2)],
)
def test_wrong_phones_are_counted(said: str, right: str, errors: int) -> None:
    assert distance(said.split(), right.split()) == errors
