"""The child program that reads one microphone.

It first tells the device's name, sample rate and channels, then sends blocks of 32 ms (float32, channels interleaved)
as they are heard; up to 2 s wait for a slow parent, then the oldest are dropped and counted.
"""

from __future__ import annotations

import collections
import itertools
import re
import threading
import time
from typing import TYPE_CHECKING, Any

from edge_runtime.sources.child import Parent

if TYPE_CHECKING:
    from collections.abc import Sequence

BLOCK_S = 0.032

_QUEUED_BLOCKS = round(2.0 / BLOCK_S)
_CARD = re.compile(r"\s*\((plug)?hw:[^)]*\)$")
"""The number of the card, which ALSA gives anew at each plugging in."""


class Ear:
    """What PortAudio's thread hears and the main thread sends."""

    def __init__(self) -> None:
        self._blocks: collections.deque[tuple[float, bytes]] = collections.deque()
        self._changed = threading.Condition()
        self._over = False
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

    def end(self) -> None:
        """Say that no more will come."""
        with self._changed:
            self._over = True
            self._changed.notify()

    def next_block(self) -> tuple[float, bytes] | None:
        """Wait for a block; return the time of its first sample and its samples, None when no more will come."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._blocks) or self._over)
            return self._blocks.popleft() if self._blocks else None


def find(wanted: str, opened: str | None, names: Sequence[str | None]) -> int | None:
    """Return the number of the input that is meant, None for the system's own choice.

    Args:
        wanted: "default", a number, or a name or a part of one; whatever the number of its card is now.
        opened: name of the device that was open before; it is meant even where its number has changed.
        names: of all devices by number, None for those that cannot record.

    Raises:
        ValueError: there is none, or it could be several.
    """
    if wanted == "default":
        return None
    name = opened if opened is not None else wanted
    if opened is None and wanted.isdecimal() and int(wanted) < len(names) and names[int(wanted)] is not None:
        return int(wanted)
    inputs = [(number, found) for number, found in enumerate(names) if found is not None]
    for exactly in (str, _without_card):
        same = [number for number, found in inputs if exactly(found).casefold() == exactly(name).casefold()]
        if same:
            return same[0]
    part = [] if name.isdecimal() else [each for each in inputs if name.casefold() in each[1].casefold()]
    if len(part) > 1:
        raise ValueError(f"{name!r} may be any of {', '.join(found for _, found in part)}; name one in full")
    if part:
        return part[0][0]
    raise ValueError(f"no sound input {name!r}; sound inputs here: {', '.join(found for _, found in inputs) or 'none'}")


def main() -> None:
    """Serve sound until the parent is gone; that a microphone gives nothing is the parent's to notice."""
    parent = Parent()
    ear = Ear()
    try:
        stream, name = _open(parent.request, ear)
    except (ImportError, OSError) as error:
        parent.tell(error=f"cannot be opened: {error}; install edge-runtime[mic] and the system package libportaudio2")
    except (RuntimeError, ValueError) as error:
        parent.tell(error=f"cannot be opened: {error}")
    else:
        parent.forget()
        parent.tell(name=name, rate_hz=round(stream.samplerate), channels=stream.channels)
        while (heard := ear.next_block()) is not None:
            at, block = heard
            parent.tell(block, at=at, size=len(block), dropped=ear.dropped, overflows=ear.overflows)
        parent.tell(error="was unplugged, or its driver gave up")


def _open(request: dict[str, Any], ear: Ear) -> tuple[Any, str]:
    import sounddevice  # noqa: PLC0415 - a missing PortAudio is told, not a crash

    try:
        devices = sounddevice.query_devices()
        names = [found["name"] if found["max_input_channels"] > 0 else None for found in devices]
        device = find(request["device"], request["opened"], names)
        found = sounddevice.query_devices(device, "input")
        rate_hz, channels = _format(sounddevice, found, request["rate_hz"])
        stream = sounddevice.RawInputStream(
            rate_hz,
            round(rate_hz * BLOCK_S),
            found["index"],
            channels,
            "float32",
            callback=ear.hear,
            finished_callback=ear.end,
        )
        stream.start()
    except sounddevice.PortAudioError as error:
        raise RuntimeError(str(error)) from None
    return stream, found["name"]


def _format(sounddevice: Any, device: Any, rate_hz: int) -> tuple[int, int]:
    """Return the sample rate and channels to record with: those asked for, else what the device can do."""
    rates = dict.fromkeys((rate_hz, round(device["default_samplerate"]), 48_000, 44_100))
    most = device["max_input_channels"]
    for rate, channels in itertools.product(rates, sorted({1, min(2, most), most})):
        try:
            sounddevice.check_input_settings(device["index"], channels=channels, dtype="float32", samplerate=rate)
        except sounddevice.PortAudioError:
            continue
        return rate, channels
    return round(device["default_samplerate"]), min(2, most)  # opening it then says what is wrong


def _without_card(name: str) -> str:
    return _CARD.sub("", name)


if __name__ == "__main__":
    main()
