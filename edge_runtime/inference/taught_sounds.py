"""Sounds learned from a few recordings, in the sound model's own vectors, beside the kinds that it knows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.errors import BundleError
from edge_runtime.inference.lessons import Estimate, LineLesson, direction, inverse_spread, line_of
from edge_runtime.inference.log_mel import patches
from edge_runtime.inference.sounds import SILENCE, SoundTagger
from edge_runtime.whole_files import unpacked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_runtime.bundles.manifest import Manifest
    from edge_runtime.bundles.parts import AudioPart
    from edge_runtime.inference.session import OnnxSession

    Floats = NDArray[np.float32]

_SHRINK = 0.3
"""Share of the vectors' spread that is taken to be alike in all directions: there are fewer vectors than directions."""
_SURE = 0.9
_MARGIN = 0.5
_THRESHOLD = 0.5
_QUIETER = 3.0
"""Patches whose loudest band is this much quieter (in natural logarithms) than the recording's loudest are silence."""
_MOST_PATCHES = 32


def learn_sound(clips: Sequence[Floats], background: Floats) -> LineLesson:
    """Return what recordings teach.

    A linear discriminant: the mean of the recordings against that of ordinary sounds, in units of how much sounds
    differ anyway (Fisher 1936, the spread shrunk as Ledoit and Wolf 2004 do). The threshold lies between the loudest of
    the ordinary sounds and the recordings.

    Args:
        clips: of each recording the vectors of its patches that are not silent, (patches, embedding size).
        background: vectors of ordinary sounds, (n, embedding size), n >= 2.
    """
    middle, inverse = background.mean(axis=0), inverse_spread(background, _SHRINK)
    weights = direction(clips, middle, inverse)
    others = background @ weights
    own = []
    for at in range(len(clips)):
        rest = [clip for number, clip in enumerate(clips) if number != at]
        if rest:
            taught = direction(rest, middle, inverse)
            own.append((float((clips[at] @ taught).max()), _threshold(taught, rest, background)))
    threshold = _threshold(weights, clips, background)
    found = sum(score >= needed for score, needed in own)
    false = int((others >= threshold).sum())
    inside = float(np.mean([(clip @ weights).max() for clip in clips]))
    # A recording in the middle of those it was taught with has a probability of `_SURE`.
    scale = math.log(_SURE / (1 - _SURE)) / max(inside - threshold, 1e-3)
    return LineLesson(weights, -threshold, scale, Estimate(len(clips), int(found), len(background), false))


def _threshold(weights: Floats, clips: Sequence[Floats], background: Floats) -> float:
    """Return the middle between the recordings and the highest of the ordinary sounds, as `_MARGIN` splits it."""
    high = float(np.quantile(background @ weights, 0.995))
    own = float(np.mean([(clip @ weights).max() for clip in clips]))
    return high + _MARGIN * (own - high)


class TaughtTagger(SoundTagger):
    """Names the sounds that the model knows and those that were taught.

    Args:
        session: of the bundle's sound model.
        manifest: of the bundle.
        taught: what was taught, by name.
        min_score: probability that a sound needs, in place of its own threshold.
        labels: of the sounds that the model knows tell these alone; empty means all.
    """

    def __init__(
        self,
        session: OnnxSession,
        manifest: Manifest,
        taught: Mapping[str, LineLesson],
        *,
        min_score: float | None = None,
        labels: Sequence[str] = (),
    ) -> None:
        super().__init__(session, manifest, min_score=min_score, labels=labels)
        # A taught sound stands in for one that the model calls the same.
        self._own = [at for at, label in enumerate(self.labels) if label not in taught]
        self.labels = (*(self.labels[at] for at in self._own), *taught)
        needed = _THRESHOLD if min_score is None else min_score
        self.thresholds = {label: self.thresholds.get(label, needed) for label in self.labels} | dict.fromkeys(
            taught, needed
        )
        self._taught = tuple(taught.values())

    def probabilities(self, log_mel: Floats) -> Floats:
        """Return calibrated probabilities, shape (n, labels), of patches, shape (n, 96, 64)."""
        outputs = self._session.run({self._part.input: log_mel})
        vectors = outputs[self._part.embedding]
        taught = [lesson.probabilities(vectors)[:, None] for lesson in self._taught]
        return np.hstack([self._calibrated(outputs[self._part.sounds])[:, self._own], *taught])


def sound_vectors(session: OnnxSession, part: AudioPart, samples: Floats) -> Floats:
    """Return the unit vectors of a recording's patches, (n, embedding size), silent ones left out."""
    if np.abs(samples).max(initial=0.0) <= SILENCE:
        return np.zeros((0, 0), np.float32)
    rows = patches(samples)
    loud = rows.max(axis=(1, 2))
    # A patch of the silence around a short sound would teach silence.
    heard = rows[loud > loud.max() - _QUIETER]
    vectors = session.run({part.input: heard[:_MOST_PATCHES]})[part.embedding]
    found: Floats = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return found


def pack_sounds(vectors: Floats) -> dict[str, NDArray[np.int8]]:
    """Return the arrays of a background file: unit vectors in steps of one 127th of the largest number in them."""
    scale = float(np.abs(vectors).max())
    return {"vectors": np.rint(vectors / scale * 127).astype(np.int8)}


def read_sounds(path: Path) -> Floats:
    """Return the vectors of ordinary sounds in a background file, (n, embedding size), of length one.

    Raises:
        BundleError: it is missing or is not such a file.
    """
    try:
        stored, _ = unpacked(path.read_bytes())
        vectors = stored["vectors"].astype(np.float32)
        found: Floats = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    except (OSError, ValueError, KeyError) as error:
        raise BundleError(f"background {path} cannot be read ({error}); reinstall the bundle") from None
    return found


def taught_sound(arrays: Mapping[str, Floats], facts: Mapping[str, int]) -> LineLesson:
    """Return the lesson that is on disk."""
    clips, found, background, false = (int(facts[key]) for key in ("clips", "found", "background", "false"))
    return LineLesson(*line_of(arrays), Estimate(clips, found, background, false))
