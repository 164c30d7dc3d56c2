"""One line of the ledger: JSON whose hash covers itself and the line before, so that no change goes unseen."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

START = "0" * 64
"""What the first line of all names as the hash before it."""


@dataclass(frozen=True, slots=True)
class Link:
    """Where the chain stands: number and hash of its last line."""

    seq: int = 0
    hash: str = START


def seal(fields: Mapping[str, Any], before: Link) -> tuple[bytes, Link]:
    """Return `fields` as the line that follows `before`, without its line break, and where the chain stands then."""
    entry = {**fields, "seq": before.seq + 1, "prev": before.hash}
    own = digest(entry)
    return canonical({**entry, "hash": own}), Link(before.seq + 1, own)


def digest(entry: Mapping[str, Any]) -> str:
    """Return the sha256 of an entry's canonical JSON without its own "hash"."""
    return hashlib.sha256(canonical({key: value for key, value in entry.items() if key != "hash"})).hexdigest()


def canonical(entry: Mapping[str, Any]) -> bytes:
    """Return JSON in the one form that is hashed: keys sorted, no spaces, ASCII alone."""
    return json.dumps(entry, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def read_line(line: bytes) -> dict[str, Any] | None:
    """Return the entry in a line, None where it is none; whether its hash is right is another question."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    kept = isinstance(entry, dict) and isinstance(entry.get("seq"), int) and not isinstance(entry["seq"], bool)
    if not kept or not all(isinstance(entry.get(key), str) for key in ("hash", "prev")):
        return None
    return dict(entry)


def is_whole(entry: Mapping[str, Any]) -> bool:
    """Tell whether an entry's hash is that of its content."""
    try:
        return bool(digest(entry) == entry["hash"])
    except (ValueError, RecursionError):
        return False
