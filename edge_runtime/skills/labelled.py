"""Files of sentences with their intents: JSON lines, or the layout that CLINC150 comes in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from edge_runtime.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OUTSIDE = "oos"
"""What the intent of a sentence that has none may be written as, besides null and nothing."""
SPLITS = ("train", "val", "test")
EXAMPLE = '{"text": "hello", "intent": "greeting"}'
LONGEST = 2_000
"""Characters; a longer text is a document, and more likely a mistake."""


class Sentence(NamedTuple):
    """A text, and what it means; None means none of the intents."""

    text: str
    intent: str | None


def read_labelled(path: Path, split: str | None = None, *, default: tuple[str, ...] = ("train",)) -> list[Sentence]:
    """Return the sentences of a file of JSON lines {"text", "intent"}, or of one part of CLINC150's layout.

    Args:
        path: the file.
        split: train, val or test, in CLINC150's layout alone.
        default: which of them to take when `split` is not given; the first that there is.

    Raises:
        InputError: the file cannot be read, or a line is not as it should be; the error names the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InputError(f"{path} cannot be read: {reason}") from None
    parts = _parts(text)
    found = list(_lines(path, text, split) if parts is None else _part(path, parts, split, default))
    if not found:
        raise InputError(
            f"{path} holds no sentences; it needs lines such as " + '{"text": "hello", "intent": "greeting"}'
        )
    return found


def _parts(text: str) -> dict[str, Any] | None:
    try:
        whole = json.loads(text)
    except ValueError:
        return None
    return whole if isinstance(whole, dict) and any(isinstance(part, list) for part in whole.values()) else None


def _part(path: Path, parts: dict[str, Any], split: str | None, default: tuple[str, ...]) -> Iterator[Sentence]:
    there = [name for name in SPLITS if isinstance(parts.get(name), list)]
    chosen = split or next((name for name in default if name in there), None)
    if chosen not in there:
        wanted = split or " or ".join(default)
        raise InputError(f"{path} has no split {wanted!r}; it has {', '.join(there) or 'none of train, val and test'}")
    for name in (chosen, f"oos_{chosen}"):
        for number, row in enumerate(parts.get(name) or (), start=1):
            if not isinstance(row, list) or len(row) != 2:
                raise InputError(f"{path}: {name}, entry {number} is not [text, intent]")
            yield _sentence(row[0], row[1], f"{path}: {name}, entry {number}")


def _lines(path: Path, text: str, split: str | None) -> Iterator[Sentence]:
    if split is not None:
        raise InputError(f"--split {split} is for files in CLINC150's layout; {path} has one sentence a line")
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{path}, line {number} is not JSON: {error}") from None
        if not isinstance(row, dict) or "text" not in row or "intent" not in row:
            raise InputError(f'{path}, line {number} needs "text" and "intent"; null where it means none of them')
        yield _sentence(row["text"], row["intent"], f"{path}, line {number}")


def _sentence(text: object, intent: object, where: str) -> Sentence:
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"{where}: the text is {text!r}; it must be a sentence")
    if len(text) > LONGEST:
        raise InputError(f"{where}: the text has {len(text)} characters, {LONGEST} at most; split it")
    if intent is not None and not isinstance(intent, str):
        raise InputError(f"{where}: the intent is {intent!r}; it must be a name, or null for none of them")
    name = intent.strip() if intent else ""
    return Sentence(text.strip(), None if name in {"", OUTSIDE} else name)
