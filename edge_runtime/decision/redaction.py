"""What must not leave the box, taken out of text before it goes to the cloud."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edge_runtime.decision.account_numbers import accounts, cards, phones
from edge_runtime.decision.private_patterns import GUARDED, RULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    Found = tuple[int, int, str]

_JSON_START = re.compile(r"[{\[]")
_JSON_TRIES = 8
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*')
_COLON = re.compile(r"\s*:")
_ANYTHING = "q7"
_UNSEEN = frozenset({"Cf", "Cc", "Mn", "Me"})
_DASHES = dict.fromkeys("‐‑‒–—―−﹘﹣－", "-")  # noqa: RUF001 - they look alike, that is the point


@dataclass(frozen=True, slots=True)
class Redacted:
    """A text that may leave, and how many things were taken out of it, by kind."""

    text: str
    counts: Mapping[str, int] = field(default_factory=dict)


class Redactor:
    """Takes what is private out of texts.

    Letters of full width, digits of other scripts and characters that nobody sees hide nothing: they are read as what
    they look like. A text with nothing private in it stays as it is, and JSON stays JSON.

    Args:
        private_words: never leave either, in whatever case and with whatever accents they are written.
    """

    def __init__(self, private_words: Iterable[str] = ()) -> None:
        words = sorted({_plain(word) for word in private_words} - {""}, key=lambda word: (-len(word), word))
        each = "|".join(r"\s+".join(map(re.escape, word.split())) for word in words)
        self._private = re.compile(rf"(?<!\w)(?:{each})(?:['\u2019]?s|['\u2019])?(?!\w)") if each else None

    def redact(self, text: str) -> Redacted:
        """Return `text` with everything private replaced by its kind in brackets, such as [email]."""
        text = text.encode("utf-8", "replace").decode()
        counts: Counter[str] = Counter()
        parts, at = [], 0
        for start, end in _json_inside(text):
            said = self._prose(text[at:start], counts)
            # What is called a password before a list of them is one within it too.
            secret = self._prose(f"{text[at:start]}{_ANYTHING}", Counter()) == f"{said}[secret]"
            parts += [said, self._json(text[start:end], counts, "password" if secret else "")]
            at = end
        parts.append(self._prose(text[at:], counts))
        return Redacted("".join(parts), dict(counts))

    def _prose(self, text: str, counts: Counter[str]) -> str:
        parts, at = [], 0
        for start, end, kind in self._found(text):
            parts += [text[at:start], f"[{kind}]"]
            counts[kind] += 1
            at = end
        return "".join([*parts, text[at:]])

    def _json(self, text: str, counts: Counter[str], outer: str) -> str:
        """Return JSON whose texts and numbers are redacted, each together with the name it is kept under.

        Args:
            text: the JSON.
            counts: gets how many things were taken out.
            outer: what all of it is called, if that is secret.
        """
        parts, at, name = [], 0, ""
        for token in _TOKEN.finditer(text):
            parts.append(text[at : token.start()])
            at = token.end()
            if _COLON.match(text, at):
                name = json.loads(token[0])
                parts.append(self._value(name, "", token[0], counts))
            else:
                parts.append(self._value(str(json.loads(token[0])), outer or name, token[0], counts))
        return "".join([*parts, text[at:]])

    def _value(self, value: str, name: str, written: str, counts: Counter[str]) -> str:
        """Return a text or number of JSON as it may leave; `written` is how it stands there."""
        if GUARDED.match(name) and value:
            counts["secret"] += 1
            return '"[secret]"'
        safe = self._prose(value, counts)
        if safe == value and name and self._prose(f"{name}: {value}", Counter()).partition(": ")[2] != value:
            # Its name tells what it is.
            counts["number"] += 1
            safe = "[number]"
        return written if safe == value else json.dumps(safe, ensure_ascii=False)

    def _found(self, text: str) -> list[Found]:
        """Return what is private, in the order of the text and without overlaps."""
        plain, places = _readable(text)
        found: list[tuple[int, int, int, str]] = []
        for rank, (start, end, kind) in enumerate(self._spans(plain)):
            found.append((places[start], places[end - 1] + 1, rank, kind))
        merged: list[tuple[int, int, int, str]] = []
        for start, end, rank, kind in sorted(found):
            if merged and start < merged[-1][1]:
                first, last, best, name = merged[-1]
                merged[-1] = (first, max(last, end), min(best, rank), name if best < rank else kind)
            else:
                merged.append((start, end, rank, kind))
        return [(start, end, kind) for start, end, _, kind in merged]

    def _spans(self, text: str) -> Iterator[Found]:
        for kind, finder in (("account", accounts), ("card", cards)):
            yield from ((start, end, kind) for start, end in finder(text))
        for rule in RULES:
            yield from ((start, end, rule.kind) for start, end in rule.spans(text))
        yield from ((start, end, "phone") for start, end in phones(text))
        if self._private:
            folded, places = _folded(text)
            for found in self._private.finditer(folded):
                yield places[found.start()], places[found.end() - 1] + 1, "private"


def _json_inside(text: str) -> list[tuple[int, int]]:
    """Return where whole JSON objects and lists lie in a text, the first few."""
    found, at = [], 0
    decoder = json.JSONDecoder()
    for _ in range(_JSON_TRIES):
        start = _JSON_START.search(text, at)
        if start is None:
            break
        try:
            _, at = decoder.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            at = start.end()
        else:
            found.append((start.start(), at))
    return found


def _readable(text: str) -> tuple[str, range | list[int]]:
    """Return a text as it looks, in ASCII where it can be, and where each of its characters lies in the other."""
    if text.isascii() and text.isprintable():
        return text, range(len(text))
    characters: list[str] = []
    places: list[int] = []
    for at, char in enumerate(text):
        seen = char if char.isascii() else _looks(char)
        characters.append(seen)
        places += [at] * len(seen)
    return "".join(characters), places


def _looks(char: str) -> str:
    category = unicodedata.category(char)
    if category in _UNSEEN:
        return ""
    if category == "Zs":
        return " "
    if category == "Nd":
        return str(unicodedata.decimal(char))
    return _DASHES.get(char) or unicodedata.normalize("NFKC", char)


def _folded(text: str) -> tuple[str, range | list[int]]:
    """Return a text without accents and capitals, and where each of its characters lies in the other."""
    if text.isascii():
        return text.lower(), range(len(text))
    characters: list[str] = []
    places: list[int] = []
    for at, char in enumerate(text):
        seen = _plain(char)
        characters.append(seen)
        places += [at] * len(seen)
    return "".join(characters), places


def _plain(text: str) -> str:
    parts = unicodedata.normalize("NFKD", text).casefold()
    return "".join(char for char in parts if unicodedata.category(char) not in _UNSEEN)
