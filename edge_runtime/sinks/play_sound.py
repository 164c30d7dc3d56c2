"""The child program that plays sound on one device; killing it is silence at once, whatever the sound server does.

For each speech it is told the sample rate, answers with the rate and channels that the device takes, is given samples
(float32, channels interleaved) and, after the end, says when all of them have been heard.
"""

from __future__ import annotations

from typing import Any

from edge_runtime.sources.child import Parent

_LEAD_S = 0.03
_TAIL_S = 0.1
"""PulseAudio's bridge loses up to 10 ms when a stream starts and 50 ms when it stops (measured)."""


def main() -> None:
    """Play until the parent is gone; a device that fails ends it, and a fresh one sees the devices as they are then."""
    parent = Parent()
    try:
        import sounddevice  # noqa: PLC0415 - a missing PortAudio is told, not a crash
    except (ImportError, OSError) as error:
        parent.tell(error=f"cannot be opened: {error}; install edge-runtime[mic] and the system package libportaudio2")
        return
    parent.forget()
    try:
        while True:
            wanted, _ = parent.given.get()
            stream = _open(sounddevice, parent.request["device"], wanted["rate_hz"])
            parent.tell(rate_hz=round(stream.samplerate), channels=stream.channels)
            stream.write(_silence(stream, _LEAD_S))
            while samples := parent.given.get()[1]:
                stream.write(samples)
            stream.write(_silence(stream, _TAIL_S))
            stream.stop()
            stream.close()
            parent.tell(played=True)
    except (sounddevice.PortAudioError, ValueError) as error:
        outputs = [found["name"] for found in sounddevice.query_devices() if found["max_output_channels"] > 0]
        parent.tell(error=f"cannot play: {error}; sound outputs here: {', '.join(outputs) or 'none'}")


def _open(sounddevice: Any, wanted: str, rate_hz: int) -> Any:
    device = None if wanted == "default" else int(wanted) if wanted.isdecimal() else wanted
    found = sounddevice.query_devices(device, "output")
    channels = 1
    try:
        sounddevice.check_output_settings(device, channels=channels, dtype="float32", samplerate=rate_hz)
    except sounddevice.PortAudioError:
        rate_hz, channels = round(found["default_samplerate"]), min(2, found["max_output_channels"])
    stream = sounddevice.RawOutputStream(rate_hz, 0, device, channels, "float32")
    stream.start()
    return stream


def _silence(stream: Any, seconds: float) -> bytes:
    return bytes(4 * stream.channels * round(seconds * stream.samplerate))


if __name__ == "__main__":
    main()
