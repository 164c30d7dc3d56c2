"""What a prompt looks like, apart from what it means: its length, figures, marks and groups of letters."""

from __future__ import annotations

import re
import zlib
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

HASHED = 256
"""Numbers that all words, pairs of words and groups of four letters share (feature hashing, Weinberger et al. 2009)."""
COUNTED = 8
SHAPE_SIZE = HASHED + COUNTED
_READ = 2_000
_TOKEN = re.compile(r"\w+|[^\w\s]")


def prompt_shapes(texts: Sequence[str]) -> NDArray[np.float32]:
    """Return one row for each text, shape (n, 264); of long texts the beginning and the end are read."""
    rows = np.zeros((len(texts), SHAPE_SIZE), np.float32)
    for row, text in zip(rows, texts, strict=True):
        read = text if len(text) <= 2 * _READ else f"{text[:_READ]} {text[-_READ:]}"
        words = _TOKEN.findall(read.lower())
        row[:HASHED] = _hashed(read.lower(), words)
        row[HASHED:] = _counted(text, words)
    return rows


def _hashed(text: str, words: Sequence[str]) -> NDArray[np.float32]:
    padded = f" {text} "
    parts = {*words, *map(" ".join, pairwise(words))}
    parts |= {f"#{padded[at : at + 4]}" for at in range(len(padded) - 3)}
    found = np.fromiter((zlib.crc32(part.encode()) for part in parts), np.int64, len(parts))
    signs = np.where(found >> 31, 1.0, -1.0)
    row = np.bincount(found % HASHED, signs, HASHED).astype(np.float32)
    return row / max(float(np.linalg.norm(row)), 1e-6)


def _counted(text: str, words: Sequence[str]) -> list[float]:
    size = max(len(text), 1)
    marks = "\n", "?", ",", "("
    return [
        np.log1p(len(text)) / 8,
        np.log1p(len(words)) / 5,
        sum(map(str.isdigit, text)) / size * 5,
        sum(map(str.isupper, text)) / size * 5,
        *(min(text.count(mark), 4) / 4 for mark in marks),
    ]
