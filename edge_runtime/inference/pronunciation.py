"""How a word is said that no dictionary has: from the words inside it, its letters' names, or its spelling."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_LETTER_NAMES = {
    "a": "EY", "b": "B IY", "c": "S IY", "d": "D IY", "e": "IY", "f": "EH F", "g": "JH IY", "h": "EY CH", "i": "AY",
    "j": "JH EY", "k": "K EY", "l": "EH L", "m": "EH M", "n": "EH N", "o": "OW", "p": "P IY", "q": "K Y UW",
    "r": "AA R", "s": "EH S", "t": "T IY", "u": "Y UW", "v": "V IY", "w": "D AH B AH L Y UW", "x": "EH K S",
    "y": "W AY", "z": "Z IY",
}  # fmt: skip
_SPELLING = [
    ("tion", "SH AH N"), ("igh", "AY"), ("tch", "CH"), ("dge", "JH"), ("eau", "OW"), ("sch", "SH"),
    ("ch", "CH"), ("sh", "SH"), ("th", "TH"), ("ph", "F"), ("wh", "W"), ("ck", "K"), ("ng", "NG"), ("qu", "K W"),
    ("kn", "N"), ("wr", "R"), ("gh", "G"), ("ee", "IY"), ("ea", "IY"), ("oo", "UW"), ("ou", "AW"), ("ow", "OW"),
    ("oa", "OW"), ("oi", "OY"), ("oy", "OY"), ("ai", "EY"), ("ay", "EY"), ("au", "AO"), ("aw", "AO"), ("ie", "IY"),
    ("ei", "AY"), ("ey", "IY"), ("ar", "AA R"), ("er", "ER"), ("ir", "ER"), ("ur", "ER"), ("or", "AO R"),
    ("ce", "S EH"), ("ci", "S IH"), ("cy", "S IY"),
    ("a", "AE"), ("b", "B"), ("c", "K"), ("d", "D"), ("e", "EH"), ("f", "F"), ("g", "G"), ("h", "HH"), ("i", "IH"),
    ("j", "JH"), ("k", "K"), ("l", "L"), ("m", "M"), ("n", "N"), ("o", "OW"), ("p", "P"), ("q", "K"), ("r", "R"),
    ("s", "S"), ("t", "T"), ("u", "AH"), ("v", "V"), ("w", "W"), ("x", "K S"), ("y", "IY"), ("z", "Z"),
]  # fmt: skip
_PLAIN = str.maketrans("àáâãäåçèéêëìíîïñòóôõöøùúûüýÿ", "aaaaaaceeeeiiiinoooooouuuuyy")
_MAGIC_E = re.compile(r"^(.*[^aeiou])?([aeiou])([^aeiouwxy])e$")
_LONG = {"a": "EY", "e": "IY", "i": "AY", "o": "OW", "u": "UW"}


def pronounce(word: str, lookup: Callable[[str], str | None]) -> str | None:
    """Return the phones of `word` in the CMU set, separated by spaces, or None where it has no Latin letters.

    Args:
        word: one lower-case word.
        lookup: the dictionary: a word's phones, or None.
    """
    plain = word.translate(_PLAIN)
    known = lookup(word) or lookup(plain)
    if known:
        return known
    if plain.endswith("'s"):
        stem = pronounce(plain[:-2], lookup)
        return stem and f"{stem} Z"
    letters = "".join(letter for letter in plain if letter in _LETTER_NAMES)
    if len(letters) < len(plain.replace("'", "").replace(".", "")) or not letters:
        return None
    if not set(letters) & set("aeiouy") or "." in plain:
        return " ".join(_LETTER_NAMES[letter] for letter in letters)
    return _compound(letters, lookup) or _spelled(letters)


def _compound(word: str, lookup: Callable[[str], str | None]) -> str | None:
    """Say two known words one after the other, the more even the split the better."""
    cuts = sorted(range(2, len(word) - 2), key=lambda cut: abs(2 * cut - len(word)))
    for cut in cuts:
        first, second = lookup(word[:cut]), lookup(word[cut:])
        if first and second:
            return f"{first} {second}"
    return None


def _spelled(word: str) -> str:
    silent_e = _MAGIC_E.match(word)
    if silent_e:
        before, vowel, after = silent_e.groups()
        return " ".join(filter(None, [_spelled(before) if before else "", _LONG[vowel], _spelled(after)]))
    phones: list[str] = []
    at = 0
    while at < len(word):
        written, said = next(pair for pair in _SPELLING if word.startswith(pair[0], at))
        phones += [said] if phones[-1:] != [said] else []
        at += len(written)
    return " ".join(phones)
