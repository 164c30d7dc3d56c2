"""One transcript as it is written: the likeliest token each time, with all that came before remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from edge_runtime.bundles.parts import SpeechPart
    from edge_runtime.inference.session import OnnxSession

    Floats = NDArray[np.float32]

_LEAST_LOOP = 12
_COPIES = 3
_LONGEST_UNIT = 40


class Writing:
    """What a decoder was told and has written about one stretch of sound.

    Only what is new goes through the decoder. The keys and values of the tokens before lie in one array that is as long
    as the longest transcript: new rows are added behind the old ones, and the decoder reads them where they lie.

    Args:
        decoder: the decoder's session.
        part: how the recogniser is built.
        cross: what the encoder heard, by the names of the decoder's inputs.
    """

    def __init__(self, decoder: OnnxSession, part: SpeechPart, cross: Mapping[str, Floats]) -> None:
        self._decoder = decoder
        self._cross = cross
        self._past = np.empty((part.max_tokens, 2 * part.layers, part.heads, part.head_size), np.float32)
        self.length = 0

    def follow(self, tokens: Sequence[int]) -> Floats:
        """Take the next tokens and return, for each, the logits of the one that would come after it: (n, vocabulary).

        All tokens together may be as many as the longest transcript.
        """
        new: dict[str, NDArray[Any]] = {"input_ids": np.array([tokens], np.int64), "past": self._past[: self.length]}
        found = self._decoder.run({**new, **self._cross})
        after = self.length + len(tokens)
        self._past[self.length : after] = found["present"]
        self.length = after
        logits: Floats = found["logits"][0]
        return logits


def attended(part: SpeechPart) -> list[str]:
    """Return the names of what the encoder gives the decoder."""
    return [f"cross.{number}.{name}" for number in range(part.layers) for name in ("key", "value")]


def log_probabilities(logits: Floats) -> Floats:
    """Return the logarithms of the probabilities that logits stand for, along the last axis."""
    shifted = logits - logits.max(-1, keepdims=True)
    found: Floats = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return found


def without_loop(tokens: Sequence[int]) -> int | None:
    """Return how many tokens to keep where the end only repeats itself, one round of it counted; None if it does not.

    At least three rounds and twelve tokens are a loop; what is repeated may be up to forty tokens long.
    """
    for unit in range(1, min(_LONGEST_UNIT, len(tokens) // _COPIES) + 1):
        start = len(tokens) - unit
        while start > 0 and tokens[start - 1] == tokens[start - 1 + unit]:
            start -= 1
        if len(tokens) - start >= max(_LEAST_LOOP, _COPIES * unit):
            return start + unit
    return None
