"""The two ends of the pipe to a child program that serves one device, so that a call that never ends can be killed.

Both directions carry JSON lines; a line with a `size` is followed by that many bytes. What is too big for a pipe goes
through memory that both ends hold: a line with `shared` says how many bytes of it count. That more is wanted is a flag
of the kernel's, which wakes nobody who does not wait for it. What libraries write to standard output and error goes to
a log of which either end can read the last words.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import json
import mmap
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from typing import IO, TYPE_CHECKING, Any, cast

from edge_runtime.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping

_KILL_TIMEOUT_S = 1.0
_LOG_BYTES = 65536
_LINE_BYTES = 4096


class ChildProgram:
    """The parent's end: start the module `program`, ask, await answers, kill."""

    def __init__(
        self,
        program: str,
        request: Mapping[str, object],
        *,
        environment: Mapping[str, str] | None = None,
        pipe_bytes: int = 2**18,
    ) -> None:
        self._log = os.memfd_create("log")
        # What the child's own children say is added, not written over.
        fcntl.fcntl(self._log, fcntl.F_SETFL, os.O_APPEND)
        self._shared_memory = os.memfd_create("shared")
        self._shared: mmap.mmap | None = None
        self._wanted = Flag(os.eventfd(0))
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            # -P: a json.py in the current folder is not ours. -u: what FFmpeg says must not stay in C's buffer.
            [sys.executable, "-P", "-u", "-m", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            pass_fds=(self._shared_memory, self._wanted.number),
            bufsize=0,
            pipesize=pipe_bytes,
            env={**os.environ, **(environment or {})},
            # Ctrl-C in a terminal goes to the whole session; this child ends when its parent wants it to.
            start_new_session=True,
        )
        self._requests = cast("IO[bytes]", self._process.stdin)
        self._answers = cast("IO[bytes]", self._process.stdout)
        self._readable = select.poll()
        self._readable.register(self._answers, select.POLLIN)
        self._unread = bytearray()
        # Through the pipe, because anyone on the box can read a command line with the password in it.
        self.ask({**request, "shared": self._shared_memory, "wanted": self._wanted.number})

    def want(self) -> None:
        """Ask for more of the same."""
        self._wanted.set()

    def ask(self, request: Mapping[str, object], payload: bytes = b"") -> None:
        """Send one line and the bytes that belong to it; that the program has ended shows where its answer is read."""
        size = {"size": len(payload)} if payload else {}
        message = json.dumps({**request, **size}).encode() + b"\n" + payload
        with contextlib.suppress(BrokenPipeError):
            while message:
                message = message[self._requests.write(message) :]

    def pause(self, until: float) -> None:
        """Wait while nothing is asked, and raise SourceError at once when the program fails in that time."""
        if self._readable.poll(max(0.0, (until - time.monotonic()) * 1000)):
            self.answer(_KILL_TIMEOUT_S)

    def answer(self, timeout_s: float) -> tuple[dict[str, Any], bytearray | memoryview]:
        """Return the next answer and the bytes that belong to it; shared ones are good until more is asked for.

        Raises:
            SourceError: nothing came in time, or the program told an error, or it ended.
        """
        try:
            return self._answer(time.monotonic() + timeout_s)
        except TimeoutError:
            raise SourceError(f"gave nothing for {timeout_s:g} s{last_words(self._log)}") from None

    def kill(self) -> None:
        """End the program and its own children at once; whoever waits for its answer gets a SourceError."""
        # As long as it is not reaped, nobody else can have its number.
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        # A driver can hold a killed process for longer; Popen then reaps it when the next one is started.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_KILL_TIMEOUT_S)

    def stop(self) -> None:
        """End the program and give back everything it used."""
        self.kill()
        self._requests.close()
        self._answers.close()
        os.close(self._log)
        os.close(self._shared_memory)
        os.close(self._wanted.number)
        if self._shared is not None:
            self._shared.close()

    def _answer(self, give_up_at: float) -> tuple[dict[str, Any], bytearray | memoryview]:
        while b"\n" not in self._unread:
            self._receive(self._unread, 4096, give_up_at)
        line, _, payload = self._unread.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise SourceError(answer["error"])
        size = answer.get("size", 0)
        self._unread, payload = payload[size:], payload[:size]
        while len(payload) < size:
            self._receive(payload, size - len(payload), give_up_at)
        return answer, (self._seen(answer["shared"]) if "shared" in answer else payload)

    def _seen(self, size: int) -> memoryview:
        if self._shared is None or len(self._shared) < size:
            # The older one lives on as long as something points into it.
            self._shared = mmap.mmap(self._shared_memory, size, prot=mmap.PROT_READ)
        return memoryview(self._shared)[:size]

    def _receive(self, buffer: bytearray, most: int, give_up_at: float) -> None:
        if not self._readable.poll(max(0.0, (give_up_at - time.monotonic()) * 1000)):
            raise TimeoutError
        received = os.read(self._answers.fileno(), most)
        if not received:
            self.kill()
            raise SourceError(f"lost its child process (status {self._process.returncode}){last_words(self._log)}")
        buffer += received


class Parent:
    """The child's end of the pipe; the child ends when this end of its parent is gone.

    Attributes:
        request: the first line, which says what to open.
        wanted: set whenever the parent wants more.
        given: what the parent asked for since, each with the bytes that belong to it.
    """

    def __init__(self) -> None:
        self._answers = os.fdopen(os.dup(1), "wb")
        # OpenCV writes FFmpeg's messages to standard output, where the answers go.
        os.dup2(2, 1)
        self.request: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
        self._shared: mmap.mmap | None = None
        self.wanted = Flag(self.request["wanted"])
        self.given: queue.SimpleQueue[tuple[dict[str, Any], bytes]] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()
        # Python's own end would abort, since that thread holds standard input, and hide why this program ended.
        atexit.register(os._exit, 1)

    def tell(self, payload: bytes | memoryview = b"", **answer: object) -> None:
        """Send one answer and the bytes that belong to it."""
        self._answers.write(json.dumps(answer).encode() + b"\n")
        self._answers.write(payload)
        self._answers.flush()
        if os.fstat(2).st_size > _LOG_BYTES:
            self.forget()

    def share(self, size: int) -> memoryview:
        """Return `size` bytes that the parent sees too; it takes its copy before it asks for more."""
        if self._shared is None or len(self._shared) < size:
            os.ftruncate(self.request["shared"], size)
            # The older one lives on as long as something points into it.
            self._shared = mmap.mmap(self.request["shared"], size)
        return memoryview(self._shared)[:size]

    def heard(self) -> str:
        """Return the newest of what libraries wrote since the last `forget`."""
        size = os.fstat(2).st_size
        return os.pread(2, _LOG_BYTES, max(0, size - _LOG_BYTES)).decode(errors="replace") if size else ""

    def last_words(self) -> str:
        """Return the last message a library wrote, ready to end an error line."""
        return last_words(2)

    def forget(self) -> None:
        """Throw away what libraries wrote; a weak radio link gives a line for every damaged picture."""
        if os.fstat(2).st_size:
            os.ftruncate(2, 0)

    def _listen(self) -> None:
        while line := sys.stdin.buffer.readline():
            request: dict[str, Any] = json.loads(line)
            self.given.put((request, sys.stdin.buffer.read(request.get("size", 0))))
        # A normal exit would wait for a device that may never answer, and children of this one would live on.
        os.killpg(0, signal.SIGKILL)


class Flag:
    """What one process sets and another one waits for; `number` is an eventfd(2) that both hold."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._poll = select.poll()
        self._poll.register(number, select.POLLIN)

    def set(self) -> None:
        """Raise it, or leave it raised."""
        os.eventfd_write(self.number, 1)

    def wait(self, timeout_s: float) -> bool:
        """Wait until it is raised; tell whether it is."""
        return bool(self._poll.poll(timeout_s * 1000))

    def clear(self) -> None:
        """Take it back."""
        if self.wait(0):
            os.eventfd_read(self.number)


def last_words(log: int) -> str:
    """Return the last message in a log, ready to end an error line; nothing where it is empty."""
    size = os.fstat(log).st_size
    lines = os.pread(log, _LINE_BYTES, max(0, size - _LINE_BYTES)).decode(errors="replace").splitlines()
    said = [line.partition("] ")[2] or line for line in lines if line.strip()]
    return f": {said[-1].strip()}" if said else ""
