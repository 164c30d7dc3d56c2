"""Which sounds are in a stretch of sound: the probability of every kind, patch by patch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.bundles.parts import AudioPart
from edge_runtime.inference.log_mel import ENOUGH_SAMPLES, HOP_SAMPLES, PATCH_SAMPLES, patches
from edge_runtime.types import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from edge_runtime.bundles.manifest import Manifest
    from edge_runtime.inference.session import OnnxSession

    Floats = NDArray[np.float32]

SILENCE = 0.001
"""A patch in which no sample is larger holds nothing to hear: -60 dB of full scale."""

_OVERLAP = PATCH_SAMPLES - HOP_SAMPLES
_BATCH = 32


class SoundTagger:
    """How probable each kind of sound is in a patch; one may serve several streams.

    Args:
        session: of the bundle's sound model.
        manifest: of the bundle.
        min_score: probability that a sound needs, in place of the bundle's own thresholds.
        labels: tell these sounds alone; empty means all.
    """

    def __init__(
        self, session: OnnxSession, manifest: Manifest, *, min_score: float | None = None, labels: Sequence[str] = ()
    ) -> None:
        self._session = session
        self._part = part = manifest.part(AudioPart)
        self.labels = tuple(label for label in part.labels if not labels or label in labels)
        own = part.thresholds
        self.thresholds = {label: own[label] if min_score is None else min_score for label in self.labels}
        self._columns = [part.labels.index(label) for label in self.labels]
        scales = [part.calibration.get(label, (1.0, 0.0)) for label in self.labels]
        self._scale, self._bias = np.array(scales, np.float32).reshape(-1, 2).T

    def probabilities(self, log_mel: Floats) -> Floats:
        """Return calibrated probabilities, shape (n, labels), of patches, shape (n, 96, 64)."""
        return self._calibrated(self._session.run({self._part.input: log_mel})[self._part.sounds])

    def _calibrated(self, logits: Floats) -> Floats:
        chosen = self._scale * logits[:, self._columns] + self._bias
        found: Floats = 1 / (1 + np.exp(-np.clip(chosen, -30, 30)))
        return found


@dataclass(frozen=True, slots=True)
class Tagged:
    """One patch of a stream, in seconds from its beginning; a silent patch has a probability of 0 for everything."""

    start_s: float
    end_s: float
    probabilities: Mapping[str, float]
    evaluated: bool = True


class SoundStream:
    """One microphone or file, taken piece by piece in pieces of any length."""

    def __init__(self, tagger: SoundTagger) -> None:
        self._tagger = tagger
        self._rest = np.zeros(0, np.float32)
        self._begun = 0
        self._nothing = dict.fromkeys(tagger.labels, 0.0)

    def feed(self, samples: Floats) -> Iterator[Tagged]:
        """Yield the patches that `samples` (16 kHz mono) complete: one each 0.48 s."""
        self._rest = np.concatenate([self._rest, samples])
        while len(self._rest) >= PATCH_SAMPLES:
            count = min(_BATCH, 1 + (len(self._rest) - PATCH_SAMPLES) // HOP_SAMPLES)
            yield from self._tag(self._rest[: PATCH_SAMPLES + (count - 1) * HOP_SAMPLES])
            self._rest = self._rest[count * HOP_SAMPLES :]

    def finish(self) -> Iterator[Tagged]:
        """Yield the last patch, filled up with silence, where enough sound is left for one; the stream is over."""
        old = _OVERLAP if self._begun else 0
        if len(self._rest) - old >= (ENOUGH_SAMPLES if self._begun else 1):
            yield from self._tag(self._rest)
        self._rest = self._rest[:0]

    def _tag(self, samples: Floats) -> Iterator[Tagged]:
        starts = range(0, max(1, len(samples) - _OVERLAP), HOP_SAMPLES)
        windows = [samples[start : start + PATCH_SAMPLES] for start in starts]
        loud = [index for index, window in enumerate(windows) if np.abs(window).max() > SILENCE]
        rows = self._tagger.probabilities(patches(samples)[loud]).tolist() if loud else []
        found = {index: dict(zip(self._tagger.labels, row, strict=True)) for index, row in zip(loud, rows, strict=True)}
        for index, window in enumerate(windows):
            start_s = self._begun / SAMPLE_RATE_HZ
            end_s = start_s + len(window) / SAMPLE_RATE_HZ
            self._begun += HOP_SAMPLES
            yield Tagged(start_s, end_s, found.get(index, self._nothing), index in found)
