"""Words that sound like a phrase: where one of them fits better than the phrase, the phrase was not said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from edge_runtime.inference.spotting import Phones

MOST = 12
_LIKE = 0.5
"""A rival differs from the phrase in at most this share of its phones."""
_INFLECTED = {(), ("S",), ("Z",), ("D",), ("T",), ("AH", "Z"), ("IH", "Z")}


def rivals(forms: Sequence[Phones], words: Mapping[str, Sequence[Phones]], most: int = MOST) -> list[Phones]:
    """Return the pronunciations of the words that are most like a phrase, the most alike first.

    The phrase itself, its parts and its own inflected forms are none of its rivals.

    Args:
        forms: how the phrase is said.
        words: other words and how they are said, common ones first.
        most: rivals at most.
    """
    longest = max(map(len, forms))
    others = list(
        dict.fromkeys(way for ways in words.values() for way in ways if _LIKE * longest <= len(way) <= 2 * longest)
    )
    if not others:
        return []
    apart = np.min([distances(form, others) / len(form) for form in forms], axis=0)
    found: list[Phones] = []
    for at in np.argsort(apart, kind="stable"):
        if apart[at] > _LIKE or len(found) == most:
            break
        if not any(_same(others[at], form) for form in forms):
            found.append(others[at])
    return found


def _same(other: Phones, form: Phones) -> bool:
    """Tell whether `other` is the phrase, a part of it, or an inflected form of it."""
    text, whole = f" {' '.join(other)} ", f" {' '.join(form)} "
    return text in whole or (other[: len(form)] == form and other[len(form) :] in _INFLECTED)


def distances(form: Phones, others: Sequence[Phones]) -> NDArray[np.float64]:
    """Return how many phones must be changed, added or left out to make `form` of each of `others` (Levenshtein)."""
    number = {phone: at for at, phone in enumerate(sorted(_all(form, others)), 1)}
    longest = max(map(len, others))
    table = np.zeros((len(others), longest), np.int16)
    for row, other in enumerate(others):
        table[row, : len(other)] = [number[phone] for phone in other]
    lengths = np.array([len(other) for other in others])
    rows = np.tile(np.arange(longest + 1, dtype=np.int16), (len(others), 1))
    for at, phone in enumerate(form, 1):
        above, rows = rows, np.empty_like(rows)
        rows[:, 0] = at
        for column in range(1, longest + 1):
            changed = above[:, column - 1] + (table[:, column - 1] != number[phone])
            rows[:, column] = np.minimum(np.minimum(above[:, column], rows[:, column - 1]) + 1, changed)
    found: NDArray[np.float64] = rows[np.arange(len(others)), lengths].astype(float)
    return found


def _all(form: Phones, others: Iterable[Phones]) -> set[str]:
    return {*form, *(phone for other in others for phone in other)}
