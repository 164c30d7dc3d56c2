"""How a word that no dictionary has is probably said: a small network reads it letter by letter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.errors import BundleError
from edge_runtime.whole_files import unpacked

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SIDE = 5
"""Letters that the network sees on each side of the one it says."""
MEMORY = 2
"""Sounds just said that it sees as well."""
_SYMBOLS = {symbol: number for number, symbol in enumerate(" abcdefghijklmnopqrstuvwxyz'")}
_BEAM = 4


def windows(word: str) -> NDArray[np.int64]:
    """Return (letters, 2 * SIDE + 1): the number of each letter of `word` and of those around it, 0 outside."""
    numbers = [_SYMBOLS[letter] for letter in word]
    padded = np.pad(np.asarray(numbers, np.int64), SIDE)
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * SIDE + 1)


class Spelling:
    """Says lower-case words of the letters a to z and the apostrophe.

    Args:
        path: .npz as models/omni_nano/spelling.py writes it: `sounds`, what one letter may be said as (phones between
            spaces, the first of them nothing), and per layer int8 weights with one float32 scale a column.

    Raises:
        BundleError: the file is missing or is not such a file.
    """

    def __init__(self, path: Path) -> None:
        try:
            stored, _ = unpacked(path.read_bytes())
            self._sounds = [tuple(str(sound).split()) for sound in stored["sounds"]]
            self._letters = stored["letters"] * stored["first_scale"]
            self._said = stored["said"] * stored["first_scale"]
            self._second = stored["second"] * stored["second_scale"]
            self._last = stored["last"] * stored["last_scale"]
            self._biases = [stored[f"{name}_bias"] for name in ("first", "second", "last")]
        except (OSError, ValueError, KeyError) as error:
            raise BundleError(f"spelling {path} cannot be read ({error}); reinstall the bundle") from None

    def pronounce(self, word: str) -> tuple[str, ...]:
        """Return the phones of `word`."""
        positions = np.arange(2 * SIDE + 1)
        seen = self._letters[positions, windows(word)].sum(axis=1) + self._biases[0]
        paths: list[tuple[float, tuple[int, ...]]] = [(0.0, (0,) * MEMORY)]
        for letter in seen:
            memory = np.array([said[-MEMORY:] for _, said in paths])
            scores = self._scores(letter + self._said[np.arange(MEMORY), memory].sum(axis=1))
            scores += np.array([[score] for score, _ in paths])
            best = np.argsort(scores, axis=None)[::-1][:_BEAM]
            rows, sounds = np.unravel_index(best, scores.shape)
            paths = [
                (float(scores[row, sound]), (*paths[row][1], int(sound)))
                for row, sound in zip(rows, sounds, strict=True)
            ]
        return tuple(phone for sound in paths[0][1] for phone in self._sounds[sound])

    def _scores(self, first: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (paths, sounds): the logarithm of the probability of each sound."""
        second = np.maximum(np.maximum(first, 0) @ self._second + self._biases[1], 0)
        logits: NDArray[np.float32] = second @ self._last + self._biases[2]
        logits -= logits.max(axis=1, keepdims=True)
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return logits
