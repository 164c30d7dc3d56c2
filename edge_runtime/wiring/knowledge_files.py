"""Lists of questions and documents, read from files into passages."""

from __future__ import annotations

import csv
import io
import json
import os
from typing import TYPE_CHECKING, Any

from edge_runtime.decision.passages import Passage, passages_of
from edge_runtime.errors import ConfigError
from edge_runtime.settings_file import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

DOCUMENTS = frozenset({".md", ".markdown", ".txt"})
LISTS = frozenset({".jsonl", ".csv", ".yaml", ".yml"})
MOST_FILES = 10_000
KEY = "knowledge.paths"

State = tuple[tuple[str, int, int], ...]
"""Names, sizes and times of change: what tells that a file is another one."""


def found_in(paths: Sequence[Path]) -> list[tuple[Path, str]]:
    """Return the files that `paths` stand for, each with the name that it is quoted by; a link is followed once.

    Raises:
        ConfigError: a path does not exist, or is no kind of file that can be read.
    """
    found: dict[str, tuple[Path, str]] = {}
    for path in paths:
        if path.is_dir():
            for file in _inside(path):
                found.setdefault(os.path.realpath(file), (file, str(file.relative_to(path))))
        elif not path.exists():
            raise ConfigError(f"{KEY}: {path} does not exist; name a file or a folder")
        elif path.suffix.lower() not in DOCUMENTS | LISTS:
            known = ", ".join(sorted(DOCUMENTS | LISTS))
            raise ConfigError(f"{KEY}: {path} is none of the kinds {known}; name one of them, or a folder of them")
        else:
            found.setdefault(os.path.realpath(path), (path, path.name))
    if len(found) > MOST_FILES:
        raise ConfigError(f"{KEY}: {len(found)} files are more than {MOST_FILES}; name smaller folders")
    return list(found.values())


def _inside(folder: Path) -> Iterator[Path]:
    seen: set[str] = set()
    for here, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        folders[:] = [] if real in seen else sorted(name for name in folders if not name.startswith("."))
        if real in seen:
            continue
        seen.add(real)
        for name in sorted(names):
            file = folder.__class__(here) / name
            if not name.startswith(".") and file.suffix.lower() in DOCUMENTS | LISTS and file.is_file():
                yield file


def state_of(files: Sequence[tuple[Path, str]]) -> State:
    """Return what changes when a file does."""
    state = []
    for path, _ in files:
        try:
            about = path.stat()
        except OSError:
            continue
        state.append((str(path), about.st_size, about.st_mtime_ns))
    return tuple(state)


def read_passages(files: Sequence[tuple[Path, str]], mb: float) -> list[Passage]:
    """Return the passages of all files.

    Raises:
        ConfigError: a file cannot be read or is not as its kind should be, or all together are larger than `mb`.
    """
    left, passages = int(mb * 2**20), []
    for path, name in files:
        text = _text(path, left)
        left -= len(text.encode())
        kind = path.suffix.lower()
        if kind in DOCUMENTS:
            passages += passages_of(text, name)
        else:
            passages += [_entry(path, name, line, entry) for line, entry in _ENTRIES[kind](path, text)]
    return passages


def _text(path: Path, most: int) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise ConfigError(f"{KEY}: {path} cannot be read ({error.strerror})") from None
    if len(content) > most:
        raise ConfigError(f"{KEY}: with {path} there is more text than knowledge.mb allows; raise it or name fewer")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: not UTF-8 text; save it as UTF-8") from None


def _entry(path: Path, name: str, line: int, entry: Any) -> Passage:
    """Return one entry of a list as a passage."""
    if not isinstance(entry, dict):
        raise ConfigError(f"{path}:{line}: not a question with its answer; give question and answer")
    said = {key: entry.get(key) for key in ("question", "answer")}
    for key, words in said.items():
        if not isinstance(words, str | int | float) or not str(words).strip():
            raise ConfigError(f"{path}:{line}: {key!r} is missing; each entry needs question and answer")
    question, answer = (" ".join(str(said[key]).split()) for key in ("question", "answer"))
    return Passage(name, f"line {line}", (question,), answer)


def _json_lines(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except ValueError as error:
                raise ConfigError(f"{path}:{number}: not JSON ({error})") from None


def _rows(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)
    try:
        names = [name.strip().lower() for name in reader.fieldnames or []]
        if not {"question", "answer"} <= set(names):
            raise ConfigError(f"{path}:1: the first line must name the columns question and answer")
        reader.fieldnames = names
        for row in reader:
            if any(row.values()):
                yield reader.line_num, row
    except csv.Error as error:
        raise ConfigError(f"{path}:{reader.line_num}: not CSV ({error})") from None


def _items(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    items = read_yaml(path)
    if not isinstance(items, list):
        raise ConfigError(f"{path}:1: not a list; begin each entry with '- question:'")
    starts = [number for number, line in enumerate(text.splitlines(), start=1) if line.startswith("-")]
    for number, item in enumerate(items):
        yield starts[number] if len(starts) == len(items) else number + 1, item


_ENTRIES = {".jsonl": _json_lines, ".csv": _rows, ".yaml": _items, ".yml": _items}
