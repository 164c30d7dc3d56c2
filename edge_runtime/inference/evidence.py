"""What speaks for it that a sentence was said, and the probability that it was."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from edge_runtime.inference.paths import Sentence, Word

    Scores = NDArray[np.float32]

PRIOR: Mapping[str, float] = {"bias": 0.0}
"""Weights of the evidence where the bundle brings none."""

_MOST_MARGIN = 12.0


def evidence(sentence: Sentence, frames: Scores, words: Scores, phones: Scores, margin: float) -> dict[str, float]:
    """Return by name what speaks for `sentence`; nearly all is better the higher it is.

    "words" and "phones": how much better it fits than any common words, and than any phones, for each of its phones;
    "worst_word": the same against any phones for the word that fits worst; "worst_phone": the logarithm of the
    probability of the phone heard least; "silence": how much better it fits than silence, for each phone; "rest": the
    mean logarithm of the probability of silence where it has no words; "margin": how much better it fits than the next;
    "length": the logarithm of the number of its phones; "slow": that of the frames each takes.

    Args:
        sentence: with at least one word.
        frames: (frames, channels) log probabilities.
        words: (frames + 1,) score of the best common words up to each frame.
        phones: the same of the best phones.
        margin: the score of `sentence` above that of the best other one.
    """
    count = sum(len(word.chain.channels) for word in sentence.words)
    inside = np.zeros(len(frames), bool)
    fits, heard = [], []
    for word in sentence.words:
        first, last = word.spans[0][0], word.spans[-1][1]
        inside[first:last] = True
        free = float(phones[last] - phones[first])
        fits.append((_score(word, frames) - free) / len(word.spans))
        heard += list(_peaks(word, frames))
    rest = frames[~inside, 0]
    return {
        "words": (sentence.score - float(words[-1])) / count,
        "phones": (sentence.score - float(phones[-1])) / count,
        "worst_word": min(fits),
        "worst_phone": min(heard),
        "silence": (sentence.score - float(frames[:, 0].sum())) / count,
        "rest": float(rest.mean()) if rest.size else 0.0,
        "margin": min(margin, _MOST_MARGIN),
        "length": math.log(count),
        "slow": math.log(float(inside.sum()) / count),
    }


def probability(found: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """Return the probability that a sentence with this evidence was said: a logistic model."""
    total = weights.get("bias", 0.0) + sum(weights.get(name, 0.0) * value for name, value in found.items())
    return 1 / (1 + math.exp(-min(max(total, -30.0), 30.0)))


def _score(word: Word, frames: Scores) -> float:
    """Return the score of a word from its first phone's first frame to its last phone's last."""
    first, last = word.spans[0][0], word.spans[-1][1]
    channels = np.zeros(last - first, np.int64)
    for channel, (start, end) in zip(word.chain.channels, word.spans, strict=True):
        channels[start - first : end - first] = channel
    return float(frames[np.arange(first, last), channels].sum())


def _peaks(word: Word, frames: Scores) -> Iterator[float]:
    for channel, (start, end) in zip(word.chain.channels, word.spans, strict=True):
        yield float(frames[start:end, channel].max())


def fit(rows: Sequence[tuple[Mapping[str, float], bool]], weight_decay: float = 1e-3) -> dict[str, float]:
    """Return the weights of the logistic model that explain best which sentences were said and which were not.

    Args:
        rows: the evidence of a sentence, and whether it was said; both kinds count alike in sum.
        weight_decay: on weights of evidence scaled to a standard deviation of one.
    """
    names = sorted(rows[0][0])
    table = np.array([[found[name] for name in names] for found, _ in rows])
    said = np.array([label for _, label in rows], float)
    share = np.where(said > 0, 0.5 / max(said.sum(), 1), 0.5 / max((1 - said).sum(), 1))
    mean, spread = table.mean(axis=0), table.std(axis=0) + 1e-6
    inputs = np.column_stack([np.ones(len(rows)), (table - mean) / spread])
    weights = np.zeros(inputs.shape[1])
    keep = np.full(len(weights), weight_decay)
    for _ in range(50):
        chance = 1 / (1 + np.exp(-np.clip(inputs @ weights, -30, 30)))
        slope = inputs.T @ (share * (chance - said)) + keep * weights
        curve = (inputs.T * (share * chance * (1 - chance))) @ inputs + np.diag(keep + 1e-9)
        weights -= np.linalg.solve(curve, slope)
    scaled = weights[1:] / spread
    return {"bias": float(weights[0] - scaled @ mean), **dict(zip(names, map(float, scaled), strict=True))}
