"""What a source is called that was given by its address alone."""

from __future__ import annotations

from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Container


def name_of(source: str, taken: Container[str]) -> str:
    """Return a name that may stand in topics and is not taken: of the file, or of the stream, then of the host.

    No user name and no password is ever part of it, however badly the address is written.
    """
    stem = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "-" for c in _said(source))[:56].strip("-")
    stem = stem or "camera"
    return next(name for name in chain([stem], (f"{stem}-{number}" for number in count(2))) if name not in taken)


def _said(source: str) -> str:
    if " ! " in source:
        return ""
    if "://" not in source:
        return Path(source).stem
    try:
        parts = urlsplit(source)
        host = parts.hostname or ""
    except ValueError:
        return ""
    # Where more than a host follows the last @, a sign of the password was not written as %2F, %3F or %23.
    unsure = "@" in parts.path + parts.query + parts.fragment
    return "" if unsure else Path(parts.path).stem or host
