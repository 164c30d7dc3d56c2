"""What a call runs over, so that another thread can end it at any stage: while it connects, sends or reads."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Wire:
    """The socket beneath one connection, which outlives the calls that use it; safe across threads.

    It keeps a second handle on the socket, for a TLS handshake takes the first one away.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._cut = False

    def connected(self, opened: socket.socket) -> None:
        """Take note of the socket; one that comes after the cut is cut at once."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()
            self._socket = opened.dup()
            if self._cut:
                self._shut()

    def cut(self) -> None:
        """End whatever goes over it, now and later."""
        with self._lock:
            self._cut = True
            self._shut()

    def close(self) -> None:
        """Let go of the socket."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()
            self._socket = None

    def _shut(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


class Line:
    """One call, which anybody may end by hanging up; safe across threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wire: Wire | None = None
        self._hung_up = False

    @property
    def hung_up(self) -> bool:
        """Tell whether somebody hung up."""
        return self._hung_up

    def over(self, wire: Wire) -> None:
        """Say which wire the call goes over."""
        with self._lock:
            self._wire = wire
            if self._hung_up:
                wire.cut()

    def ended(self) -> None:
        """Say that the call is over: the wire belongs to the next one."""
        with self._lock:
            self._wire = None

    def hang_up(self) -> None:
        """End the call."""
        with self._lock:
            self._hung_up = True
            if self._wire is not None:
                self._wire.cut()
