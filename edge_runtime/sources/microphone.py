"""A live microphone as 16 kHz mono chunks, read in a child process that can be killed when its driver hangs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

import numpy as np

from edge_runtime.errors import SourceError
from edge_runtime.sources.child import ChildProgram
from edge_runtime.sources.resampling import Chunker, Resampler
from edge_runtime.types import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_runtime.config import MicrophoneSettings
    from edge_runtime.types import AudioChunk

_OPEN_TIMEOUT_S = 10.0
_READ_TIMEOUT_S = 2.0


class Microphone:
    """A sound device, by name or number.

    `chunks` may be called again after a `SourceError`; each call starts a fresh capture process.

    Attributes:
        dropped: blocks of 32 ms thrown away because nobody took them within 2 s.
        overflows: times the sound card itself lost samples.
    """

    live = True

    def __init__(self, settings: MicrophoneSettings) -> None:
        self.name = settings.name
        self.dropped = 0
        self.overflows = 0
        self._device = settings.device
        self._lock = threading.Lock()
        self._closed = False
        self._child: ChildProgram | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def chunks(self) -> Iterator[AudioChunk]:
        """Yield chunks of 512 samples until closed.

        Raises:
            SourceError: there is no such device, it cannot be opened, or it gave nothing for 2 s.
        """
        with self._lock:
            if self._closed:
                return
            # A large pipe would hide from the child that nobody takes its sound.
            child = ChildProgram(
                "edge_runtime.sources.capture_sound",
                {"device": self._device, "rate_hz": SAMPLE_RATE_HZ},
                pipe_bytes=4096,
            )
            self._child = child
        try:
            yield from self._hear(child)
        except SourceError as error:
            if not self._closed:
                raise SourceError(f"microphone {self.name} ({self._device}) {error}") from None
        finally:
            child.stop()

    def close(self) -> None:
        """Kill the capture process and end `chunks`; safe from any thread and more than once."""
        with self._lock:
            self._closed = True
            if self._child is not None:
                self._child.kill()

    def _hear(self, child: ChildProgram) -> Iterator[AudioChunk]:
        opened, _ = child.answer(_OPEN_TIMEOUT_S)
        resampler = Resampler(opened["rate_hz"])
        chunker = Chunker(self.name)
        dropped, overflows = self.dropped, self.overflows
        while not self._closed:
            told, block = child.answer(_READ_TIMEOUT_S)
            self.dropped = dropped + told["dropped"]
            self.overflows = overflows + told["overflows"]
            samples = np.frombuffer(block, np.float32).reshape(-1, opened["channels"]).mean(axis=1)
            yield from chunker.feed(told["at"], resampler.feed(samples))
