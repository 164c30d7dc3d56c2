"""Reads a ledger: what left, and whether anything in it was changed, removed, added or put in another order."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_runtime.cloud.chain import Link, is_whole, read_line
from edge_runtime.cloud.ledger import HEAD, NAME, ledger_files, read_head

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong in a ledger: `line` counts from 1, 0 where the whole file is meant."""

    file: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.what}" if self.line else f"{self.file}: {self.what}"


def entries(folder: Path) -> Iterator[Entry]:
    """Yield the entries of a ledger in the order they are in, passing over lines that are none."""
    for _, _, entry in _lines(folder):
        if entry is not None:
            yield entry


def check(folder: Path) -> list[Fault]:
    """Return what is wrong with a ledger, nothing where every entry is the one that was written.

    A line that a crash cut short is nothing wrong: what it says was never sent.
    """
    faults = list(_missing_files(folder))
    head = read_head(folder)
    last, head_hash, where = Link(), head.hash, ("", 0)
    for path, line, entry in _lines(folder):
        where = (path.name, line)
        if entry is None:
            faults.append(Fault(*where, "was changed: it is no entry any more"))
            last = Link(last.seq + 1, "")
            continue
        faults += [Fault(*where, what) for what in _against(entry, last)]
        if isinstance(entry.get("torn"), str):
            faults += [Fault(*where, what) for what in _torn(folder / entry["torn"], entry)]
        last = Link(entry["seq"], entry["hash"])
        head_hash = last.hash if last.seq == head.seq else head_hash
    if last.seq and head == Link():
        faults.append(Fault(HEAD, 0, "is missing or damaged, so a missing end cannot be told"))
    elif head.seq > last.seq:
        faults.append(Fault(*where, f"the end is cut off: entries {last.seq + 1} to {head.seq} are missing"))
    elif head.hash != head_hash:
        faults.append(Fault(HEAD, 0, f"names another entry {head.seq} than the one that is there"))
    return faults


def _against(entry: Entry, last: Link) -> Iterator[str]:
    """Yield what is wrong with an entry that stands after `last`."""
    if not is_whole(entry):
        yield "was changed: its hash is not that of its content"
    seq, lost = entry["seq"], entry.get("lost")
    if entry.get("kind") == "repair" and isinstance(lost, dict):
        yield f"entries {lost.get('from')} to {lost.get('to')} had been written, and were gone before this one"
    elif seq > last.seq + 1:
        yield f"entries {last.seq + 1} to {seq - 1} are missing before it"
    elif seq <= last.seq:
        yield f"is out of order: entry {seq} after entry {last.seq}"
    elif last.hash and entry["prev"] != last.hash:
        yield "does not follow the line before it, which is another than when this one was written"


def _torn(path: Path, entry: Entry) -> Iterator[str]:
    try:
        kept = path.read_bytes()
    except OSError:
        yield f"the torn line that it put aside, {path.name}, is missing"
        return
    if hashlib.sha256(kept).hexdigest() != entry.get("torn_sha256"):
        yield f"the torn line that it put aside, {path.name}, was changed"


def _missing_files(folder: Path) -> Iterator[Fault]:
    names = [path.name for path in ledger_files(folder)]
    last = int(names[-1][-12:-6]) if names else 0
    for number in range(1, last):
        if NAME.format(number) not in names:
            yield Fault(NAME.format(number), 0, "is missing")
    if not names and read_head(folder) != Link():
        yield Fault(NAME.format(1), 0, "is missing")


def _lines(folder: Path) -> Iterator[tuple[Path, int, Entry | None]]:
    """Yield file, line and entry; the last line of all may be one that is being written or was cut short."""
    for path in ledger_files(folder):
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.endswith(b"\n"):
                    yield path, number, read_line(line)
