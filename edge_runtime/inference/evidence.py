"""What speaks for it that a sentence was said, and the probability that it was."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from edge_runtime.inference.paths import Sentence, Word

    Scores = NDArray[np.float32]

_MOST_MARGIN = 12.0


def evidence(sentence: Sentence, frames: Scores, words: Scores, phones: Scores, margin: float) -> dict[str, float]:
    """Return by name what speaks for `sentence`; nearly all is better the higher it is.

    "words" and "phones": how much better it fits than any common words, and than any phones, for each of its phones;
    "sum": the first for all of them together; "worst_word": the second for the word that fits worst; "worst_phone": the
    logarithm of the probability of the phone heard least; "silence": how much better it fits than silence, for each
    phone; "rest": the mean logarithm of the probability of silence where it has no words; "gap": how much better
    silence fits than any phones in the stretch without words where it does so worst; "margin": how much better it fits
    than the next; "length": the logarithm of the number of its phones; "slow": that of the frames each takes.

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
        "sum": min(max(sentence.score - float(words[-1]), -_MOST_MARGIN), _MOST_MARGIN),
        "phones": (sentence.score - float(phones[-1])) / count,
        "worst_word": min(fits),
        "worst_phone": min(heard),
        "silence": (sentence.score - float(frames[:, 0].sum())) / count,
        "rest": float(rest.mean()) if rest.size else 0.0,
        "gap": max(min(_gaps(inside, frames, phones), default=0.0), -_MOST_MARGIN),
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


def _gaps(inside: NDArray[np.bool_], frames: Scores, phones: Scores) -> Iterator[float]:
    """Yield for each stretch of frames without words how much better silence fits there than any phones."""
    edges = np.flatnonzero(np.diff(np.concatenate([[True], inside, [True]])))
    for start, end in edges.reshape(-1, 2).tolist():
        yield float(frames[start:end, 0].sum() - (phones[end] - phones[start]))


def _peaks(word: Word, frames: Scores) -> Iterator[float]:
    for channel, (start, end) in zip(word.chain.channels, word.spans, strict=True):
        yield float(frames[start:end, channel].max())
