"""Commands that the owner has taught by saying them, beside those that sentences describe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from edge_runtime.decision.intents import Match
from edge_runtime.pipelines.understanding import Understanding, Understood

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from edge_runtime.types import AudioChunk


class Command(Protocol):
    """A taught command that was heard."""

    @property
    def name(self) -> str:
        """What the owner calls it."""

    @property
    def intent(self) -> str:
        """What is to be done."""

    @property
    def slots(self) -> Mapping[str, Any]:
        """With what."""

    @property
    def probability(self) -> float:
        """That it was said."""


class Commands(Protocol):
    """Knows the taught commands."""

    def heard(self, samples: NDArray[np.float32]) -> Command | None:
        """Return the one that an utterance is likeliest to be, None where it is none of them."""


class TaughtUnderstanding(Understanding):
    """Understands what `inner` does, and taught commands where they are the likelier."""

    def __init__(self, inner: Understanding, commands: Commands) -> None:
        self._inner = inner
        self._commands = commands

    def of(self, utterance: AudioChunk) -> Understood:
        """Return what was said in `utterance`."""
        understood = self._inner.of(utterance)
        command = self._commands.heard(utterance.samples)
        known = understood.confidence if understood.match else 0.0
        if command is None or command.probability <= known:
            return understood
        match = Match(command.intent, dict(command.slots))
        return Understood(command.name, command.probability, sure=True, match=match)
