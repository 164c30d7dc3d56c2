from __future__ import annotations

import numpy as np

from models.omni_nano import ordinary
from models.omni_nano.data import Example


def examples() -> list[Example]:
    return [
        Example(f"{kind}/{number}", kind, np.full((120 + number, 160, 3), number, np.uint8))
        for kind in ("flickr", "pets", "video")
        for number in range(40)
    ]


def test_parts_are_square_pieces_of_what_was_trained_with() -> None:
    known = examples()
    kept_out = {one.picture[0, 0, 0] for one in known if one.kind == "flickr" and one.held_out}
    assert kept_out
    parts = list(ordinary.parts(known, 60, seed=1))
    assert len(parts) == 60
    assert all(part.shape[0] == part.shape[1] >= ordinary.LEAST_PIXELS for part in parts)
    assert not kept_out & {part[0, 0, 0] for part in parts[::2]}, "every other one is of flickr"


def test_the_same_seed_gives_the_same_parts() -> None:
    first, again, other = (list(ordinary.parts(examples(), 9, seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert not all(np.array_equal(one, two) for one, two in zip(first, other, strict=True))
