"""How well every way through a graph of words fits the phone probabilities of one utterance.

Connectionist temporal classification (Graves et al. 2006) under a grammar: a word is its phones with blanks between
them that may be left out, except between two of the same; between words a blank lasts as long as it likes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Scores = NDArray[np.float32]

NEVER = np.float32(-1e30)
"""The score of what cannot be; finite, so that differences stay numbers."""


@dataclass(frozen=True, slots=True)
class Chain:
    """One word said in one way, from one node of the graph to another.

    Attributes:
        start, end: nodes.
        word: what is written for it.
        channels: its phones as channels of the acoustic model, 1 and up; at least one.
        score: added once where it is entered.
    """

    start: int
    end: int
    word: str
    channels: tuple[int, ...]
    score: float = 0.0


class Lattice:
    """Chains side by side in arrays, so that a frame is a few vectorised steps whatever the size of the graph.

    Scores are natural logarithms. `frames` are always (frames, channels) log probabilities, channel 0 the blank.

    Args:
        chains: at least one, in any order.
        nodes: number of nodes; node 0 starts.
        accepting: nodes where a sentence may end.
    """

    def __init__(self, chains: Sequence[Chain], nodes: int, accepting: Sequence[int]) -> None:
        self.chains = tuple(chains)
        self.accepting = tuple(accepting)
        sizes = np.array([len(chain.channels) for chain in chains])
        self.channels = np.array([channel for chain in chains for channel in chain.channels])
        self.last = np.cumsum(sizes) - 1
        self.first = self.last - sizes + 1
        again = np.flatnonzero(self.channels[1:] == self.channels[:-1]) + 1
        self.again = np.setdiff1d(again, self.first)
        self.starts = np.array([chain.start for chain in chains])
        self.ends = np.array([chain.end for chain in chains])
        self.entry = np.array([chain.score for chain in chains], np.float32)
        self.nodes = nodes
        self._leaving = _Groups(self.starts)
        self._arriving = _Groups(self.ends)
        self._closing = np.full(nodes, NEVER, np.float32)
        self._closing[list(accepting)] = 0

    def part(self, keep: NDArray[np.int64]) -> Lattice:
        """Return the lattice of some of the chains alone, by their numbers; nodes keep theirs."""
        return Lattice([self.chains[number] for number in keep], self.nodes, self.accepting)

    def opening(self) -> Scores:
        """Return the scores of the nodes before the first frame."""
        nodes = np.full(self.nodes, NEVER, np.float32)
        nodes[0] = 0
        return nodes

    def closing(self) -> Scores:
        """Return the scores of the nodes after the last frame, looking back."""
        return self._closing.copy()

    def prefixes(self, frames: Scores) -> Scores:
        """Return (frames + 1, nodes): the score of the best way to each node after so many frames."""
        found = np.empty((len(frames) + 1, self.nodes), np.float32)
        found[0] = self.opening()
        before, after = np.full((2, 2, len(self.channels)), NEVER, np.float32)
        for at, frame in enumerate(frames):
            self.step(frame, (before, found[at]), (after, found[at + 1]))
            before, after = after, before
        return found

    def marginals(self, frames: Scores) -> Scores:
        """Return (chains,): the score of the best sentence through each chain."""
        size = len(self.channels)
        entered = np.empty((len(frames), len(self.chains)), np.float32)
        before, after = np.full((2, 2, size), NEVER, np.float32)
        nodes, reached = self.opening(), self.opening()
        for at, frame in enumerate(frames):
            self.step(frame, (before, nodes), (after, reached))
            entered[at] = after[0, self.first]
            before, after, nodes, reached = after, before, reached, nodes
        best = np.full(len(self.chains), NEVER, np.float32)
        later, earlier = np.full((2, 2, size), NEVER, np.float32)
        nodes, reached = self.closing(), self.closing()
        later[0, self.last] = nodes[self.ends]
        for at in range(len(frames) - 1, -1, -1):
            np.maximum(best, entered[at] + later[0, self.first], out=best)
            self.step_back(frames[at], (later, nodes), (earlier, reached))
            later, earlier, nodes, reached = earlier, later, reached, nodes
        return best

    def step(self, frame: Scores, before: tuple[Scores, Scores], after: tuple[Scores, Scores]) -> None:
        """Write the scores of the best ways up to and with one more frame.

        Args:
            frame: (channels,) log probabilities.
            before: scores before the frame: (2, phones), each phone and the blank behind it; (nodes,).
            after: where the same after it go.
        """
        (phones, blanks), nodes = before
        (now, silent), reached = after
        now[0] = phones[0]
        np.maximum(phones[1:], phones[:-1], out=now[1:])
        now[self.again] = phones[self.again]
        np.maximum(now[1:], blanks[:-1], out=now[1:])
        now[self.first] = np.maximum(phones[self.first], nodes[self.starts] + self.entry)
        np.maximum(phones, blanks, out=silent)
        now += frame[self.channels]
        silent += frame[0]
        np.add(nodes, frame[0], out=reached)
        self._arriving.raise_to(reached, now[self.last])

    def step_back(self, frame: Scores, later: tuple[Scores, Scores], earlier: tuple[Scores, Scores]) -> None:
        """Write the scores of the best ways from before one frame to the end of the sentence.

        Args:
            frame: (channels,) log probabilities.
            later: what follows the frame: (2, phones), from each phone and from the blank behind it; (nodes,).
            earlier: where the same with the frame go.
        """
        (phones, blanks), nodes = later
        (now, silent), reached = earlier
        going = phones + frame[self.channels]
        resting = blanks + frame[0]
        np.maximum(resting[:-1], going[1:], out=silent[:-1])
        silent[self.last] = NEVER
        onward = going.copy()
        onward[self.again] = NEVER
        np.maximum(going, resting, out=now)
        np.maximum(now[:-1], onward[1:], out=now[:-1])
        np.add(nodes, frame[0], out=reached)
        self._leaving.raise_to(reached, going[self.first] + self.entry)
        now[self.last] = np.maximum(going[self.last], reached[self.ends])


class _Groups:
    """Numbers gathered by the node they belong to."""

    def __init__(self, nodes: NDArray[np.int64]) -> None:
        self._order = np.argsort(nodes, kind="stable")
        self._nodes, self._cuts = np.unique(nodes[self._order], return_index=True)

    def raise_to(self, scores: Scores, candidates: Scores) -> None:
        """Raise the score of each node to the best of its candidates."""
        best = np.maximum.reduceat(candidates[self._order], self._cuts)
        scores[self._nodes] = np.maximum(scores[self._nodes], best)
