"""The parent's end of the program that plays: pieces of sound, one speech after the other, on one device."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import soxr

from edge_runtime.errors import SinkError, SourceError
from edge_runtime.sources.child import ChildProgram

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from edge_runtime.types import Sound

_OPEN_TIMEOUT_S = 5.0
_END_TIMEOUT_S = 3.0
_AHEAD_S = 4.0


class Playback:
    """A sound output, by name or number, opened for each speech and given back after it.

    Raises:
        SinkError: the program cannot be started.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        try:
            self._child = ChildProgram("edge_runtime.sinks.play_sound", {"device": device})
        except OSError as error:
            raise SinkError(f"speaker ({device}) cannot be started: {error.strerror}") from None

    def play(self, pieces: Iterable[Sound], volume: float, begun: Callable[[], None]) -> float:
        """Play the pieces as they come, all of one rate, until the last was heard; return their seconds.

        `begun` is called when the device is open. Pieces are taken only some seconds before they are heard.

        Raises:
            SinkError: there is no such device, or it stopped playing, or this was killed.
        """
        try:
            return self._play(pieces, volume, begun)
        except SourceError as error:
            raise SinkError(f"speaker ({self._device}) {error}") from None

    def kill(self) -> None:
        """Be silent at once; `play` ends with a SinkError. Safe from any thread and more than once."""
        self._child.kill()

    def close(self) -> None:
        """Be silent and give back everything it used."""
        self._child.stop()

    def _play(self, pieces: Iterable[Sound], volume: float, begun: Callable[[], None]) -> float:
        output: _Output | None = None
        seconds, heard_at = 0.0, 0.0
        for piece in pieces:
            if output is None:
                output = self._open(piece.rate_hz)
                heard_at = time.monotonic()
                begun()
            self._send(output.fit(piece.samples * np.float32(volume)))
            length_s = len(piece.samples) / piece.rate_hz
            seconds += length_s
            heard_at = max(heard_at, time.monotonic()) + length_s
            self._child.pause(heard_at - _AHEAD_S)
        if output is None:
            return 0.0
        self._send(output.fit(np.zeros(0, np.float32), last=True))
        self._child.ask({"end": True})
        self._child.answer(max(0.0, heard_at - time.monotonic()) + _END_TIMEOUT_S)
        return seconds

    def _open(self, rate_hz: int) -> _Output:
        self._child.ask({"rate_hz": rate_hz})
        opened, _ = self._child.answer(_OPEN_TIMEOUT_S)
        return _Output(rate_hz, opened["rate_hz"], opened["channels"])

    def _send(self, samples: bytes) -> None:
        if samples:
            self._child.ask({"play": True}, samples)


class _Output:
    """What the device takes."""

    def __init__(self, given_hz: int, rate_hz: int, channels: int) -> None:
        same = given_hz == rate_hz
        self._stream = None if same else soxr.ResampleStream(given_hz, rate_hz, 1, dtype="float32")
        self._channels = channels

    def fit(self, samples: NDArray[np.float32], *, last: bool = False) -> bytes:
        """Return mono samples as the device's bytes, at its rate and within -1 to 1."""
        if self._stream is not None:
            samples = self._stream.resample_chunk(samples, last=last)
        return np.repeat(np.clip(samples, -1.0, 1.0), self._channels).astype(np.float32).tobytes()
