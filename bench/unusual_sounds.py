"""Bangs, squeals and silences planted in steady noise: how well they are told from it, and how often nothing alarms."""

from __future__ import annotations

import argparse
import io
import json
import tarfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from edge_runtime.inference.patches import sound_cells
from edge_runtime.pipelines.unusual_sound import UnusualSound
from edge_runtime.types import SAMPLE_RATE_HZ, AudioChunk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Make = Callable[[float, np.random.Generator], "Samples"]

Samples = np.ndarray[tuple[int], np.dtype[np.float32]]

CHUNK_S = 30
EVENTS = ("bang", "squeal", "silence", "rattle")
PIECES = 12


def coloured(seconds: float, tilt: float, rng: np.random.Generator) -> Samples:
    """Return noise whose spectrum falls by `tilt` powers of the frequency."""
    count = int(seconds * SAMPLE_RATE_HZ)
    spectrum = np.fft.rfft(rng.normal(size=count))
    spectrum /= np.maximum(np.arange(len(spectrum)), 20.0) ** (tilt / 2)
    noise = np.fft.irfft(spectrum, count)
    out: Samples = (noise / noise.std()).astype(np.float32)
    return out


def machine(seconds: float, rng: np.random.Generator, kind: np.random.Generator) -> Samples:
    """A motor: harmonics of a speed that wanders a little, a rhythm, and the noise of air."""
    at = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    speed, rhythm = kind.uniform(24, 60), kind.uniform(1.0, 6.0)
    wander = 1 + 0.004 * np.sin(2 * np.pi * at / rng.uniform(15, 40) + rng.uniform(0, 6))
    turns = np.cumsum(speed * wander) / SAMPLE_RATE_HZ
    hum = sum(
        kind.uniform(0.2, 1.0) / number * np.sin(2 * np.pi * number * turns + kind.uniform(0, 6))
        for number in range(1, 30)
    )
    beat = 1 + kind.uniform(0.1, 0.4) * np.sin(2 * np.pi * rhythm * at)
    return (0.02 * (hum * beat + 0.7 * coloured(seconds, 0.8, rng))).astype(np.float32)


def room(seconds: float, rng: np.random.Generator, kind: np.random.Generator) -> Samples:
    """A room: soft noise that swells and falls, small knocks now and then."""
    noise = coloured(seconds, float(kind.uniform(1.0, 1.6)), rng)
    at = np.arange(len(noise)) / SAMPLE_RATE_HZ
    noise *= 1 + 0.25 * np.sin(2 * np.pi * at / rng.uniform(20, 70) + rng.uniform(0, 6)).astype(np.float32)
    for begin in rng.uniform(0, seconds - 1, rng.poisson(seconds / 12)):
        knock = rng.normal(size=800) * np.exp(-np.arange(800) / 120.0) * rng.uniform(0.5, 2.5)
        noise[int(begin * SAMPLE_RATE_HZ) :][:800] += knock.astype(np.float32)
    return (0.008 * noise).astype(np.float32)


def looped(clip: Samples, seconds: float, rng: np.random.Generator) -> Samples:
    """A real sound without end: pieces of it one over the other, from anywhere, each as loud as it likes."""
    out = np.zeros(int(seconds * SAMPLE_RATE_HZ) + len(clip), np.float32)
    piece = min(len(clip), 2 * SAMPLE_RATE_HZ)
    fade = np.hanning(piece).astype(np.float32)
    for begin in range(0, int(seconds * SAMPLE_RATE_HZ), piece // 2):
        first = int(rng.integers(0, len(clip) - piece + 1))
        out[begin : begin + piece] += clip[first : first + piece] * fade * np.float32(rng.uniform(0.8, 1.2))
    return out[: int(seconds * SAMPLE_RATE_HZ)]


def plant(noise: Samples, kind: str, begin_s: float, loud_db: float, rng: np.random.Generator) -> float:
    """Put an event into noise, so many decibels above it; return its end in seconds."""
    level = float(noise.std()) * 10 ** (loud_db / 20)
    length = {"bang": 0.4, "squeal": rng.uniform(0.8, 2.0), "silence": rng.uniform(2.0, 4.0), "rattle": 1.5}[kind]
    first, count = int(begin_s * SAMPLE_RATE_HZ), int(length * SAMPLE_RATE_HZ)
    at = np.arange(count) / SAMPLE_RATE_HZ
    if kind == "silence":
        noise[first : first + count] *= 0.02
        return begin_s + length
    if kind == "bang":
        sound = rng.normal(size=count) * np.exp(-at / rng.uniform(0.03, 0.1)) * 4
    elif kind == "squeal":
        pitch = rng.uniform(1500, 5000) * (1 + 0.1 * np.sin(2 * np.pi * rng.uniform(1, 5) * at))
        sound = np.sin(2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE_HZ) * np.hanning(count)
    else:
        sound = rng.normal(size=count) * (np.sin(2 * np.pi * rng.uniform(12, 25) * at) > 0.8) * 2
    noise[first : first + count] += (level * sound).astype(np.float32)
    return begin_s + length


def chunks(samples: Samples, at: float) -> Iterator[AudioChunk]:
    """Yield half seconds."""
    for first in range(0, len(samples), SAMPLE_RATE_HZ // 2):
        yield AudioChunk("hall", at + first / SAMPLE_RATE_HZ, samples[first : first + SAMPLE_RATE_HZ // 2])


def auc(high: list[float], low: list[float]) -> float:
    """Return how often an event scores higher than a stretch without one."""
    pairs = np.sign(np.array(high)[:, None] - np.array(low)[None, :])
    return float((pairs.mean() + 1) / 2)


class Endless:
    """A noise without end: pieces of a pool, a little louder or softer, with noise of their own."""

    def __init__(self, make: Make, seed: int) -> None:
        draw = np.random.default_rng(seed + 1)
        self._pool = [make(CHUNK_S, draw) for _ in range(PIECES)]
        self.rng = np.random.default_rng(seed)
        self.at = 0.0

    def another(self) -> Samples:
        """Return the next piece."""
        rng = self.rng
        piece = np.roll(self._pool[rng.integers(PIECES)], int(rng.integers(CHUNK_S * SAMPLE_RATE_HZ)))
        piece = piece * np.float32(rng.uniform(0.9, 1.1))
        fresh = rng.normal(size=len(piece) // 8).astype(np.float32).repeat(8)[: len(piece)]
        out: Samples = piece + np.pad(fresh, (0, len(piece) - len(fresh))) * np.float32(0.05 * piece.std())
        return out

    def played(self, piece: Samples) -> Iterator[AudioChunk]:
        """Yield a piece, and let its time pass."""
        yield from chunks(piece, self.at)
        self.at += CHUNK_S


def heard(make: Make, minutes: int, seed: int) -> dict[str, object]:
    """Learn a noise for so many minutes, then listen to half an hour of it without events, and to 20 minutes with."""
    unusual, noise = UnusualSound(sound_cells, 1.0, 0.0), Endless(make, seed)
    spent, learning = 0.0, 0
    for _ in range(2 * minutes):
        piece = noise.another()
        begun = time.process_time()
        learning += sum(len(unusual.step(chunk)) for chunk in noise.played(piece))
        spent += time.process_time() - begun
    clean, false = undisturbed(unusual, noise)
    scores, found = disturbed(unusual, noise)
    return {
        "auc": {kind: round(auc(scores[kind], clean), 4) for kind in EVENTS},
        "auc_all": round(auc([score for kind in EVENTS for score in scores[kind]], clean), 4),
        "found_of_10": found,
        "false_alarms": false,
        "alarms_while_learning": learning,
        "ms_a_second": round(1000 * spent / (60 * minutes), 2),
    }


def undisturbed(unusual: UnusualSound, noise: Endless) -> tuple[list[float], int]:
    """Return the highest score of each 4 s, and the alarms, of half an hour in which nothing happens."""
    clean: list[float] = []
    false = 0
    for _ in range(60):
        best = 0.0
        for number, chunk in enumerate(noise.played(noise.another())):
            false += len(unusual.step(chunk))
            best = max(best, unusual.score)
            if number % 8 == 7:
                clean.append(best)
                best = 0.0
    return clean, false


def disturbed(unusual: UnusualSound, noise: Endless) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Return the highest score of each of forty events, and how many of each kind gave an alarm."""
    scores: dict[str, list[float]] = {kind: [] for kind in EVENTS}
    found = dict.fromkeys(EVENTS, 0)
    for number in range(40):
        kind, piece, at = EVENTS[number % len(EVENTS)], noise.another(), noise.at
        end = plant(piece, kind, 15.0, float(noise.rng.uniform(6, 15)), noise.rng)
        best, alarms = 0.0, 0
        for chunk in noise.played(piece):
            alarms += len(unusual.step(chunk))
            if 14.5 <= chunk.at - at <= end + 1.5:
                best = max(best, unusual.score)
        scores[kind].append(best)
        found[kind] += bool(alarms)
    return scores, found


def main() -> None:
    """Run it and print a line for each noise and, last, JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learn-minutes", type=int, default=120)
    parser.add_argument("--recordings", type=Path, help="tar of recordings whose steady ones are looped")
    parser.add_argument("--steady", default="rain,train,engine,vacuum,wind,sea,crackling,snoring")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    kind = arguments.seed + 77
    noises = {
        "machine": lambda seconds, rng: machine(seconds, rng, np.random.default_rng(kind)),
        "another machine": lambda seconds, rng: machine(seconds, rng, np.random.default_rng(kind + 1)),
        "room": lambda seconds, rng: room(seconds, rng, np.random.default_rng(kind)),
    }
    if arguments.recordings:
        with tarfile.open(arguments.recordings) as tar:
            for member in tar:
                file = tar.extractfile(member) if member.isfile() else None
                if file and any(word in member.name for word in arguments.steady.split(",")):
                    clip, _ = soundfile.read(io.BytesIO(file.read()), dtype="float32")
                    noises[Path(member.name).stem] = partial(looped, clip)
    rows = {}
    for name, make in noises.items():
        rows[name] = heard(make, arguments.learn_minutes, arguments.seed)
        print(f"{name}: {rows[name]}", flush=True)
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
