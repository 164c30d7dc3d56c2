"""Text to sound for one client: whole texts, and texts that arrive in pieces."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.tts import SynthesizeStopped

from edge_runtime.api.sound import encoded
from edge_runtime.api.wire import TEXT_CHARS, text_of
from edge_runtime.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from wyoming.event import Event

    from edge_runtime.api.hands import Hands
    from edge_runtime.api.wire import Link
    from edge_runtime.types import Sound

_BLOCK = 2048
"""Samples in one audio-chunk."""
_SENTENCE_END = re.compile(r"(?<=[.!?;:])\s+|\n+")


class Speaking:
    """Says what one client wants said; a text in pieces is spoken sentence by sentence, as soon as each is whole."""

    def __init__(self, say: Callable[[str], Sound], link: Link, hands: Hands) -> None:
        self._say = say
        self._link = link
        self._hands = hands
        self._pending: str | None = None

    async def whole(self, event: Event) -> None:
        """Say a text at once."""
        text = text_of(event)
        # A client that sends pieces sends the whole text too, for servers that know no pieces.
        if self._pending is None:
            await self._speak(text)

    async def begin(self, _event: Event) -> None:
        """Begin a text in pieces."""
        self._pending = ""

    async def piece(self, event: Event) -> None:
        """Take the next piece; say the sentences that are whole with it."""
        pending = self._begun(event) + text_of(event)
        if len(pending) > TEXT_CHARS:
            raise InputError(f"{event.type}: a sentence of more than {TEXT_CHARS} characters; send shorter ones")
        *sentences, self._pending = _SENTENCE_END.split(pending)
        for sentence in filter(_has_words, sentences):
            await self._speak(sentence)

    async def end(self, event: Event) -> None:
        """Say the rest, and that this was all."""
        rest = self._begun(event)
        self._pending = None
        if _has_words(rest):
            await self._speak(rest)
        await self._link.send(SynthesizeStopped())

    def _begun(self, event: Event) -> str:
        if self._pending is None:
            raise InputError(f"{event.type} without synthesize-start; send that first")
        return self._pending

    async def _speak(self, text: str) -> None:
        sound, rate = b"", 16_000
        if _has_words(text):
            spoken = await self._hands.do(self._say, text)
            sound, rate = encoded(spoken.samples), spoken.rate_hz
        await self._link.send(AudioStart(rate, 2, 1, timestamp=0))
        for at in range(0, len(sound), 2 * _BLOCK):
            block = sound[at : at + 2 * _BLOCK]
            await self._link.send(AudioChunk(rate, 2, 1, block, timestamp=1000 * at // (2 * rate)))
        await self._link.send(AudioStop(timestamp=1000 * len(sound) // (2 * rate)))


def _has_words(text: str) -> bool:
    return any(char.isalnum() for char in text)
