"""Wake words in a stream of sound: nothing but the voice detector runs until somebody speaks."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Self

import numpy as np

from edge_runtime.inference.spotter import FALSE_ACCEPTS_PER_HOUR, Spotter
from edge_runtime.inference.vad import VoiceActivity
from edge_runtime.types import SAMPLE_RATE_HZ, AudioChunk, Wake

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_runtime.inference.background import Background
    from edge_runtime.inference.site_scores import SiteScores
    from edge_runtime.inference.spotter import Acoustic, Words
    from edge_runtime.inference.spotting import Hit

SPEECH = 0.4
"""Probability of speech that wakes the acoustic model: it is lower than an utterance's, a miss here is final."""
_STEP_S = 0.32
_HANGOVER_S = 0.4
_BEFORE_S = 0.4
_SETTLED_S = 0.16
"""The model looks ahead, and a longer word may go on: a phrase counts once so much was heard after it."""
_EXAMINED_S = 8.0
_LEARN_S = 5.0


class WakeWord:
    """Listens to one stream for one or more phrases; all that it is given may be shared with other streams.

    Args:
        spotters: of one or more phrases.
        acoustic: gives the probabilities of phones.
        sites: by phrase, the counts that raise its threshold and go on being filled with what is said here.
        false_accepts_per_hour: how often this home's talk may be taken for a phrase in an hour of it.
    """

    def __init__(
        self,
        spotters: Sequence[Spotter],
        acoustic: Acoustic,
        sites: Mapping[str, SiteScores] | None = None,
        false_accepts_per_hour: float = FALSE_ACCEPTS_PER_HOUR,
    ) -> None:
        self.spotters = tuple(spotters)
        self._acoustic = acoustic
        self._rate = false_accepts_per_hour
        self._sites = dict(sites or {})
        usual = max(spotter.keyword.usual_s for spotter in self.spotters)
        self._window = round((1.5 * usual + _STEP_S + _SETTLED_S + 0.2) * SAMPLE_RATE_HZ)
        self._least = round(0.4 * min(spotter.keyword.usual_s for spotter in self.spotters) * SAMPLE_RATE_HZ)
        self._vad: VoiceActivity | None = None
        self._adapt()
        self.reset()

    @classmethod
    def of_text(
        cls, phrase: str | Sequence[str], acoustic: Acoustic, words: Words, background: Background | None = None
    ) -> Self:
        """Return what listens for any word or words, or several such phrases.

        Raises:
            ConfigError: a phrase has no words, a word that cannot be said, or is too short.
        """
        phrases = [phrase] if isinstance(phrase, str) else phrase
        return cls([Spotter.of_text(one, acoustic, words, background=background) for one in phrases], acoustic)

    def reset(self) -> None:
        """Forget what was heard, as at the start of another recording."""
        self._heard: deque[AudioChunk] = deque()
        self._held = self._fresh = self._spoken = self._silent = 0
        self._unlearned = 0
        self._speaking = False
        self._after = -math.inf
        self._best: dict[str, Hit] = {}
        if self._vad:
            self._vad.reset()

    def save(self) -> None:
        """Write down what was learned from what is said here."""
        for site in self._sites.values():
            site.save()

    def process(self, chunk: AudioChunk, speech: float | None = None) -> Wake | None:
        """Take the next chunk; return the wake word that it completes, or None.

        Args:
            chunk: of any length.
            speech: probability that somebody speaks in it, if the caller knows; else a detector of our own says so.
        """
        if speech is None:
            self._vad = self._vad or VoiceActivity()
            speech = self._vad.process(chunk)
        self._heard.append(chunk)
        self._held += len(chunk.samples)
        if speech >= SPEECH:
            self._speaking, self._silent = True, 0
            self._spoken += len(chunk.samples)
            self._unlearned += len(chunk.samples)
        elif self._speaking:
            self._silent += len(chunk.samples)
        before = self._window if self._speaking else round(_BEFORE_S * SAMPLE_RATE_HZ)
        while self._held - len(self._heard[0].samples) >= before:
            self._held -= len(self._heard.popleft().samples)
        if not self._speaking:
            return None
        self._fresh += len(chunk.samples)
        if self._silent >= _HANGOVER_S * SAMPLE_RATE_HZ:
            return self.flush()
        if self._fresh < _STEP_S * SAMPLE_RATE_HZ or self._spoken < self._least:
            return None
        return self._look(last=False)

    def flush(self) -> Wake | None:
        """End the stretch of speech that is going on; return the wake word at its end, or None."""
        if not self._speaking:
            return None
        wake = self._look(last=True) if self._spoken >= self._least else None
        self._learn()
        self._speaking = False
        self._fresh = self._spoken = self._silent = 0
        return wake

    def examine(self, clip: AudioChunk) -> Wake:
        """Return the likeliest place of a phrase in a whole recording, whether or not it counts as heard."""
        length, best = round(_EXAMINED_S * SAMPLE_RATE_HZ), None
        for at in range(0, max(len(clip.samples) - self._window, 1), length - self._window):
            log_probs = self._acoustic.log_probs(clip.samples[at : at + length])
            for spotter in self.spotters:
                hit = spotter.find(log_probs)
                if best is None or hit.log_score > best[1].log_score:
                    best = (spotter, hit, at)
        assert best is not None  # noqa: S101 - the range above is never empty
        spotter, hit, at = best
        return self._wake(spotter, hit, clip.at + at / SAMPLE_RATE_HZ)

    def threshold(self, phrase: str) -> float:
        """Return the score from which on one of the phrases counts as heard."""
        return next(spotter.threshold for spotter in self.spotters if spotter.phrase == phrase)

    def in_vain(self, wake: Wake) -> None:
        """Learn that no command came after `wake`: it was probably never said."""
        if wake.word in self._sites:
            self._sites[wake.word].add(math.log(max(wake.score, 1e-9)), wake.end - wake.start)
            self._adapt()

    def _look(self, *, last: bool) -> Wake | None:
        self._fresh = 0
        samples = np.concatenate([chunk.samples for chunk in self._heard])
        begun = self._heard[0].at
        log_probs = self._acoustic.log_probs(samples)
        hop_s = self._acoustic.hop / SAMPLE_RATE_HZ
        after = max(0, math.ceil((self._after - begun) / hop_s)) if math.isfinite(self._after) else 0
        settled = len(log_probs) - (0 if last else math.ceil(_SETTLED_S / hop_s))
        for spotter in self.spotters:
            hit = spotter.find(log_probs, after)
            if hit.log_score >= spotter.log_threshold:
                if hit.end > settled:
                    continue  # it is looked at again, with more of what follows
                wake = self._wake(spotter, hit, begun)
                self._after = wake.end
                self._best.clear()
                self._unlearned = 0
                return wake
            known = self._best.get(spotter.phrase)
            if known is None or hit.log_score > known.log_score:
                self._best[spotter.phrase] = hit
        # A television pauses so seldom that its talk is taken in pieces.
        if self._unlearned >= _LEARN_S * SAMPLE_RATE_HZ:
            self._learn()
        return None

    def _wake(self, spotter: Spotter, hit: Hit, begun: float) -> Wake:
        hop_s = self._acoustic.hop / SAMPLE_RATE_HZ
        return Wake(spotter.phrase, math.exp(hit.log_score), begun + hit.start * hop_s, begun + hit.end * hop_s)

    def _learn(self) -> None:
        """Count the best scores of a stretch of speech in which nothing was heard."""
        seconds, self._unlearned = self._unlearned / SAMPLE_RATE_HZ, 0
        best, self._best = self._best, {}
        if seconds * SAMPLE_RATE_HZ < self._least or not self._sites:
            return
        for phrase, hit in best.items():
            if phrase in self._sites:
                self._sites[phrase].add(hit.log_score, seconds)
        self._adapt()

    def _adapt(self) -> None:
        for spotter in self.spotters:
            site = self._sites.get(spotter.phrase)
            tail = site.tail() if site else None
            if tail:
                spotter.raise_threshold(tail.threshold(self._rate))
