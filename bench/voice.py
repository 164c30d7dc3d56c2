"""How well and how fast speech is understood: ten words, a home's sentences by synthesisers, and what is neither."""

from __future__ import annotations

import argparse
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import soundfile
import soxr

from edge_runtime.assembly import Models
from edge_runtime.config import VoiceSettings
from edge_runtime.decision.endpointing import Endpointer
from edge_runtime.decision.intents import IntentMatcher, speech_grammar
from edge_runtime.ears import recogniser
from edge_runtime.inference.vad import VoiceActivity
from edge_runtime.pipelines.understanding import Understanding
from edge_runtime.pipelines.voice import VoicePipeline
from edge_runtime.sentences import Source, home
from edge_runtime.types import SAMPLE_RATE_HZ, AudioChunk

if TYPE_CHECKING:
    from collections.abc import Iterator

Samples = np.ndarray[tuple[int], np.dtype[np.float32]]

WORDS = ["yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go"]
ESPEAK = ("en-us", "en-gb", "en-us+f3", "en-us+m3")
FLITE = ("slt", "rms", "awb", "kal16")
HOME = (
    "turn on the kitchen light", "turn off the bedroom lights", "turn on the lamp", "switch off the fan",
    "turn off the television", "turn on the coffee machine", "set the kitchen brightness to fifty percent",
    "set the temperature to twenty one degrees", "set a timer for five minutes", "set a timer for thirty seconds",
    "open the garage door", "close the living room blinds", "make the lamp blue", "never mind", "what is the weather",
    "pause the music", "next song", "set volume to eighty percent", "turn the volume down", "is the lamp on",
    "how long is left on the timer", "cancel the timer", "turn on the lights in the office", "hall lights off",
    "what is the temperature in the bathroom", "what time is it", "what is the date", "turn on the bedroom light",
)  # fmt: skip
OTHER = (
    "my sister bought seven oranges yesterday", "the quick brown fox jumps over the lazy dog", "who won the match",
    "we should leave before it starts raining", "remind me to call the dentist", "that was a really good film",
    "could you pass me the salt", "order a large pizza with mushrooms", "he never listens to anybody",
    "send an email to my boss about the meeting", "what do you think about the new neighbours", "play some jazz music",
)  # fmt: skip


@dataclass(frozen=True)
class Clip:
    """A recording of one utterance; `text` is None where nothing of the grammar is said."""

    kind: str
    text: str | None
    samples: Samples


@dataclass(frozen=True)
class Heard:
    """What came out for one clip."""

    kind: str
    right: bool
    accepted: bool


def said(text: str, voice: str) -> Samples:
    """Return `text` in the voice of espeak-ng or flite."""
    if voice in ESPEAK:
        made = subprocess.run(["espeak-ng", "-v", voice, "--stdout", text], capture_output=True, check=True).stdout
    else:
        with tempfile.NamedTemporaryFile(suffix=".wav") as file:
            subprocess.run(["flite", "-voice", voice, "-t", text, "-o", file.name], check=True)
            made = Path(file.name).read_bytes()
    samples, rate = soundfile.read(io.BytesIO(made), dtype="float32")
    return np.asarray(soxr.resample(samples, rate, SAMPLE_RATE_HZ), np.float32)


def synthesised() -> Iterator[Clip]:
    """Yield the home's sentences and others, each in three voices, with noise 15 to 40 dB below the voice."""
    if not (shutil.which("espeak-ng") and shutil.which("flite")):
        return
    random = np.random.default_rng(0)
    for text in (*HOME, *OTHER):
        for voice in random.choice([*ESPEAK, *FLITE], 3, replace=False):
            speech = np.pad(said(text, voice), round(0.4 * SAMPLE_RATE_HZ))
            noise = np.convolve(random.standard_normal(len(speech)), np.full(8, 1 / 8), "same")
            level = np.sqrt(np.mean(np.square(speech))) * 10 ** (-random.uniform(15, 40) / 20)
            noisy = (speech + noise * level / noise.std()).astype(np.float32)
            yield Clip("home", text, noisy) if text in HOME else Clip("other speech", None, noisy)


def archived(path: Path, each: int, offset: int) -> Iterator[tuple[str, Samples]]:
    """Yield (folder, samples) of up to `each` recordings of every folder in a tar, a different half by `offset`."""
    with tarfile.open(path) as tar:
        folders: dict[str, list[tarfile.TarInfo]] = defaultdict(list)
        for member in tar.getmembers():
            if member.name.endswith(".flac"):
                folders[Path(member.name).parent.name].append(member)
        for folder, members in sorted(folders.items()):
            chosen = sorted(members, key=lambda member: member.name)[offset::2]
            for member in chosen[:: max(1, len(chosen) // each)][:each]:
                file = tar.extractfile(member)
                assert file is not None
                samples, _ = soundfile.read(io.BytesIO(file.read()), dtype="float32")
                yield folder, samples[: 5 * SAMPLE_RATE_HZ]


def listen(clips: list[Clip], sources: list[Source], models: Models) -> tuple[list[Heard], float]:
    """Return what was understood of each clip, and the processor's seconds for one second of sound."""
    matcher = IntentMatcher(sources)
    hears = recogniser(models, speech_grammar(sources), matcher.match)
    pipeline = VoicePipeline(VoiceActivity(), Endpointer(0.5, 0.6, 10.0), Understanding(hears, matcher, 0.5))
    heard = []
    started, sound = time.process_time(), 0.0
    for clip in clips:
        chunk = AudioChunk("bench", 0.0, clip.samples)
        understood = pipeline.understand(chunk)
        sound += len(clip.samples) / SAMPLE_RATE_HZ
        text = understood["transcript"]
        right = clip.text is not None and text != "" and matcher.match(text) == matcher.match(clip.text)
        heard.append(Heard(clip.kind, right, understood["intent"] is not None))
    return heard, (time.process_time() - started) / max(sound, 1e-9)


def table(heard: list[Heard]) -> dict[str, dict[str, float]]:
    """Return for each kind how many there were, were heard rightly, were accepted, and were accepted and right."""
    kinds = sorted({one.kind for one in heard})
    rows = {}
    for kind in kinds:
        of = [one for one in heard if one.kind == kind]
        rows[kind] = {
            "clips": len(of),
            "right": round(float(np.mean([one.right for one in of])), 3),
            "accepted": round(float(np.mean([one.accepted for one in of])), 3),
            "accepted and right": round(float(np.mean([one.accepted and one.right for one in of])), 3),
        }
    return rows


def main() -> None:
    """Print the tables and the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--audio", type=Path, help="folder with speech_commands_dev.tar and wake_words_dev.tar")
    parser.add_argument("--each", type=int, default=40, help="recordings of each word")
    parser.add_argument("--half", type=int, choices=(0, 1), default=1, help="which half of the recordings")
    parser.add_argument("--bundle", type=Path, help="folder of the models, the shipped ones when not given")
    chosen = parser.parse_args()
    memory = psutil.Process().memory_info().rss
    settings, models = VoiceSettings(), Models(chosen.bundle)
    at_home = home(None, settings.areas, settings.names, builtin=True)
    ten: list[Source] = [{"intents": {word: {"data": [{"sentences": [word]}]} for word in WORDS}}]
    clips = {"home": list(synthesised()), "words": []}
    if chosen.audio:
        for folder, samples in archived(chosen.audio / "speech_commands_dev.tar", chosen.each, chosen.half):
            known = folder in WORDS
            clips["words"].append(Clip("ten words" if known else folder, folder if known else None, samples))
        for _, samples in archived(chosen.audio / "wake_words_dev.tar", chosen.each // 4, chosen.half):
            clips["home"].append(Clip("wake words", None, samples))
    report: dict[str, Any] = {}
    for name, sources in (("home", at_home), ("words", ten)):
        if clips[name]:
            heard, factor = listen(clips[name], sources, models)
            report[name] = {"real-time factor": round(factor, 3), **table(heard)}
    report["memory_mb"] = round((psutil.Process().memory_info().rss - memory) / 2**20)
    for name, rows in report.items():
        print(name, *(rows.items() if isinstance(rows, dict) else [rows]), sep="\n  ")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
