"""One wake word made from its text: how it is said, and from which score on it counts as heard."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np

from edge_runtime.errors import ConfigError
from edge_runtime.inference.background import TAIL_BEGINS, Tail, fit_tail
from edge_runtime.inference.spotting import Keyword, Tuning, likeness, spoken_forms
from edge_runtime.types import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_runtime.inference.background import Background
    from edge_runtime.inference.spotting import Hit, Phones

LEAST_PHONES = 4
"""A phrase with fewer phones is inside too many others to be a wake word: "no" is in "know", "snow" and "nobody"."""
SHORT_PHONES = 5
FALSE_ACCEPTS_PER_HOUR = 1.0
_UNFITTED = math.log(0.2)
"""Threshold where the bundle has no background: a geometric mean of a fifth for each phone."""
_LOWEST, _HIGHEST = math.log(0.02), math.log(0.85)
_MISSED_AT_MOST = 0.2
"""The home's own talk raises a threshold at most so far that this share of well-spoken words is missed."""
_WORDS = re.compile(r"[a-z']+")


class Acoustic(Protocol):
    """What gives the phones' probabilities of a stretch of sound."""

    @property
    def phones(self) -> Sequence[str]:
        """The phones of channels 1 onwards."""

    @property
    def hop(self) -> int:
        """Samples from one frame to the next."""

    def log_probs(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (frames, 1 + phones) log probabilities."""


class Words(Protocol):
    """What knows how words are said."""

    def pronunciations(self, word: str) -> tuple[Phones, ...]:
        """Return how `word` may be said, the likeliest way first."""


@dataclass(frozen=True, slots=True)
class Taught:
    """What recordings of a phrase have taught: other ways to say it, and a threshold of its own or None."""

    forms: tuple[Phones, ...]
    log_threshold: float | None = None


class Spotter:
    """Finds one phrase in phone probabilities.

    Args:
        phrase: what it is called.
        forms: how it is said.
        acoustic: of the model whose probabilities it will be given.
        background: ordinary speech to set the threshold by.
        false_accepts_per_hour: how often ordinary speech may be taken for the phrase in an hour of it.
        least: log score that it needs at least.
    """

    def __init__(
        self,
        phrase: str,
        forms: Sequence[Phones],
        acoustic: Acoustic,
        *,
        background: Background | None = None,
        false_accepts_per_hour: float = FALSE_ACCEPTS_PER_HOUR,
        least: float | None = None,
    ) -> None:
        self.phrase = phrase
        tuning = Tuning()
        table = likeness(acoustic.phones, tuning.similar)
        self.keyword = Keyword(forms, table, acoustic.phones, acoustic.hop / SAMPLE_RATE_HZ, tuning)
        self._background = background.without(_WORDS.findall(phrase.lower())) if background else None
        self.tail = self._tail()
        lowest = _LOWEST if least is None else max(_LOWEST, least)
        wanted = self.tail.threshold(false_accepts_per_hour) if self.tail else _UNFITTED
        self.base_threshold = min(max(wanted, lowest), _HIGHEST)
        self.log_threshold = self.base_threshold

    @classmethod
    def of_text(
        cls,
        phrase: str,
        acoustic: Acoustic,
        words: Words,
        *,
        background: Background | None = None,
        false_accepts_per_hour: float = FALSE_ACCEPTS_PER_HOUR,
        taught: Taught | None = None,
    ) -> Self:
        """Return what finds any word or words, said as `words` knows or as was taught.

        Raises:
            ConfigError: the phrase has no words, a word that cannot be said, or is too short.
        """
        forms = forms_of(phrase, words, taught.forms if taught else ())
        return cls(
            phrase,
            forms,
            acoustic,
            background=background,
            false_accepts_per_hour=false_accepts_per_hour,
            least=taught.log_threshold if taught else None,
        )

    @property
    def background(self) -> Sequence[NDArray[np.float32]]:
        """Ordinary speech without the phrase."""
        return self._background.clips if self._background else ()

    @property
    def threshold(self) -> float:
        """The score from which on the phrase counts as heard, 0 to 1."""
        return math.exp(self.log_threshold)

    def find(self, log_probs: NDArray[np.float32], after: int = 0) -> Hit:
        """Return the best place of the phrase that begins at frame `after` or later."""
        return self.keyword.find(log_probs, after)

    def raise_threshold(self, log_threshold: float) -> None:
        """Ask for more than the bundle's own threshold, but never so much that what is really said is lost.

        The home's talk holds the phrase itself now and then, unheard; it must not make the box ever deafer.
        """
        ceiling = self.base_threshold
        if self._background is not None and len(self._background.said):
            ceiling = max(ceiling, float(np.quantile(self._background.said, _MISSED_AT_MOST)))
        self.log_threshold = min(max(log_threshold, self.base_threshold), ceiling)

    def warning(self) -> str | None:
        """Return what is to be said against this phrase as a wake word, or None."""
        missed = self.expected_miss()
        if self.keyword.phones < SHORT_PHONES:
            return f"wake word {self.phrase!r} is short ({self.keyword.phones} sounds); a longer one is surer"
        if missed is not None and missed > 0.3:
            return (
                f"wake word {self.phrase!r} sounds like too much of ordinary speech: about {missed:.0%} of times it "
                "will be missed; take another, or teach it with recordings (edge-runtime teach wake)"
            )
        return None

    def expected_miss(self) -> float | None:
        """Return the share of times that the phrase will be missed, by how well other words are heard, or None."""
        if self._background is None or not len(self._background.said):
            return None
        return float(np.mean(self._background.said < self.log_threshold))

    def _tail(self) -> Tail | None:
        if self._background is None:
            return None
        scores = self._high_scores(self._background.clips)
        return fit_tail(scores, np.ones(len(scores)), sum(self._background.seconds) / 3600)

    def _high_scores(self, clips: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
        """Return the clips' scores; of those below the tail only what they cannot exceed, which is found faster."""
        scores = np.array([self.keyword.at_most(clip) for clip in clips])
        needed = math.ceil((1 - TAIL_BEGINS) * len(clips)) + 1
        known: list[float] = []
        for at in np.argsort(scores)[::-1]:
            if len(known) >= needed and scores[at] <= sorted(known)[-needed]:
                break
            scores[at] = self.find(clips[at]).log_score
            known.append(float(scores[at]))
        return scores


def forms_of(phrase: str, words: Words, taught: Sequence[Phones] = ()) -> list[Phones]:
    """Return how a phrase may be said, by its words and as was taught.

    Raises:
        ConfigError: it has no words, a word that cannot be said, or is too short.
    """
    parts = _WORDS.findall(phrase.lower())
    if not parts or re.search(r"[^a-z' .,!?-]", phrase.lower()):
        raise ConfigError(f"wake word {phrase!r} has to be words of the letters a to z; for example 'hey pixel'")
    unknown = next((part for part in parts if not words.pronunciations(part)), None)
    if unknown and not taught:
        raise ConfigError(f"wake word {phrase!r}: nobody knows how {unknown!r} is said; spell it as it sounds")
    forms = list(dict.fromkeys((*(() if unknown else spoken_forms(parts, words.pronunciations)), *taught)))
    shortest = min(map(len, forms))
    if shortest < LEAST_PHONES:
        raise ConfigError(
            f"wake word {phrase!r} has {shortest} sounds only, and other words hold it; take one with "
            f"6 or more, for example 'hey {phrase}'"
        )
    return forms
