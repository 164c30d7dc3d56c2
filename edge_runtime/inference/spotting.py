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


@dataclass(frozen=True, slots=True)
class Tuning:
    """How strictly phones are compared; found on recordings of words (bench/wake.py).

    Attributes:
        sharpness: exponent of the model's probabilities; below 1 it is believed less.
        similar: share of a similar phone's probability that counts for the wanted one.
        floor: probability that a frame may have whatever the model says, so that one lost phone is not the end.
        worst: weight of the phone that was heard worst beside the mean of all.
        longest_s, shortest_s: seconds that a phone takes at most and at least, on the average of the phrase.
        hurry: points lost for each doubling beyond those.
    """

    sharpness: float = 1.0
    similar: float = 0.1
    floor: float = 1e-3
    worst: float = 0.1
    longest_s: float = 0.16
    shortest_s: float = 0.045
    hurry: float = 1.0


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
        likeness: (phones, phones): how much of a heard phone (column) counts for the wanted one (row), 1 for itself.
        phones: of the model, in channel order.
        frame_s: seconds from one frame to the next.
    """

    def __init__(
        self,
        forms: Sequence[Phones],
        likeness: NDArray[np.float64],
        phones: Sequence[str],
        frame_s: float,
        tuning: Tuning,
    ) -> None:
        self.forms = tuple(forms)
        self._frame_s = frame_s
        self._tuning = tuning
        number = {phone: at for at, phone in enumerate(phones)}
        self._sequences = [np.array([number[phone] for phone in form]) for form in self.forms]
        self._likeness = likeness
        self.longest_frames = round(2.0 * tuning.longest_s * max(map(len, self.forms)) / frame_s)

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
        emissions = self.emissions(log_probs)
        hits = [self._find(emissions, at, after) for at in range(len(self.forms))]
        return max(hits, key=lambda hit: hit.log_score)

    def emissions(self, log_probs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return (frames, 1 + phones): the probability that counts for the blank and for each wanted phone."""
        tuning = self._tuning
        probs = np.exp(tuning.sharpness * log_probs.astype(np.float64))
        probs /= probs.sum(axis=1, keepdims=True)
        found = np.empty_like(probs)
        found[:, 0] = probs[:, 0]
        found[:, 1:] = probs[:, 1:] @ self._likeness.T
        return np.clip(found, tuning.floor, 1.0)

    def _find(self, emissions: NDArray[np.float64], which: int, after: int) -> Hit:
        sequence = self._sequences[which]
        starts = self._starts(emissions, sequence, after)
        logs = _segments(emissions, sequence, starts, self.longest_frames)
        spans = np.arange(1, logs.shape[1] + 1) * self._frame_s / len(sequence)
        scores = logs / len(sequence) - self._off_pace(spans)
        if not np.isfinite(scores).any():
            return Hit(FLOOR_LOG, 0, 0, self.forms[which])
        row, length = np.unravel_index(int(np.argmax(scores)), scores.shape)
        start = int(starts[row])
        end = int(start + length + 1)
        mean = float(scores[row, length])
        worst = float(np.log(weakest(emissions[start:end], sequence)))
        log_score = max(FLOOR_LOG, (mean + self._tuning.worst * worst) / (1 + self._tuning.worst))
        return Hit(log_score, start, end, self.forms[which])

    def _starts(self, emissions: NDArray[np.float64], sequence: NDArray[np.int64], after: int) -> NDArray[np.int64]:
        """Return the frames in which the first phone may be, or the second one next, if the first was not heard."""
        likely = emissions[:, sequence[:2] + 1] > 2 * self._tuning.floor
        possible = likely[:, 0].copy()
        possible[:-1] |= likely[1:, -1]
        possible[:after] = False
        return np.flatnonzero(possible)

    def at_most(self, log_probs: NDArray[np.float32]) -> float:
        """Return a score that the best place cannot exceed, found without looking for it."""
        if not len(log_probs):
            return FLOOR_LOG
        loudest = np.log(self.emissions(log_probs).max(axis=0))
        return max(float(loudest[sequence + 1].mean()) for sequence in self._sequences)

    def _off_pace(self, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the penalty for a phrase that was said far too fast or far too slowly, by seconds of a phone."""
        tuning = self._tuning
        slow = np.log2(np.maximum(seconds / tuning.longest_s, 1.0))
        fast = np.log2(np.maximum(tuning.shortest_s / seconds, 1.0))
        return tuning.hurry * (slow + fast)


def _segments(
    emissions: NDArray[np.float64], sequence: NDArray[np.int64], starts: NDArray[np.int64], longest: int
) -> NDArray[np.float64]:
    """Return (starts, longest): the log probability that frames start to start + length hold `sequence` alone.

    CTC's forward sum over all ways to lay the phones and blanks over those frames, the first frame the first phone's
    and the last one the last phone's; from all starts at once (Graves et al. 2006). Column 0 is one frame long.
    """
    longest = min(longest, len(emissions))
    logs = np.full((len(starts), longest), -np.inf)
    states = 2 * len(sequence) - 1
    channels = np.zeros(states, np.int64)
    channels[::2] = sequence + 1
    padded = np.pad(emissions, ((0, longest), (0, 0)))[:, channels]
    skip = np.zeros(states)
    skip[2::2] = sequence[1:] != sequence[:-1]
    ways = np.zeros((len(starts), states))
    ways[:, 0] = padded[starts, 0]
    scale = np.zeros(len(starts))
    for length in range(longest):
        if length:
            arrived = ways.copy()
            arrived[:, 1:] += ways[:, :-1]
            arrived[:, 2:] += ways[:, :-2] * skip[2:]
            ways = arrived * padded[starts + length]
        low = ways.max(axis=1) < _TINY
        if low.any():
            ways[low] /= _TINY
            scale[low] += math.log(_TINY)
        with np.errstate(divide="ignore"):
            logs[:, length] = np.log(ways[:, -1]) + scale
    return logs


def weakest(emissions: NDArray[np.float64], sequence: NDArray[np.int64]) -> float:
    """Return the probability of the phone that was heard worst, each at its best frame and in their order."""
    wanted = emissions[:, sequence + 1]
    # best[i]: the weakest phone so far when the last one is heard at frame i or before.
    best = np.maximum.accumulate(wanted[:, 0])
    for column in range(1, len(sequence)):
        best = np.maximum.accumulate(np.minimum(np.concatenate(([0.0], best[:-1])), wanted[:, column]))
    return float(max(best[-1], 1e-12))


def likeness(phones: Sequence[str], similar: float) -> NDArray[np.float64]:
    """Return (phones, phones): 1 for the same phone, `similar` for those that people or models often mix up."""
    number = {phone: at for at, phone in enumerate(phones)}
    table = np.eye(len(phones))
    for group in _MIXED_UP:
        for one, other in product(group, group):
            if one != other and one in number and other in number:
                table[number[one], number[other]] = similar
    return table


_MIXED_UP = tuple(
    tuple(group.split())
    for group in (
        "P B", "T D", "K G", "S Z", "SH ZH", "CH JH", "CH SH", "F V", "TH DH", "TH F", "DH D", "T CH", "D JH",
        "M N", "N NG", "L W", "V W", "AH IH", "AH ER", "AH AA", "AH AE", "AH EH", "AH UH", "AH OW", "IH IY", "IH EH",
        "EH AE", "EH EY", "EY IY", "AA AO", "AA AE", "AO OW", "UH UW", "UH ER", "AY AA", "AW AE", "AW AA", "OY AO",
        "Y IY", "W UW", "AO UH", "AH UW", "AO L",
    )
)  # fmt: skip


def distance(one: Phones, other: Phones) -> float:
    """Return how many phones must be changed, added or left out to make `one` of `other` (Levenshtein)."""
    row = list(range(len(other) + 1))
    for at, phone in enumerate(one, 1):
        last, row[0] = row[0], at
        for column, said in enumerate(other, 1):
            last, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, last + (phone != said))
    return float(row[-1])
