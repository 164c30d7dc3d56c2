"""From the probabilities of overlapping patches to sounds with a beginning and an end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

GAP_S = 2.0
"""Two sounds of a kind with less between them are one: a dog barks more than once, and rain comes in gusts."""

HOLD = 0.4
"""A sound goes on while its probability stays above this share of what it needs to begin."""

_LATE_S, _EARLY_S = 0.4, 0.3
"""A patch is recognised by less than half of it: so far inside its middle does a sound begin and end; measured."""

_SHORTEST_S = 0.1
IN_A_ROW = 2


@dataclass(frozen=True, slots=True)
class Sound:
    """One sound, in seconds of its stream; `score` is its best patch so far and `end_s` None while it lasts."""

    label: str
    score: float
    start_s: float
    end_s: float | None = None


class SoundEvents:
    """Follows every kind of sound through one stream.

    A sound begins at its threshold, goes on down to a share of it (so that it does not flap), and has ended when
    `gap_s` have passed below that. Two patches in a row must hold it, for every moment lies in two of them: what is in
    one alone is a mistake, except where the stream begins and where it ends.

    Args:
        thresholds: probability that each label needs to begin.
        gap_s: silence within one sound at most.
    """

    def __init__(self, thresholds: Mapping[str, float], gap_s: float = GAP_S) -> None:
        self._tracks = [_Track(label, threshold, gap_s) for label, threshold in thresholds.items()]

    def update(self, start_s: float, end_s: float, probabilities: Mapping[str, float]) -> list[Sound]:
        """Take the next patch; return the sounds that begin with it (`end_s` is None) and those that have ended."""
        return [sound for track in self._tracks for sound in track.update(start_s, end_s, probabilities[track.label])]

    def finish(self) -> list[Sound]:
        """End the stream; return the sounds that last to its end."""
        return [sound for track in self._tracks for sound in track.finish()]


@dataclass(slots=True)
class _Track:
    """One label's way through the stream."""

    label: str
    threshold: float
    gap_s: float
    start_s: float | None = None
    end_s: float | None = None
    score: float = 0.0
    told: bool = False
    last_end_s: float = 0.0
    before: tuple[float, float] | None = None
    in_a_row: int = 0

    def update(self, start_s: float, end_s: float, probability: float) -> Iterator[Sound]:
        low, now = HOLD * self.threshold, (start_s + end_s) / 2
        if probability >= low:
            # The first moments of a stream lie in one patch only.
            self.in_a_row += 2 if self.before is None else 1
            if self.start_s is None:
                self.start_s = start_s if self.before is None else self._crossing(now, probability, low) + _LATE_S
            self.end_s, self.score = None, max(self.score, probability)
            if self.score >= self.threshold and self.in_a_row >= IN_A_ROW and not self.told:
                self.told = True
                yield Sound(self.label, self.score, self.start_s)
        elif self.start_s is not None:
            self.in_a_row = 0
            if self.end_s is None:
                self.end_s = self._crossing(now, probability, low) - _EARLY_S
            if not self.told or end_s - self.end_s > self.gap_s:
                yield from self._close()
        self.before, self.last_end_s = (now, probability), end_s

    def finish(self) -> Iterator[Sound]:
        # Its last moments lie in one patch only, too.
        self.told |= self.end_s is None and self.score >= self.threshold
        yield from self._close()

    def _close(self) -> Iterator[Sound]:
        if self.start_s is not None and self.told:
            end_s = self.last_end_s if self.end_s is None else self.end_s
            yield Sound(self.label, self.score, self.start_s, max(end_s, self.start_s + _SHORTEST_S))
        self.start_s, self.end_s, self.score, self.told, self.in_a_row = None, None, 0.0, False, 0

    def _crossing(self, now: float, probability: float, level: float) -> float:
        """Return when the probability passed `level` between the middle of the patch before and of this one."""
        if self.before is None:
            return now
        then, was = self.before
        return then + (now - then) * (level - was) / (probability - was)
