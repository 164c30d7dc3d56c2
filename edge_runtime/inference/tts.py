"""Text to speech: espeak-ng or Piper, always in a process of its own, long texts sentence by sentence."""

from __future__ import annotations

import re
import shutil
import struct
import threading
from typing import TYPE_CHECKING, Protocol

import numpy as np

from edge_runtime.errors import ConfigError, InputError, SpeechError
from edge_runtime.inference.piper import Piper, sounds_of
from edge_runtime.inference.speaking_program import SpeakingProgram
from edge_runtime.types import Sound

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from edge_runtime.sections import SpeechSettings

LONGEST_TEXT = 5000
_LONGEST_PART = 240
_SHORTEST_PART = 16
_WORDS_A_MINUTE = 175
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|\s*\n\s*")
_LEAST_BYTES = 20 * 2 * 48_000
_BYTES_A_CHARACTER = 2 * 48_000
"""A character takes less than a second, even of a number spelled out by a slow voice."""


class Backend(Protocol):
    """Who speaks."""

    @property
    def name(self) -> str:
        """What people call it."""

    def parts(self, text: str) -> Sequence[str]:
        """Return the texts that one run of the program speaks each."""

    def start(self) -> SpeakingProgram:
        """Return a program that waits for its text."""

    def sounds(self, blocks: Iterator[bytes]) -> Iterable[Sound]:
        """Return what the program's output means."""

    def warm(self) -> None:
        """Have a program ready before the text is known, where that saves time."""

    def close(self) -> None:
        """End the programs that wait."""


class TextToSpeech:
    """Speaks texts, one at a time.

    Raises:
        ConfigError: the program or the voice is missing; says what to install.
    """

    def __init__(self, settings: SpeechSettings) -> None:
        self._backend: Backend = Piper(settings) if settings.backend == "piper" else Espeak(settings)
        self._timeout_s = settings.timeout_s
        self._lock = threading.Lock()
        self._program: SpeakingProgram | None = None
        self._stopped = threading.Event()

    @property
    def name(self) -> str:
        """Return who speaks."""
        return self._backend.name

    def check(self, text: str) -> None:
        """Raise InputError if there is nothing to say in `text`, or more than 5000 characters."""
        if not any(char.isalnum() for char in text):
            raise InputError("there is nothing to say in the text; give words")
        if len(text) > LONGEST_TEXT:
            raise InputError(f"the text has {len(text)} characters; {LONGEST_TEXT} can be spoken at once")

    def pieces(self, text: str) -> Iterator[Sound]:
        """Yield the speech piece by piece, the first as soon as it is there.

        Raises:
            InputError: what `check` raises.
            SpeechError: the synthesiser failed, gave no sound for `timeout_s`, or was stopped.
        """
        self.check(text)
        stopped = self._stopped = threading.Event()
        for part in self._backend.parts(text):
            program = self._begin(stopped)
            try:
                most_bytes = _LEAST_BYTES + len(part) * _BYTES_A_CHARACTER
                yield from self._backend.sounds(program.speak(part, self._timeout_s, most_bytes))
            except SpeechError as error:
                raise (SpeechError("speech was stopped") if stopped.is_set() else error) from None
            finally:
                self._end()

    def synthesize(self, text: str) -> Sound:
        """Return the whole speech; raises what `pieces` does."""
        pieces = list(self.pieces(text))
        if not pieces:
            raise SpeechError(f"{self.name} gave no sound for a text of {len(text)} characters")
        return Sound(np.concatenate([piece.samples for piece in pieces]), pieces[0].rate_hz)

    def warm(self) -> None:
        """Prepare for the next text; raises SpeechError where the program cannot be started."""
        self._backend.warm()

    def stop(self) -> None:
        """End the speech going on; whoever waits for it gets a SpeechError. Safe from any thread."""
        with self._lock:
            self._stopped.set()
            if self._program is not None:
                self._program.kill()

    def close(self) -> None:
        """End every program."""
        self.stop()
        self._backend.close()

    def _begin(self, stopped: threading.Event) -> SpeakingProgram:
        with self._lock:
            if stopped.is_set():
                raise SpeechError("speech was stopped")
            self._program = self._backend.start()
            return self._program

    def _end(self) -> None:
        with self._lock:
            program, self._program = self._program, None
        if program is not None:
            program.close()


class Espeak:
    """The program espeak-ng: robotic, 10 ms a sentence, a hundred languages.

    Raises:
        ConfigError: it is not installed.
    """

    name = "espeak-ng"

    def __init__(self, settings: SpeechSettings) -> None:
        path = shutil.which(self.name)
        if path is None:
            advice = "install it (Debian: apt install espeak-ng), or set speech.backend to piper"
            raise ConfigError(f"speech.backend is espeak-ng, which is not installed; {advice}")
        words_a_minute = round(_WORDS_A_MINUTE * settings.rate)
        voice = ["-v", settings.voice, "-s", str(words_a_minute), "-p", str(settings.pitch)]
        self._command = [path, "--stdin", "--stdout", "-b", "1", *voice]

    def parts(self, text: str) -> Sequence[str]:
        """Return the sentences; its own notation for phonemes is taken for plain text."""
        return sentences(text.replace("[[", "[ ["))

    def start(self) -> SpeakingProgram:
        """Start it."""
        return SpeakingProgram(self.name, self._command)

    def sounds(self, blocks: Iterator[bytes]) -> Iterable[Sound]:
        """Read the WAV file of a whole sentence, whose length in the header is a guess."""
        wav = b"".join(blocks)
        begin = wav.find(b"data") + 8
        if not wav.startswith(b"RIFF") or begin < 36:
            raise SpeechError(f"espeak-ng gave no WAV file but {len(wav)} bytes; install it again")
        (rate_hz,) = struct.unpack_from("<I", wav, 24)
        return sounds_of(iter([wav[begin:]]), rate_hz)

    def warm(self) -> None:
        """It starts in no time."""

    def close(self) -> None:
        """None of them waits."""


def sentences(text: str) -> list[str]:
    """Return `text` cut at the ends of its sentences, and at commas or spaces where one is very long.

    Short ones go with the next: "Dr. Miller is here." is no two.
    """
    parts: list[str] = []
    for sentence in _SENTENCE_END.split("".join(char if char.isprintable() or char == "\n" else " " for char in text)):
        if parts and len(parts[-1]) < _SHORTEST_PART:
            parts[-1] = f"{parts[-1]} {sentence}".strip()
        else:
            parts.append(sentence.strip())
    return [piece for part in parts for piece in _cut(part) if any(char.isalnum() for char in piece)]


def _cut(sentence: str) -> Iterator[str]:
    while len(sentence) > _LONGEST_PART:
        comma, space = sentence.rfind(", ", 0, _LONGEST_PART) + 1, sentence.rfind(" ", 0, _LONGEST_PART)
        at = next((at for at in (comma, space) if at > _LONGEST_PART // 4), _LONGEST_PART)
        yield sentence[:at].strip()
        sentence = sentence[at:].strip()
    yield sentence
