"""From a microphone's stream to the sounds in it, each told once as it begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from edge_runtime.decision.debounce import Cooldown
from edge_runtime.decision.hearing import SoundEvents
from edge_runtime.types import SAMPLE_RATE_HZ, AudioChunk, Event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

_BREAK_S = 0.5
"""Sound that is missing for longer than this is a new beginning: what came before says nothing about what follows."""


class Tagged(Protocol):
    """A patch of a stream, in seconds from its beginning, and the probability of every kind of sound in it."""

    @property
    def start_s(self) -> float:
        """Its beginning."""

    @property
    def end_s(self) -> float:
        """Its end."""

    @property
    def probabilities(self) -> Mapping[str, float]:
        """Calibrated, by label."""

    @property
    def evaluated(self) -> bool:
        """Whether the model heard it; silence it need not hear."""


class Stream(Protocol):
    """Takes a stream of sound piece by piece."""

    def feed(self, samples: NDArray[np.float32]) -> Iterable[Tagged]:
        """Return the patches that `samples` complete."""


class SoundPipeline:
    """Listens to one microphone for sounds.

    Args:
        begin: starts a stream.
        thresholds: probability that each label needs.
        cooldown_s: after a sound was told, the same kind is not told again for so long.

    Attributes:
        evaluated: patches that the model heard.
    """

    def __init__(self, begin: Callable[[], Stream], thresholds: Mapping[str, float], cooldown_s: float) -> None:
        self.evaluated = 0
        self._begin = begin
        self._thresholds = thresholds
        self._cooldown = Cooldown(cooldown_s)
        self._due = float("-inf")
        self._restart()

    def step(self, chunk: AudioChunk) -> list[Event]:
        """Take the next chunk; return a `sound` event for each sound that has begun: `at` is its beginning."""
        if abs(chunk.at - self._due) > _BREAK_S:
            self._restart()
        origin = chunk.at - self._fed / SAMPLE_RATE_HZ
        self._fed += len(chunk.samples)
        self._due = chunk.at + len(chunk.samples) / SAMPLE_RATE_HZ
        told = []
        for patch in self._stream.feed(chunk.samples):
            self.evaluated += patch.evaluated
            for sound in self._following.update(patch.start_s, patch.end_s, patch.probabilities):
                # A sound that begins has no end yet.
                if sound.end_s is None and self._cooldown.ready(sound.label, self._due):
                    data = {"label": sound.label, "score": round(sound.score, 4)}
                    told.append(Event("sound", chunk.source, origin + sound.start_s, data))
        return told

    def _restart(self) -> None:
        self._stream = self._begin()
        self._following = SoundEvents(self._thresholds)
        self._fed = 0
