from __future__ import annotations

import pytest

from edge_runtime.inference.rivals import distances, rivals


def phones(text: str) -> tuple[str, ...]:
    return tuple(text.split())


COMMON = {
    word: (phones(said),)
    for word, said in {
        "computers": "K AH M P Y UW T ER Z",
        "commuter": "K AH M Y UW T ER",
        "compute": "K AH M P Y UW T",
        "company": "K AH M P AH N IY",
        "put": "P UH T",
        "computer": "K AH M P Y UW T ER",
        "lamp": "L AE M P",
    }.items()
}


@pytest.mark.parametrize(
    ("form", "other", "expected"),
    [
        ("K AE T", "K AE T", 0),
        ("K AE T", "B AE T", 1),
        ("K AE T", "AE T S", 2),
        ("K AE T", "S K R AE P T", 3),
        ("K AE T", "UW", 3),
    ],
    ids=["the same", "changed", "left out and added", "longer", "nothing alike"],
)
def test_distances(form: str, other: str, expected: int) -> None:
    assert distances(phones(form), [phones(other), phones("K AE T")]).tolist() == [expected, 0]


def test_rivals_are_other_words_that_sound_alike_the_nearest_first() -> None:
    found = rivals([phones("K AH M P Y UW T ER")], COMMON)
    # Neither itself, nor a part of it, nor its plural, nor what is nothing like it.
    assert found == [COMMON["commuter"][0], COMMON["company"][0]]
    assert rivals([phones("K AH M P Y UW T ER")], COMMON, most=1) == [COMMON["commuter"][0]]


def test_there_may_be_none() -> None:
    assert rivals([phones("S N OW B OY")], {}) == []
    assert rivals([phones("S N OW B OY")], COMMON) == []
