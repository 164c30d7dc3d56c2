"""Piper, which the owner installs: a neural voice as a program that waits, its model loaded, for one text."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
import threading
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.errors import ConfigError
from edge_runtime.inference.speaking_program import SpeakingProgram
from edge_runtime.types import Sound

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from edge_runtime.sections import SpeechSettings

_SENTENCE_PAUSE_S = 0.2


def piper_command() -> list[str] | None:
    """Return how Piper is started here: the module of this Python, else the program on the path, else None.

    The module comes first because Debian has another program of this name, for mice.
    """
    found = importlib.util.find_spec("piper")
    if found is not None and found.origin is not None:
        return [sys.executable, "-P", "-m", "piper"]
    path = shutil.which("piper")
    return None if path is None else [path]


class Piper:
    """The program `piper`, of piper-tts or of the older rhasspy/piper: both take the options used here.

    A text is one line; the end of its sound is the end of the program, so the next one is started beforehand.

    Raises:
        ConfigError: the program or the voice is missing.
    """

    name = "piper"

    def __init__(self, settings: SpeechSettings) -> None:
        command = piper_command()
        if command is None:
            advice = "install it (pip install piper-tts), or set speech.backend to espeak-ng"
            raise ConfigError(f"speech.backend is piper, which is not installed; {advice}")
        voice = settings.piper_voice
        if voice is None:
            advice = "download one with `python -m piper.download_voices` and name its .onnx file"
            raise ConfigError(f"speech.piper_voice is not set; {advice}")
        self._rate_hz = _rate_of(voice.expanduser())
        scales = ["--length_scale", f"{1 / settings.rate:.3f}", "--sentence_silence", str(_SENTENCE_PAUSE_S)]
        self._command = [*command, "--model", str(voice.expanduser()), "--output_raw", *scales]
        self._lock = threading.Lock()
        self._waiting: SpeakingProgram | None = None
        self._keep_warm = False

    def parts(self, text: str) -> Sequence[str]:
        """Return the text as one line; Piper cuts it at sentences and gives each as it is ready."""
        return ["".join(char if char.isprintable() else " " for char in text)]

    def start(self) -> SpeakingProgram:
        """Return the program that waits, or start one; the next is started at once where it is to be kept warm."""
        with self._lock:
            waiting, self._waiting = self._waiting, None
            if waiting is not None and not waiting.alive:
                waiting.close()
                waiting = None
            started = waiting or SpeakingProgram(self.name, self._command)
            if self._keep_warm:
                self._waiting = SpeakingProgram(self.name, self._command)
            return started

    def sounds(self, blocks: Iterator[bytes]) -> Iterable[Sound]:
        """Return the sound as it comes."""
        return sounds_of(blocks, self._rate_hz)

    def warm(self) -> None:
        """Load the model now, and again for every text from now on."""
        with self._lock:
            self._keep_warm = True
            if self._waiting is None:
                self._waiting = SpeakingProgram(self.name, self._command)

    def close(self) -> None:
        """End the program that waits."""
        with self._lock:
            self._keep_warm = False
            if self._waiting is not None:
                self._waiting.close()
            self._waiting = None


def sounds_of(blocks: Iterator[bytes], rate_hz: int) -> Iterator[Sound]:
    """Yield blocks of bytes, little-endian int16 mono, as sound; a block may end in the middle of a sample."""
    rest = b""
    for block in blocks:
        data = rest + block
        whole = len(data) - len(data) % 2
        rest = data[whole:]
        if whole:
            samples = np.frombuffer(data[:whole], "<i2").astype(np.float32)
            yield Sound(samples / np.float32(32768), rate_hz)


def _rate_of(voice: Path) -> int:
    about = voice.with_name(voice.name + ".json")
    for file in (voice, about):
        if not file.is_file():
            raise ConfigError(
                f"speech.piper_voice: there is no file {file}; a voice is an .onnx and an .onnx.json file"
            )
    try:
        return int(json.loads(about.read_text(encoding="utf-8"))["audio"]["sample_rate"])
    except (ValueError, KeyError, TypeError):
        raise ConfigError(f"speech.piper_voice: {about} does not tell audio.sample_rate; download it again") from None
