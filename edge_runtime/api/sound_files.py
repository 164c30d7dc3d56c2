"""Sound files that clients send and get: decoded within bounds, encoded piece by piece."""

from __future__ import annotations

import io
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from edge_runtime.api.refusal import RequestError
from edge_runtime.api.sound import encoded
from edge_runtime.types import AudioChunk

if TYPE_CHECKING:
    from edge_runtime.api.capabilities import Resamples
    from edge_runtime.api.services import Resampling, Samples
    from edge_runtime.types import Sound

LONGEST_S = 600.0
SPEECH_HZ = 24_000
_MOST_HZ = 384_000
_LEAST_HZ = 4_000
_BLOCK_S = 1.0
# Others, such as raw PCM without a header, would be taken for whatever the library thinks.
_KINDS = {"WAV", "WAVEX", "RF64", "FLAC", "OGG", "MP3", "AIFF"}
_ADVICE = "send a WAV, MP3, FLAC or Ogg file"


@dataclass(frozen=True, slots=True)
class Container:
    """A kind of file for speech: its media type, and what the library calls it; bare samples have no such name."""

    media: str
    kind: str = ""
    subtype: str | None = None


CONTAINERS = {
    "mp3": Container("audio/mpeg", "MP3"),
    "wav": Container("audio/wav", "WAV", "PCM_16"),
    "flac": Container("audio/flac", "FLAC"),
    "opus": Container("audio/ogg", "OGG", "OPUS"),
    "pcm": Container("audio/pcm"),
}


def recording(data: bytes, resampler: Resamples, param: str | None = None) -> AudioChunk:
    """Return a sound file as float32 mono at 16 kHz; `at` is now.

    Raises:
        RequestError: no sound file, damaged, empty, or longer than 600 s.
    """
    blocks: list[Samples] = []
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as sound:
            _check(sound.format, sound.samplerate, sound.channels, param)
            resampling = resampler(sound.samplerate)
            step = round(_BLOCK_S * sound.samplerate)
            for _ in range(round(LONGEST_S / _BLOCK_S) + 1):
                # Many a header lies about the length, so it is counted.
                block = sound.read(step, dtype="float32", always_2d=True)
                last = len(block) < step
                blocks.append(resampling.feed(np.nan_to_num(block).mean(axis=1, dtype=np.float32), last=last))
                if last:
                    break
            else:
                why = f"the recording is longer than {LONGEST_S:g} s; cut it into shorter ones"
                raise RequestError(why, param=param, code="audio_too_long")
    except (soundfile.LibsndfileError, TypeError, ValueError):
        raise RequestError(
            f"it is no sound file that can be read; {_ADVICE}", param=param, code="invalid_audio"
        ) from None
    samples: Samples = np.concatenate(blocks)
    if not len(samples):
        raise RequestError("there is no sound in the recording", param=param, code="invalid_audio")
    return AudioChunk("http", time.monotonic(), samples)


def _check(kind: str, rate_hz: int, channels: int, param: str | None) -> None:
    if kind not in _KINDS or not _LEAST_HZ <= rate_hz <= _MOST_HZ or not 1 <= channels <= 32:
        what = f"{kind} with {channels} channels at {rate_hz} Hz"
        raise RequestError(f"{what} is no recording that is taken; {_ADVICE}", param=param, code="invalid_audio")


class Encoding:
    """Speech at 24 kHz, mono, on its way into a file; bare samples are ready at once, files at their end.

    Args:
        container: which kind of file.
        resampler: brings the speech to 24 kHz.
    """

    def __init__(self, container: Container, resampler: Resamples) -> None:
        self._resampler = resampler
        self._resampling: Resampling | None = None
        self._left = round(LONGEST_S * SPEECH_HZ)
        self._bytes = io.BytesIO()
        self._file: soundfile.SoundFile | None = None
        if container.kind:
            # The heads of these files hold lengths and are written last.
            self._file = soundfile.SoundFile(
                self._bytes, "w", SPEECH_HZ, 1, format=container.kind, subtype=container.subtype
            )

    def feed(self, sound: Sound) -> bytes:
        """Return the bytes that are ready after another piece of speech, all of one rate.

        Raises:
            RequestError: the speech is longer than 600 s.
        """
        self._resampling = self._resampling or self._resampler(sound.rate_hz, SPEECH_HZ)
        return self._take(self._resampling.feed(sound.samples))

    def end(self) -> bytes:
        """Return the last bytes, or the whole file."""
        ready = self._take(self._resampling.feed(np.zeros(0, np.float32), last=True)) if self._resampling else b""
        if self._file is None:
            return ready
        self._file.close()
        return self._bytes.getvalue()

    def _take(self, samples: Samples) -> bytes:
        self._left -= len(samples)
        if self._left < 0:
            why = f"the text takes longer than {LONGEST_S:g} s to say; send it in parts"
            raise RequestError(why, param="input", code="speech_too_long")
        if self._file is None:
            return encoded(samples)
        self._file.write(samples)
        return b""
