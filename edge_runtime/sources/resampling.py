"""Sound of any rate brought to the 16 kHz of the models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import soxr  # type: ignore[import-untyped]  # ships none

from edge_runtime.types import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Resampler:
    """Brings one stream of mono float32 samples from `rate_hz` to 16 kHz, within -1 to 1."""

    def __init__(self, rate_hz: int) -> None:
        same = rate_hz == SAMPLE_RATE_HZ
        self._stream = None if same else soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32")

    def feed(self, samples: NDArray[np.float32], *, last: bool = False) -> NDArray[np.float32]:
        """Return what is ready; the filter holds back a few milliseconds until `last`."""
        if self._stream is not None:
            samples = self._stream.resample_chunk(samples, last=last)
        # A float file may go beyond full scale, and the filter overshoots at hard edges.
        within: NDArray[np.float32] = np.clip(samples, -1.0, 1.0, dtype=np.float32)
        return within
