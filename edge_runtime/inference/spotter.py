"""One wake word made from its text: how it is said, and from which score on it counts as heard."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np

from edge_runtime.errors import ConfigError
from edge_runtime.inference.background import TAIL_BEGINS, Tail, fit_tail
from edge_runtime.inference.rivals import rivals
from edge_runtime.inference.spotting import FLOOR_LOG, Keyword, spoken_forms
from edge_runtime.types import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from edge_runtime.inference.background import Background
    from edge_runtime.inference.spotting import Hit, Phones

LEAST_PHONES = 4
"""A phrase with fewer phones is inside too many others to be a wake word: "no" is in "know", "snow" and "nobody"."""
SHORT_PHONES = 5
FALSE_ACCEPTS_PER_HOUR = 3.0
_UNFITTED = math.log(0.2)
"""Threshold where the bundle has no background: a geometric mean of a fifth for each phone."""
_LOWEST, _HIGHEST = math.log(0.02), math.log(0.85)
_MISSED_AT_MOST = 0.2
"""No threshold is so high that more than this share of the words that really are said is missed."""
_HOPELESS = -5.0
_BESIDE_S = 0.3
"""A word that sounds like the phrase may begin this much before it, and end twice as much after it."""
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

    @property
    def common(self) -> Mapping[str, tuple[Phones, ...]]:
        """Common words and how they are said."""

    def pronunciations(self, word: str) -> tuple[Phones, ...]:
        """Return how `word` may be said, the likeliest way first."""


@dataclass(frozen=True, slots=True)
class Taught:
    """What recordings of a phrase have taught: other ways to say it, and a threshold of its own or None."""

    forms: tuple[Phones, ...]
    log_threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Ordinary:
    """What a phrase is to be told from.

    Attributes:
        background: ordinary speech to set its threshold by, or None.
        common: common words and how they are said, to find those that sound like it.
        false_accepts_per_hour: how often ordinary speech may be taken for it in an hour of it.
    """

    background: Background | None = None
    common: Mapping[str, Sequence[Phones]] = field(default_factory=dict)
    false_accepts_per_hour: float = FALSE_ACCEPTS_PER_HOUR


class Spotter:
    """Finds one phrase in phone probabilities.

    Args:
        phrase: what it is called.
        forms: how it is said.
        acoustic: of the model whose probabilities it will be given.
        ordinary: what it is to be told from.
        least: log score that it needs at least.
    """

    def __init__(
        self,
        phrase: str,
        forms: Sequence[Phones],
        acoustic: Acoustic,
        ordinary: Ordinary,
        least: float | None = None,
    ) -> None:
        self.phrase = phrase
        frame_s = acoustic.hop / SAMPLE_RATE_HZ
        self.keyword = Keyword(forms, acoustic.phones, frame_s)
        alike = rivals(forms, ordinary.common)
        self._rivals = Keyword(alike, acoustic.phones, frame_s) if alike else None
        self._beside = round(_BESIDE_S / frame_s)
        known = ordinary.background
        self._background = known.without(_WORDS.findall(phrase.lower())) if known else None
        self.tail = self._tail()
        lowest = _LOWEST if least is None else max(_LOWEST, least)
        wanted = self.tail.threshold(ordinary.false_accepts_per_hour) if self.tail else _UNFITTED
        self._ceiling = self._said(_MISSED_AT_MOST)
        self.base_threshold = min(max(wanted, lowest), self._ceiling)
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
        ordinary = Ordinary(background, words.common, false_accepts_per_hour)
        return cls(phrase, forms, acoustic, ordinary, taught.log_threshold if taught else None)

    @property
    def background(self) -> Sequence[NDArray[np.float32]]:
        """Ordinary speech without the phrase."""
        return self._background.clips if self._background else ()

    @property
    def threshold(self) -> float:
        """The score from which on the phrase counts as heard, 0 to 1."""
        return math.exp(self.log_threshold)

    def find(self, log_probs: NDArray[np.float32], after: int = 0) -> Hit:
        """Return the best place of the phrase that begins at frame `after` or later.

        Its score falls by as much as a word that sounds like the phrase fits better there.
        """
        hit = self.keyword.find(log_probs, after)
        if self._rivals is None or hit.log_score < _HOPELESS:
            return hit
        around = log_probs[max(0, hit.start - self._beside) : hit.end + 2 * self._beside]
        better = self._rivals.find(around).log_score - hit.log_score
        return replace(hit, log_score=max(FLOOR_LOG, hit.log_score - max(0.0, better)))

    def raise_threshold(self, log_threshold: float) -> None:
        """Ask for more than the bundle's own threshold, but never so much that what is really said is lost.

        The home's talk holds the phrase itself now and then, unheard; it must not make the box ever deafer.
        """
        self.log_threshold = min(max(log_threshold, self.base_threshold), self._ceiling)

    def warning(self) -> str | None:
        """Return what is to be said against this phrase as a wake word, or None."""
        if self.keyword.phones < SHORT_PHONES:
            return f"wake word {self.phrase!r} is short ({self.keyword.phones} sounds); a longer one is surer"
        if self.tail and self.base_threshold >= self._ceiling:
            often = self.tail.rate(self.base_threshold)
            return (
                f"wake word {self.phrase!r} sounds like other speech: about {often:.0f} times in an hour of talk it "
                "will be heard by mistake; take a longer one, or teach it with recordings (edge-runtime teach wake)"
            )
        return None

    def _said(self, share: float) -> float:
        """Return the score that so large a share of the words that really are said do not reach."""
        if self._background is None or not len(self._background.said):
            return _HIGHEST
        return float(np.quantile(self._background.said, share))

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
