"""Passages found by their words and their meaning together, and how probable it is that one answers a question."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from edge_runtime.decision.passages import Passage
    from edge_runtime.types import Vector

K1, B = 1.2, 0.75
"""BM25 as Robertson and Zaragoza (2009) set it."""
QUOTED_WORDS = 45
BEST = 6
"""So many passages are looked into for the best part."""
_WORD = re.compile(r"[^\W_]+(?:['\u2019][a-z]+)?")
_STOP_WORDS = (
    "a an the of to in on at for from by with and or is are was were be been it its this that these those do does did "
    "can could will would should may might must i you we they he she my your our their me us what which who whom whose "
    "when where why how if as so than then there here not no nor about into out up down over under per have has had "
    "much many any some please tell"
)
_STOP = frozenset(_STOP_WORDS.split())
_ENDINGS = (("ies", "y"), ("sses", "ss"), ("ing", ""), ("edly", ""), ("ed", ""), ("ly", ""), ("es", ""), ("s", ""))


@dataclass(frozen=True, slots=True)
class Hit:
    """The best part of a passage, from `part` to before `end`, and what speaks for its being an answer.

    Attributes:
        passage: where it stands.
        part: the first of the passage's parts that are quoted.
        end: the first behind them that is not.
        evidence: shape (10,): cosine of the part, of the passage; share of the question's words in the part, in passage
            and heading; share of the rarest words; BM25 as a share of the best possible; lead over other passages;
            share of the part's words that were asked for; whether a number that was asked for is there, -1 to 1, 0
            where none was; how long the part is, 1 from twelve words on.
    """

    passage: Passage
    part: int
    end: int
    evidence: NDArray[np.float64]

    @property
    def quote(self) -> str:
        """Return what is quoted."""
        return " ".join(self.passage.parts[self.part : self.end])


_ASKS_NUMBER = re.compile(
    r"\b(?:how (?:many|much|long|big|large|often|far|old|warm|high|loud)|(?:which|what) (?:port|size|share))\b"
)
_DIGIT = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|thirty|fifth|half|hour|no)\b"
)


def terms(text: str) -> list[str]:
    """Return the words of a text that carry meaning, without their endings."""
    words = (word.split("'")[0].split("\u2019")[0] for word in _WORD.findall(text.lower()))
    return [_stem(word) for word in words if word not in _STOP and word]


def _stem(word: str) -> str:
    for ending, instead in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            stem = word[: len(word) - len(ending)] + instead
            stem = stem[:-1] if len(stem) > 3 and stem[-1] == stem[-2] and stem[-1] not in "ls" else stem
            return stem.removesuffix("e")
    return word.removesuffix("e") if len(word) > 3 else word


class Index:
    """Passages ready to be searched; never changed once made.

    Args:
        passages: what can be found.
        whole: unit vectors of the passages' texts, shape (passages, d).
        parts: unit vectors of all their parts, in order, shape (parts, d).
    """

    def __init__(self, passages: Sequence[Passage], whole: NDArray[np.floating], parts: NDArray[np.floating]) -> None:
        self.passages = tuple(passages)
        self._whole = np.asarray(whole, dtype=np.float32)
        self._parts = parts
        self._starts = np.cumsum([0, *(len(passage.parts) for passage in self.passages)])
        bags = [Counter(terms(_words_of(passage))) for passage in self.passages]
        lengths = np.array([max(sum(bag.values()), 1) for bag in bags], dtype=np.float64)
        self._postings, self._idf = _postings(bags, lengths)
        self._unknown = math.log(1.0 + len(bags)) + 1.0

    def search(self, text: str, vector: Vector) -> list[Hit]:
        """Return the best parts of different passages for a question and its unit vector, the likeliest first."""
        if not self.passages:
            return []
        asked = dict.fromkeys(terms(text))
        weights = {term: self._idf.get(term, self._unknown) for term in asked}
        lexical = self._lexical(weights)
        cosine = self._whole @ vector
        fused = cosine + lexical
        best = np.argsort(-fused)[: BEST + 1]
        lead = fused[best]
        asks_number = float(_ASKS_NUMBER.search(text.lower()) is not None)
        hits = []
        for rank, number in enumerate(best[:BEST]):
            other = lead[0] if rank else (lead[1] if len(lead) > 1 else 0.0)
            seen = (float(cosine[number]), float(lexical[number]), float(fused[number] - other), asks_number)
            hits.append(self._best_part(int(number), weights, vector, seen))
        return sorted(hits, key=lambda hit: -_rank(hit.evidence))

    def _lexical(self, weights: Mapping[str, float]) -> NDArray[np.float64]:
        """Return BM25 of every passage, as a share of what a short passage of just these words would get."""
        scores = np.zeros(len(self.passages))
        for term in weights:
            if term in self._postings:
                ids, values = self._postings[term]
                scores[ids] += values
        return scores / max((K1 + 1) * sum(weights.values()), 1e-9)

    def _best_part(
        self, number: int, weights: Mapping[str, float], vector: Vector, seen: tuple[float, float, float, float]
    ) -> Hit:
        passage = self.passages[number]
        start = int(self._starts[number])
        near = np.asarray(self._parts[start : start + len(passage.parts)], dtype=np.float32) @ vector
        total = max(sum(weights.values()), 1e-9)
        everywhere = set(terms(_words_of(passage)))
        rarest = max(weights.values(), default=0.0)
        rare = [term for term, weight in weights.items() if weight >= 0.8 * rarest]
        number_asked = float(seen[3])
        rows = []
        for part, nearness in zip(passage.parts, near, strict=True):
            words = set(terms(part))
            rows.append(
                (
                    float(nearness),
                    seen[0],
                    sum(weight for term, weight in weights.items() if term in words) / total,
                    sum(weight for term, weight in weights.items() if term in everywhere) / total,
                    sum(term in everywhere for term in rare) / max(len(rare), 1),
                    seen[1],
                    seen[2],
                    len(words & set(weights)) / max(len(words), 1),
                    number_asked * (1.0 if _DIGIT.search(part.lower()) else -1.0),
                    min(len(part.split()) / 12.0, 1.0),
                )
            )
        evidence = np.array(rows)
        best = max(range(len(rows)), key=lambda row: _rank(evidence[row]))
        return Hit(passage, *_with_neighbour(passage.parts, best, evidence), evidence[best])


def _words_of(passage: Passage) -> str:
    """Return the words that a passage is found by; the line of a list is none."""
    return f"{passage.text} {passage.answer if passage.answer is not None else passage.place}"


def _postings(
    bags: Sequence[Counter[str]], lengths: NDArray[np.float64]
) -> tuple[dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]], dict[str, float]]:
    """Return the passages that hold each term, with their BM25, and how rare each term is."""
    found: dict[str, tuple[list[int], list[int]]] = {}
    for number, bag in enumerate(bags):
        for term, count in bag.items():
            ids, counts = found.setdefault(term, ([], []))
            ids.append(number)
            counts.append(count)
    mean = float(lengths.mean()) if len(lengths) else 1.0
    postings, rare = {}, {}
    for term, (ids, counts) in found.items():
        where, often = np.array(ids), np.array(counts, dtype=np.float64)
        rare[term] = math.log(1.0 + (len(bags) - len(ids) + 0.5) / (len(ids) + 0.5))
        weight = often * (K1 + 1) / (often + K1 * (1 - B + B * lengths[where] / mean))
        postings[term] = (where, rare[term] * weight)
    return postings, rare


def _with_neighbour(parts: Sequence[str], best: int, evidence: NDArray[np.float64]) -> tuple[int, int]:
    """Return the best part with the better of its neighbours, where both are short enough to be said together."""
    beside = [
        other
        for other in (best + 1, best - 1)
        if 0 <= other < len(parts) and len(f"{parts[best]} {parts[other]}".split()) <= QUOTED_WORDS
    ]
    if not beside:
        return best, best + 1
    other = max(beside, key=lambda number: _rank(evidence[number]))
    return min(best, other), max(best, other) + 1


RANKING = np.array([1.0, 0.6, 0.8, 0.4, 0.0, 0.5, 0.0, 0.3, 0.1, 0.2])
"""How much each kind of evidence counts when parts are put in order."""
SAME_WORDS = 0.99
"""Probability of an entry whose question has the very words that were asked."""
_USED = (0, 3, 5)
_OF_DOCUMENTS = (np.array([3.63, 2.83, 4.2]), -5.0)
_OF_LISTS = (np.array([6.57, 0.0, 0.0]), -4.1)
"""Logistic regressions on omni-nano's evidence; `bench/knowledge.py` fits and judges them."""


def likelihood(hit: Hit, asked: str) -> float:
    """Return the probability that a hit answers what was asked."""
    if hit.passage.answer is not None and _plain(hit.passage.parts[0]) == _plain(asked):
        return SAME_WORDS
    weights, bias = _OF_DOCUMENTS if hit.passage.answer is None else _OF_LISTS
    return float(1.0 / (1.0 + np.exp(-(hit.evidence[list(_USED)] @ weights + bias))))


def _plain(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _rank(evidence: NDArray[np.float64]) -> float:
    return float(evidence @ RANKING)
