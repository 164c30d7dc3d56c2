"""Where an utterance begins and ends, from the probability of speech in each chunk of sound."""

from __future__ import annotations

from collections import deque

import numpy as np

from edge_runtime.types import SAMPLE_RATE_HZ, AudioChunk

_HYSTERESIS = 0.15
"""Speech goes on until it is this much less probable than the threshold that started it."""


class Endpointer:
    """Collects chunks from shortly before speech starts until it has paused; holds one utterance at most.

    Args:
        threshold: probability that starts an utterance.
        end_silence_s: pause that ends it.
        max_utterance_s: it is cut at the first chunk that reaches this length.
        pre_roll_s: sound kept from before the start, so that a soft first consonant is not lost.
        min_speech_s: an utterance with less speech than this is a click or a cough and is dropped.
    """

    def __init__(
        self,
        threshold: float,
        end_silence_s: float,
        max_utterance_s: float,
        pre_roll_s: float = 0.3,
        min_speech_s: float = 0.15,
    ) -> None:
        self.end_silence_s = end_silence_s
        self._threshold = threshold
        self._end_silence = round(end_silence_s * SAMPLE_RATE_HZ)
        self._max_utterance = round(max_utterance_s * SAMPLE_RATE_HZ)
        self._pre_roll = round(pre_roll_s * SAMPLE_RATE_HZ)
        self._min_speech = max(1, round(min_speech_s * SAMPLE_RATE_HZ))
        self._chunks: deque[AudioChunk] = deque()
        self._held = self._speech = self._silence = 0
        self._speaking = False
        self.pause_s = 0.0
        """Seconds since the last speech of the utterance going on, or of the one that was given last."""

    @property
    def speaking(self) -> bool:
        """An utterance is going on, its pauses included."""
        return self._speaking

    def so_far(self) -> AudioChunk | None:
        """Return the utterance going on, which goes on; None where there is too little of it."""
        return _joined(self._chunks) if self._speaking and self._speech >= self._min_speech else None

    def update(self, chunk: AudioChunk, speech: float) -> AudioChunk | None:
        """Take the next chunk and its probability of speech; return the whole utterance that ends with it, or None."""
        self._chunks.append(chunk)
        self._held += len(chunk.samples)
        if speech >= self._threshold - (_HYSTERESIS if self._speaking else 0.0):
            self._speaking = True
            self._speech += len(chunk.samples)
            self._silence = 0
        elif self._speaking:
            self._silence += len(chunk.samples)
        else:
            self._forget_old()
        self.pause_s = self._silence / SAMPLE_RATE_HZ
        if self._speaking and self._silence >= self._end_silence:
            return self.flush()
        if self._speaking and self._held >= self._max_utterance:
            utterance = self.flush()
            self._speaking = True  # it was cut in the middle: what follows goes on, however unsure
            return utterance
        return None

    def flush(self) -> AudioChunk | None:
        """End the stream here; return the utterance that was going on, or None."""
        utterance = self.so_far()
        self._clear()
        return utterance

    def _forget_old(self) -> None:
        while self._chunks and self._held - len(self._chunks[0].samples) >= self._pre_roll:
            self._held -= len(self._chunks.popleft().samples)

    def _clear(self) -> None:
        self._chunks.clear()
        self._held = self._speech = self._silence = 0
        self._speaking = False


def _joined(chunks: deque[AudioChunk]) -> AudioChunk:
    return AudioChunk(chunks[0].source, chunks[0].at, np.concatenate([chunk.samples for chunk in chunks]))
