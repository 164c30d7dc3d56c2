"""What a sentence is recognised by: its vector, and beside it the words and letters that it is made of."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Floats = NDArray[np.float32]

WIDTH = 1024
"""Columns that the n-grams are hashed into (Weinberger et al. 2009); twice as many gained nothing on CLINC150."""
LETTERS = (3, 4, 5)
GAIN = 10.0
"""Unit vectors are short for a regression that starts at zero; both halves are made this much longer."""
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


@dataclass(frozen=True, slots=True)
class Features:
    """How sentences become rows, learned from a set of them.

    Attributes:
        mean: of the sentences' vectors, shape (d,).
        rarity: how much each column of n-grams says, shape (WIDTH,).
    """

    mean: Floats
    rarity: Floats

    @classmethod
    def of(cls, vectors: Floats, grams: Floats) -> Features:
        """Learn from vectors, shape (n, d), and their n-grams, shape (n, WIDTH)."""
        rarest = max(1e-4, 0.5 / len(grams))
        rarity = 1.0 / np.sqrt(np.square(grams).mean(0) + rarest)
        return cls(vectors.mean(0).astype(np.float32), rarity.astype(np.float32))

    def rows(self, vectors: Floats, grams: Floats) -> Floats:
        """Return the features, shape (n, d + WIDTH)."""
        scaled = grams * self.rarity
        scaled /= np.maximum(np.linalg.norm(scaled, axis=1, keepdims=True), 1e-9)
        return np.hstack([(vectors - self.mean) * GAIN, scaled * GAIN]).astype(np.float32)


def count_grams(texts: Sequence[str]) -> Floats:
    """Return which n-grams of words and letters each text has, hashed with a sign, shape (n, WIDTH)."""
    found = np.zeros((len(texts), WIDTH), np.float32)
    for row, text in enumerate(texts):
        for gram in set(_grams(text)):
            code = zlib.crc32(gram.encode("utf-8", "replace"))
            found[row, code % WIDTH] += 1.0 if code >> 31 else -1.0
    return found


def _grams(text: str) -> Iterator[str]:
    words = _WORD.findall(text.lower())
    for word in words:
        yield f"1{word}"
        framed = f"<{word}>"
        for size in LETTERS:
            yield from (f"c{framed[start : start + size]}" for start in range(len(framed) - size + 1))
    for first, second in zip(["<", *words], [*words, ">"], strict=True):
        yield f"2{first} {second}"
