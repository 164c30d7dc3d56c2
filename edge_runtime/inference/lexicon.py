"""How words are said: from a word list, from the words inside them, their letters' names, or their spelling."""

from __future__ import annotations

import itertools
import lzma
from typing import TYPE_CHECKING, Self

from edge_runtime.bundles.parts import PhonesPart
from edge_runtime.errors import BundleError
from edge_runtime.inference.spelling import Spelling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from edge_runtime.bundles.manifest import Manifest

Phones = tuple[str, ...]
"""ARPAbet without stress."""

_LETTER_NAMES = {
    "a": "EY", "b": "B IY", "c": "S IY", "d": "D IY", "e": "IY", "f": "EH F", "g": "JH IY", "h": "EY CH", "i": "AY",
    "j": "JH EY", "k": "K EY", "l": "EH L", "m": "EH M", "n": "EH N", "o": "OW", "p": "P IY", "q": "K Y UW",
    "r": "AA R", "s": "EH S", "t": "T IY", "u": "Y UW", "v": "V IY", "w": "D AH B AH L Y UW", "x": "EH K S",
    "y": "W AY", "z": "Z IY",
}  # fmt: skip
_PLAIN = str.maketrans("àáâãäåçèéêëìíîïñòóôõöøùúûüýÿ", "aaaaaaceeeeiiiinoooooouuuuyy")
_SIBILANTS = {"S", "Z", "SH", "ZH", "CH", "JH"}
_VOICELESS = {"P", "T", "K", "F", "TH"}
_MOST_WAYS = 6
"""A word is given no more pronunciations than this."""


class Lexicon:
    """A word list with everything that can be said about words outside it.

    Args:
        common: pronunciations of the commonest words, the commonest first.
        others: lines "word PH PH ...", sorted.
        spell: says a word of the letters a to z that nothing else can say, or None.
    """

    def __init__(
        self,
        common: Mapping[str, tuple[Phones, ...]],
        others: bytes = b"",
        spell: Callable[[str], Phones] | None = None,
    ) -> None:
        self._common = common
        self._others = others
        self._spell = spell

    @classmethod
    def load(cls, path: Path, spell: Callable[[str], Phones] | None = None) -> Self:
        """Read two xz streams of lines "word PH PH ...": common words by frequency, then the rest by the alphabet.

        Raises:
            BundleError: the file is missing or is not such a list.
        """
        try:
            common, others = _streams(path.read_bytes())
            text = common.decode("ascii")
        except (OSError, lzma.LZMAError, UnicodeDecodeError, EOFError) as error:
            raise BundleError(f"word list {path} cannot be read ({error}); reinstall the bundle") from None
        listed: dict[str, tuple[Phones, ...]] = {}
        for line in text.splitlines():
            word, *phones = line.split()
            listed[word] = (*listed.get(word, ()), tuple(phones))
        return cls(listed, others, spell)

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        """Return a bundle's lexicon, with its network for the words that are not in the list.

        Raises:
            BundleError: the bundle has no acoustic model, or a file is missing or is no such file.
        """
        part = manifest.part(PhonesPart)
        spell = Spelling(manifest.path(part.spelling)).pronounce if part.spelling else None
        return cls.load(manifest.path(part.lexicon), spell)

    @property
    def common(self) -> Mapping[str, tuple[Phones, ...]]:
        """The commonest words, the commonest first, and how they are said."""
        return self._common

    def pronunciations(self, word: str) -> tuple[Phones, ...]:
        """Return every way to say `word`, the usual first; none where it has no Latin letters."""
        plain = word.lower().translate(_PLAIN)
        known = self._listed(plain)
        if known:
            return known[:_MOST_WAYS]
        if plain.endswith("'s"):
            return tuple((*way, *_possessive(way)) for way in self.pronunciations(plain[:-2]))
        letters = "".join(letter for letter in plain if letter in _LETTER_NAMES)
        if len(letters) < len(plain.replace("'", "").replace(".", "")) or not letters:
            return ()
        if not set(letters) & set("aeiouy") or "." in plain:
            return (tuple(phone for letter in letters for phone in _LETTER_NAMES[letter].split()),)
        ways = [*self._compound(letters), *([self._spell(letters)] if self._spell else [])]
        return tuple(dict.fromkeys(filter(None, ways)))[:_MOST_WAYS]

    def _listed(self, word: str) -> tuple[Phones, ...]:
        return self._common.get(word) or tuple(self._looked_up(word))

    def _looked_up(self, word: str) -> list[Phones]:
        """Return the lines of `word` among the sorted others."""
        key = word.encode("utf-8", "replace") + b" "
        low, high = 0, len(self._others)
        while low < high:
            middle = self._others.rfind(b"\n", 0, (low + high) // 2) + 1
            if middle < low or self._others[middle : middle + len(key)] >= key:
                high = min((low + high) // 2, middle)
            else:
                low = self._others.index(b"\n", middle) + 1
        found = []
        while self._others.startswith(key, low):
            end = self._others.index(b"\n", low)
            found.append(tuple(self._others[low + len(key) : end].decode("ascii").split()))
            low = end + 1
        return found

    def _compound(self, word: str) -> list[Phones]:
        """Say two known words one after the other, cut where both are longest."""
        for cut in sorted(range(3, len(word) - 2), key=lambda cut: abs(2 * cut - len(word))):
            first, second = self._listed(word[:cut]), self._listed(word[cut:])
            if first and second:
                return [(*a, *b) for a, b in itertools.product(first[:2], second[:2])]
        return []


def _streams(stored: bytes) -> tuple[bytes, bytes]:
    """Return what the first xz stream holds, and the others together."""
    first = lzma.LZMADecompressor()
    text = first.decompress(stored)
    if not first.eof:
        raise EOFError("it ends too early")
    return text, lzma.decompress(first.unused_data) if first.unused_data else b""


def _possessive(way: Phones) -> Phones:
    if way[-1] in _SIBILANTS:
        return ("AH", "Z")
    return ("S",) if way[-1] in _VOICELESS else ("Z",)
