"""A server with its doors open on loopback, and clients of the official library that come to them."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from wyoming.audio import AudioChunk as WireChunk
from wyoming.audio import AudioStart, AudioStop
from wyoming.client import AsyncTcpClient

from edge_runtime.api.satellite import Satellite
from edge_runtime.api.services import Limits, SatelliteParts, Services
from edge_runtime.api.serving import ServiceTalk
from edge_runtime.api.wyoming import Door, WyomingServer
from edge_runtime.sources.resampling import Resampler
from edge_runtime.types import Answer, AudioChunk, Origin, Sound, Wake

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence

    from numpy.typing import NDArray
    from wyoming.event import Event

HOST = "127.0.0.1"
LOOPBACK = ("127.0.0.0/8",)
WORD = "hey pixel"
WORD_LEVEL, COMMAND_LEVEL = 0.75, 0.25


class Spotter:
    """Hears its word in any chunk that is louder than speech; simple, but a real one to the server."""

    def __init__(self, words: Sequence[str] = (WORD,)) -> None:
        self.words = words
        self.resets = 0

    def process(self, chunk: AudioChunk) -> Wake | None:
        assert len(chunk.samples) == 512
        if float(np.abs(chunk.samples).max()) < (WORD_LEVEL + COMMAND_LEVEL) / 2:
            return None
        return Wake(self.words[0], 0.9, chunk.at, chunk.at + len(chunk.samples) / 16_000)

    def flush(self) -> Wake | None:
        return None

    def reset(self) -> None:
        self.resets += 1


class Speaker:
    """Keeps what it is given; plays it until released, where it is told to wait."""

    def __init__(self, *, waits: bool = False) -> None:
        self.played: list[Sound] = []
        self.stopped = threading.Event()
        self._waits = waits

    def play(self, sound: Sound) -> None:
        self.played.append(sound)
        if self._waits:
            self.stopped.wait(30)

    def stop(self) -> None:
        self.stopped.set()


@dataclass
class Box:
    """A running server."""

    port: int
    satellite_port: int
    satellite: Satellite
    server: WyomingServer

    def client(self) -> AsyncTcpClient:
        return AsyncTcpClient(HOST, self.port, connect_timeout=20, read_timeout=20)

    def satellite_client(self) -> AsyncTcpClient:
        return AsyncTcpClient(HOST, self.satellite_port, connect_timeout=20, read_timeout=20)


def simple_services(**chosen: Any) -> Services:
    """Every service, by the simplest real thing that does it."""
    offered: dict[str, Any] = {
        "transcribe": lambda chunk: f"{len(chunk.samples) / 16_000:.2f} seconds",
        "answer": lambda question: Answer(f"You said {question.text}.", 0.9, Origin.LOCAL),
        "spotter": Spotter,
        "say": lambda text: Sound(np.full(2205 * len(text), 0.5, np.float32), 22_050),
        "wake_words": (WORD, "computer"),
    }
    return Services("1.2.3", Resampler, **{**offered, **chosen})


def simple_parts(speaker: Speaker | None = None, *, always: bool = False) -> SatelliteParts:
    return SatelliteParts("kitchen-box", "Kitchen", "1.2.3", always=always, speaker=speaker, wake_words=(WORD,))


@contextmanager
def open_box(
    services: Services | None = None,
    parts: SatelliteParts | None = None,
    limits: Limits | None = None,
    *,
    allowed: Sequence[str] = LOOPBACK,
    ports: tuple[int, int] = (0, 0),
) -> Iterator[Box]:
    """Open both doors; fails if a thread or an unexpected error outlives them."""
    limits = limits or Limits()
    offered = services or simple_services()
    satellite = Satellite(parts or simple_parts(), limits)
    doors = [
        Door("wyoming", ports[0], lambda link, hands: ServiceTalk(offered, limits, link, hands)),
        Door("satellite", ports[1], satellite.greet),
    ]
    server = WyomingServer(HOST, doors, allowed, limits)
    before = set(threading.enumerate())
    stopping = threading.Event()
    thread = threading.Thread(target=server.serve, args=(stopping, lambda: None), name="server")
    thread.start()
    assert server.listening.wait(20)
    try:
        yield Box(server.ports["wyoming"], server.ports["satellite"], satellite, server)
    finally:
        stopping.set()
        thread.join(20)
        assert not thread.is_alive(), "the server stops when it is told to"
        assert until(lambda: set(threading.enumerate()) <= before), "no thread outlives the server"


def until(true: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Wait until something is true; return whether it came to be."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def tone(seconds: float, level: float = 0.5, rate: int = 16_000) -> NDArray[np.float32]:
    """Return a tone of 300 Hz."""
    samples: NDArray[np.float32] = (level * np.sin(2 * np.pi * 300 * np.arange(int(seconds * rate)) / rate)).astype(
        np.float32
    )
    return samples


def written(samples: NDArray[np.float32], width: int = 2, channels: int = 1) -> bytes:
    """Return PCM as Wyoming has it: 8 bits unsigned, more signed and little-endian; all channels alike."""
    wide = np.repeat(samples.astype(np.float64), channels)
    if width == 1:
        return np.round(wide * 127 + 128).astype(np.uint8).tobytes()
    numbers = np.round(wide * (2 ** (8 * width - 1) - 1)).astype("<i4")
    return bytes(numbers.view(np.uint8).reshape(-1, 4)[:, :width].tobytes())


async def send_sound(
    client: AsyncTcpClient, samples: NDArray[np.float32], rate: int = 16_000, width: int = 2, channels: int = 1
) -> None:
    """Send a sound as Home Assistant does: start, chunks of 1024 samples, stop."""
    await client.write_event(AudioStart(rate, width, channels).event())
    sound, block = written(samples, width, channels), 1024 * width * channels
    for at in range(0, len(sound), block):
        chunk = WireChunk(
            rate, width, channels, sound[at : at + block], timestamp=at // (width * channels * rate // 1000)
        )
        await client.write_event(chunk.event())
    await client.write_event(AudioStop().event())


async def read(client: AsyncTcpClient, kind: str) -> Event:
    """Return the next event, which must be of this kind."""
    event = await client.read_event()
    assert event is not None, f"the server hung up instead of sending {kind}"
    assert event.type == kind, f"{event.type} {event.data} instead of {kind}"
    return event


async def read_until(client: AsyncTcpClient, kind: str) -> list[Event]:
    """Return the events up to one of this kind."""
    events: list[Event] = []
    while not events or events[-1].type != kind:
        event = await client.read_event()
        assert event is not None, f"the server hung up after {[one.type for one in events]} instead of sending {kind}"
        events.append(event)
    return events


async def ended(client: AsyncTcpClient) -> bool:
    """Read on until the server hangs up."""
    try:
        while await client.read_event() is not None:
            pass
    except ConnectionError:
        pass
    return True


@asynccontextmanager
async def raw(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect without the library, for what it would never send."""
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def go(work: Coroutine[Any, Any, None]) -> None:
    """Run one client's story."""

    async def in_time() -> None:
        await asyncio.wait_for(work, 60)

    asyncio.run(in_time())


def chunk_at(number: int, level: float) -> AudioChunk:
    """Return the microphone's chunk of this number."""
    return AudioChunk("kitchen", 100 + number * 512 / 16_000, np.full(512, level, np.float32))
