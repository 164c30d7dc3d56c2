"""What the acoustic model listens to while it learns: rooms, noise, microphones and distances around every word."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile

from edge_runtime.types import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from models.omni_nano.utterances import Utterance

    # Sums and products of float32 with Python floats stay float32; numpy's types do not know it.
    Floats = NDArray[Any]

_QUIETEST = 1e-4


@dataclass(frozen=True, slots=True)
class Lesson:
    """A batch: `samples` float32 (clips, length), `phones` the channel numbers of each clip's phones."""

    samples: Floats
    phones: list[list[int]]


class Surroundings:
    """Puts speech into rooms, noise and microphones.

    Args:
        noises: recordings without words, int16.
        speech: what babble is mixed from.
    """

    def __init__(self, noises: Sequence[NDArray[np.int16]], speech: Sequence[Utterance]) -> None:
        self._noises = [noise for noise in noises if len(noise) > SAMPLE_RATE_HZ // 2]
        self._speech = speech

    def around(self, said: Floats, length: int, rng: np.random.Generator) -> Floats:
        """Return `length` samples in which `said` is heard, somewhere, some way."""
        if rng.random() < 0.5:
            said = stretched(said, float(rng.uniform(0.88, 1.14)))[: length - 160]
        if rng.random() < 0.55:
            said = _in_room(said, rng)[: length - 160]
        heard = np.zeros(length, np.float32)
        at = int(rng.integers(length - len(said) + 1))
        heard[at : at + len(said)] = said
        power = float(np.square(said).mean()) + _QUIETEST**2
        if rng.random() < 0.8:
            noise = self._noise(length, rng)
            decibels = float(rng.uniform(0, 35) if rng.random() < 0.7 else rng.uniform(-3, 12))
            heard += noise * np.sqrt(power / (float(np.square(noise).mean()) + 1e-9) * 10 ** (-decibels / 10))
        if rng.random() < 0.6:
            heard = coloured(heard, rng)
        return _through_microphone(heard, rng)

    def _noise(self, length: int, rng: np.random.Generator) -> Floats:
        kind = rng.random()
        if kind < 0.45 and self._noises:
            noise = self._noises[int(rng.integers(len(self._noises)))]
            noise = np.resize(noise, max(len(noise), length))
            first = int(rng.integers(len(noise) - length + 1))
            return noise[first : first + length].astype(np.float32) / 32768
        if kind < 0.6:
            babble = np.zeros(length, np.float32)
            for _ in range(int(rng.integers(3, 8))):
                voice = self._speech[int(rng.integers(len(self._speech)))].samples
                shift = int(rng.integers(length))
                babble += np.roll(np.resize(voice, length), shift).astype(np.float32) / 32768
            return babble
        white = np.fft.rfft(rng.standard_normal(length))
        slope = float(rng.uniform(0, 1.1))
        white[1:] *= np.arange(1, len(white)) ** -slope
        noise = np.fft.irfft(white, length).astype(np.float32)
        if rng.random() < 0.2:
            hertz = float(rng.choice([50, 60, 100, 120, 440, 1000]))
            hum = np.sin(2 * np.pi * hertz * np.arange(length) / SAMPLE_RATE_HZ)
            noise += (noise.std() * rng.uniform(0.3, 2) * hum).astype(np.float32)
        return noise


def stretched(samples: Floats, factor: float) -> Floats:
    """Return the sound `factor` times as fast and as high: another throat, another pace."""
    at = np.arange(0, len(samples) - 1, factor)
    return np.interp(at, np.arange(len(samples)), samples).astype(np.float32)


def coloured(samples: Floats, rng: np.random.Generator) -> Floats:
    """Return the sound through a microphone that likes some frequencies more than others."""
    bands = int(rng.integers(4, 10))
    spectrum = np.fft.rfft(samples)
    gains = rng.normal(0, 4, bands)
    edges = np.linspace(0, np.log1p(8000 / 300), bands)
    hertz = np.log1p(np.linspace(0, 8000, len(spectrum)) / 300)
    curve = np.interp(hertz, edges, gains)
    linear = np.linspace(0, 8000, len(spectrum))
    if rng.random() < 0.15:
        curve[linear < rng.uniform(150, 350)] -= 25
        curve[linear > rng.uniform(3200, 4200)] -= 35
    elif rng.random() < 0.25:
        curve[linear > rng.uniform(4000, 7500)] -= 25
    return np.fft.irfft(spectrum * 10 ** (curve / 20), len(samples)).astype(np.float32)


def _in_room(samples: Floats, rng: np.random.Generator) -> Floats:
    """Return the sound with the reflections of a room: noise that dies away, after a pause as long as the way."""
    seconds = float(rng.uniform(0.08, 0.7))
    length = int(seconds * SAMPLE_RATE_HZ)
    decay = np.exp(-6.9 * np.arange(length) / length).astype(np.float32)
    answer = rng.standard_normal(length).astype(np.float32) * decay
    answer[: int(rng.integers(20, 200))] = 0
    answer *= float(10 ** rng.uniform(-1.3, 0.15)) / (np.sqrt(np.square(answer).sum()) + 1e-9)
    answer[0] = 1.0
    size = len(samples) + length
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(answer, size), size)
    return wet[: len(samples) + length // 3].astype(np.float32)


def _through_microphone(samples: Floats, rng: np.random.Generator) -> Floats:
    """Return the sound at some level, at times clipped or interrupted for a moment."""
    peak = float(np.abs(samples).max()) + _QUIETEST
    samples = samples * (float(10 ** rng.uniform(-1.6, -0.02)) / peak)
    if rng.random() < 0.06:
        samples = np.clip(samples * rng.uniform(1.5, 4) / max(float(np.abs(samples).max()), 1e-4), -1, 1)
    if rng.random() < 0.05:
        at = int(rng.integers(len(samples)))
        samples[at : at + int(rng.integers(160, 800))] = 0
    samples = samples + rng.standard_normal(len(samples)).astype(np.float32) * 10 ** rng.uniform(-5, -3.3)
    return np.round(samples * 32767).astype(np.float32) / 32768


class Curriculum:
    """Draws batches of utterances in surroundings.

    Args:
        people: recordings of people, with their words.
        voices: sentences spoken by synthesisers.
        phones: channel numbers of a text's phones.
        surroundings: where they are heard.
        settings: the recipe's table: `lengths_s` of clips, `batch_s` of sound in a batch, `people` their share.
    """

    def __init__(
        self,
        people: Sequence[Utterance],
        voices: Sequence[Utterance],
        phones: Mapping[str, list[int]],
        surroundings: Surroundings,
        settings: Mapping[str, Any],
    ) -> None:
        self._people, self._voices, self._phones = people, voices, phones
        self._surroundings, self._settings = surroundings, settings
        self._lengths = [int(seconds * SAMPLE_RATE_HZ) for seconds in settings["lengths_s"]]
        sizes = np.array([len(one.samples) for one in voices])
        self._fitting = [np.flatnonzero((sizes < 0.97 * length) & (sizes > 0.3 * length)) for length in self._lengths]

    def batch(self, rng: np.random.Generator) -> Lesson:
        """Return the next batch: clips of one length."""
        number = int(rng.integers(len(self._lengths)))
        length = self._lengths[number]
        clips = max(4, round(self._settings["batch_s"] * SAMPLE_RATE_HZ / length))
        heard, phones = [], []
        for _ in range(clips):
            said, wanted = self._one(number, length, rng)
            heard.append(self._surroundings.around(said, length, rng))
            phones.append(wanted)
        return Lesson(np.stack(heard), phones)

    def _one(self, number: int, length: int, rng: np.random.Generator) -> tuple[Floats, list[int]]:
        if rng.random() < self._settings["people"] or not len(self._fitting[number]):
            return self._from_people(length, rng)
        said = self._voices[int(rng.choice(self._fitting[number]))]
        return said.samples.astype(np.float32) / 32768, self._phones[said.text or ""]

    def _from_people(self, length: int, rng: np.random.Generator) -> tuple[Floats, list[int]]:
        """Return one recording, or, where there is time, several in a row."""
        said, wanted = np.zeros(0, np.float32), list[int]()
        wordy = rng.random() < 0.6
        while True:
            one = self._people[int(rng.integers(len(self._people)))]
            samples = one.samples.astype(np.float32) / 32768
            if len(said) or len(samples) > length:
                samples = trimmed(samples)
            if len(said) + len(samples) > length:
                if len(said):
                    return said, wanted
                continue
            said, wanted = np.concatenate([said, samples]), wanted + self._phones[one.text or ""]
            if not wordy or len(said) > 0.7 * length:
                return said, wanted


def trimmed(samples: NDArray[Any], share: float = 0.12, around: int = 10) -> NDArray[Any]:
    """Return the part above a share of the loudest level, with so many hundredths of a second around it."""
    frames = len(samples) // 160
    if frames < 10:
        return samples
    level = np.sqrt(np.square(samples[: frames * 160].astype(np.float32)).reshape(frames, 160).mean(1))
    level = np.convolve(level, np.full(5, 0.2), "same")
    loud = np.flatnonzero(level > share * level.max())
    if not loud.size:
        return samples
    return samples[max(0, (loud[0] - around) * 160) : (loud[-1] + around + 1) * 160]


def sounds(audio: Path) -> list[NDArray[np.int16]]:
    """Return the sounds of the world among the training data, int16 at 16 kHz."""
    found = []
    with tarfile.open(audio / "sound_event_samples.tar") as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isfile() else None
            if file is not None:
                found.append(soundfile.read(io.BytesIO(file.read()), dtype="int16")[0])
    return found
