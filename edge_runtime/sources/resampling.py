"""Sound of any rate and any block length brought to the 16 kHz chunks of the models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import soxr

from edge_runtime.types import SAMPLE_RATE_HZ, AudioChunk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

CHUNK_SAMPLES = 512
"""Samples in one chunk: 32 ms, what the voice activity model takes."""


class Resampler:
    """Brings one stream of mono float32 samples from `rate_hz` to 16 kHz, or `to_hz`, within -1 to 1."""

    def __init__(self, rate_hz: int, to_hz: int = SAMPLE_RATE_HZ) -> None:
        self._stream = None if rate_hz == to_hz else soxr.ResampleStream(rate_hz, to_hz, 1, dtype="float32")

    def feed(self, samples: NDArray[np.float32], *, last: bool = False) -> NDArray[np.float32]:
        """Return what is ready; the filter holds back a few milliseconds until `last`."""
        if self._stream is not None:
            samples = self._stream.resample_chunk(samples, last=last)
        # A float file may go beyond full scale, and the filter overshoots at hard edges.
        within: NDArray[np.float32] = np.clip(samples, -1.0, 1.0, dtype=np.float32)
        return within


class Chunker:
    """Cuts one stream of samples into chunks of 512, keeping the rest for the next call."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._rest = np.zeros(0, np.float32)

    def feed(self, at: float, samples: NDArray[np.float32]) -> Iterator[AudioChunk]:
        """Yield the whole chunks; `at` is the time of the first of `samples`."""
        at -= len(self._rest) / SAMPLE_RATE_HZ
        samples = np.concatenate([self._rest, samples])
        whole = len(samples) - len(samples) % CHUNK_SAMPLES
        self._rest = samples[whole:]
        for start in range(0, whole, CHUNK_SAMPLES):
            yield AudioChunk(self._source, at + start / SAMPLE_RATE_HZ, samples[start : start + CHUNK_SAMPLES])
