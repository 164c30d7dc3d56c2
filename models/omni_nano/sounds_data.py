"""What the ears are made and judged with: recordings, sounds made by arithmetic, and both mixed in rooms."""

from __future__ import annotations

import hashlib
import io
import tarfile
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import soundfile
from numpy.typing import NDArray

from edge_runtime.inference.log_mel import patches
from models.omni_nano.sounds_making import LENGTH, MAKERS
from models.omni_nano.sounds_shaping import RATE, echoed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scripts.stage import Workshop

    Dice = np.random.Generator

Floats = NDArray[np.float32]
# Of each file: how many recordings, and how many of them in a row make five seconds.
RECORDINGS = {
    "sound_event_samples": (100, 1),
    "precise_community": (240, 1),
    "speech_commands_dev": (500, 5),
    "wake_words_dev": (160, 3),
}
EVENTS = "sound_event_samples"
LONGEST_S = 12
BEHIND = 0.6
"""Share of mixtures with a second sound."""


class Clip(NamedTuple):
    """A stretch of sound at 16 kHz: where it is from, and what it is called there."""

    origin: str
    name: str
    samples: Floats


def recordings(data: Path) -> list[Clip]:
    """Return recordings of every file, the same on every machine; short ones are joined."""
    found = []
    for origin, (count, joined) in RECORDINGS.items():
        with tarfile.open(data / "audio" / f"{origin}.tar") as tar:
            names = sorted((m.name for m in tar if m.name.endswith(".flac")), key=_shuffled)[:count]
            for start in range(0, len(names), joined):
                parts = [_read(tar, name) for name in names[start : start + joined]]
                samples = np.concatenate(parts)[: LONGEST_S * RATE]
                found.append(Clip(origin, names[start].rpartition("/")[2].removesuffix(".flac"), samples))
    return found


def _shuffled(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def _read(tar: tarfile.TarFile, name: str) -> Floats:
    file = tar.extractfile(name)
    if file is None:
        raise SystemExit(f"{tar.name!s} holds no file {name}; fetch it again")
    samples: Floats = soundfile.read(io.BytesIO(file.read()), dtype="float32")[0]
    return samples


def made(seed: int, each: int) -> list[Clip]:
    """Return `each` sounds of every kind that arithmetic can make, at half of full scale."""
    found = []
    for rank, (name, make) in enumerate(MAKERS.items()):
        for number in range(each):
            samples = make(np.random.default_rng((seed, rank, number)))
            found.append(Clip("made", name, (0.5 * samples / np.abs(samples).max()).astype(np.float32)))
    return found


def halves(clips: list[Clip]) -> tuple[list[Clip], list[Clip]]:
    """Return the clips to learn from and those to measure with: every third is measured with."""
    return [c for i, c in enumerate(clips) if i % 3], clips[::3]


def in_room(dice: Dice, samples: Floats) -> Floats:
    """Return the sound as a room gives it back: echoes that fade within 0.1 to 0.8 s."""
    fade = dice.uniform(0.1, 0.8)
    count = int(fade * RATE)
    echoes = dice.standard_normal(count) * np.exp(-6.9 * np.arange(count) / count) * dice.uniform(0.01, 0.08)
    echoes[0] = 1.0
    heard: Floats = echoed(samples.astype(np.float64), echoes).astype(np.float32)
    return heard


def mixture(dice: Dice, first: Clip, behind: Clip | None) -> Floats:
    """Return five seconds: one sound, another up to 25 dB behind it, often a room; its peak is at -45 to -1 dB."""
    sound = _five_seconds(dice, first.samples)
    if dice.random() < 0.5:
        sound = in_room(dice, sound)
    if behind is not None:
        other = _five_seconds(dice, behind.samples)
        ratio = 10 ** (-dice.uniform(0, 25) / 20)
        sound = sound + other * ratio * (sound.std() + 1e-6) / (other.std() + 1e-6)
    mixed: Floats = sound / (np.abs(sound).max() + 1e-6) * np.float32(10 ** (dice.uniform(-45, -1) / 20))
    return mixed.astype(np.float32)


def _five_seconds(dice: Dice, samples: Floats) -> Floats:
    if len(samples) < LENGTH:
        at = int(dice.integers(0, LENGTH - len(samples) + 1))
        return np.pad(samples, (at, LENGTH - len(samples) - at))
    at = int(dice.integers(0, len(samples) - LENGTH + 1))
    return samples[at : at + LENGTH]


def material(data: Path, seed: int, mixtures: int, each: int) -> tuple[Floats, Floats]:
    """Return patches (n, 96, 64) to learn from and to measure with: whole recordings and mixtures."""
    recorded, arithmetic = halves(recordings(data)), halves(made(seed, each))
    found = []
    for part, share in ((0, 1.0), (1, 0.5)):
        clips = recorded[part] + arithmetic[part]
        dice = np.random.default_rng((seed, part))
        pairs = [(clips[i], clips[j]) for i, j in dice.integers(0, len(clips), (int(mixtures * share), 2))]
        blends = [mixture(dice, first, behind if dice.random() < BEHIND else None) for first, behind in pairs]
        events = [clip.samples for clip in recorded[part] if clip.origin == EVENTS]
        found.append(np.concatenate([patches(samples) for samples in events + blends]))
    return found[0], found[1]


def calibration_feeds(workshop: Workshop, count: int) -> Iterator[dict[str, Floats]]:
    """Yield patches, one at a time, that show the range of each layer's numbers."""
    settings = workshop.table("sounds")
    learned, _ = material(workshop.data, int(settings["seed"]), count, 3)
    dice = np.random.default_rng(int(settings["seed"]))
    for row in dice.permutation(len(learned))[:count]:
        yield {"log_mel": learned[row : row + 1]}
