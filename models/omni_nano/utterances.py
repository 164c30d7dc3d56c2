"""Recordings and spoken sentences with the phones that are in them, kept in files of a few thousand each."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import re
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import soundfile
import soxr

from models.omni_nano.spoken import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

PHONES = (
    *(
        "AA",
        "AE",
        "AH",
        "AO",
        "AW",
        "AY",
        "B",
        "CH",
        "D",
        "DH",
        "EH",
        "ER",
        "EY",
        "F",
        "G",
        "HH",
        "IH",
        "IY",
        "JH",
        "K",
    ),
    *("L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y", "Z", "ZH"),
)
"""ARPAbet without stress; CTC's blank is channel 0, the first of these channel 1."""

KEYWORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
"""The ten words of the keyword recordings."""

HOP = 384
"""Samples from one frame of the acoustic model to the next."""

SHORTEST = 4096
"""So many samples it needs at least."""

UNKNOWN = "?"
"""Stands in a file for words that nobody wrote down."""

HOLDOUT_PERCENT = 12
UNSEEN_WORDS = ("jarvis", "view glass")
"""Wake words whose recordings are never learned from, so that the missed share of an unseen word can be measured."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """One recording.

    Attributes:
        name: unique; for recordings "<set>/<file>".
        text: the words in it, empty for noise, None where nobody wrote them down.
        samples: int16 mono at 16 kHz.
    """

    name: str
    text: str | None
    samples: NDArray[np.int16]

    @property
    def speaker(self) -> str:
        """Return who speaks, as far as the name tells."""
        if self.name.startswith("prompts/"):
            return "prompts"
        file, said, _ = self.name.rsplit("/", maxsplit=1)[-1].partition("_nohash_")
        # What is unknown in Speech Commands has its word before the speaker: "bed_0a2b400e_nohash_1".
        return file.rsplit("_", maxsplit=1)[-1] if said else file

    @property
    def held_out(self) -> bool:
        """Tell whether this recording is kept out of training: by its name, or by its word.

        Who speaks it may be learned from in another recording: `familiar` tells.
        """
        if any(f"/{word}/" in self.name for word in UNSEEN_WORDS):
            return True
        key = re.sub(r"_nohash_\d+.*", "", self.name.rsplit("/", maxsplit=1)[-1]).removeprefix("backward_")
        number = int(hashlib.sha256(key.encode()).hexdigest(), 16) % 100
        return number < HOLDOUT_PERCENT


def familiar(recordings: Iterable[Utterance]) -> frozenset[str]:
    """Return the speakers who are learned from: what else they say is no exam, although it is held out itself."""
    return frozenset(one.speaker for one in recordings if not one.held_out)


def read_lexicon(path: Path) -> dict[str, list[tuple[str, ...]]]:
    """Return the ways to say each word."""
    found: dict[str, list[tuple[str, ...]]] = {}
    with lzma.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            word, *phones = line.split()
            found.setdefault(word, []).append(tuple(phones))
    return found


def recordings(audio: Path) -> Iterator[Utterance]:
    """Yield every recording of people among the training data, with the words that its folder or name tells."""
    for archive in ("speech_commands_dev", "precise_community", "wake_words_dev"):
        with tarfile.open(audio / f"{archive}.tar") as tar:
            for member in tar:
                file = tar.extractfile(member) if member.isfile() else None
                if file is None or "multiple_keywords" in member.name:
                    continue
                samples, _ = soundfile.read(io.BytesIO(file.read()), dtype="int16")
                yield Utterance(f"{archive}/{member.name}", _words(member.name), samples)


def _words(name: str) -> str | None:
    folder, file = name.split("/", maxsplit=1)
    if folder == "_silence_":
        return ""
    if folder == "_unknown_":
        return file.split("_", maxsplit=1)[0]
    # What the Spanish speakers say for "hey computer" is Spanish.
    if folder == "not-wake-words" or file.startswith("es/"):
        return None
    # "heychatterbox/en-us/...": the words of a phrase are written together.
    return re.sub(r"^hey(?=[a-z])", "hey ", folder)


def prompts(folder: Path, texts: Path) -> Iterator[Utterance]:
    """Yield the prompts of a telephone exchange, spoken by one woman: Debian's asterisk-core-sounds-en.

    Args:
        folder: of the WAV files, 8 kHz.
        texts: what is said in each, "name: text" by line, gzip-compressed.
    """
    with gzip.open(texts, "rt", encoding="utf-8") as file:
        rows = [line.strip().split(": ", maxsplit=1) for line in file if ": " in line and not line.startswith(";")]
    for name, text in rows:
        path = folder / f"{name}.wav"
        if path.exists() and "[" not in text and "<" not in text:
            samples, rate = soundfile.read(path, dtype="float32")
            if len(samples) < 6 * rate:
                said = soxr.resample(samples, rate, 16000)
                yield Utterance(f"prompts/{name}", plain(text), np.clip(said * 32767, -32768, 32767).astype(np.int16))


def save(path: Path, said: Iterable[Utterance]) -> None:
    """Write utterances into one file."""
    kept = list(said)
    texts = np.array([UNKNOWN if one.text is None else one.text for one in kept])
    with path.open("wb") as file:
        np.savez(
            file,
            names=np.array([one.name for one in kept]),
            texts=texts,
            ends=np.cumsum([len(one.samples) for one in kept]),
            samples=np.concatenate([one.samples for one in kept]),
        )


def load(path: Path) -> list[Utterance]:
    """Return the utterances of one file."""
    with np.load(path) as kept:
        names, texts, samples = kept["names"], kept["texts"], kept["samples"]
        pieces = np.split(samples, kept["ends"][:-1])
    return [
        Utterance(str(name), None if text == UNKNOWN else str(text), piece)
        for name, text, piece in zip(names, texts, pieces, strict=True)
    ]
