"""Sound that the server of a satellite sends is played in its order, and it is told when each piece was heard."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from wyoming.snd import Played

from edge_runtime.api.sound import Format, check_whole, decoded, format_of
from edge_runtime.errors import EdgeError, InputError
from edge_runtime.types import Sound

if TYPE_CHECKING:
    from wyoming.event import Event

    from edge_runtime.api.hands import Hands
    from edge_runtime.api.services import Speaker
    from edge_runtime.api.wire import Link

log = logging.getLogger(__name__)


class Playback:
    """Collects audio-start, -chunk and -stop, and plays what they make.

    Args:
        speaker: plays it; None lets it pass unheard.
        play_s: most sound that may wait; what is beyond it is dropped.
        link: to the server.
        hands: plays in one of these.
    """

    def __init__(self, speaker: Speaker | None, play_s: float, link: Link, hands: Hands) -> None:
        self._speaker = speaker
        self._play_s = play_s
        self._link = link
        self._hands = hands
        self._how: Format | None = None
        self._sound = bytearray()
        self._waiting_s = 0.0
        self._dropped = False
        self._muted = False
        self._playing = False
        self._pieces: asyncio.Queue[tuple[bytes, Format]] = asyncio.Queue()

    async def start(self, event: Event) -> None:
        """Begin a piece; one that never ended is forgotten."""
        self._forget_piece()
        self._how = format_of(event)

    async def chunk(self, event: Event) -> None:
        """Take the next of it.

        Raises:
            InputError: it never began, or changes its format.
        """
        how = format_of(event)
        if self._how is None or how != self._how:
            raise InputError("audio-chunk without an audio-start of its format; send that first")
        sound = event.payload or b""
        check_whole(sound, how)
        if self._muted:
            return
        seconds = _seconds(sound, how)
        if self._waiting_s + seconds > self._play_s:
            if not self._dropped:
                log.warning("%s sent more than %g s to play; the rest is dropped", self._link.peer, self._play_s)
            self._dropped = True
            return
        self._waiting_s += seconds
        self._sound += sound

    async def stop(self, _event: Event) -> None:
        """End the piece: it is played after those before it."""
        if self._how is not None and not self._muted:
            self._pieces.put_nowait((bytes(self._sound), self._how))
        self._how = None
        self._sound = bytearray()
        self._dropped = self._muted = False

    async def run(self) -> None:
        """Play piece after piece, until cancelled.

        Raises:
            OSError: the server is gone.
        """
        while True:
            sound, how = await self._pieces.get()
            self._playing = True
            try:
                if self._speaker is not None and sound:
                    await self._hands.do(self._speaker.play, Sound(decoded(sound, how), how.rate))
            except EdgeError as error:
                log.warning("what %s sent cannot be played: %s", self._link.peer, error)
            finally:
                self._playing = False
                self._waiting_s -= _seconds(sound, how)
            await self._link.send(Played())

    def silence(self) -> None:
        """Fall silent and forget what waits; of a piece that is still arriving, the rest is not heard either."""
        while not self._pieces.empty():
            sound, how = self._pieces.get_nowait()
            self._waiting_s -= _seconds(sound, how)
        arriving = self._how
        self._forget_piece()
        self._how, self._muted = arriving, arriving is not None
        if self._playing and self._speaker is not None:
            self._speaker.stop()

    def _forget_piece(self) -> None:
        if self._how is not None:
            self._waiting_s -= _seconds(self._sound, self._how)
        self._how = None
        self._sound = bytearray()
        self._dropped = self._muted = False


def _seconds(sound: bytes | bytearray, how: Format) -> float:
    return len(sound) / (how.rate * how.width * how.channels)
