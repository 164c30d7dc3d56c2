"""Sounds learned from a few recordings, in the sound model's own vectors, beside the kinds that it knows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.inference.teaching import Estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

_SHRINK = 0.3
"""Share of the vectors' spread that is taken to be alike in all directions: there are fewer vectors than directions."""
_SURE = 0.9
_MARGIN = 0.5


@dataclass(frozen=True, slots=True)
class SoundLesson:
    """What recordings of a sound teach: a patch holds it where `weights` . vector + `bias` is above 0.

    Attributes:
        weights: (embedding size,).
        bias: added to the product.
        scale: logits for each unit of it.
        estimate: how well it will do.
    """

    weights: Floats
    bias: float
    scale: float
    estimate: Estimate

    def probabilities(self, vectors: Floats) -> Floats:
        """Return the probability that patches, (n, embedding size), hold the sound; one half at the threshold."""
        logits = np.clip(self.scale * (vectors @ self.weights + self.bias), -30, 30)
        found: Floats = (1 / (1 + np.exp(-logits))).astype(np.float32)
        return found


def learn_sound(clips: Sequence[Floats], background: Floats) -> SoundLesson:
    """Return what recordings teach.

    A linear discriminant: the mean of the recordings against that of ordinary sounds, in units of how much sounds
    differ anyway (Fisher 1936, the spread shrunk as Ledoit and Wolf 2004 do). The threshold lies between the loudest of
    the ordinary sounds and the recordings.

    Args:
        clips: of each recording the vectors of its patches that are not silent, (patches, embedding size).
        background: vectors of ordinary sounds, (n, embedding size), n >= 2.
    """
    middle, inverse = _spread(background)
    weights = _direction(clips, middle, inverse)
    others = background @ weights
    own = []
    for at in range(len(clips)):
        rest = [clip for number, clip in enumerate(clips) if number != at]
        if rest:
            direction = _direction(rest, middle, inverse)
            own.append((float((clips[at] @ direction).max()), _threshold(direction, rest, background)))
    threshold = _threshold(weights, clips, background)
    found = sum(score >= needed for score, needed in own)
    false = int((others >= threshold).sum())
    inside = float(np.mean([(clip @ weights).max() for clip in clips]))
    # A recording in the middle of those it was taught with has a probability of `_SURE`.
    scale = math.log(_SURE / (1 - _SURE)) / max(inside - threshold, 1e-3)
    return SoundLesson(weights, -threshold, scale, Estimate(len(clips), found, len(background), false))


def _spread(background: Floats) -> tuple[Floats, NDArray[np.float64]]:
    middle = background.mean(axis=0)
    apart = (background - middle).astype(np.float64)
    covariance = apart.T @ apart / len(background)
    alike = np.trace(covariance) / len(covariance)
    return middle, np.linalg.inv((1 - _SHRINK) * covariance + _SHRINK * alike * np.eye(len(covariance)))


def _direction(clips: Sequence[Floats], middle: Floats, inverse: NDArray[np.float64]) -> Floats:
    """Return where the recordings lie from ordinary sounds; each of them counts alike, however long it is."""
    apart = np.mean([clip.mean(axis=0) for clip in clips], axis=0) - middle
    direction = inverse @ apart
    weights: Floats = (direction / np.linalg.norm(direction)).astype(np.float32)
    return weights


def _threshold(weights: Floats, clips: Sequence[Floats], background: Floats) -> float:
    """Return the middle between the recordings and the highest of the ordinary sounds, as `_MARGIN` splits it."""
    high = float(np.quantile(background @ weights, 0.995))
    own = float(np.mean([(clip @ weights).max() for clip in clips]))
    return high + _MARGIN * (own - high)
