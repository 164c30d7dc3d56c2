"""From the sound of any speech to text, with a vosk model that the owner has put on the box."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.errors import InputError
from edge_runtime.types import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from edge_runtime.types import AudioChunk

_BLOCK = SAMPLE_RATE_HZ // 4


class VoskTranscriber:
    """One of vosk's models.

    Args:
        folder: the model, unpacked.

    Raises:
        InputError: vosk is not installed, or the folder holds none of its models.
    """

    def __init__(self, folder: Path) -> None:
        try:
            # The owner installs it; no box needs it for anything else.
            import vosk  # noqa: PLC0415
        except ImportError:
            raise InputError("dictation with vosk needs the library vosk; run: pip install vosk") from None
        # Its first look, repeated here because it ends the program where parts of a model are missing.
        if not any((folder / place).is_file() for place in ("am/final.mdl", "final.mdl")):
            raise InputError(f"{folder}: holds no vosk model (no am/final.mdl); unpack one there, or name its folder")
        vosk.SetLogLevel(-1)
        with _loading(folder):
            self._model = vosk.Model(str(folder))
        self._recogniser = vosk.KaldiRecognizer

    def transcribe(self, chunk: AudioChunk) -> str:
        """Return the words of `chunk`, sentences in one line."""
        recogniser = self._recogniser(self._model, SAMPLE_RATE_HZ)
        loudness = np.clip(np.nan_to_num(chunk.samples), -1.0, 1.0) * 32767
        samples = loudness.astype("<i2")
        blocks = (samples[start : start + _BLOCK].tobytes() for start in range(0, len(samples), _BLOCK))
        results = [recogniser.Result() for block in blocks if recogniser.AcceptWaveform(block)]
        texts = (str(json.loads(result).get("text", "")) for result in (*results, recogniser.FinalResult()))
        return " ".join(filter(None, texts))


class _loading:  # noqa: N801 - reads as a verb where it is used
    """Turn what goes wrong inside vosk, which raises plain Exception and nothing narrower, into one line."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is Exception:
            raise InputError(f"{self._folder}: vosk cannot read this model ({error}); download it again") from None
