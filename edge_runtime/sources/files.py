"""One picture or one recording in a file, as the command line and the replays need it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import cv2
import numpy as np
import soundfile

from edge_runtime.errors import InputError
from edge_runtime.sources.resampling import Resampler
from edge_runtime.types import SAMPLE_RATE_HZ, AudioChunk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_runtime.types import Image, Sound

_BLOCK_S = 1.0

# What is wrong with a file is said once, by us, and not by OpenCV on the terminal as well.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def read_picture(path: Path) -> Image:
    """Return a picture file as RGB, turned upright as its EXIF note says.

    Raises:
        InputError: missing, empty, not a picture, damaged, or above the size set in `edge_runtime.sources`.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {_reason(error)}") from None
    if not data:
        raise InputError(f"{path}: the file is empty")
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        reason = "too many pixels" if "CV_IO_MAX" in error.err else "damaged"
        raise InputError(f"{path}: {reason}; use a picture of at most 64 megapixels") from None
    if picture is None:
        raise InputError(f"{path}: not a picture OpenCV can read; use for example a JPEG or PNG file")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def is_sound(path: Path) -> bool:
    """Return whether a file holds sound, or else a picture, by its content.

    Raises:
        InputError: missing, empty, or neither.
    """
    try:
        with path.open("rb") as stream:
            if not stream.read(1):
                raise InputError(f"{path}: the file is empty")
            stream.seek(0)
            if cv2.haveImageReader(str(path)):
                return False
            with soundfile.SoundFile(stream):
                return True
    except OSError as error:
        raise InputError(f"{path}: {_reason(error)}") from None
    except (soundfile.LibsndfileError, TypeError):
        advice = "use for example a JPEG, PNG, WAV or FLAC file"
        raise InputError(f"{path}: neither a picture nor a sound that can be read; {advice}") from None


def read_sound(path: Path, *, longest_s: float = 600.0) -> AudioChunk:
    """Return a whole sound file, mixed down to one channel at 16 kHz; `at` is now.

    Raises:
        InputError: missing, empty, not a sound file, not finite numbers, or longer than `longest_s`.
    """
    blocks: list[NDArray[np.float32]] = []
    samples = 0
    for block in sound_blocks(path):
        blocks.append(block)
        samples += len(block)
        if samples > longest_s * SAMPLE_RATE_HZ:
            raise InputError(f"{path}: longer than {longest_s:g} s; cut it into shorter files")
    return AudioChunk(str(path), time.monotonic(), np.concatenate(blocks))


def write_sound(path: Path, sound: Sound) -> None:
    """Write a sound file of the kind that the ending of its name says.

    Raises:
        InputError: no sound file has such an ending, or it cannot be written.
    """
    try:
        with soundfile.SoundFile(str(path), "w", sound.rate_hz, channels=1) as file:
            file.write(sound.samples)
    except (soundfile.LibsndfileError, TypeError, ValueError) as error:
        raise InputError(f"{path}: cannot be written ({error}); give a name such as speech.wav") from None


def sound_blocks(path: Path) -> Iterator[NDArray[np.float32]]:
    """Yield a sound file piece by piece, float32 mono at 16 kHz within -1 to 1, never an empty piece.

    Raises:
        InputError: missing, empty, not a sound file, or not finite numbers.
    """
    empty = True
    try:
        with path.open("rb") as stream, soundfile.SoundFile(stream) as sound:
            resampler = Resampler(sound.samplerate)
            last = False
            while not last:
                block = sound.read(round(_BLOCK_S * sound.samplerate), dtype="float32", always_2d=True)
                if not np.isfinite(block).all():
                    raise InputError(f"{path}: holds samples that are not numbers; export it again")
                last = len(block) < round(_BLOCK_S * sound.samplerate)
                samples = resampler.feed(block.mean(axis=1), last=last)
                if len(samples):
                    empty = False
                    yield samples
    except OSError as error:
        raise InputError(f"{path}: {_reason(error)}") from None
    except (soundfile.LibsndfileError, TypeError):
        raise InputError(f"{path}: not a sound file that can be read; use for example a WAV or FLAC file") from None
    if empty:
        raise InputError(f"{path}: there is no sound in it")


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
