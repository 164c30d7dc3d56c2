"""Parts of ordinary photographs, as a camera's changes are cut out of its pictures, for the bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from models.omni_nano.data import Example, Picture

KINDS = ("flickr", "imagenet", "video")
SMALLEST, LARGEST = 0.3, 1.0
LEAST_PIXELS = 96


def parts(examples: Sequence[Example], count: int, seed: int) -> Iterator[Picture]:
    """Yield square parts of photographs that the model was trained with, drawn evenly from the kinds.

    What is kept out of training stays out of this too, for it judges what is told from these.

    Args:
        examples: pictures of all kinds.
        count: how many parts.
        seed: of the choice.
    """
    dice = np.random.default_rng(seed)
    pools = [[one for one in examples if one.kind == kind and not one.held_out] for kind in KINDS]
    pools = [pool for pool in pools if pool]
    for number in range(count):
        pool = pools[number % len(pools)]
        picture = pool[int(dice.integers(len(pool)))].picture
        shorter = min(picture.shape[:2])
        side = max(int(shorter * dice.uniform(SMALLEST, LARGEST)), min(LEAST_PIXELS, shorter))
        top, left = (int(dice.integers(length - side + 1)) for length in picture.shape[:2])
        yield np.ascontiguousarray(picture[top : top + side, left : left + side])
