"""What a language model was told and has written: the tokens, and their keys and values, which are never copied."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from edge_runtime.bundles.parts import GeneratorPart
    from edge_runtime.inference.session import OnnxSession

    Floats = NDArray[np.float32]

_AT_ONCE = 64
"""Tokens of one run: between two runs somebody may change their mind, and a run's own memory stays small."""


def names(part: GeneratorPart, of: str) -> list[str]:
    """Return the names of the decoder's inputs ("past") or outputs ("present") with keys and values."""
    return [f"{of}.{number}.{name}" for number in range(part.layers) for name in ("key", "value")]


def bytes_of(part: GeneratorPart, room: int) -> int:
    """Return the bytes that the keys and values of `room` tokens take."""
    return 4 * 2 * part.layers * part.heads * part.head_size * room


class Memory:
    """A decoder with what it remembers.

    The keys and values lie in one array for each layer with room for all tokens. The decoder reads them there and
    writes those of the new tokens behind them; memory that was never written to is not taken from the system.

    Args:
        decoder: the session.
        part: how the model is built.
        room: tokens that may be remembered.
    """

    def __init__(self, decoder: OnnxSession, part: GeneratorPart, room: int) -> None:
        shape = (1, part.heads, room, part.head_size)
        self._arrays = [np.zeros(shape, np.float32) for _ in range(2 * part.layers)]
        self._pinned = decoder.pinned(
            past=dict(zip(names(part, "past"), self._arrays, strict=True)),
            present=dict(zip(names(part, "present"), self._arrays, strict=True)),
        )
        self._logits = np.zeros((1, 1, part.vocabulary), np.float32)
        self._tokens: list[int] = []
        self.room = room

    def known(self, tokens: Sequence[int]) -> int:
        """Return how many of the first of `tokens` are remembered already."""
        most = min(len(tokens), len(self._tokens))
        return next((place for place in range(most) if tokens[place] != self._tokens[place]), most)

    def read(self, tokens: Sequence[int], stopped: Callable[[], bool] = bool) -> Floats:
        """Be told exactly these tokens and return the logits after the last, (vocabulary,).

        What is known of them already is not read again. The logits are written over by the next call, and mean nothing
        where reading was stopped.
        """
        start = min(self.known(tokens), len(tokens) - 1)
        del self._tokens[start:]
        for first in range(start, len(tokens), _AT_ONCE):
            if stopped():
                break
            self._add(tokens[first : first + _AT_ONCE])
        return self._last

    def follow(self, token: int) -> Floats:
        """Be told one more token and return the logits after it."""
        self._add([token])
        return self._last

    @property
    def _last(self) -> Floats:
        last: Floats = self._logits[0, 0]
        return last

    def _add(self, tokens: Sequence[int]) -> None:
        after = len(self._tokens) + len(tokens)
        self._pinned.run(
            {
                "input_ids": np.array([tokens], np.int64),
                "places": np.array([len(tokens) - 1], np.int64),
                "total": np.array([after], np.int32),
            },
            {"logits": self._logits},
        )
        self._tokens += tokens
