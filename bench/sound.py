"""What listening for sounds costs: a live microphone in noise and in silence, and how late a sound is told."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from edge_runtime.bundles.manifest import default_bundle
from edge_runtime.inference.sounds import SoundStream, SoundTagger
from edge_runtime.pipelines.sound import SoundPipeline
from edge_runtime.types import SAMPLE_RATE_HZ, AudioChunk
from edge_runtime.wiring.assembly import Models

Samples = np.ndarray[Any, np.dtype[np.float32]]
CHUNK = 512


def noise(seconds: float, loudness: float) -> Samples:
    """Return hiss with this effective value."""
    samples = np.random.default_rng(0).normal(0, 1, round(seconds * SAMPLE_RATE_HZ))
    return (samples * loudness).astype(np.float32)


def listen(tagger: SoundTagger, samples: Samples) -> tuple[float, int, list[tuple[float, float, str]]]:
    """Return processor seconds, patches heard, and for each sound when it was told, when it began, and what it is."""
    ears = SoundPipeline(lambda: SoundStream(tagger), tagger.thresholds, 0.0)
    told: list[tuple[float, float, str]] = []
    begun = time.process_time()
    for start in range(0, len(samples) - CHUNK + 1, CHUNK):
        at = start / SAMPLE_RATE_HZ
        events = ears.step(AudioChunk("microphone", at, samples[start : start + CHUNK]))
        told += [(at + CHUNK / SAMPLE_RATE_HZ, event.at, str(event.data["label"])) for event in events]
    return time.process_time() - begun, ears.evaluated, told


def main() -> None:
    """Measure, print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=default_bundle())
    parser.add_argument("--seconds", type=float, default=60.0, help="of each stream")
    parser.add_argument("--sounds", type=Path, nargs="*", default=[], help="recordings to be put into noise at 5 s")
    chosen = parser.parse_args()
    models = Models(chosen.bundle, threads=1)
    if models.manifest.audio is None:
        print(f"{chosen.bundle} has no sound model: nothing to measure")
        return
    tagger = models.tagger()
    listen(tagger, noise(2.0, 0.02))
    report: dict[str, Any] = {"cpu_percent_of_a_core": {}, "told_after_s": {}}
    for name, loudness in (("noise", 0.02), ("silence", 0.0)):
        spent_s, heard, _ = listen(tagger, noise(chosen.seconds, loudness))
        report["cpu_percent_of_a_core"][name] = round(100 * spent_s / chosen.seconds, 2)
        print(f"{name:>8}: {100 * spent_s / chosen.seconds:.2f} % of a core, {heard} patches heard")
    for path in chosen.sounds:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        if rate != SAMPLE_RATE_HZ:
            parser.error(f"{path} has {rate} Hz; this takes recordings of {SAMPLE_RATE_HZ} Hz")
        _, _, told = listen(tagger, np.concatenate([noise(5.0, 0.001), samples.mean(1)]))
        for at, began, label in told[:1]:
            report["told_after_s"][path.stem] = round(at - 5.0, 2)
            print(
                f"{path.stem:>14}: {label}, told {at - 5.0:.2f} s after the recording began, as of {began - 5.0:.2f} s"
            )
    print(json.dumps(report))


if __name__ == "__main__":
    main()
