"""The best sentences for the phone probabilities of one utterance, with the place of every phone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.inference.decoding import NEVER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edge_runtime.inference.decoding import Chain, Lattice, Scores

_WORTH = 40.0
"""Sentences this much less likely than the best, as a natural logarithm, are no alternatives."""
_MOST_CHAINS = 400

Steps = list[tuple[int, float]]
"""States one may come from or go to, and what that costs."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word that was heard: its chain in the graph, and for each phone its first frame and the one after its last."""

    chain: Chain
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Sentence:
    """One way through the graph: its score, a natural logarithm, and its words in order."""

    score: float
    words: tuple[Word, ...]

    @property
    def text(self) -> str:
        """The words as the grammar writes them."""
        return " ".join(word.chain.word for word in self.words)


def best_sentences(lattice: Lattice, frames: Scores, most: int = 5) -> list[Sentence]:
    """Return the best sentence and then, for each word or end not in those before, the best one with that.

    The second is the best of all with another text. No text comes twice.

    Args:
        lattice: the grammar.
        frames: (frames, channels) log probabilities.
        most: how many.
    """
    marginals = lattice.marginals(frames)
    least = max(float(marginals.max()) - _WORTH, float(NEVER) / 2, float(np.sort(marginals)[-_MOST_CHAINS:][0]))
    keep = np.flatnonzero(marginals >= least)
    if not keep.size:
        return []
    tracer = _Tracer(lattice.part(keep), frames)
    found: dict[str, Sentence] = {}
    for start in sorted(tracer.starts(), key=lambda start: -start.score):
        if len(found) == most or start.score < least:
            break
        if start.key not in tracer.passed:
            sentence = tracer.through(start)
            found.setdefault(sentence.text, sentence)
    return list(found.values())


@dataclass(frozen=True, slots=True)
class _Start:
    """Where a sentence is traced from, back and onward: the best frame of the first phone of a chain, or an end.

    Attributes:
        score: of the best sentence through it.
        key: the number of the chain, or that of the node where the sentence ends, as a negative number.
        state, at: the state and its frame.
    """

    score: float
    key: int
    state: int
    at: int


class _Tracer:
    """Follows the best ways back and forth through the few chains that matter.

    States are the phones, then the blank behind each, then the rest at each node.

    Attributes:
        passed: keys of the starts that the sentences found so far go through.
    """

    def __init__(self, lattice: Lattice, frames: Scores) -> None:
        self._lattice = lattice
        self._size = size = len(lattice.channels)
        count = len(frames)
        self._to = np.full((count, 2 * size + lattice.nodes), NEVER, np.float32)
        self._from = np.empty_like(self._to)
        self._emitted = np.zeros((count, 2 * size + lattice.nodes), np.float32)
        self._emitted[:, :size] = frames[:, lattice.channels]
        self._emitted[:, size:] = frames[:, :1]
        before, nodes = np.full((2, size), NEVER, np.float32), lattice.opening()
        for at, frame in enumerate(frames):
            after, reached = np.empty_like(before), np.empty_like(nodes)
            lattice.step(frame, (before, nodes), (after, reached))
            self._to[at] = np.concatenate([after[0], after[1], nodes + frame[0]])
            before, nodes = after, reached
        later, nodes = np.full((2, size), NEVER, np.float32), lattice.closing()
        later[0, lattice.last] = nodes[lattice.ends]
        for at in range(count - 1, -1, -1):
            self._from[at] = np.concatenate([later[0], later[1], nodes])
            earlier, reached = np.empty_like(later), np.empty_like(nodes)
            lattice.step_back(frames[at], (later, nodes), (earlier, reached))
            later, nodes = earlier, reached
        self._chain_of = np.repeat(np.arange(len(lattice.chains)), lattice.last - lattice.first + 1)
        self._again = set(lattice.again.tolist())
        self.passed: set[int] = set()
        self._sources: dict[int, Steps] = {}
        self._targets: dict[int, Steps] = {}

    def starts(self) -> Iterator[_Start]:
        """Yield where sentences may be traced from."""
        lattice = self._lattice
        totals = self._to[:, lattice.first] + self._from[:, lattice.first]
        for number, (state, at) in enumerate(zip(lattice.first.tolist(), totals.argmax(axis=0).tolist(), strict=True)):
            yield _Start(float(totals[at, number]), number, state, at)
        at = len(self._to) - 1
        for node in lattice.accepting:
            states = [2 * self._size + node, *(state for state, _ in self._arriving(node, 0.0))]
            best = max(states, key=lambda state: self._to[at, state])
            yield _Start(float(self._to[at, best]), -1 - node, best, at)

    def through(self, start: _Start) -> Sentence:
        """Return the best sentence through a start, and remember the chains and the end that it passes."""
        before, after = self._back(start.at, start.state), self._onward(start.at, start.state)
        words = list(self._words([*reversed(list(before)), start.state, *after]))
        self.passed |= {number for number, _ in words} | ({-1 - words[-1][1].chain.end} if words else set())
        return Sentence(start.score, tuple(word for _, word in words))

    def _back(self, at: int, state: int) -> Iterator[int]:
        """Yield the states before `state` at frame `at`, the nearest first."""
        for time in range(at - 1, -1, -1):
            scores = self._to[time]
            if state not in self._sources:
                self._sources[state] = self._into(state)
            state = max(self._sources[state], key=lambda step: scores[step[0]] + step[1])[0]
            yield state

    def _onward(self, at: int, state: int) -> Iterator[int]:
        """Yield the states after `state` at frame `at`."""
        for time in range(at + 1, len(self._to)):
            scores, emitted = self._from[time], self._emitted[time]
            if state not in self._targets:
                self._targets[state] = self._out_of(state)
            state = max(self._targets[state], key=lambda step: scores[step[0]] + emitted[step[0]] + step[1])[0]
            yield state

    def _into(self, state: int) -> Steps:
        lattice, size = self._lattice, self._size
        if state >= 2 * size:
            return [(state, 0.0), *self._arriving(state - 2 * size, 0.0)]
        if state >= size:
            return [(state, 0.0), (state - size, 0.0)]
        number = self._chain_of[state]
        if state == lattice.first[number]:
            start, score = int(lattice.starts[number]), float(lattice.entry[number])
            return [(state, 0.0), *self._arriving(start, score), (2 * size + start, score)]
        return [(state, 0.0), (size + state - 1, 0.0), *([] if state in self._again else [(state - 1, 0.0)])]

    def _out_of(self, state: int) -> Steps:
        lattice, size = self._lattice, self._size
        if state >= 2 * size:
            return [(state, 0.0), *self._leaving(state - 2 * size)]
        if state >= size:
            return [(state, 0.0), (state - size + 1, 0.0)]
        number = self._chain_of[state]
        if state == lattice.last[number]:
            end = int(lattice.ends[number])
            return [(state, 0.0), (2 * size + end, 0.0), *self._leaving(end)]
        return [(state, 0.0), (size + state, 0.0), *([] if state + 1 in self._again else [(state + 1, 0.0)])]

    def _arriving(self, node: int, score: float) -> Steps:
        return [(last, score) for last in self._lattice.last[self._lattice.ends == node].tolist()]

    def _leaving(self, node: int) -> Steps:
        chosen = self._lattice.starts == node
        firsts, scores = self._lattice.first[chosen], self._lattice.entry[chosen]
        return list(zip(firsts.tolist(), scores.tolist(), strict=True))

    def _words(self, states: Sequence[int]) -> Iterator[tuple[int, Word]]:
        """Yield the number of each chain that the states pass, and the word with its places."""
        spans: list[tuple[int, int]] = []
        before = -1
        for at, state in enumerate([*states, 2 * self._size]):
            if state < self._size and state == before:
                spans[-1] = (spans[-1][0], at + 1)
            elif state < self._size:
                spans.append((at, at + 1))
            if 0 <= before < self._size and state != before and before in self._lattice.last:
                number = int(self._chain_of[before])
                length = len(self._lattice.chains[number].channels)
                done = spans[:length]
                spans = spans[length:]
                yield number, Word(self._lattice.chains[number], tuple(done))
            before = state
