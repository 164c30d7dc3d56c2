"""Phone probabilities of ordinary speech, shipped in the bundle, and the threshold that keeps it from being heard."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.errors import BundleError
from edge_runtime.whole_files import unpacked

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_STEP = 1 / 16
"""A stored level is this much of a natural logarithm; 255 of them reach below one in eight million."""
_LEAST = 0.002
"""Phones less probable than this are not stored; they share what is left of the frame."""
_CLIPS_FOR_A_TAIL = 50
TAIL_BEGINS, _TAIL_ENDS = 0.80, 0.97
"""The tail is read between these shares of the scores: above it, a clip in which the phrase really is said would
decide alone."""


@dataclass(frozen=True, slots=True)
class Background:
    """Clips of speech as (frames, 1 + phones) log probabilities; `texts` says what is said in each, "" if not known.

    Attributes:
        seconds: how long each clip is.
        said: scores that words reached which were really said, to foretell how often a phrase will be missed.
    """

    clips: tuple[NDArray[np.float32], ...]
    texts: tuple[str, ...]
    seconds: tuple[float, ...]
    said: NDArray[np.float32]

    def without(self, words: Sequence[str]) -> Background:
        """Return the clips in which none of `words` is known to be said."""
        unwanted = set(words)
        kept = [at for at, text in enumerate(self.texts) if not unwanted & set(text.split())]
        return Background(
            tuple(self.clips[at] for at in kept),
            tuple(self.texts[at] for at in kept),
            tuple(self.seconds[at] for at in kept),
            self.said,
        )


def pack(
    clips: Sequence[NDArray[np.float32]], texts: Sequence[str], seconds: Sequence[float]
) -> dict[str, NDArray[Any]]:
    """Return the arrays of a background file: of each frame the phones that count, as levels of a byte."""
    counts, channels, levels = [], [], []
    for clip in clips:
        rows, columns = np.nonzero(clip >= math.log(_LEAST))
        counts.append(np.bincount(rows, minlength=len(clip)))
        channels.append(columns)
        levels.append(np.clip(np.rint(-clip[rows, columns] / _STEP), 0, 255))
    return {
        "frames": np.array([len(clip) for clip in clips], np.uint16),
        "counts": np.concatenate(counts).astype(np.uint8),
        "channels": np.concatenate(channels).astype(np.uint8),
        "levels": np.concatenate(levels).astype(np.uint8),
        "width": np.array(clips[0].shape[1], np.uint8),
        "seconds": np.asarray(seconds, np.float32),
        "texts": np.array(list(texts)),
    }


def read_background(path: Path) -> Background:
    """Read a background file.

    Raises:
        BundleError: it is missing or is not such a file.
    """
    try:
        arrays, _ = unpacked(path.read_bytes())
        clips = _unpack(arrays)
        texts = tuple(str(text) for text in arrays["texts"])
        seconds = tuple(float(length) for length in arrays["seconds"])
        said = arrays["said"].astype(np.float32)
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise BundleError(f"background {path} cannot be read ({error}); reinstall the bundle") from None
    return Background(clips, texts, seconds, said)


def _unpack(arrays: dict[str, NDArray[np.generic]]) -> tuple[NDArray[np.float32], ...]:
    counts = arrays["counts"].astype(np.int64)
    frames, width = arrays["frames"].astype(np.int64), int(arrays["width"])
    rows = np.repeat(np.arange(len(counts)), counts)
    probs = np.zeros((len(counts), width))
    probs[rows, arrays["channels"].astype(np.int64)] = np.exp(-_STEP * arrays["levels"].astype(np.float64))
    left = np.clip(1 - probs.sum(axis=1), 1e-6, None)
    missing = np.maximum(width - counts, 1)
    probs = np.where(probs > 0, probs, (left / missing)[:, None])
    logs = np.log(probs).astype(np.float32)
    return tuple(np.split(logs, np.cumsum(frames)[:-1]))


@dataclass(frozen=True, slots=True)
class Tail:
    """How high ordinary speech scores: its stretches, so many an hour, are spread normally above their middle."""

    middle: float
    spread: float
    per_hour: float

    def threshold(self, false_accepts_per_hour: float) -> float:
        """Return the score that ordinary speech reaches so many times in an hour of it."""
        share = min(max(false_accepts_per_hour / self.per_hour, 1e-12), 0.5)
        return self.middle + self.spread * NormalDist().inv_cdf(1 - share)

    def rate(self, threshold: float) -> float:
        """Return how many times an hour of ordinary speech reaches a score."""
        return self.per_hour * (1 - NormalDist(self.middle, self.spread).cdf(threshold))


def fit_tail(scores: NDArray[np.float64], weights: NDArray[np.float64], hours: float) -> Tail | None:
    """Return the upper tail of the best scores of many stretches of speech, or None where there are too few.

    A score is the mean over many frames, so its tail falls as a normal distribution's does; an exponential one would
    ask short phrases for scores that nobody reaches. Read from two quantiles, it does not see the few highest scores at
    all, some of which may be the phrase itself.

    Args:
        scores: one for each stretch.
        weights: how many stretches have that score.
        hours: of speech that all of them were.
    """
    total = float(weights.sum())
    if total < _CLIPS_FOR_A_TAIL or hours <= 0:
        return None
    order = np.argsort(scores)
    share = np.cumsum(weights[order]) / total
    low, high = (float(scores[order][np.searchsorted(share, level)]) for level in (TAIL_BEGINS, _TAIL_ENDS))
    begins, ends = (NormalDist().inv_cdf(level) for level in (TAIL_BEGINS, _TAIL_ENDS))
    spread = max((high - low) / (ends - begins), 0.1)
    return Tail(low - begins * spread, spread, total / hours)
