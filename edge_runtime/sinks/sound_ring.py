"""The last seconds of one microphone, from which the sound of alerts is cut."""

from __future__ import annotations

import io
import threading
from collections import deque
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from edge_runtime.types import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_runtime.types import AudioChunk

MOST_S = 180.0


class SoundRing:
    """Keeps the newest `keep_s` seconds of a microphone, 64 kB a second; safe across threads."""

    def __init__(self, keep_s: float) -> None:
        self.last_at = float("-inf")
        self._keep_s = keep_s
        self._held_since = float("inf")
        self._chunks: deque[AudioChunk] = deque()
        self._lock = threading.Lock()

    def take(self, chunk: AudioChunk) -> None:
        """Keep a chunk."""
        self.last_at = chunk.at + len(chunk.samples) / SAMPLE_RATE_HZ
        oldest = max(min(chunk.at - self._keep_s, self._held_since), chunk.at - MOST_S)
        with self._lock:
            self._chunks.append(chunk)
            while self._chunks[0].at < oldest:
                self._chunks.popleft()

    def hold(self, since: float) -> None:
        """Keep all from `since` on, three minutes at most; infinity lets go."""
        with self._lock:
            self._held_since = since

    def between(self, begin: float, end: float) -> NDArray[np.float32]:
        """Return the samples of a time, float32 mono at 16 kHz, shape (n,); what was lost is left out."""
        with self._lock:
            kept = list(self._chunks)
        parts = [chunk.samples for chunk in kept if begin <= chunk.at <= end]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def flac(samples: NDArray[np.float32]) -> bytes:
    """Return sound as a FLAC file of 16 bits, about 25 kB a second."""
    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    return file.getvalue()
