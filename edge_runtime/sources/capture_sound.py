"""The child program that reads one microphone.

It first tells the sample rate and the channels, then sends blocks of 32 ms (float32, channels interleaved) as they are
heard; up to 2 s wait for a slow parent, then the oldest are dropped and counted.
"""

from __future__ import annotations

import collections
import threading
import time
from typing import Any

from edge_runtime.sources.child import Parent

BLOCK_S = 0.032

_QUEUED_BLOCKS = round(2.0 / BLOCK_S)


class Ear:
    """What PortAudio's thread hears and the main thread sends."""

    def __init__(self) -> None:
        self._blocks: collections.deque[tuple[float, bytes]] = collections.deque()
        self._changed = threading.Condition()
        self.dropped = 0
        self.overflows = 0

    def hear(self, block: Any, _frames: int, _time: object, status: Any) -> None:
        """Take one block; PortAudio loses samples if this blocks."""
        with self._changed:
            self.overflows += bool(status.input_overflow)
            if len(self._blocks) == _QUEUED_BLOCKS:
                self._blocks.popleft()
                self.dropped += 1
            self._blocks.append((time.monotonic() - BLOCK_S, bytes(block)))
            self._changed.notify()

    def next_block(self) -> tuple[float, bytes]:
        """Wait for a block; return the time of its first sample, and its samples."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._blocks))
            return self._blocks.popleft()


def main() -> None:
    """Serve sound until the parent is gone; that a microphone gives nothing is the parent's to notice."""
    parent = Parent()
    ear = Ear()
    try:
        stream = _open(parent.request["device"], parent.request["rate_hz"], ear)
    except (ImportError, OSError) as error:
        parent.tell(error=f"cannot be opened: {error}; install edge-runtime[mic] and the system package libportaudio2")
    except (RuntimeError, ValueError) as error:
        parent.tell(error=f"cannot be opened: {error}")
    else:
        parent.last_words()
        parent.tell(rate_hz=round(stream.samplerate), channels=stream.channels)
        while True:
            at, block = ear.next_block()
            parent.tell(block, at=at, size=len(block), dropped=ear.dropped, overflows=ear.overflows)


def _open(wanted: str, rate_hz: int, ear: Ear) -> Any:
    import sounddevice  # noqa: PLC0415 - a missing PortAudio is told, not a crash

    device = None if wanted == "default" else int(wanted) if wanted.isdecimal() else wanted
    inputs = [found["name"] for found in sounddevice.query_devices() if found["max_input_channels"] > 0]
    try:
        found = sounddevice.query_devices(device, "input")
        try:
            sounddevice.check_input_settings(device, channels=1, dtype="float32", samplerate=rate_hz)
            channels = 1
        except sounddevice.PortAudioError:
            rate_hz, channels = round(found["default_samplerate"]), min(2, found["max_input_channels"])
        stream = sounddevice.RawInputStream(
            rate_hz, round(rate_hz * BLOCK_S), device, channels, "float32", callback=ear.hear
        )
        stream.start()
    except (sounddevice.PortAudioError, ValueError) as error:
        raise RuntimeError(f"{error}; sound inputs here: {', '.join(inputs) or 'none'}") from None
    return stream


if __name__ == "__main__":
    main()
