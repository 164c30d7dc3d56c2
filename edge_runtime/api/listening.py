"""Sound to meaning for one client: an utterance to write down, or a stream in which to hear wake words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from wyoming.asr import Transcript
from wyoming.wake import Detection, NotDetected

from edge_runtime.api.sound import Stream, format_of
from edge_runtime.api.wire import shown
from edge_runtime.errors import InputError

if TYPE_CHECKING:
    from wyoming.event import Event

    from edge_runtime.api.hands import Hands
    from edge_runtime.api.services import Limits, Samples, Services, Spotter
    from edge_runtime.api.wire import Link
    from edge_runtime.types import Wake

SOURCE = "wyoming"


class Listening:
    """Takes what one client wants heard: `transcribe` or `detect`, then sound; a new request forgets the one before."""

    def __init__(self, services: Services, limits: Limits, link: Link, hands: Hands) -> None:
        self._services = services
        self._limits = limits
        self._link = link
        self._hands = hands
        self._spotter: Spotter | None = None
        self._stream: Stream | None = None
        self._utterance: list[Samples] = []
        self._detected = False

    async def transcribe(self, _event: Event) -> None:
        """The next sound is an utterance."""
        self._forget()
        self._spotter = None

    async def detect(self, event: Event) -> None:
        """The next sound is a stream in which the named wake words, or all, are to be heard."""
        self._forget()
        names = event.data.get("names") or list(self._services.wake_words)
        if not isinstance(names, list) or not all(name in self._services.wake_words for name in names):
            known = ", ".join(self._services.wake_words)
            raise InputError(f"detect: {shown(names)} are not all among the wake words; known here: {known}")
        if self._services.spotter is not None:
            self._spotter = await self._hands.do(self._services.spotter, names)

    async def start(self, event: Event) -> None:
        """Begin a sound."""
        if self._spotter is None and self._services.transcribe is None:
            raise InputError("audio-start: speech to text is not offered here; send detect first to spot wake words")
        self._forget()
        longest_s = self._limits.audio_s if self._spotter is None else None
        self._stream = Stream(format_of(event), self._services.resampler, longest_s, SOURCE)

    async def chunk(self, event: Event) -> None:
        """Take the next of it; a sound that was never announced begins here."""
        if self._stream is None:
            await self.start(event)
        stream, spotter = self._begun()
        samples = stream.feed(event)
        if spotter is None:
            self._utterance.append(samples)
            return
        for chunk in stream.chunks(samples):
            found = await self._hands.do(spotter.process, chunk)
            if found is not None:
                await self._tell(found, stream, event)

    async def stop(self, event: Event) -> None:
        """End the sound: say what was said, or that no wake word was in it."""
        if self._spotter is not None:
            found = await self._hands.do(self._spotter.flush)
            if found is not None and self._stream is not None:
                await self._tell(found, self._stream, event)
            elif not self._detected:
                await self._link.send(NotDetected())
            self._forget()
            return
        text = ""
        if self._stream is not None and self._services.transcribe is not None:
            samples = np.concatenate([*self._utterance, self._stream.end()])
            utterance = self._stream.chunk(samples)
            self._forget()
            text = await self._hands.do(self._services.transcribe, utterance)
        await self._link.send(Transcript(text))

    def _begun(self) -> tuple[Stream, Spotter | None]:
        if self._stream is None:
            raise InputError("audio-chunk without audio-start; send that first")
        return self._stream, self._spotter

    async def _tell(self, found: Wake, stream: Stream, event: Event) -> None:
        self._detected = True
        stamp = event.data.get("timestamp")
        if not isinstance(stamp, int):
            stamp = stream.passed_ms(found.end)
        await self._link.send(Detection(found.word, stamp))

    def _forget(self) -> None:
        self._stream = None
        self._utterance = []
        self._detected = False
        if self._spotter is not None:
            self._spotter.reset()
