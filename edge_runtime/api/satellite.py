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
from edge_runtime.types import SAMPLE_RATE_HZ, AudioChunk

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from wyoming.event import Event

    from edge_runtime.api.hands import Hands
    from edge_runtime.api.services import Limits, SatelliteParts
    from edge_runtime.api.wire import Link
    from edge_runtime.types import Wake

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

    def woken(self, wake: Wake) -> None:
        """Take a wake word that the microphone heard; any thread may call this, and it never waits."""
        talk = self._running
        if talk is not None:
            talk.woken(wake)

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
        self._loop = asyncio.get_running_loop()
        self._to_send: asyncio.Queue[AudioChunk | Wake] = asyncio.Queue(CHUNKS_KEPT)
        self._recent: deque[AudioChunk] = deque(maxlen=_RECENT)
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
                self._run()
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

    def woken(self, wake: Wake) -> None:
        """Let the sound after a wake word go, from any thread."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._wake, wake)

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

    def _run(self) -> None:
        if self._tasks:
            return
        always = self._parts.always
        log.info("satellite: %s runs it, and hears %s", self._link.peer, "all" if always else "the commands")
        self._recent.clear()
        self._to_send = asyncio.Queue(CHUNKS_KEPT)
        self._begin(self._send_always() if always else self._send_commands())
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
        if self._parts.always or self._left > 0:
            self._put(chunk)
        else:
            self._recent.append(chunk)

    def _wake(self, wake: Wake) -> None:
        """Begin to stream, with what was said while the wake word was being understood."""
        if self._parts.always or self._left > 0:
            return
        self._playback.silence()
        while not self._to_send.empty():
            self._to_send.get_nowait()  # of the command before
        self._left = round(self._limits.stream_s * SAMPLE_RATE_HZ)
        self._put(wake)
        for chunk in self._recent:
            if _end(chunk) > wake.end:
                self._put(chunk)
        self._recent.clear()

    def _put(self, item: AudioChunk | Wake) -> None:
        # The server has taken nothing for two seconds; it is about to be lost.
        with suppress(asyncio.QueueFull):
            self._to_send.put_nowait(item)

    async def _send_commands(self) -> None:
        while True:
            item = await self._to_send.get()
            if not isinstance(item, AudioChunk):
                run = RunPipeline(PipelineStage.ASR, PipelineStage.TTS, wake_word_name=item.word)
                await self._link.send(Detection(item.word, round(1000 * item.end)), run)
            elif self._left > 0:
                await self._link.send(_written(item))
                await self._count(len(item.samples))

    async def _count(self, samples: int) -> None:
        if self._left <= 0:
            return  # the server had heard enough while this was sent
        self._left -= samples
        if self._left <= 0:
            log.info("satellite: no end of the command within %g s", self._limits.stream_s)
            await self._link.send(AudioStop())

    async def _send_always(self) -> None:
        await self._link.send(RunPipeline(PipelineStage.WAKE, PipelineStage.TTS, restart_on_end=True))
        while True:
            item = await self._to_send.get()
            if isinstance(item, AudioChunk):
                await self._link.send(_written(item))

    async def _ask_for_life(self) -> None:
        while True:
            await asyncio.sleep(self._limits.ping_s)
            await self._link.send(Ping())


def _end(chunk: AudioChunk) -> float:
    return chunk.at + len(chunk.samples) / SAMPLE_RATE_HZ


def _written(chunk: AudioChunk) -> WireChunk:
    return WireChunk(SAMPLE_RATE_HZ, 2, 1, encoded(chunk.samples), timestamp=round(1000 * chunk.at))
