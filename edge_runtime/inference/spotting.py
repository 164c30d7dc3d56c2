"""Where in a stretch of sound a phrase was said best, from the probabilities of phones in each frame (CTC)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

Phones = tuple[str, ...]

FLOOR_LOG = -40.0
"""Score of a phrase of which nothing was heard."""
_VARIANTS = 12
_TINY = 1e-100
"""Sums smaller than this are scaled up before they vanish."""
_VOWELS = {"AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"}


FLOOR = 1e-3
"""Probability that every phone has in a frame whatever the model says, so that one lost phone is not the end."""
_SLOWEST_S, _FASTEST_S = 0.16, 0.045
"""Seconds that a phone takes at most and at least, on the average of a phrase."""
_OFF_PACE = 1.0
"""Points lost for each doubling beyond those."""


@dataclass(frozen=True, slots=True)
class Hit:
    """The best place of a phrase: `log_score` is the mean logarithm of its phones' probability, less penalties.

    Frames `start` to `end`, the last one not included.
    """

    log_score: float
    start: int
    end: int
    pronunciation: Phones


def spoken_forms(words: Iterable[str], pronunciations: Callable[[str], Sequence[Phones]]) -> list[Phones]:
    """Return how a phrase may be said: every word's pronunciations in turn, and with an R after a vowel unsaid."""
    choices = [list(pronunciations(word))[:4] for word in words]
    forms: dict[Phones, None] = {}
    for said in product(*choices):
        phones = tuple(phone for word in said for phone in word)
        forms[phones] = None
    for phones in list(forms):
        forms[_without_late_r(phones)] = None
    return list(forms)[:_VARIANTS]


def _without_late_r(phones: Phones) -> Phones:
    """Return the phones as most speakers of Britain say them: no R but before a vowel."""
    after = (*phones[1:], "T")
    return tuple(
        phone
        for at, (phone, following) in enumerate(zip(phones, after, strict=True))
        if phone != "R" or following in _VOWELS or at == 0 or phones[at - 1] not in _VOWELS
    )


class Keyword:
    """One phrase as its possible sequences of phones.

    Args:
        forms: its pronunciations, in the model's phones.
        phones: of the model, in channel order.
        frame_s: seconds from one frame to the next.
    """

    def __init__(self, forms: Sequence[Phones], phones: Sequence[str], frame_s: float) -> None:
        self.forms = tuple(forms)
        self._frame_s = frame_s
        number = {phone: at for at, phone in enumerate(phones, 1)}
        self._sequences = [np.array([number[phone] for phone in form]) for form in self.forms]
        self.longest_frames = round(2.0 * _SLOWEST_S * max(map(len, self.forms)) / frame_s)

    @property
    def phones(self) -> int:
        """Phones of the shortest pronunciation."""
        return min(map(len, self.forms))

    @property
    def usual_s(self) -> float:
        """Seconds that the phrase usually takes."""
        return 0.085 * max(map(len, self.forms)) + 0.15

    def find(self, log_probs: NDArray[np.float32], after: int = 0) -> Hit:
        """Return the best place in (frames, 1 + phones) log probabilities that begins at frame `after` or later."""
        emissions = _emissions(log_probs)
        starts = _starts(emissions, self._sequences, after)
        if not len(starts):
            return Hit(FLOOR_LOG, 0, 0, self.forms[0])
        logs = _segments(emissions, self._sequences, starts, self.longest_frames)
        phones = np.array([len(form) for form in self.forms])[:, None, None]
        seconds = np.arange(1, logs.shape[2] + 1) * self._frame_s / phones
        scores = logs / phones - _off_pace(seconds)
        which, row, length = np.unravel_index(int(np.argmax(scores)), scores.shape)
        start, best = int(starts[row]), float(scores[which, row, length])
        return Hit(max(FLOOR_LOG, best), start, start + int(length) + 1, self.forms[which])

    def at_most(self, log_probs: NDArray[np.float32]) -> float:
        """Return a score that the best place cannot exceed, found without looking for it."""
        if not len(log_probs):
            return FLOOR_LOG
        loudest = np.log(_emissions(log_probs).max(axis=0))
        return max(float(loudest[sequence].mean()) for sequence in self._sequences)


def _emissions(log_probs: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return (frames, 1 + phones) probabilities, none of them too small to go on with."""
    return np.maximum(np.exp(log_probs.astype(np.float64)), FLOOR)


def _off_pace(seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the penalty for a phrase that was said far too fast or far too slowly, by seconds of a phone."""
    slow = np.log2(np.maximum(seconds / _SLOWEST_S, 1.0))
    fast = np.log2(np.maximum(_FASTEST_S / seconds, 1.0))
    return _OFF_PACE * (slow + fast)


def _starts(emissions: NDArray[np.float64], sequences: Sequence[NDArray[np.int64]], after: int) -> NDArray[np.int64]:
    """Return the frames in which a first phone may be, or the second one next, if the first was not heard."""
    first, second = (np.unique([sequence[at] for sequence in sequences]) for at in (0, min(1, len(sequences[0]) - 1)))
    possible = emissions[:, first].max(axis=1) > 2 * FLOOR
    possible[:-1] |= emissions[1:, second].max(axis=1) > 2 * FLOOR
    possible[:after] = False
    return np.flatnonzero(possible)


def _segments(
    emissions: NDArray[np.float64], sequences: Sequence[NDArray[np.int64]], starts: NDArray[np.int64], longest: int
) -> NDArray[np.float64]:
    """Return (sequences, starts, longest): the log probability that some frames hold one sequence and nothing else.

    The frames are start to start + length, and column 0 is one frame long. CTC's forward sum over all ways to lay the
    phones and blanks over them, the first frame the first phone's and the last one the last phone's; from all starts
    at once (Graves et al. 2006).
    """
    longest = min(longest, len(emissions))
    ends = np.array([2 * len(sequence) - 2 for sequence in sequences])
    channels = np.zeros((len(sequences), int(ends.max()) + 1), np.int64)
    skip = np.zeros(channels.shape)
    for row, sequence in enumerate(sequences):
        channels[row, : ends[row] + 1 : 2] = sequence
        skip[row, 2 : ends[row] + 1 : 2] = sequence[1:] != sequence[:-1]
    padded = np.pad(emissions, ((0, longest), (0, 0)))[:, channels]
    rows = np.arange(len(sequences))
    logs = np.full((len(sequences), len(starts), longest), -np.inf)
    ways = np.zeros((len(starts), *channels.shape))
    ways[:, :, 0] = padded[starts][:, :, 0]
    scale = np.zeros((len(starts), 1))
    for length in range(longest):
        if length:
            arrived = ways.copy()
            arrived[:, :, 1:] += ways[:, :, :-1]
            arrived[:, :, 2:] += ways[:, :, :-2] * skip[:, 2:]
            ways = arrived * padded[starts + length]
        low = ways.max(axis=(1, 2)) < _TINY
        if low.any():
            ways[low] /= _TINY
            scale[low] += math.log(_TINY)
        with np.errstate(divide="ignore"):
            logs[:, :, length] = (np.log(ways[:, rows, ends]) + scale).T
    return logs
