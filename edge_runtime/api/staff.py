"""Who works for the clients of the HTTP API: speech that takes long never holds up what is quick."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from edge_runtime.api.hands import Hands

_SPEECHES = 4


@dataclass(frozen=True, slots=True)
class Staff:
    """Threads for each kind of work.

    Attributes:
        hands: decode pictures and embed.
        ears: write down speech, one after the other.
        mouth: speaks.
        speeches: so many are held in memory at once.
    """

    hands: Hands = field(default_factory=lambda: Hands("api-hands", 2))
    ears: Hands = field(default_factory=lambda: Hands("api-ears", 1))
    mouth: Hands = field(default_factory=lambda: Hands("api-mouth", 2))
    speeches: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_SPEECHES))

    async def rest(self, stop_s: float) -> None:
        """Begin nothing new and wait for what is going on, but no longer than `stop_s`."""
        await asyncio.gather(*(hands.rest(stop_s) for hands in (self.hands, self.ears, self.mouth)))
