"""The Wyoming server: doors on which Home Assistant finds the box's ears, mouth, answers and microphone."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from wyoming.error import Error

from edge_runtime.api.hands import Hands
from edge_runtime.api.wire import HEADER_BYTES, Link
from edge_runtime.errors import EdgeError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wyoming.event import Event

    from edge_runtime.api.services import Limits

log = logging.getLogger(__name__)

_TICK_S = 0.1
_THREADS = 4
_REFUSED_KEPT = 64


class Talk(Protocol):
    """What is said with one client."""

    @property
    def patience_s(self) -> float:
        """Return how long the client may say nothing."""

    async def take(self, event: Event) -> None:
        """Do what an event asks for; raises EdgeError where it cannot, OSError where the client is gone."""

    async def close(self) -> None:
        """End everything that was begun for the client."""


@dataclass(frozen=True, slots=True)
class Door:
    """A port, and who talks with those who come to it."""

    name: str
    port: int
    greet: Callable[[Link, Hands], Talk]


class WyomingServer:
    """Serves its doors in the thread that calls `serve`; a client can harm its own connection only.

    Args:
        host: address to listen on.
        doors: what is served there.
        allowed: addresses and networks of those who may come in, such as "192.168.1.0/24".
        limits: how much of the box one client may take.

    Attributes:
        ports: of the open doors by name; for port 0 the one that was found.
    """

    def __init__(self, host: str, doors: Sequence[Door], allowed: Sequence[str], limits: Limits) -> None:
        self.ports: dict[str, int] = {}
        self.listening = threading.Event()
        self._host = host
        self._doors = doors
        self._allowed = [ipaddress.ip_network(network, strict=False) for network in allowed]
        self._limits = limits

    def serve(self, stopping: threading.Event, alive: Callable[[], None]) -> None:
        """Serve until `stopping` is set, calling `alive` several times a second.

        Raises:
            SourceError: the address cannot be listened on, or not any more.
        """
        asyncio.run(self._serve(stopping, alive))

    async def _serve(self, stopping: threading.Event, alive: Callable[[], None]) -> None:
        halls = [_Hall(door, self._allowed, self._limits) for door in self._doors]
        try:
            for hall in halls:
                self.ports[hall.name] = await hall.open(self._host)
            self.listening.set()
            while not stopping.is_set():
                alive()
                await asyncio.sleep(_TICK_S)
        finally:
            self.listening.clear()
            for hall in halls:
                await hall.close()


class _Hall:
    """An open door and the clients behind it."""

    def __init__(
        self, door: Door, allowed: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network], limits: Limits
    ) -> None:
        self.name = door.name
        self._door = door
        self._allowed = allowed
        self._limits = limits
        self._hands = Hands(f"{door.name}-hands", _THREADS)
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()
        self._refused: set[str] = set()
        self._crowded = False

    async def open(self, host: str) -> int:
        """Listen; return the port."""
        try:
            self._server = await asyncio.start_server(self._come_in, host, self._door.port, limit=HEADER_BYTES)
        except OSError as error:
            where = f"{host}:{self._door.port}"
            raise SourceError(f"{self.name} cannot listen on {where} ({error.strerror or error})") from None
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Let nobody in any more, hang up on everybody, and wait a moment for what is being done."""
        if self._server is not None:
            self._server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)
        await self._hands.rest(self._limits.stop_s)

    def _come_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            link = Link(reader, writer, self._limits.send_s)
        except OSError:
            writer.transport.abort()  # it left before it came in
            return
        if not self._may_come(link.host):
            link.abort()
            return
        talk = asyncio.get_running_loop().create_task(self._attend(link))
        self._talks.add(talk)
        talk.add_done_callback(partial(self._left, link))

    def _may_come(self, host: str) -> bool:
        address = ipaddress.ip_address(host.partition("%")[0])
        if isinstance(address, ipaddress.IPv6Address):
            address = address.ipv4_mapped or address
        if any(address in network for network in self._allowed):
            return True
        # Whoever knocks every second is worth one line.
        if host not in self._refused and len(self._refused) < _REFUSED_KEPT:
            self._refused.add(host)
            log.warning("%s: %s is turned away; it is not among wyoming.allowed_clients", self.name, host)
        return False

    def _left(self, link: Link, talk: asyncio.Task[None]) -> None:
        link.abort()  # a talk that was cancelled before it began has closed nothing
        self._talks.discard(talk)
        self._crowded = self._crowded and len(self._talks) >= self._limits.clients
        # A fault of ours that one client has found must not take the cameras down.
        if not talk.cancelled() and talk.exception() is not None:
            log.error("%s: a client was dropped for a fault of this program", self.name, exc_info=talk.exception())

    async def _attend(self, link: Link) -> None:
        if len(self._talks) > self._limits.clients:
            if not self._crowded:
                log.warning("%s: %d clients are connected; more are turned away", self.name, self._limits.clients)
            self._crowded = True
            await self._send_off(link, f"{self._limits.clients} clients are connected already; try again later")
            return
        talk = self._door.greet(link, self._hands)
        try:
            await self._converse(link, talk)
        except EdgeError as error:
            log.warning("%s: hung up on %s: %s", self.name, link.peer, error)
            await self._send_off(link, str(error))
        except TimeoutError:
            log.info("%s: hung up on %s, which was silent for %g s", self.name, link.peer, talk.patience_s)
        except OSError as error:
            log.info("%s: lost %s: %s", self.name, link.peer, error)
            link.abort()
        finally:
            await talk.close()
            await link.close()

    @staticmethod
    async def _converse(link: Link, talk: Talk) -> None:
        while True:
            event = await asyncio.wait_for(link.receive(), talk.patience_s)
            if event is None:
                return
            await talk.take(event)

    @staticmethod
    async def _send_off(link: Link, why: str) -> None:
        try:
            await link.send(Error(why))
        except OSError:
            link.abort()
            return
        await link.let_finish()
        await link.close()
