"""How surely wake words are spotted from their text alone, and what listening for them costs."""

from __future__ import annotations

import argparse
import io
import json
import re
import tarfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from edge_runtime.bundles.manifest import Manifest, default_bundle
from edge_runtime.bundles.parts import PhonesPart
from edge_runtime.inference.acoustic import AcousticModel
from edge_runtime.inference.background import read_background
from edge_runtime.inference.lexicon import Lexicon
from edge_runtime.inference.spotter import Spotter
from edge_runtime.inference.vad import VoiceActivity
from edge_runtime.inference.wake import WakeWord
from edge_runtime.types import SAMPLE_RATE_HZ, AudioChunk

if TYPE_CHECKING:
    from collections.abc import Iterator

Samples = np.ndarray[tuple[int], np.dtype[np.float32]]

CHUNK = 512
OTHERS = 400
ARCHIVES = ("wake_words_dev", "precise_community", "speech_commands_dev")


def recordings(audio: Path) -> Iterator[tuple[str, Samples]]:
    """Yield (what is said, samples) of every clip in the archives; "" where nobody knows."""
    for archive in ARCHIVES:
        with tarfile.open(audio / f"{archive}.tar") as tar:
            for member in tar:
                file = tar.extractfile(member) if member.isfile() and "/" in member.name else None
                if file is not None:
                    samples, _ = soundfile.read(io.BytesIO(file.read()), dtype="float32")
                    yield said(member.name), samples


def said(name: str) -> str:
    """Return the words that a clip's folder or name tells."""
    folder, file = name.split("/", maxsplit=1)
    if folder in {"_silence_", "not-wake-words"}:
        return ""
    return file.split("_")[0] if folder == "_unknown_" else re.sub(r"^hey(?=[a-z])", "hey ", folder)


def missed_at(own: list[float], other: list[float], accepts: float) -> tuple[float, float]:
    """Return the share of `own` below the lowest threshold that at most `accepts` of `other` reach, and that one."""
    allowed = int(accepts)
    threshold = sorted(other, reverse=True)[allowed] + 1e-9
    return float(np.mean(np.array(own) < threshold)), threshold


def roc(
    spotter: Spotter, clips: list[tuple[str, np.ndarray[tuple[int, int], np.dtype[np.float32]]]]
) -> dict[str, object]:
    """Return how many clips of the spotter's phrase are missed, and how many others are taken for it."""
    phrase = spotter.phrase
    scores: dict[bool, list[float]] = {True: [], False: []}
    for text, log_probs in clips:
        # "hey computer" holds "computer": neither right nor wrong.
        if text == phrase or phrase not in text:
            scores[text == phrase].append(spotter.find(log_probs).log_score)
    own, other = scores[True], scores[False]
    missed, at = missed_at(own, other, len(other) / OTHERS)
    return {
        "clips": len(own),
        "others": len(other),
        f"missed at 1 in {OTHERS}": round(missed, 4),
        "score there": round(float(np.exp(at)), 4),
        "threshold": round(spotter.threshold, 4),
        "missed": round(float(np.mean(np.array(own) < spotter.log_threshold)), 4),
        "false": int(np.sum(np.array(other) >= spotter.log_threshold)),
    }


def load(wake: WakeWord, samples: Samples) -> dict[str, float]:
    """Return what part of one core listening to `samples` takes, in all and the voice detector alone."""
    spent = {}
    for name in ("detector alone", "detector and wake word"):
        vad = VoiceActivity()
        wake.reset()
        started = time.process_time()
        for at in range(0, len(samples), CHUNK):
            chunk = AudioChunk("bench", at / SAMPLE_RATE_HZ, samples[at : at + CHUNK])
            speech = vad.process(chunk)
            if name != "detector alone":
                wake.process(chunk, speech)
        spent[name] = round((time.process_time() - started) * SAMPLE_RATE_HZ / len(samples), 4)
    return spent


def streamed(wake: WakeWord, samples: Samples) -> bool:
    """Tell whether the wake word is heard in a stream that holds the clip between two seconds of soft noise."""
    noise = np.random.default_rng(0).normal(0, 1e-3, len(samples) + 4 * SAMPLE_RATE_HZ).astype(np.float32)
    noise[2 * SAMPLE_RATE_HZ : 2 * SAMPLE_RATE_HZ + len(samples)] += samples
    wake.reset()
    chunks = (AudioChunk("bench", at / SAMPLE_RATE_HZ, noise[at : at + CHUNK]) for at in range(0, len(noise), CHUNK))
    heard = [wake.process(chunk) for chunk in chunks]
    return any(heard) or wake.flush() is not None


def main() -> None:
    """Print the tables and the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--audio", type=Path, required=True, help="folder with the archives of recordings")
    parser.add_argument("--bundle", type=Path, default=default_bundle())
    parser.add_argument(
        "--word", action="append", help="only this one; all that have their own recordings if not given"
    )
    parser.add_argument("--each", type=int, default=10_000, help="clips of each text at most")
    parser.add_argument("--stream", type=int, default=0, help="clips of each word that are also heard in a stream")
    chosen = parser.parse_args()
    manifest = Manifest.load(chosen.bundle)
    part = manifest.part(PhonesPart)
    acoustic = AcousticModel(manifest)
    lexicon = Lexicon.of(manifest)
    background = read_background(manifest.path(part.background)) if part.background else None
    by_text: dict[str, list[Samples]] = defaultdict(list)
    for text, samples in recordings(chosen.audio):
        if len(by_text[text]) < chosen.each:
            by_text[text].append(samples)
    started, seconds = time.process_time(), 0.0
    clips = []
    for text, sounds in by_text.items():
        for samples in sounds:
            clips.append((text, acoustic.log_probs(samples)))
            seconds += len(samples) / SAMPLE_RATE_HZ
    report: dict[str, object] = {"real-time factor": round((time.process_time() - started) / seconds, 4)}
    words = chosen.word or sorted(text for text, sounds in by_text.items() if len(text) > 5 and len(sounds) >= 10)
    for word in words:
        row = roc(Spotter.of_text(word, acoustic, lexicon, background=background), clips)
        wake = WakeWord.of_text(word, acoustic, lexicon, background=background)
        if chosen.stream:
            heard = [streamed(wake, samples) for samples in by_text[word][: chosen.stream]]
            row["missed in a stream"] = round(1 - float(np.mean(heard)), 4)
        report[word] = row
        print(word, row, flush=True)
    report["load"] = loads(WakeWord.of_text(words[0], acoustic, lexicon, background=background), by_text)
    print(report["load"])
    print(json.dumps(report))


def loads(wake: WakeWord, by_text: dict[str, list[Samples]]) -> dict[str, dict[str, float]]:
    """Return the load in an empty room, in one with soft noise, and while somebody talks all the time."""
    minute = 60 * SAMPLE_RATE_HZ
    noise = np.random.default_rng(0).normal(0, 0.01, minute).astype(np.float32)
    talk = np.concatenate([samples for text, sounds in by_text.items() if text for samples in sounds[:3]])[:minute]
    rooms = {"empty room": np.zeros(minute, np.float32), "noise": noise, "talk without a pause": talk}
    return {name: load(wake, samples) for name, samples in rooms.items()}


if __name__ == "__main__":
    main()
