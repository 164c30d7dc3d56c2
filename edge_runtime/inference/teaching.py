"""A phrase learned from a few recordings of it: how these people say it, and how well it will be found."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.inference.lessons import Estimate
from edge_runtime.inference.spotter import LEAST_PHONES, Spotter
from edge_runtime.inference.spotting import FLOOR_LOG, Keyword
from edge_runtime.types import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_runtime.inference.spotter import Acoustic, Ordinary
    from edge_runtime.inference.spotting import Phones

    Clips = Sequence[NDArray[np.float32]]

MOST_CLIPS = 20
_FORMS = 4
_STRICTER = 10.0
"""A taught phrase may be this much stricter than one from its text alone, as long as its own recordings pass."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What recordings of a phrase teach."""

    forms: tuple[Phones, ...]
    log_threshold: float
    estimate: Estimate


class PhraseTeacher:
    """Learns phrases.

    Args:
        acoustic: of the model whose probabilities it will be given.
        ordinary: what phrases are to be told from.
    """

    def __init__(self, acoustic: Acoustic, ordinary: Ordinary) -> None:
        self._acoustic = acoustic
        self._ordinary = ordinary

    def learn(self, phrase: str, clips: Clips, known: Sequence[Phones] = ()) -> Lesson | None:
        """Return what clips, each (frames, 1 + phones) log probabilities, teach; None where none holds any speech.

        Args:
            phrase: what it is called.
            clips: recordings of the phrase and little else.
            known: ways to say it that are known already.
        """
        heard = [greedy(clip, self._acoustic.phones) for clip in clips]
        candidates = list(dict.fromkeys((*known, *(form for form in heard if len(form) >= LEAST_PHONES))))
        if not candidates:
            return None
        scores = np.array([[self._score(form, clip) for clip in clips] for form in candidates])
        own = np.array([[form == one for one in heard] for form in candidates])
        everyone = np.ones(len(clips), bool)
        forms, passed = self._choose(candidates, scores, own, everyone)
        spotter, threshold = self._spotter(phrase, forms, passed)
        found = 0
        for at in range(len(clips)):
            others = everyone.copy()
            others[at] = False
            usable = np.array(
                [form in known or not own[row, at] or own[row, others].any() for row, form in enumerate(candidates)]
            )
            if len(clips) > 1 and usable.any():
                rows = np.flatnonzero(usable)
                taught, passed = self._choose([candidates[row] for row in rows], scores[rows], own[rows], others)
                _, needed = self._spotter(phrase, taught, passed)
                found += max(scores[candidates.index(form), at] for form in taught) >= needed
        tried = spotter.background
        false = sum(spotter.find(clip).log_score >= threshold for clip in tried)
        return Lesson(tuple(forms), threshold, Estimate(len(clips), int(found), len(tried), int(false)))

    def _score(self, form: Phones, clip: NDArray[np.float32]) -> float:
        hop_s = self._acoustic.hop / SAMPLE_RATE_HZ
        return Keyword([form], self._acoustic.phones, hop_s).find(clip).log_score

    @staticmethod
    def _choose(
        candidates: Sequence[Phones], scores: NDArray[np.float64], own: NDArray[np.bool_], which: NDArray[np.bool_]
    ) -> tuple[list[Phones], NDArray[np.float64]]:
        """Return the few forms that say the chosen clips best together, and how well; no clip speaks for itself."""
        fair = np.where(own & (own[:, which].sum(axis=1, keepdims=True) < 2), FLOOR_LOG, scores)[:, which]
        best = np.full(fair.shape[1], FLOOR_LOG)
        forms: list[Phones] = []
        while len(forms) < min(_FORMS, len(candidates)):
            together = np.maximum(fair, best)
            row = int(np.argmax(together.sum(axis=1)))
            if forms and together[row].sum() < best.sum() + 0.05 * len(best):
                break
            forms.append(candidates[row])
            best = together[row]
        return forms, best

    def _spotter(self, phrase: str, forms: Sequence[Phones], passed: NDArray[np.float64]) -> tuple[Spotter, float]:
        """Return what finds the forms, and its threshold: stricter than by text if all recordings pass easily."""
        spotter = Spotter(phrase, forms, self._acoustic, self._ordinary)
        if spotter.tail is None or len(passed) < 2:
            return spotter, spotter.base_threshold
        usual = float(np.mean(passed) - 2.5 * np.std(passed))
        return spotter, max(
            spotter.base_threshold,
            min(spotter.tail.threshold(self._ordinary.false_accepts_per_hour / _STRICTER), usual),
        )


def greedy(log_probs: NDArray[np.float32], phones: Sequence[str]) -> Phones:
    """Return the likeliest phone of every frame, repetitions and blanks taken out."""
    return tuple(phones[channel - 1] for channel, _ in groupby(log_probs.argmax(axis=1).tolist()) if channel)
