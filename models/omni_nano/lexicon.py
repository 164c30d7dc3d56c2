"""The word list that the ears know: the CMU dictionary as PocketSphinx ships it, without what a rule says as well."""

from __future__ import annotations

import argparse
import lzma
import re
from pathlib import Path

from pocketsphinx import NGramModel, get_model_path

COMMON = 6000
"""Words in the first stream, the commonest first: what people say when it is no command."""
_WORD = re.compile(r"[a-z]+('[a-z]+)?")
_NUMBERED = re.compile(r"\(\d\)$")
_MORE = {
    # In running speech, little words are said more loosely than the dictionary has them.
    "and": ("AH N",),
    "at": ("AH T",),
    "from": ("F ER M",),
    "in": ("AH N",),
    "of": ("AH",),
    "with": ("W IH TH",),
    "you": ("Y AH",),
    "your": ("Y ER",),
    # British and Australian speakers.
    "latte": ("L AE T EY",),
    "caramel": ("K AE R AH M AH L", "K AA R M AH L"),
    "mocha": ("M AA K AH",),
    "a": ("AE",),
    "garage": ("G AE R AA ZH", "G AE R IH JH"),
    "water": ("W AO T AH",),
    "four": ("F AO",),
}


def pronunciations() -> dict[str, list[str]]:
    """Return the phones of every word kept, separated by spaces: all ways to say it, the usual first."""
    found: dict[str, list[str]] = {}
    with Path(get_model_path("en-us/cmudict-en-us.dict")).open(encoding="utf-8") as lines:
        for line in lines:
            written, phones = line.strip().split(" ", 1)
            word = _NUMBERED.sub("", written)
            if _WORD.fullmatch(word):
                found.setdefault(word, []).append(phones)
    for word, ways in _MORE.items():
        found[word] += [way for way in ways if way not in found[word]]
    return {word: ways for word, ways in found.items() if not _by_rule(word, found)}


def by_frequency(words: dict[str, list[str]]) -> list[str]:
    """Return `words`, the commonest in conversation and news first, by the same package's language model."""
    model = NGramModel.readfile(get_model_path("en-us/en-us.lm.bin"))
    return sorted(words, key=lambda word: (-model.prob([word]), word))


def write(path: Path) -> None:
    """Write two xz streams: the common words by frequency, then all others by the alphabet."""
    words = pronunciations()
    common = by_frequency(words)[:COMMON]
    rest = sorted(words.keys() - set(common))
    with path.open("wb") as file:
        for part in (common, rest):
            text = "".join(f"{word} {way}\n" for word in part for way in words[word])
            file.write(lzma.compress(text.encode("ascii"), preset=9 | lzma.PRESET_EXTREME))


def _by_rule(word: str, words: dict[str, list[str]]) -> bool:
    """Return whether `word` is a possessive said as its stem and an S, a Z or a syllable more."""
    stem = word.removesuffix("'s")
    return stem != word and stem in words and words[word] == [possessive(way) for way in words[stem]]


def possessive(phones: str) -> str:
    """Return how the possessive of a word said as `phones` is said."""
    last = phones.rsplit(" ", 1)[-1]
    if last in {"S", "Z", "SH", "ZH", "CH", "JH"}:
        return f"{phones} AH Z"
    return f"{phones} S" if last in {"P", "T", "K", "F", "TH"} else f"{phones} Z"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    write(parser.parse_args().path)
