"""Documents cut into passages that can be found and quoted: by heading, then by length."""

from __future__ import annotations

import re
from dataclasses import dataclass

WORDS = 80
"""A passage has about so many words."""
OVERLAP_WORDS = 30
"""The last part of a passage is the first of the next one, unless it is longer than this."""
LONGEST_PART = 60
_HEADING = re.compile(r"^ {0,3}(#{1,6})\s+(.+?)\s*#*$")
_UNDERLINE = re.compile(r"^(?:=+|-{3,})\s*$")
_ITEM = re.compile(r"^\s*(?:[-*+\u2022]|\d{1,3}[.)])\s+(.*)$")
_ROW = re.compile(r"^\s*\|(.+)\|\s*$")
_RULE_ROW = re.compile(r"^[\s|:-]+$")
_FENCE = re.compile(r"^\s*(?:```|~~~)")
_MARKUP = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"!\[([^\]]*)\]\([^)]*\)", r"\1"),
        (r"\[([^\]]+)\]\([^)]*\)", r"\1"),
        (r"<!--.*?-->", " "),
        (r"<(https?://[^>]+)>", r"\1"),
        (
            r"(?i)</?(?:a|b|i|em|strong|br|p|div|span|img|sub|sup|kbd|code|details|summary|center|h[1-6])(?:\s[^>]*)?/?>",
            " ",
        ),
        (r"(\*\*|__)(.+?)\1", r"\2"),
        (r"(?<![\w*])\*(?!\s)([^*]+)\*(?![\w*])", r"\1"),
        (r"`([^`]*)`", r"\1"),
        (r"\s+", " "),
    )
)
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]?[A-Z0-9\u00c0-\u00de])")
_SHORT = re.compile(r"\b(?:e\.g|i\.e|etc|approx|no|vs|mr|mrs|dr|st|min|max|fig|ca)\.$|\b[A-Z]\.$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document, or one entry of a list of questions and answers.

    Attributes:
        source: the document's name.
        place: where in it: the nearest heading, or the line of a list.
        parts: what may be quoted by itself: sentences, items, rows of a table; of a list, the question.
        answer: what to say instead of a quotation, word for word.
    """

    source: str
    place: str
    parts: tuple[str, ...]
    answer: str | None = None

    @property
    def text(self) -> str:
        """Return all of it, as it is embedded."""
        words = " ".join(self.parts)
        return words if self.answer is not None or not self.place else f"{self.place}: {words}"


def passages_of(text: str, source: str) -> list[Passage]:
    """Return the passages of a Markdown or plain document called `source`."""
    return [
        Passage(source, heading, tuple(piece))
        for heading, parts in _sections(text)
        for piece in _pieces(_introduced(parts))
        if piece
    ]


def sentences(text: str) -> list[str]:
    """Return the sentences of a paragraph; those without an end are cut where they get too long."""
    found: list[str] = []
    for piece in _SENTENCE_END.split(plain(text)):
        if found and _SHORT.search(found[-1]):
            found[-1] += f" {piece}"
        elif piece.strip():
            found.append(piece.strip())
    return [cut for sentence in found for cut in _cut(sentence)]


def plain(text: str) -> str:
    """Return a line of Markdown without its markup."""
    for pattern, replacement in _MARKUP:
        text = pattern.sub(replacement, text)
    return text.strip()


def _cut(sentence: str) -> list[str]:
    words = sentence.split(" ")
    return [" ".join(words[start : start + LONGEST_PART]) for start in range(0, len(words), LONGEST_PART)]


def _introduced(parts: list[str]) -> list[str]:
    """Join what ends with a colon to what it introduces."""
    joined: list[str] = []
    for part in parts:
        if joined and joined[-1].endswith(":") and _count([joined[-1], part]) <= LONGEST_PART:
            joined[-1] += f" {part}"
        else:
            joined.append(part)
    return joined


def _pieces(parts: list[str]) -> list[list[str]]:
    """Group parts to passages of about `WORDS` words that overlap by one part."""
    pieces: list[list[str]] = []
    current: list[str] = []
    for part in parts:
        if current and _count(current) + _count([part]) > WORDS:
            pieces.append(current)
            current = current[-1:] if _count(current[-1:]) <= OVERLAP_WORDS else []
        current = [*current, part]
    return [*pieces, current]


def _count(parts: list[str]) -> int:
    return sum(part.count(" ") + 1 for part in parts)


def _sections(text: str) -> list[tuple[str, list[str]]]:
    """Return the headings of a document, each with what may be quoted under it."""
    found: list[tuple[str, list[str]]] = [("", [])]
    paragraph: list[str] = []
    header: list[str] = []
    fenced = False

    def end() -> None:
        found[-1][1].extend(sentences(" ".join(paragraph)))
        paragraph.clear()

    for line in text.splitlines():
        if _FENCE.match(line):
            end()
            fenced = not fenced
        elif fenced:
            found[-1][1].extend([" ".join(line.split())] if line.strip() else [])
        elif heading := _HEADING.match(line):
            end()
            found.append((plain(heading[2]), []))
        elif _UNDERLINE.match(line) and len(paragraph) == 1:
            found.append((plain(paragraph.pop()), []))
        elif row := _ROW.match(line):
            end()
            header = _add_row([plain(cell) for cell in row[1].split("|")], line, header, found[-1][1])
            continue
        elif item := _ITEM.match(line):
            end()
            paragraph.append(item[1])
        elif line.strip():
            paragraph.append(line.strip())
        else:
            end()
        header = []
    end()
    return found


def _add_row(cells: list[str], line: str, header: list[str], parts: list[str]) -> list[str]:
    """Add a row of a table as one line; its first row names the columns and is returned."""
    if _RULE_ROW.match(line):
        return header
    if not header:
        return cells
    named = [
        cell if not number or not header[number] else f"{header[number]}: {cell}"
        for number, cell in enumerate(cells[: len(header)])
        if cell
    ]
    parts.append("; ".join(named))
    return header
