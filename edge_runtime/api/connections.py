"""One HTTP connection, which uvicorn reads and writes, with limits on how long and how many that it does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from edge_runtime.api.refusal import error_body, json_bytes

if TYPE_CHECKING:
    import asyncio

    from edge_runtime.api.limits import HttpLimits


def connection_type(limits: HttpLimits) -> type[H11Protocol]:
    """Return the class of connections within `limits`, as uvicorn takes it."""
    return type("Connection", (_Connection,), {"limits": limits})


class _Connection(H11Protocol):
    """A connection that is closed where its client dawdles, reads nothing, or is one too many."""

    limits: HttpLimits

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._reading: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None
        self._state: object = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Let a client in."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            self._refuse(503, f"{self.limits.connections} connections are open already; try again later")
        elif self._from_here() > self.limits.connections_of_one:
            self._refuse(503, f"{self.limits.connections_of_one} connections of yours are open already; close one")
        else:
            self._watch()

    def data_received(self, data: bytes) -> None:
        """Take what the client sends."""
        if not self.transport.is_closing():
            super().data_received(data)
            self._watch()

    def on_response_complete(self) -> None:
        """Go on with the next request."""
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        self._drop_timers()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Wait for the client to read, but not for ever."""
        super().pause_writing()
        self._writing = self._writing or self.loop.call_later(self.limits.send_s, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on writing."""
        super().resume_writing()
        if self._writing:
            self._writing.cancel()
            self._writing = None

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        self._refuse(400, msg)

    def _watch(self) -> None:
        """Give the client a time for the headers of its request, then one for the body, however it trickles in."""
        state = self.conn.their_state
        if state is self._state and self._reading:
            return
        self._state = state
        if self._reading:
            self._reading.cancel()
            self._reading = None
        # After a reply uvicorn's own timer waits for the next request, until the first byte of it.
        if state is h11.IDLE and self.timeout_keep_alive_task is None:
            self._reading = self.loop.call_later(self.limits.head_s, self.transport.abort)
        elif state is h11.SEND_BODY:
            # Who answers gives up first, and says so.
            self._reading = self.loop.call_later(self.limits.body_s + self.limits.head_s, self.transport.abort)

    def _drop_timers(self) -> None:
        for timer in (self._reading, self._writing):
            if timer:
                timer.cancel()
        self._reading = self._writing = None

    def _from_here(self) -> int:
        """Return how many connections there are from this one's address."""
        clients = [getattr(other, "client", None) for other in self.connections]
        return sum(bool(client and self.client and client[0] == self.client[0]) for client in clients)

    def _refuse(self, status: int, why: str) -> None:
        body = json_bytes(error_body(why, status))
        headers = [f"HTTP/1.1 {status} Refused", "content-type: application/json", f"content-length: {len(body)}"]
        self.transport.write("\r\n".join([*headers, "connection: close", "", ""]).encode() + body)
        self.transport.close()
