"""One run of a synthesiser outside this process: text in, sound out, killed with all it started when it hangs."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
from typing import IO, TYPE_CHECKING, cast

from edge_runtime.errors import SpeechError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_READ_BYTES = 2**16
_END_TIMEOUT_S = 2.0
_LONGEST_REASON = 200


class SpeakingProgram:
    """A program that reads a text from its standard input and writes its sound to standard output.

    Raises:
        SpeechError: it cannot be started.
    """

    def __init__(self, name: str, command: Sequence[str]) -> None:
        """Start `command`, called `name` in errors."""
        self._name = name
        # Not a file: nothing is left behind, whatever happens.
        self._log = os.memfd_create("log")
        try:
            self._process = subprocess.Popen(  # noqa: S603 - found by name or named by the owner, no shell
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                bufsize=0,
                start_new_session=True,
            )
        except OSError as error:
            os.close(self._log)
            raise SpeechError(f"{name} cannot be started ({command[0]}: {error.strerror}); install it again") from None
        self._text = cast("IO[bytes]", self._process.stdin)
        self._sound = cast("IO[bytes]", self._process.stdout)

    @property
    def alive(self) -> bool:
        """Return whether it still runs."""
        return self._process.poll() is None

    def speak(self, text: str, timeout_s: float, most_bytes: int) -> Iterator[bytes]:
        """Give it the text, which no process list ever shows, and yield the sound as it comes; once only.

        `text` must fit into a pipe, 64 KiB.

        Raises:
            SpeechError: no sound for `timeout_s`, more than `most_bytes` of it, or it failed.
        """
        with contextlib.suppress(BrokenPipeError):
            self._text.write(text.encode() + b"\n")
        self._text.close()
        given = 0
        while block := self._read(timeout_s):
            given += len(block)
            if given > most_bytes:
                raise SpeechError(f"{self._name} does not stop speaking a text of {len(text)} characters")
            yield block
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_TIMEOUT_S)
        if self._process.returncode != 0:
            raise SpeechError(f"{self._name} failed (status {self._process.returncode}){self._reason()}")

    def kill(self) -> None:
        """End it and everything that it started; safe from any thread and more than once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill it and give back everything it used."""
        self.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_TIMEOUT_S)
        for pipe in (self._text, self._sound):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        os.close(self._log)

    def _read(self, timeout_s: float) -> bytes:
        readable = select.poll()
        readable.register(self._sound, select.POLLIN)
        if not readable.poll(timeout_s * 1000):
            raise SpeechError(f"{self._name} gave no sound for {timeout_s:g} s; it is killed")
        return os.read(self._sound.fileno(), _READ_BYTES)

    def _reason(self) -> str:
        lines = os.pread(self._log, 2**16, 0).decode(errors="replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        return f": {said[-1][:_LONGEST_REASON]}" if said else ""
