"""Sound on the wire: PCM of any rate, width and number of channels in, 16 kHz chunks out, and back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edge_runtime.api.wire import shown
from edge_runtime.errors import InputError
from edge_runtime.types import SAMPLE_RATE_HZ, AudioChunk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wyoming.event import Event

    from edge_runtime.api.services import Resampling, Samples

CHUNK_SAMPLES = 512
_BOUNDS = {"rate": (4_000, 384_000), "width": (1, 4), "channels": (1, 32)}


class Format(NamedTuple):
    """How sound is written: samples a second, bytes of one sample, channels."""

    rate: int
    width: int
    channels: int


def format_of(event: Event) -> Format:
    """Return the format that an audio event names.

    Raises:
        InputError: it names none, or one that no sound has.
    """
    for key, (least, most) in _BOUNDS.items():
        value = event.data.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise InputError(f"{event.type}: {key} is {shown(value)}; it may be {least} to {most}")
    return Format(*(event.data[key] for key in _BOUNDS))


def check_whole(payload: bytes, how: Format) -> None:
    """Refuse sound that ends within a sample.

    Raises:
        InputError: it does.
    """
    frame = how.width * how.channels
    if len(payload) % frame:
        raise InputError(f"audio-chunk: {len(payload)} bytes of sound; send a multiple of {frame}")


def decoded(payload: bytes, how: Format) -> Samples:
    """Return float32 mono samples in -1 to 1; 8-bit sound is unsigned, all other signed and little-endian.

    Raises:
        InputError: a sample is cut in two.
    """
    check_whole(payload, how)
    raw = np.frombuffer(payload, np.uint8).reshape(-1, how.width)
    if how.width == 1:
        numbers = (raw[:, 0].astype(np.float32) - 128.0) / 128.0
    else:
        # The bytes of a sample become the upper ones of a 32-bit number.
        wide = np.zeros((len(raw), 4), np.uint8)
        wide[:, 4 - how.width :] = raw
        numbers = (wide.view("<i4")[:, 0] / 2.0**31).astype(np.float32)
    mono: Samples = numbers.reshape(-1, how.channels).mean(axis=1, dtype=np.float32)
    return mono


def encoded(samples: Samples) -> bytes:
    """Return 16-bit little-endian PCM of float32 samples."""
    return (np.clip(np.nan_to_num(samples), -1.0, 1.0) * 32767.0).round().astype("<i2").tobytes()


class Stream:
    """Sound that a client sends, brought to 16 kHz; times are seconds since its beginning.

    Args:
        how: its format.
        resampler: returns what brings a rate to 16 kHz.
        longest_s: of the sound, None for as long as it lasts.
        source: name of the chunks' source.
    """

    def __init__(
        self, how: Format, resampler: Callable[[int], Resampling], longest_s: float | None, source: str
    ) -> None:
        self.how = how
        self._resampling = resampler(how.rate)
        self._longest_s = longest_s
        self._source = source
        self._began_at = time.monotonic()
        self._taken = self._cut = 0
        self._rest: Samples = np.zeros(0, np.float32)

    def feed(self, event: Event) -> Samples:
        """Return the samples of one audio-chunk that are ready.

        Raises:
            InputError: the format changed, or there is more sound than is allowed.
        """
        how = format_of(event)
        if how != self.how:
            raise InputError(f"audio-chunk: its format is {tuple(how)}, that of audio-start was {tuple(self.how)}")
        samples = decoded(event.payload or b"", how)
        self._taken += len(samples)
        if self._longest_s is not None and self._taken > self._longest_s * how.rate:
            raise InputError(f"more than {self._longest_s:g} s of sound; send audio-stop earlier")
        return self._resampling.feed(samples)

    def end(self) -> Samples:
        """Return the last samples."""
        return self._resampling.feed(np.zeros(0, np.float32), last=True)

    def chunks(self, samples: Samples) -> Iterator[AudioChunk]:
        """Yield whole chunks of 512 samples, keeping the rest for the next call."""
        samples = np.concatenate([self._rest, samples])
        whole = len(samples) - len(samples) % CHUNK_SAMPLES
        self._rest = samples[whole:]
        for start in range(0, whole, CHUNK_SAMPLES):
            yield self.chunk(samples[start : start + CHUNK_SAMPLES])

    def chunk(self, samples: Samples) -> AudioChunk:
        """Return the samples as the next chunk."""
        at = self._began_at + self._cut / SAMPLE_RATE_HZ
        self._cut += len(samples)
        return AudioChunk(self._source, at, samples)

    def passed_ms(self, at: float) -> int:
        """Return the milliseconds from the beginning of the stream to a time of its chunks."""
        return round(1000 * (at - self._began_at))
