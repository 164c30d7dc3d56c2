"""What may be said, as lattices of phones: the home's sentences, and against them any common words and any phones."""

from __future__ import annotations

import itertools
import logging
import math
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.inference.decoding import Chain, Lattice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from edge_runtime.inference.lexicon import Lexicon, Phones

    States = Sequence[tuple[bool, Mapping[str, int]]]
    """For each node whether a sentence may end there, and the node after each word; the first node starts."""

_log = logging.getLogger(__name__)

_MOST_WAYS = 8
_RARER = 2.7
"""Of words in the order of how often they are said, number n is said 1 / (n + 2.7) as often (Mandelbrot 1953)."""
_UNSEEN = 0.5


def sentence_lattice(
    states: States, lexicon: Lexicon, channels: Mapping[str, int], spoken: Callable[[str], str] = str
) -> Lattice | None:
    """Return the lattice of a graph of words, None where nothing in it can be said.

    Args:
        states: the graph.
        lexicon: how words are said; those that it cannot say are left out, with a warning.
        channels: of the acoustic model, by phone.
        spoken: how to say a written word that is not one, such as "%" or "75".
    """

    @cache
    def ways(word: str) -> list[tuple[int, ...]]:
        said = itertools.product(*(lexicon.pronunciations(part) for part in spoken(word).split()))
        found = list(_numbered((sum(parts, ()) for parts in itertools.islice(said, _MOST_WAYS)), channels))
        if not found:
            _log.warning("nobody can say %r: the sentences with it are left out of the grammar", word)
        return found

    chains = [
        Chain(number, end, word, way)
        for number, (_, words) in enumerate(states)
        for word, end in words.items()
        for way in ways(word)
    ]
    accepting = [number for number, (accepts, _) in enumerate(states) if accepts]
    return Lattice(chains, len(states), accepting) if chains else None


def word_loop(lexicon: Lexicon, channels: Mapping[str, int], most: int) -> Lattice:
    """Return the lattice of any number of the commonest words one after the other, by how often they are said."""
    words = list(itertools.islice(lexicon.common.items(), most))
    total = math.log(sum(1 / (number + _RARER) for number in range(1, len(words) + 1)))
    chains = [
        Chain(0, 0, word, way, -math.log(number + _RARER) - total)
        for number, (word, ways) in enumerate(words, 1)
        for way in _numbered(ways, channels)
    ]
    return Lattice(chains, 1, [0])


def phone_loop(lexicon: Lexicon, channels: Mapping[str, int]) -> Lattice:
    """Return the lattice of any phones one after the other, each as likely after the one before as in English.

    Node 0 is the start and the end of a word; the others stand for the phone just said.
    """
    size = max(channels.values()) + 1
    counts = np.full((size, size), _UNSEEN)
    for number, ways in enumerate(lexicon.common.values(), 1):
        for way in _numbered(ways[:1], channels):
            for before, after in itertools.pairwise((0, *way, 0)):
                counts[before, after] += 1000 / (number + _RARER)
    follow = counts / counts.sum(axis=1, keepdims=True)
    # A word may end after any phone; what follows then is like the start of one.
    follow = follow[:, 1:] + follow[:, :1] * (follow[:1, 1:] / follow[:1, 1:].sum())
    named = {number: phone for phone, number in channels.items()}
    chains = [
        Chain(before, after, named[after], (after,), math.log(follow[before, after - 1]))
        for before in range(size)
        for after in range(1, size)
        if after in named
    ]
    return Lattice(chains, size, range(size))


def _numbered(ways: Iterable[Phones], channels: Mapping[str, int]) -> Iterable[tuple[int, ...]]:
    """Yield the pronunciations that the acoustic model has all phones of, as channels."""
    for way in ways:
        if way and all(phone in channels for phone in way):
            yield tuple(channels[phone] for phone in way)
