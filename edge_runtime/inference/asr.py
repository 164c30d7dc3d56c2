"""From the sound of one utterance to words, out of the sentences of a grammar, or to nothing where it is none."""

from __future__ import annotations

import copy
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from edge_runtime.inference.evidence import evidence, probability
from edge_runtime.inference.graphs import phone_loop, sentence_lattice, word_loop
from edge_runtime.inference.paths import best_sentences

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from edge_runtime.bundles.parts import PhonesPart
    from edge_runtime.inference.graphs import States
    from edge_runtime.inference.lexicon import Lexicon
    from edge_runtime.types import AudioChunk

_ALTERNATIVES = 4
_COMMON_WORDS = 4000


class Acoustic(Protocol):
    """Gives the probability of each phone in each frame."""

    def log_probs(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (frames, 1 + phones), channel 0 CTC's blank."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """What may have been said instead, and the probability of that."""

    text: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said, empty where nothing was.

    Attributes:
        text: the words, as the grammar writes them.
        confidence: the probability that they are right.
        evidence: by name, the numbers that the confidence comes from.
        alternatives: other sentences of the grammar, the likeliest first.
    """

    text: str
    confidence: float
    evidence: Mapping[str, float] = field(default_factory=dict)
    alternatives: tuple[Alternative, ...] = ()


NOTHING = Transcript("", 0.0)


@dataclass(frozen=True, slots=True)
class Overheard:
    """What an utterance sounds like without a grammar.

    Attributes:
        frames: (frames, channels) log probabilities, the blank weighed.
        words, phones: (frames + 1,) score of the best common words, and of the best phones, up to each frame.
    """

    frames: NDArray[np.float32]
    words: NDArray[np.float32]
    phones: NDArray[np.float32]


class SpeechToText:
    """An acoustic model, decoded under a grammar, against common English words and against any phones.

    Args:
        acoustic: the acoustic model.
        part: its table in the manifest: what the blank weighs, and the evidence in the model of the confidence.
        lexicon: how words are said.
        states: the sentences, as the states of a graph of words.
        spoken: how to say a written word that is not one, such as "%" or "75".
        meaning: what a sentence asks for; sentences of one meaning do not make each other less sure.
    """

    def __init__(
        self,
        acoustic: Acoustic,
        part: PhonesPart,
        lexicon: Lexicon,
        states: States,
        *,
        spoken: Callable[[str], str] = str,
        meaning: Callable[[str], object] = str,
    ) -> None:
        self._channels = {phone: number for number, phone in enumerate(part.phones, 1)}
        self._acoustic = acoustic
        self._lexicon = lexicon
        self._spoken = spoken
        self._weights = part.confidence
        self._blank = np.float32(part.blank)
        self._meaning = meaning
        self._sentences = sentence_lattice(states, lexicon, self._channels, spoken)
        self._words = word_loop(lexicon, self._channels, _COMMON_WORDS)
        self._phones = phone_loop(lexicon, self._channels)
        self._lock = threading.Lock()

    def under(self, states: States) -> SpeechToText:
        """Return this recogniser for other sentences."""
        other = copy.copy(self)
        other._sentences = sentence_lattice(states, self._lexicon, self._channels, self._spoken)  # noqa: SLF001 - its own
        return other

    def transcribe(self, chunk: AudioChunk) -> Transcript:
        """Return the words of `chunk`, one utterance with as much silence around it as there is."""
        if self._sentences is None or not len(chunk.samples):
            return NOTHING
        with self._lock:
            frames = self._acoustic.log_probs(chunk.samples)
        return self.decode(frames)

    def decode(self, frames: NDArray[np.float32]) -> Transcript:
        """Return the words for (frames, 1 + phones) log probabilities."""
        return self.judge(self.overheard(frames))

    def overheard(self, frames: NDArray[np.float32]) -> Overheard:
        """Return what the frames say whatever the grammar is."""
        weighed = self._weighed(frames)
        words, phones = (loop.prefixes(weighed).max(axis=1) for loop in (self._words, self._phones))
        return Overheard(weighed, words, phones)

    def judge(self, heard: Overheard) -> Transcript:
        """Return the sentence of the grammar that fits best, and how surely it was said."""
        frames = heard.frames
        if self._sentences is None or not len(frames):
            return NOTHING
        found = best_sentences(self._sentences, frames, 1 + _ALTERNATIVES)
        silence = float(frames[:, 0].sum())
        if not found or not found[0].words:
            return NOTHING
        meanings = [self._meaning(sentence.text) for sentence in found]
        judged = []
        for sentence, meaning in zip(found, meanings, strict=True):
            others = (other.score for other, meant in zip(found, meanings, strict=True) if meant != meaning)
            seen = evidence(sentence, frames, heard.words, heard.phones, sentence.score - max(others, default=silence))
            judged.append((sentence.text, probability(seen, self._weights), seen))
        text, confidence, seen = judged[0]
        alternatives = (Alternative(other, min(chance, 1 - confidence)) for other, chance, _ in judged[1:])
        return Transcript(text, confidence, seen, tuple(alternatives))

    def _weighed(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the log probabilities with less of the blank, which the model was taught to prefer when in doubt."""
        weighed = frames.copy()
        weighed[:, 0] -= self._blank
        weighed -= np.log(np.exp(weighed).sum(axis=1, keepdims=True))
        return weighed
