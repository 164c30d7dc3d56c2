"""Every sentence that the recogniser may hear, as the smallest graph of words that says exactly those."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# fmt: off
_UNITS = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]
# fmt: on
_TENS = ["zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SYMBOLS = {"%": "percent", "°": "degrees", "&": "and", "+": "plus"}
_FRACTIONS = {"½": "half", "1/2": "half", "1/4": "quarter", "3/4": "three quarters"}
_MIXED = re.compile(r"(?!\d+(st|nd|rd|th)$)([a-z]+\d{1,4}[a-z]*|\d{1,4}[a-z]+)")
_PARTS = re.compile(r"\d+|[a-z]+")
_CURLY_APOSTROPHE = "\u2019"
_PUNCTUATION = '.,;:!?"()…'

Words = dict[str, int]


def number_words(number: float) -> str:
    """Return a number between minus and plus a million as English words, without hyphens."""
    if number < 0:
        return f"minus {number_words(-number)}"
    whole = int(number)
    if number != whole:
        tenths = round((number - whole) * 10)
        return f"{number_words(whole)} point {_UNITS[tenths]}"
    for size, name in ((1000, "thousand"), (100, "hundred")):
        if whole >= size:
            rest = f" {number_words(whole % size)}" if whole % size else ""
            return f"{number_words(whole // size)} {name}{rest}"
    if whole < 20:
        return _UNITS[whole]
    return _TENS[whole // 10] + (f" {_UNITS[whole % 10]}" if whole % 10 else "")


def spoken(word: str) -> str:
    """Return how a written word is said: "75" as "seventy five", "1/2" as "half", "3d" as "three d", or as it is."""
    if word.isdecimal() and len(word) < 8:
        return number_words(int(word))
    if _MIXED.fullmatch(word):
        return " ".join(spoken(part) for part in _PARTS.findall(word))
    return _FRACTIONS.get(word, word)


class WordGraph:
    """Grown piece by piece from `start`, then written down determinised and minimised.

    Arcs carry text in which a space ends a word, so that "light[s]" and "day[ ]light" come out as the words they are.
    """

    start = 0

    def __init__(self) -> None:
        self._arcs: list[list[tuple[str, int]]] = [[]]
        self._accepting: set[int] = set()

    def text(self, node: int, text: str) -> int:
        """Add `text` after `node`; return the node where it ends."""
        for piece in _pieces(text):
            self._arcs.append([])
            self._arcs[node].append((piece, len(self._arcs) - 1))
            node = len(self._arcs) - 1
        return node

    def join(self, nodes: Iterable[int]) -> int:
        """Return one node that every one of `nodes` leads to."""
        self._arcs.append([])
        end = len(self._arcs) - 1
        for node in set(nodes):
            self._arcs[node].append(("", end))
        return end

    def accept(self, node: int) -> None:
        """Say that a sentence may end at `node`."""
        self._accepting.add(node)

    def states(self) -> list[tuple[bool, Words]]:
        """Return (accepting, {word: state}) of the smallest deterministic graph; the first state starts."""
        subsets: dict[frozenset[int], int | None] = {}
        register: dict[tuple[bool, tuple[tuple[str, int], ...]], int] = {}

        def state(nodes: frozenset[int]) -> int | None:
            """Return the number of the state that `nodes` are, None where no sentence gets to its end from there."""
            if nodes not in subsets:
                accepting, targets = self._words_from(nodes)
                reached = {word: state(frozenset(ends)) for word, ends in targets.items()}
                words = tuple(sorted((word, end) for word, end in reached.items() if end is not None))
                alive = accepting or words or self.start in nodes
                subsets[nodes] = register.setdefault((accepting, words), len(register)) if alive else None
            return subsets[nodes]

        state(frozenset([self.start]))
        last = len(register) - 1
        return [(accepting, {word: last - end for word, end in words}) for accepting, words in reversed(register)]

    def _words_from(self, nodes: frozenset[int]) -> tuple[bool, dict[str, set[int]]]:
        """Return whether a sentence may end at `nodes`, and the nodes that each next whole word leads to."""
        accepting = False
        targets: dict[str, set[int]] = {}
        todo = [("", node) for node in nodes]
        seen = set(todo)
        while todo:
            word, node = todo.pop()
            accepting |= node in self._accepting and not word
            if word and node in self._accepting:
                targets.setdefault(word, set()).add(node)
            for piece, end in self._arcs[node]:
                if piece == " " and word:
                    targets.setdefault(word, set()).add(end)
                elif (step := (word + piece.strip(), end)) not in seen:
                    seen.add(step)
                    todo.append(step)
        return accepting, targets


def _pieces(text: str) -> Iterator[str]:
    """Yield the words of `text`, lower case and without punctuation, with the spaces around them."""
    word = ""
    for character in text.lower():
        if character.isspace() or character in "-_":
            yield from [word] if word else []
            yield " "
            word = ""
        elif character in _SYMBOLS:
            yield from [word, " "] if word else [" "]
            yield from [_SYMBOLS[character], " "]
            word = ""
        elif character not in _PUNCTUATION:
            word += "'" if character == _CURLY_APOSTROPHE else character
    if word:
        yield word
