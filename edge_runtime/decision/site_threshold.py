"""A threshold that sets itself: at most so many false alarms a day, by the scores that this site itself has given."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BLOCK_S = 60.0
"""Looks within a minute tell of one thing; only the highest score of each watched minute is history."""
BLOCKS_A_DAY = 1440
ENOUGH = 60
"""Watched minutes from which something can be promised at all."""
STRETCH, STRETCHES, TOPS = 360, 28, 16
"""History: of the last 28 stretches of 360 watched minutes, a week in all, the 16 highest minutes of each."""
EPISODE = 5
"""Alarms with fewer minutes than this between them are one."""
FLANK = 1
"""So many minutes before and after an alarm are no history: what happens begins and ends below the threshold."""
SURPRISE = 0.01
"""With more alarms a day than the promise gives in 99 of 100 days, the lowest of them were no anomalies."""
MARGIN = 0.75
"""Share of the promise that is aimed at: minutes are neither independent nor alike."""
FINES, FINE_MINUTES = 16, 4 * 7 * BLOCKS_A_DAY
"""So many of the last scores that were fine count, for four weeks of watching."""
ALIKE = 0.1
"""What is by so much stranger than what was fine is still the like of it."""
_TAIL = 64


@dataclass(frozen=True, slots=True)
class Judged:
    """One score against the history of its site.

    Attributes:
        alarm: whether it is above the threshold.
        threshold: None while the history is too short to promise anything.
        p_value: how probable it is that a watched minute without an anomaly scores as high, 0 to 1.
    """

    alarm: bool
    threshold: float | None
    p_value: float


class SiteThreshold:
    """Judges scores, high being strange, so that all is well gives at most `alarms_per_day` alarms.

    The history is the highest score of each watched minute of about a week. The threshold is conformal where the
    history is long enough for that (Vovk, Gammerman and Shafer 2005): the score that so many of the minutes passed as
    may alarm. Before that the highest tenth of the minutes is taken for the tail of an exponential distribution, with
    what its few minutes leave unsure reckoned in: P(excess > x) = (1 + x / (n * mean)) ** -n, which for exponential
    excesses is exact over the samples that the mean may come from. It is never below any minute of a history that
    short. A minute that alarmed counts, or the threshold would sink, but its score does not, nor those about it, or a
    burglar would set it; except where it was said to be fine, where it persists, or where there are more alarms than
    the promise allows.

    Args:
        alarms_per_day: false alarms in a day of watching, above 0.
        least: no lower score alarms, whatever the history.
        persists: minutes of alarm in a row after which this is the way things are; None for never.
        believed: a score that is known from elsewhere to be no chance: as long as the tail is a guess, the threshold
            is no higher than this or the highest minute.
        enough: watched minutes from which something is promised.
        patience: alarms within so many minutes speak once against the threshold, however many they are.
    """

    def __init__(
        self,
        alarms_per_day: float,
        *,
        least: float = -math.inf,
        persists: int | None = 30,
        believed: float = math.inf,
        enough: int = ENOUGH,
        patience: int = EPISODE,
    ) -> None:
        self._rate = MARGIN * alarms_per_day / BLOCKS_A_DAY
        self._least = least
        self._persists = persists
        self._believed = believed
        self._enough = enough
        self._patience = patience
        self._too_many = _implausible(alarms_per_day)
        self._stretches: tuple[tuple[float, ...], ...] = ()
        self._current: tuple[float, ...] = ()
        self._minutes = 0
        self._alarms: tuple[tuple[int, float], ...] = ()
        self._fines: tuple[tuple[int, float], ...] = ()
        self._run = 0
        self._waiting: tuple[tuple[int, float], ...] = ()
        self._begun: float | None = None
        self._calm: float | None = None
        self._alarmed: float | None = None
        self._work_out()

    @property
    def minutes(self) -> int:
        """Return how many minutes were watched so far."""
        return self._minutes

    @property
    def threshold(self) -> float | None:
        """Return the score that must be passed for an alarm, None as long as nothing can be promised."""
        return self._threshold

    def update(self, at: float, score: float) -> Judged:
        """Judge a score seen at `at` (seconds, of any clock that runs on) and make it history."""
        if self._begun is None or not 0 <= at - self._begun < BLOCK_S:
            self._close_minute()
            self._begun = at
        judged = self.judge(score)
        if judged.alarm:
            self._alarmed = score if self._alarmed is None else max(score, self._alarmed)
        else:
            self._calm = score if self._calm is None else max(score, self._calm)
        return judged

    def judge(self, score: float) -> Judged:
        """Judge a score without taking notice of it."""
        alarm = self._threshold is not None and score > self._threshold
        return Judged(alarm, self._threshold, self._p_value(score))

    def fine(self, score: float) -> None:
        """Take note that an alarm with this score was none: the like of it does not alarm again.

        What is told as it begins goes on to score higher: the highest score of that alarm is what was fine.
        """
        peaks = [*(alarm[1] for alarm in self._alarms), *([] if self._alarmed is None else [self._alarmed])]
        peak = min((one for one in peaks if one >= score), default=score)
        self._fines = (*self._fines, (self._minutes, peak))[-FINES:]
        self._alarms = tuple(alarm for alarm in self._alarms if alarm[1] != peak)
        self._work_out()

    def state(self) -> Mapping[str, object]:
        """Return the history as JSON values, some kilobytes of them; cheap, for nothing is copied."""
        return {
            "stretches": self._stretches,
            "current": self._current,
            "minutes": self._minutes,
            "alarms": self._alarms,
            "fines": self._fines,
            "waiting": self._waiting,
            "minute": (self._begun, self._calm, self._alarmed, self._run),
            "worked_out": self._worked_out,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take on what `state` returned.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        stretches = tuple(tuple(float(top) for top in stretch) for stretch in state["stretches"])
        current = tuple(float(top) for top in state["current"])
        alarms = tuple((int(minute), float(score)) for minute, score in state["alarms"])
        fines = tuple((int(minute), float(score)) for minute, score in state["fines"])
        waiting = tuple((int(minute), float(score)) for minute, score in state["waiting"])
        begun, calm, alarmed, run = state["minute"]
        self._minutes = int(state["minutes"])
        self._stretches, self._current = stretches[-STRETCHES:], current[:TOPS]
        self._alarms, self._fines, self._waiting, self._run = alarms, fines[-FINES:], waiting, int(run)
        self._begun, self._calm, self._alarmed = (None if x is None else float(x) for x in (begun, calm, alarmed))
        self._work_out(int(state["worked_out"]))

    def _close_minute(self) -> None:
        calm, alarmed = self._calm, self._alarmed
        self._calm = self._alarmed = None
        if calm is None and alarmed is None:
            return
        self._minutes += 1
        changed = self._minutes % STRETCH == 0 or self._minutes <= ENOUGH
        if alarmed is not None:
            self._take_alarm(alarmed)
            self._waiting = ()
            changed = True
        else:
            self._run = 0
            changed |= self._wait(calm)
        if self._minutes % STRETCH == 0:
            self._stretches = (*self._stretches, self._current)[-STRETCHES:]
            self._current = ()
        if changed or self._rank != self._allowed():
            self._work_out()

    def _wait(self, calm: float | None) -> bool:
        """Let a minute without an alarm wait until none can follow soon; return whether the history changed."""
        after = self._alarms[-1][0] if self._alarms else -FLANK
        if calm is not None and self._minutes - after > FLANK:
            self._waiting = (*self._waiting, (self._minutes, calm))
        due = [score for minute, score in self._waiting if self._minutes - minute >= FLANK]
        self._waiting = self._waiting[len(due) :]
        return sum(self._enter(score) for score in due) > 0

    def _take_alarm(self, score: float) -> None:
        """Count an alarm once for each of its episodes, and believe it no more where it cannot be one."""
        self._run += 1
        lately = [alarm for alarm in self._alarms if self._minutes - alarm[0] <= STRETCH * STRETCHES]
        if lately and self._minutes - lately[-1][0] <= EPISODE:
            lately[-1] = (self._minutes, max(score, lately[-1][1]))
        else:
            lately.append((self._minutes, score))
        if self._persists is not None and self._run >= self._persists:
            self._enter(lately.pop()[1])
        today = self._together(lately, self._minutes)
        if len(today) >= self._too_many:
            lowest = min(today, key=lambda alarms: max(peak for _, peak in alarms))
            lately = [alarm for alarm in lately if alarm not in lowest]
            self._fines = (*self._fines, (self._minutes, max(peak for _, peak in lowest)))[-FINES:]
        self._alarms = tuple(lately[-_TAIL:])

    def _together(self, alarms: Sequence[tuple[int, float]], minute: int) -> list[list[tuple[int, float]]]:
        """Return the alarms of the last day, those together that speak once."""
        groups: list[list[tuple[int, float]]] = []
        for alarm in alarms:
            if minute - alarm[0] > BLOCKS_A_DAY:
                continue
            if groups and alarm[0] - groups[-1][0][0] < self._patience:
                groups[-1].append(alarm)
            else:
                groups.append([alarm])
        return groups

    def _enter(self, score: float) -> bool:
        """Put a score among the highest of its stretch; return whether it is one."""
        if len(self._current) >= TOPS and score <= self._current[-1]:
            return False
        self._current = tuple(sorted((*self._current, float(f"{score:.6g}")), reverse=True)[:TOPS])
        return True

    def _history(self, minutes: int) -> int:
        return min(minutes, STRETCH * STRETCHES)

    def _allowed(self) -> int:
        """Return how many minutes of the history may pass the threshold."""
        return math.floor((self._history(self._minutes) + 1) * self._rate)

    def _work_out(self, minutes: int | None = None) -> None:
        """Work out the threshold, and the tail behind it, as they were in a watched minute, this one where none is."""
        self._worked_out = self._minutes if minutes is None else minutes
        history = self._history(self._worked_out)
        everything = sorted((top for tops in (*self._stretches, self._current) for top in tops), reverse=True)
        tail = everything[: max(8, min(_TAIL, history // 10))]
        # Where most minutes score the same, the few others are all that tells of the tail.
        higher = sum(top > tail[-1] for top in tail)
        self._tops = tail[: higher + 1]
        self._rank = math.floor((history + 1) * self._rate)
        self._from = self._tops[-1] if self._tops else 0.0
        excess, many = [top - self._from for top in self._tops], len(self._tops) - 1
        # By the mean of the excesses, and by the highest of them, which a heavy tail shows in: the larger one counts.
        harmonic = sum(1 / number for number in range(1, many + 1))
        self._mean = max(sum(excess) / many, excess[0] / harmonic) if many > 0 else 0.0
        # What lasts for some minutes is one thing that happened, not as many as minutes.
        self._sample = many / 2
        self._threshold = self._sought(history) if history >= self._enough and self._tops else None

    def _sought(self, history: int) -> float:
        today = len(self._together(self._alarms, self._worked_out))
        left = self._rank - len(self._alarms)
        if left >= 1:
            passed = self._tops[min(left, len(self._tops)) - 1]
        else:
            share = self._rate * (history + 1) / len(self._tops) / (1 + today)
            passed = max(self._tops[0], min(self._from + self._beyond(min(share, 1.0)), self._believed))
        lately = [score for minute, score in self._fines if self._worked_out - minute <= FINE_MINUTES]
        fine = max(lately, default=-math.inf)
        # No two are quite the same.
        return max(passed, self._least, fine + max(self._mean, ALIKE * (fine - self._from)))

    def _beyond(self, share: float) -> float:
        """Return by how much the tail's beginning is passed in that share of the minutes in the tail."""
        many = self._sample
        if not many:
            return 0.0
        heavier = math.exp(-math.log(share) / many) - 1
        return self._mean * many * heavier

    def _p_value(self, score: float) -> float:
        history, many = self._history(self._minutes), len(self._tops) - 1
        higher = sum(top >= score for top in self._tops)
        if higher > many or many < 1:
            return 1.0 if higher else 1 / (history + 1)
        if self._mean <= 0:
            return (1 + higher) / (history + 1)
        tail = math.exp(-self._sample * math.log1p((score - self._from) / (self._sample * self._mean)))
        return min(1.0, (many + 1) / (history + 1) * tail)


def _implausible(alarms_per_day: float) -> int:
    """Return the least number of alarms a day that Poisson's distribution reaches on less than `SURPRISE` of days."""
    number, below, chance = 0, 0.0, math.exp(-min(alarms_per_day, 700.0))
    while 1 - below >= SURPRISE and number < 10 * alarms_per_day + 20:
        below += chance
        number += 1
        chance *= alarms_per_day / number
    return max(1, number)
