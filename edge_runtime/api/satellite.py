"""The box as a satellite: its microphone after the wake word, and its speaker, for the one server that runs it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from wyoming.audio import AudioChunk as WireChunk
from wyoming.audio import AudioStop
from wyoming.ping import Ping, Pong
from wyoming.pipeline import PipelineStage, RunPipeline
from wyoming.wake import Detection

from edge_runtime.api.info import satellite_info
from edge_runtime.api.playback import Playback
from edge_runtime.api.sound import encoded
from edge_runtime.types import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

    from wyoming.event import Event

    from edge_runtime.api.hands import Hands
    from edge_runtime.api.services import Limits, SatelliteParts, Spotter
    from edge_runtime.api.wire import Link
    from edge_runtime.types import AudioChunk, Wake

log = logging.getLogger(__name__)

CHUNKS_KEPT = 63
_RECENT = 32
"""Chunks, one second, among which those after the end of a wake word are found when it is told late."""
_COMMAND_OVER = {"voice-stopped", "transcript", "error"}


class Satellite:
    """Gives the sound of the microphone to the connection that runs the satellite, the newest one that asked to."""

    def __init__(self, parts: SatelliteParts, limits: Limits) -> None:
        self._parts = parts
        self._limits = limits
        self._running: SatelliteTalk | None = None

    def hear(self, chunk: AudioChunk) -> None:
        """Take the next chunk of the microphone; any thread may call this, and it never waits."""
        talk = self._running
        if talk is not None:
            talk.hear(chunk)

    def greet(self, link: Link, hands: Hands) -> SatelliteTalk:
        """Return what talks with a client that connected."""
        return SatelliteTalk(self, self._parts, self._limits, link, hands)

    def run(self, talk: SatelliteTalk) -> None:
        """Let `talk` be the one that hears; the one before may be the same server, whose connection broke."""
        before, self._running = self._running, talk
        if before is not None:
            before.hang_up("another connection runs the satellite now")

    def leave(self, talk: SatelliteTalk) -> None:
        """Let nobody hear, unless another talk hears already."""
        if self._running is talk:
            self._running = None


class SatelliteTalk:
    """What is said with one server, and the sound that goes to it and comes from it."""

    def __init__(self, satellite: Satellite, parts: SatelliteParts, limits: Limits, link: Link, hands: Hands) -> None:
        self._satellite = satellite
        self._parts = parts
        self._limits = limits
        self._link = link
        self._hands = hands
        self._loop = asyncio.get_running_loop()
        self._chunks: asyncio.Queue[AudioChunk] = asyncio.Queue(CHUNKS_KEPT)
        self._playback = Playback(parts.speaker, limits.play_s, link, hands)
        self._tasks: set[asyncio.Task[None]] = set()
        self._left = 0

    @property
    def patience_s(self) -> float:
        """How long the server may be silent: it answers a ping every few seconds while it runs the satellite."""
        return self._limits.dead_s if self._tasks else self._limits.idle_s

    async def take(self, event: Event) -> None:
        """Do what the server asks for; its reports that mean nothing here are left alone.

        Raises:
            InputError: the sound to play is not in order.
            OSError: the server is gone.
        """
        if event.type in _COMMAND_OVER:
            self._left = 0
            return
        match event.type:
            case "describe":
                await self._link.send(satellite_info(self._parts))
            case "ping":
                text = event.data.get("text")
                await self._link.send(Pong(text if isinstance(text, str) else None))
            case "run-satellite":
                await self._run()
            case "pause-satellite":
                await self.close()
            case "audio-start":
                await self._playback.start(event)
            case "audio-chunk":
                await self._playback.chunk(event)
            case "audio-stop":
                await self._playback.stop(event)
            case "run-pipeline":
                log.info("%s wants to listen without the wake word; it may not", self._link.peer)

    def hear(self, chunk: AudioChunk) -> None:
        """Take the next chunk of the microphone, from any thread."""
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._keep, chunk)

    def hang_up(self, why: str) -> None:
        """End the connection at once."""
        log.info("satellite: hung up on %s: %s", self._link.peer, why)
        self._link.abort()

    async def close(self) -> None:
        """Fall silent and deaf."""
        self._satellite.leave(self)
        self._left = 0
        self._playback.silence()
        tasks, self._tasks = self._tasks, set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        if self._tasks:
            return
        spotter = None if self._parts.spotter is None else await self._hands.do(self._parts.spotter)
        log.info("satellite: %s runs it, and hears %s", self._link.peer, "all" if spotter is None else "the commands")
        self._begin(self._listen(spotter) if spotter is not None else self._stream_always())
        self._begin(self._playback.run())
        self._begin(self._ask_for_life())
        self._satellite.run(self)

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if not isinstance(error, OSError):
            log.error("satellite: the talk with %s failed", self._link.peer, exc_info=error)
        self.hang_up(str(error))

    def _keep(self, chunk: AudioChunk) -> None:
        if self._chunks.full():
            self._chunks.get_nowait()
        self._chunks.put_nowait(chunk)

    async def _listen(self, spotter: Spotter) -> None:
        """Spot the wake word, stream what follows until the server has heard enough, and spot again."""
        recent: deque[AudioChunk] = deque(maxlen=_RECENT)
        while True:
            chunk = await self._chunks.get()
            if self._left > 0:
                await self._stream([chunk])
                continue
            recent.append(chunk)
            found = await self._hands.do(spotter.process, chunk)
            if found is not None:
                spotter.reset()
                await self._wake(found, chunk)
                await self._stream(late for late in recent if _end(late) > found.end)
                recent.clear()

    async def _wake(self, found: Wake, chunk: AudioChunk) -> None:
        self._playback.silence()
        self._left = round(self._limits.stream_s * SAMPLE_RATE_HZ)
        run = RunPipeline(PipelineStage.ASR, PipelineStage.TTS, wake_word_name=found.word)
        await self._link.send(Detection(found.word, round(1000 * chunk.at)), run)

    async def _stream(self, chunks: Iterable[AudioChunk]) -> None:
        for chunk in chunks:
            if self._left <= 0:
                return
            await self._link.send(_written(chunk))
            # The server may have heard enough while it was sent.
            if self._left > 0:
                self._left -= len(chunk.samples)
                if self._left <= 0:
                    log.info("satellite: no end of the command within %g s", self._limits.stream_s)
                    await self._link.send(AudioStop())

    async def _stream_always(self) -> None:
        await self._link.send(RunPipeline(PipelineStage.WAKE, PipelineStage.TTS, restart_on_end=True))
        while True:
            await self._link.send(_written(await self._chunks.get()))

    async def _ask_for_life(self) -> None:
        while True:
            await asyncio.sleep(self._limits.ping_s)
            await self._link.send(Ping())


def _end(chunk: AudioChunk) -> float:
    return chunk.at + len(chunk.samples) / SAMPLE_RATE_HZ


def _written(chunk: AudioChunk) -> WireChunk:
    return WireChunk(SAMPLE_RATE_HZ, 2, 1, encoded(chunk.samples), timestamp=round(1000 * chunk.at))
