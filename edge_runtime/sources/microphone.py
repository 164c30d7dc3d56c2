"""A live microphone as 16 kHz mono chunks, read in a child process that can be killed when its driver hangs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.sources.child import ChildProgram
from edge_runtime.sources.device import Device
from edge_runtime.sources.resampling import Chunker, Resampler
from edge_runtime.types import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from edge_runtime.config import MicrophoneSettings
    from edge_runtime.types import AudioChunk

_OPEN_TIMEOUT_S = 10.0
_READ_TIMEOUT_S = 2.0
_CANCELLED = 0.1
"""Two channels whose mean has less than this share of the louder one's power are one signal, once turned over."""


class Microphone(Device):
    """A sound device, by name or number.

    `chunks` may be called again after a `SourceError`; each call starts a fresh capture process, because PortAudio
    learns of new devices only when it starts. A device that was open once is then found by its name, whatever its
    number is now.

    Attributes:
        dropped: blocks of 32 ms thrown away because nobody took them within 2 s.
        overflows: times the sound card itself lost samples.
    """

    def __init__(self, settings: MicrophoneSettings) -> None:
        super().__init__(settings.name)
        self.dropped = 0
        self.overflows = 0
        self._device = settings.device
        self._opened: str | None = None

    @property
    def lost(self) -> int:
        """Return how often sound was lost since the beginning."""
        return self.dropped + self.overflows

    def chunks(self) -> Iterator[AudioChunk]:
        """Yield chunks of 512 samples until closed.

        Raises:
            SourceError: there is no such device, it cannot be opened, it was unplugged, or it gave nothing for 2 s.
        """
        request = {"device": self._device, "opened": self._opened, "rate_hz": SAMPLE_RATE_HZ}
        yield from self._read(
            # A large pipe would hide from the child that nobody takes its sound.
            lambda: ChildProgram("edge_runtime.sources.capture_sound", request, pipe_bytes=4096),
            self._hear,
            lambda problem: f"microphone {self.name} ({self._device}) {problem}",
        )

    def _hear(self, child: ChildProgram) -> Iterator[AudioChunk]:
        opened, _ = child.answer(_OPEN_TIMEOUT_S)
        self._opened = opened["name"]
        resampler = Resampler(opened["rate_hz"])
        chunker = Chunker(self.name)
        dropped, overflows = self.dropped, self.overflows
        while not self._closed:
            told, block = child.answer(_READ_TIMEOUT_S)
            self.dropped = dropped + told["dropped"]
            self.overflows = overflows + told["overflows"]
            samples = mono(np.frombuffer(block, np.float32).reshape(-1, opened["channels"]))
            yield from chunker.feed(told["at"], resampler.feed(samples))


def mono(block: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return one channel, shape (n,), of `block`, shape (n, channels).

    Of one or two channels it is the mean; of more it is the first, since arrays put there what is meant for speech and
    behind it what their loudspeaker plays. A balanced microphone in a stereo socket arrives as a signal and its
    opposite, of which the louder one is taken.
    """
    if block.shape[1] > 2:
        return block[:, 0]
    mean: NDArray[np.float32] = block.mean(axis=1, dtype=np.float32)
    power = np.square(block).mean(axis=0)
    if np.square(mean).mean() < _CANCELLED * power.max(initial=0.0):
        return block[:, int(power.argmax())]
    return mean
