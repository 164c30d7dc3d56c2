"""Which token comes next: the likeliest, or one by chance among the likely ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.inference.transcript import log_probabilities

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]


class Sampler:
    """Picks tokens; the same seed and the same logits give the same tokens.

    Args:
        temperature: 0 takes the likeliest token, 1 draws as the model says, more flattens.
        top_p: draw among the fewest tokens that have this probability together.
        seed: of the chance.
    """

    def __init__(self, temperature: float, top_p: float, seed: int) -> None:
        self._temperature, self._top_p = temperature, top_p
        self._chance = np.random.default_rng(seed)

    def pick(self, logits: Floats) -> tuple[int, float]:
        """Return a token and the logarithm of the probability that the model itself gives it.

        Args:
            logits: float32 (vocabulary,).
        """
        logs = log_probabilities(logits)
        token = int(logs.argmax()) if self._temperature <= 0 else self._drawn(logits)
        return token, float(logs[token])

    def _drawn(self, logits: Floats) -> int:
        shares = np.exp(log_probabilities(logits / np.float32(self._temperature)).astype(np.float64))
        order = np.argsort(-shares, kind="stable")
        summed = np.cumsum(shares[order])
        most = summed[min(int(np.searchsorted(summed, self._top_p)), len(order) - 1)]
        # The first whose sum passes a point below that of the likely ones is one of them.
        return int(order[int(np.searchsorted(summed, self._chance.random() * most, side="right"))])
