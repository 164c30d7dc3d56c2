"""Wyoming's wire: a line of JSON, more JSON, bytes; read within bounds, written with limited patience."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from typing import TYPE_CHECKING, Any

from wyoming.event import Event, async_write_event

from edge_runtime.errors import InputError

if TYPE_CHECKING:
    from wyoming.event import Eventable

HEADER_BYTES = 2**16
DATA_BYTES = 2**18
PAYLOAD_BYTES = 2**20
TEXT_CHARS = 4000
_FINISH_S = 1.0
"""A client that was refused may take this long to stop sending."""
_KEEPALIVE_S = (15, 5, 3)
"""Silence before TCP asks for a sign of life, time between two, and how many may stay unanswered."""


class Link:
    """One client's connection.

    Args:
        reader: made with `HEADER_BYTES` as its limit.
        writer: of the same connection.
        send_s: how long the client may take to make room for what it is sent.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, send_s: float) -> None:
        self._reader = reader
        self._writer = writer
        self._send_s = send_s
        self._said_all = False
        address = writer.get_extra_info("peername") or ("?", 0)
        self.host, self.peer = str(address[0]), f"{address[0]}:{address[1]}"
        keep_alive(writer.get_extra_info("socket"))

    async def receive(self) -> Event | None:
        """Return the next event, None when the client has hung up.

        Raises:
            InputError: it is not Wyoming, or too large.
            OSError: the connection broke, also in the middle of an event.
        """
        try:
            line = await self._reader.readline()
            if not line:
                return None
            if not line.endswith(b"\n"):
                raise ConnectionResetError("it hung up in the middle of an event")
            header = _object(line, "header")
            kind = header.get("type")
            if not isinstance(kind, str):
                raise InputError(f"an event's type is {shown(kind)}; it must be a text")
            data = header.get("data")
            if not isinstance(data, dict | None):
                raise InputError(f"{shown(kind)}: its data are {shown(data)}; they must be an object")
            more = await self._part(header, "data_length", DATA_BYTES)
            payload = await self._part(header, "payload_length", PAYLOAD_BYTES)
        except ValueError:
            raise InputError(f"a header is longer than {HEADER_BYTES} bytes; this port speaks Wyoming") from None
        except asyncio.IncompleteReadError:
            raise ConnectionResetError("it hung up in the middle of an event") from None
        return Event(kind, {**(data or {}), **(_object(more, "data") if more else {})}, payload or None)

    async def send(self, *events: Eventable) -> None:
        """Send events, waiting for the client to make room.

        Raises:
            OSError: the connection is lost, or the client takes nothing.
        """
        for event in events:
            if self._said_all:
                raise ConnectionAbortedError("it was told why, and is hung up on")
            try:
                await asyncio.wait_for(async_write_event(event.event(), self._writer), self._send_s)
            except TimeoutError:
                raise ConnectionAbortedError(f"it took nothing for {self._send_s:g} s") from None

    def abort(self) -> None:
        """End the connection at once; what was not sent is lost."""
        self._writer.transport.abort()

    async def let_finish(self) -> None:
        """Say that no more comes and drop what the client is still sending: a reset would take the last word away."""
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_FINISH_S):
                self._said_all = True
                self._writer.write_eof()
                while await self._reader.read(HEADER_BYTES):
                    pass

    async def close(self) -> None:
        """End the connection, giving what was sent a moment to leave."""
        self._writer.close()
        try:
            with contextlib.suppress(OSError):
                await asyncio.wait_for(self._writer.wait_closed(), min(1.0, self._send_s))
        finally:
            self.abort()

    async def _part(self, header: dict[str, Any], key: str, most: int) -> bytes:
        length = header.get(key)
        if length is None:
            return b""
        if not isinstance(length, int) or not 0 <= length <= most:
            raise InputError(f"{shown(header.get('type'))}: {key} is {shown(length)}; it may be 0 to {most}")
        return await self._reader.readexactly(length)


def keep_alive(connection: socket.socket) -> None:
    """Let TCP find out within half a minute that the other end is gone without a word."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
    for option, value in zip(options, _KEEPALIVE_S, strict=True):
        connection.setsockopt(socket.IPPROTO_TCP, option, value)


def text_of(event: Event) -> str:
    """Return the text that an event must have.

    Raises:
        InputError: it has none, or a book.
    """
    text = event.data.get("text")
    if not isinstance(text, str):
        raise InputError(f"{event.type}: its text is {shown(text)}; send a text")
    if len(text) > TEXT_CHARS:
        raise InputError(f"{event.type}: a text of {len(text)} characters; send {TEXT_CHARS} at most")
    return text


def shown(value: object) -> str:
    """Return the beginning of what a client sent, fit for one line of a log."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


def _object(text: bytes, what: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise InputError(f"a {what} is not JSON: {shown(text)}; this port speaks Wyoming") from None
    if not isinstance(found, dict):
        raise InputError(f"a {what} is {shown(found)}; it must be a JSON object")
    return found
