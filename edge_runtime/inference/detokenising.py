"""Text out of tokens as they come, never half a character."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

_HALF = "\ufffd"
_LONGEST_CHARACTER = 8
"""Tokens that one character may take; what is still torn then was meant so."""


class _Decodes(Protocol):
    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:  # noqa: FBT001, FBT002
        """Return the text of tokens."""


class TextStream:
    """Turns tokens into pieces of text; all pieces together are the text of all tokens.

    Args:
        tokenizer: that of the model; what a piece looks like may depend on the pieces around it.
    """

    def __init__(self, tokenizer: _Decodes) -> None:
        self._tokenizer = tokenizer
        self._tokens: list[int] = []
        # Text up to `_told` is out; the tokens from `_context` to there are decoded again to see what joins them.
        self._context = self._told = 0

    def push(self, token: int) -> str:
        """Take the next token and return the text that is now sure, which may be none."""
        self._tokens.append(token)
        return self._piece(final=len(self._tokens) - self._told > _LONGEST_CHARACTER)

    def end(self) -> str:
        """Return what was held back."""
        return self._piece(final=True)

    def _piece(self, *, final: bool) -> str:
        before = self._tokenizer.decode(self._tokens[self._context : self._told])
        both = self._tokenizer.decode(self._tokens[self._context :])
        if len(both) <= len(before) or (both.endswith(_HALF) and not final):
            return ""
        # Behind a torn character everything would look torn.
        self._context = len(self._tokens) if both.endswith(_HALF) else self._told
        self._told = len(self._tokens)
        return both[len(before) :]
