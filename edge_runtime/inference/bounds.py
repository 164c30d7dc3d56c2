"""What somebody else's template may write: never more than fits, measured before it is made."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

_LARGEST_TEXT = 1_000_000
_LARGEST_NUMBER = 10**18
_WIDEST_INDENT = 16


class TooMuchError(ValueError):
    """More than anybody needs for a prompt."""


def bounded(value: Any) -> Any:
    """Return a text, list or number that is not too large.

    Raises:
        TooMuchError: it is too large.
    """
    if isinstance(value, int | float):
        size: float = 0 if abs(value) <= _LARGEST_NUMBER else math.inf
    else:
        size = len(value) if hasattr(value, "__len__") else 0
    if size > _LARGEST_TEXT:
        raise TooMuchError("it writes too much")
    return value


def joined(pieces: Iterable[str], between: str = "") -> str:
    """Return what texts make together, which is measured before it is made.

    Raises:
        TooMuchError: it is too large.
    """
    found, size = [], 0
    for piece in pieces:
        size += len(piece) + len(between)
        if size > _LARGEST_TEXT:
            raise TooMuchError("it writes too much")
        found.append(piece)
    return between.join(found)


def written(value: Any) -> str:
    """Return what is written of a value; of a table or list, if there is not too much in it.

    Raises:
        TooMuchError: it is too large.
    """
    if not isinstance(value, str):
        _count(value)
    return str(bounded(str(value)))


def _count(value: Any) -> None:
    """Refuse what holds so much, or the same things so often, that it could not be written."""
    waiting, size = [value], 0
    while waiting:
        one = waiting.pop()
        size += len(one) if isinstance(one, str) else 1
        if size > _LARGEST_TEXT:
            raise TooMuchError("it writes too much")
        if isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple | set):
            waiting += one


def as_json(
    value: Any,
    ensure_ascii: bool = False,  # noqa: FBT001, FBT002 - templates say so
    indent: int | None = None,
    separators: Any = None,
    sort_keys: bool = False,  # noqa: FBT001, FBT002
) -> str:
    """Return a value as JSON.

    Raises:
        TooMuchError: it is too large.
    """
    _count(value)
    if indent is not None and not 0 <= int(indent) <= _WIDEST_INDENT:
        raise TooMuchError("tojson indents too far")
    text = json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
    return str(bounded(text))


def replaced(text: Any, old: str, new: str, count: int = -1) -> str:
    """Return a text with some of it exchanged.

    Raises:
        TooMuchError: it is too large.
    """
    before = written(text)
    found = before.count(old) if count is None or count < 0 else min(before.count(old), count)
    if len(before) + found * (len(new) - len(old)) > _LARGEST_TEXT:
        raise TooMuchError("it writes too much")
    return before.replace(old, new, found)


def join(values: Iterable[Any], between: str = "", attribute: Any = None) -> str:
    """Return what values make together, each as it is written.

    Raises:
        TooMuchError: it is too large.
    """
    if attribute is not None:
        raise TooMuchError("join takes no attribute; map it first")
    return joined(map(written, values), between)
