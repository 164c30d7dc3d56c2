"""Phrases that were taught, at work: wake words said in the owner's way, and commands that no sentence describes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.inference.spotter import Spotter, Taught

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from edge_runtime.inference.spotter import Acoustic, Ordinary
    from edge_runtime.inference.spotting import Hit, Phones
    from edge_runtime.inference.taught import TaughtThing
    from edge_runtime.inference.teaching import Lesson

_STEEP = 4.0
"""Logits for each unit of score above the threshold."""
_MOST_OUTSIDE = 0.5
"""A command is the whole of what was said: outside of it there are at most this many phones for each one inside."""


def facts_of(lesson: Lesson) -> dict[str, Any]:
    """Return a lesson's facts as JSON values."""
    return {**lesson.estimate.facts(), "log_threshold": round(lesson.log_threshold, 4)}


def arrays_of(lesson: Lesson, phones: Sequence[str]) -> dict[str, NDArray[np.int16]]:
    """Return how the phrase is said: one phone's number after the other, and where each way ends."""
    numbers = [phones.index(phone) for form in lesson.forms for phone in form]
    ends = np.cumsum([len(form) for form in lesson.forms])
    return {"phones": np.array(numbers, np.int16), "ends": ends.astype(np.int16)}


def taught_phrase(thing: TaughtThing, phones: Sequence[str]) -> Taught:
    """Return what was taught of a phrase."""
    said = [phones[int(number)] for number in thing.arrays["phones"]]
    ends = [int(end) for end in thing.arrays["ends"]]
    forms: list[Phones] = [tuple(said[start:end]) for start, end in zip([0, *ends[:-1]], ends, strict=True)]
    return Taught(tuple(forms), float(thing.facts["log_threshold"]))


@dataclass(frozen=True, slots=True)
class TaughtCommand:
    """A taught command that was heard."""

    name: str
    intent: str
    slots: Mapping[str, Any]
    probability: float


class TaughtCommands:
    """All commands that were taught.

    Args:
        acoustic: gives the phones' probabilities.
        things: the commands.
        ordinary: what they are to be told from.
    """

    def __init__(self, acoustic: Acoustic, things: Sequence[TaughtThing], ordinary: Ordinary) -> None:
        self._acoustic = acoustic
        self._things = tuple(things)
        taught = [taught_phrase(thing, acoustic.phones) for thing in things]
        self._spotters = [
            Spotter(thing.name, phrase.forms, acoustic, ordinary, phrase.log_threshold)
            for thing, phrase in zip(things, taught, strict=True)
        ]

    def heard(self, samples: NDArray[np.float32]) -> TaughtCommand | None:
        """Return the command that an utterance is likeliest to be, None where it is none of them."""
        log_probs = self._acoustic.log_probs(samples)
        found: TaughtCommand | None = None
        for thing, spotter in zip(self._things, self._spotters, strict=True):
            hit = spotter.find(log_probs)
            above = hit.log_score - spotter.log_threshold
            probability = 1 / (1 + math.exp(-_STEEP * min(above, 10.0)))
            if above >= 0 and _alone(log_probs, hit) and (found is None or probability > found.probability):
                found = TaughtCommand(thing.name, str(thing.facts["intent"]), thing.facts["slots"], probability)
        return found


def _alone(log_probs: NDArray[np.float32], hit: Hit) -> bool:
    """Tell whether little else was said than what was found."""
    best = log_probs.argmax(axis=1)
    begins = (best != 0) & (best != np.concatenate(([0], best[:-1])))
    inside = begins[hit.start : hit.end].sum()
    return bool(begins.sum() - inside <= _MOST_OUTSIDE * max(inside, 1))
