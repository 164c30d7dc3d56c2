"""From the sound of one utterance to words where the bundle has no acoustic model: PocketSphinx under a grammar."""

from __future__ import annotations

import logging
import math
import threading
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

import numpy as np
from pocketsphinx import Decoder, FsgModel, get_model_path

from edge_runtime.inference.asr import Transcript
from edge_runtime.inference.pronunciation import pronounce
from edge_runtime.types import SAMPLE_RATE_HZ, AudioChunk

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

_log = logging.getLogger(__name__)

_FRAME = SAMPLE_RATE_HZ // 100
_MARGIN = 20 * _FRAME
"""Silence left on both sides: the model's own pauses need some, more would drown the mean of a short word."""

_WEIGHTS = (3.829, 1.257, -2.755, -5.521)
"""Intercept, then the weight of each number of `_evidence`: a logistic fit by bench/voice.py on half of its recordings,
counting as if seven of ten utterances were understood rightly."""


@dataclass(frozen=True, slots=True)
class _Pass:
    """One search's result: its score and the (label, first frame, last frame) of what it heard, pauses left out."""

    score: float
    heard: tuple[tuple[str, int, int], ...]


class SphinxSpeechToText:
    """PocketSphinx with its US English model; a free loop of phones says how much better any other sound would fit.

    Args:
        grammar: the sentences, in PocketSphinx's FSG format.
        spoken: how to say a written word that is not one, such as "%" or "75".
    """

    def __init__(self, grammar: str, spoken: Callable[[str], str] = str) -> None:
        # The lattice's best path loses short words at the end of a recording; wider beams keep them.
        self._decoder = Decoder(lm=None, loglevel="FATAL", bestpath=False, beam=1e-60, wbeam=1e-40, pbeam=1e-60)
        self._lock = threading.Lock()
        self._phones = self._learn_words({line.split()[4] for line in _arcs(grammar) if len(line.split()) == 5}, spoken)
        self._decoder.add_fsg("sentences", self._graph(grammar))
        self._decoder.add_allphone_file("phones", get_model_path("en-us/en-us-phone.lm.bin"))

    def transcribe(self, chunk: AudioChunk) -> Transcript:
        """Return the words of `chunk`, one utterance with as much silence around it as there is."""
        samples = _trimmed(chunk.samples)
        if len(samples) < 10 * _FRAME:
            return Transcript("", 0.0)
        with self._lock:
            said = self._search("sentences", samples)
            if said is None:
                # A recording cut close to the last word leaves the search no pause to end a sentence in.
                samples = np.pad(samples, _MARGIN)
                said = self._search("sentences", samples)
            if said is None or not said.heard:
                return Transcript("", 0.0)
            phones = self._search("phones", samples)
        text = " ".join(_written(word) for word, _, _ in said.heard)
        if phones is None:
            return Transcript(text, 0.0)
        evidence = self._evidence(said, phones, len(samples) // _FRAME)
        return Transcript(text, _probability(evidence), dict(zip(("fit", "phones", "rest"), evidence, strict=True)))

    def _search(self, name: str, samples: NDArray[np.float32]) -> _Pass | None:
        self._decoder.activate_search(name)
        self._decoder.start_utt()
        self._decoder.process_raw((samples * 32767).astype(np.int16).tobytes(), full_utt=True)
        self._decoder.end_utt()
        found = self._decoder.hyp()
        if found is None or found.score <= 0:
            return None
        heard = [part for part in self._decoder.seg() if part.word != "SIL" and part.word[0] not in "<+[("]
        return _Pass(math.log(found.score), tuple((part.word, part.start_frame, part.end_frame) for part in heard))

    def _evidence(self, said: _Pass, phones: _Pass, frames: int) -> tuple[float, float, float]:
        """Return how well the sentence explains the sound, as numbers for a logistic model.

        They are its score above that of the free phones for each frame in a word, the share of phones in which the two
        differ, and the share of the frames that are in no word.
        """
        expected = [phone for word, _, _ in said.heard for phone in self._phones[_written(word)]]
        inside = sum(last - first + 1 for _, first, last in said.heard)
        alike = SequenceMatcher(None, expected, [phone for phone, _, _ in phones.heard], autojunk=False).ratio()
        return 1000 * (said.score - phones.score) / inside, 1 - alike, 1 - inside / max(frames, inside)

    def _learn_words(self, words: set[str], spoken: Callable[[str], str]) -> Mapping[str, list[str]]:
        known: dict[str, list[str]] = {}
        for word in sorted(words):
            phones = self._decoder.lookup_word(word)
            if phones is None:
                parts = [pronounce(part, self._decoder.lookup_word) for part in spoken(word).split()]
                if not parts or None in parts:
                    _log.warning("nobody can say %r: the sentences with it are left out of the grammar", word)
                    continue
                phones = " ".join(filter(None, parts))
                self._decoder.add_word(word, phones, update=False)
            known[word] = phones.split()
        return known

    def _graph(self, grammar: str) -> FsgModel:
        arcs = [line.split() for line in _arcs(grammar)]
        size = max((int(number) for arc in arcs for number in arc[1:3]), default=0) + 1
        graph = FsgModel("sentences", self._decoder.logmath, 1.0, size)
        graph.set_start_state(0)
        graph.set_final_state(size - 1)
        for arc in arcs:
            start, end = int(arc[1]), int(arc[2])
            if len(arc) == 4:
                graph.null_trans_add(start, end, 0)
            elif arc[4] in self._phones:
                graph.trans_add(start, end, 0, graph.word_add(arc[4]))
        return graph


def _probability(evidence: tuple[float, ...]) -> float:
    total = _WEIGHTS[0] + sum(weight * number for weight, number in zip(_WEIGHTS[1:], evidence, strict=True))
    return 1 / (1 + math.exp(-min(max(total, -30.0), 30.0)))


def _written(word: str) -> str:
    """Return a word without the number of its pronunciation: "on" for "on(2)"."""
    return word.split("(", maxsplit=1)[0]


def _arcs(grammar: str) -> list[str]:
    return [line for line in grammar.splitlines() if line.startswith("TRANSITION ")]


def _trimmed(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the loud part with a margin, at half of full scale."""
    samples = np.nan_to_num(samples)
    samples = samples - samples.mean() if len(samples) else samples
    frames = len(samples) // _FRAME
    loud = np.abs(samples).max(initial=0.0)
    if frames < 3 or loud < 1e-4:
        return samples[:0]
    power = np.square(samples[: frames * _FRAME]).reshape(frames, _FRAME).mean(axis=1)
    level = np.convolve(np.sqrt(power), np.full(3, 1 / 3), "same")
    above = np.flatnonzero(level > 0.06 * level.max())
    first, last = above[0] * _FRAME, (above[-1] + 1) * _FRAME
    return samples[max(0, first - _MARGIN) : last + _MARGIN] * np.float32(0.5 / loud)
