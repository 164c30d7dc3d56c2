"""Where a text ends early: at the client's stop words, or at its most tokens."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

BYTES_A_TOKEN = 4


def tokens(text: str) -> int:
    """Return about how many tokens a text is: a quarter of its bytes, rounded up."""
    return math.ceil(len(text.encode("utf-8", "replace")) / BYTES_A_TOKEN)


class Cut:
    """Lets a text pass piece by piece until a stop word or the most tokens.

    Args:
        stops: none of them is ever passed on, not even in two pieces.
        most_tokens: as `tokens` counts them.
    """

    def __init__(self, stops: Sequence[str] = (), most_tokens: int | None = None) -> None:
        self.reason: Literal["stop", "length"] = "stop"
        self.over = False
        self._stops = [stop for stop in stops if stop]
        self._room = None if most_tokens is None else most_tokens * BYTES_A_TOKEN
        self._held = ""

    def feed(self, piece: str, *, last: bool = False) -> str:
        """Return what may be passed on now; with `last` nothing is held back."""
        if self.over:
            return ""
        text = self._held + piece
        found = min((at for at in (text.find(stop) for stop in self._stops) if at >= 0), default=len(text))
        begun = len(text) - (0 if last else max((_begun(text, stop) for stop in self._stops), default=0))
        # A stop word that may have begun before one that is whole would cut earlier.
        self.over = found < len(text) and found <= begun
        text, self._held = text[: min(found, begun)], "" if self.over else text[begun:]
        return self._within(text)

    def _within(self, text: str) -> str:
        if self._room is None:
            return text
        raw = text.encode("utf-8", "replace")
        if len(raw) > self._room:
            text, self.over, self.reason = raw[: self._room].decode("utf-8", "ignore"), True, "length"
        self._room -= min(len(raw), self._room)
        return text


def _begun(text: str, stop: str) -> int:
    """Return how many characters at the end of `text` are the beginning of `stop`."""
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)
