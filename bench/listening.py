"""How soon after the last sound of a command its event is there, how often that is too soon, and what waiting costs.

Recordings arrive chunk by chunk as a microphone gives them, on a clock of their own: a step begins when its chunk is
there and the step before is done, and takes the processor time that it takes. So the figures are those of one free
core, whatever else this machine does.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile
import soxr

from edge_runtime.config import Settings, VoiceSettings
from edge_runtime.decision.continuations import Continuations
from edge_runtime.decision.endpointing import Endpointer
from edge_runtime.decision.intents import IntentMatcher, speech_grammar
from edge_runtime.inference.vad import VoiceActivity
from edge_runtime.pipelines.understanding import Understanding
from edge_runtime.pipelines.voice import Companions, VoicePipeline
from edge_runtime.sentences import Source, home
from edge_runtime.types import SAMPLE_RATE_HZ, AudioChunk, Event, Question
from edge_runtime.wiring.assembly import Models
from edge_runtime.wiring.ears import make_voice, recogniser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Samples = np.ndarray[tuple[int], np.dtype[np.float32]]

WAKE_WORD = "hey pixel"
CHUNK = 512
CHUNK_S = CHUNK / SAMPLE_RATE_HZ
BEFORE_S, AFTER_S = 1.0, 2.0
VOICES = ("en-us", "en-gb", "en-us+f3", "en-gb+m7")
COMMANDS = (
    "turn on the kitchen light", "turn off the bedroom lights", "turn on the lamp", "switch off the fan",
    "turn off the television", "turn on the coffee machine", "set the kitchen brightness to fifty percent",
    "set the temperature to twenty one degrees", "set a timer for five minutes", "set a timer for thirty seconds",
    "open the garage door", "close the living room blinds", "make the lamp blue", "never mind", "what is the weather",
    "pause the music", "next song", "set volume to eighty percent", "turn the volume down", "is the lamp on",
    "how long is left on the timer", "cancel the timer", "turn on the lights in the office", "hall lights off",
    "what is the temperature in the bathroom", "what time is it", "what is the date", "turn on the bedroom light",
)  # fmt: skip
HESITATING = (
    ("turn on the lights", "in the office"), ("turn on the lamp", "in the bedroom"), ("turn the volume", "down"),
    ("set a timer for", "five minutes"), ("set the temperature to twenty", "one degrees"),
    ("turn off the", "television"), ("set the kitchen brightness to", "fifty percent"),
    ("what is the temperature", "in the bathroom"), ("turn on the kitchen light", "please"),
    ("set a timer for five", "minutes"),
)  # fmt: skip
PAUSES_S = (0.15, 0.25, 0.4)
WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")


@dataclass(frozen=True)
class Clip:
    """A recording; `text` is what is said in it, and `ends_s` when the last of it is."""

    kind: str
    text: str
    samples: Samples
    ends_s: float


@dataclass(frozen=True)
class Told:
    """What came of a clip: its meaning, when, and when without the time to compute it, in seconds after the speech."""

    meaning: str
    late_s: float
    sound_s: float


def spoken(text: str, voice: str) -> Samples:
    """Return `text` in a voice of espeak-ng."""
    made = subprocess.run(["espeak-ng", "-v", voice, "--stdout", text], capture_output=True, check=True).stdout
    samples, rate = soundfile.read(io.BytesIO(made), dtype="float32")
    return np.asarray(soxr.resample(samples, rate, SAMPLE_RATE_HZ), np.float32)


def speech_ends_s(samples: Samples) -> float:
    """Return the end of the last 10 ms within 40 dB of the loudest, and clearly above the noise of the recording."""
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160)
    level = np.sqrt(np.mean(np.square(frames), axis=1))
    above = np.flatnonzero(level > max(0.01 * level.max(), 3 * np.percentile(level, 10)))
    return float(above[-1] + 1) / 100


def in_a_room(kind: str, text: str, speech: Samples, random: np.random.Generator) -> Clip:
    """Return the speech with a quiet room before, under and after it, beginning anywhere within a chunk."""
    before = round(BEFORE_S * SAMPLE_RATE_HZ) + int(random.integers(CHUNK))
    padded = np.pad(speech, (before, round(AFTER_S * SAMPLE_RATE_HZ)))
    samples = (padded + random.normal(0, 1e-3, len(padded))).astype(np.float32)
    return Clip(kind, text, samples, before / SAMPLE_RATE_HZ + speech_ends_s(speech))


def commands(random: np.random.Generator, each: int) -> Iterator[Clip]:
    """Yield the home's commands in several voices, and some with a pause in the middle."""
    for text in COMMANDS:
        for voice in VOICES[:each]:
            yield in_a_room("commands", text, spoken(text, voice), random)
    for parts in HESITATING:
        voice = str(random.choice(VOICES))
        first, second = (_trimmed(spoken(part, voice)) for part in parts)
        for pause_s in PAUSES_S:
            said = np.concatenate([np.pad(first, (0, round(pause_s * SAMPLE_RATE_HZ))), second])
            yield in_a_room(f"pause of {pause_s:g} s", " ".join(parts), said, random)


def words(folder: Path, random: np.random.Generator, each: int) -> Iterator[Clip]:
    """Yield recordings of single words by real people."""
    for word in WORDS:
        for path in sorted((folder / word).iterdir())[:each]:
            samples, _ = soundfile.read(path, dtype="float32")
            yield in_a_room("words", word, np.asarray(samples, np.float32), random)


def _trimmed(samples: Samples) -> Samples:
    loud = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    return samples[loud[0] : loud[-1] + 1]


def played(pipeline: VoicePipeline, clip: Clip) -> list[Told]:
    """Play a clip to a pipeline; return all that it told, in order."""
    told, free_at_s = [], 0.0
    for start in range(0, len(clip.samples), CHUNK):
        heard_s = (start + CHUNK) / SAMPLE_RATE_HZ
        chunk = AudioChunk("bench", start / SAMPLE_RATE_HZ, clip.samples[start : start + CHUNK])
        began = time.process_time()
        items = pipeline.step(chunk)
        free_at_s = max(heard_s, free_at_s) + time.process_time() - began
        told += [Told(meaning(item), free_at_s - clip.ends_s, heard_s - clip.ends_s) for item in items]
    assert pipeline.flush() == []
    return [each for each in told if each.meaning]


def meaning(item: Event | Question) -> str:
    """Return what was understood, "" where nothing was."""
    if isinstance(item, Question):
        return item.text
    return json.dumps([item.data["intent"], item.data["slots"]]) if item.kind == "intent" else ""


def measured(clips: Sequence[Clip], sources: Sequence[Source], models: Models) -> dict[str, dict[str, float]]:
    """Return for each kind of clip how late its events were, and how often an early one was another than a late one."""
    matcher, states = IntentMatcher(sources), speech_grammar(sources).states()
    understanding = Understanding(recogniser(models, states, matcher.match), matcher, VoiceSettings().min_confidence)
    outlook = Continuations(states, matcher.match).outlook
    rows: dict[str, list[tuple[Clip, list[Told], list[Told]]]] = {}
    for clip in clips:
        early, late = (
            played(VoicePipeline(VoiceActivity(), Endpointer(0.5, 0.6, 10.0), understanding, companions), clip)
            for companions in (Companions(outlook), Companions())
        )
        rows.setdefault(clip.kind, []).append((clip, early, late))
    return {kind: summary(played_clips, matcher) for kind, played_clips in rows.items()}


def summary(rows: Sequence[tuple[Clip, list[Told], list[Told]]], matcher: IntentMatcher) -> dict[str, float]:
    """Return the figures of one kind of clip."""

    def right(clip: Clip, told: list[Told]) -> bool:
        match = matcher.match(clip.text)
        wanted = json.dumps([match.intent, match.slots]) if match else clip.text
        return [each.meaning for each in told] == [wanted]

    ends = [(early[-1], late[-1]) for clip, early, late in rows if right(clip, early) and right(clip, late)]
    found: dict[str, float] = {
        "clips": len(rows),
        "right": sum(right(clip, early) for clip, early, _ in rows),
        "right without early": sum(right(clip, late) for clip, _, late in rows),
        "wrong by being early": sum(right(clip, late) and not right(clip, early) for clip, early, late in rows),
    }
    for name, values in {
        "ms": [early.late_s for early, _ in ends],
        "ms of sound alone": [early.sound_s for early, _ in ends],
        "ms without early": [late.late_s for _, late in ends],
    }.items():
        if values:
            found |= {f"p{share} {name}": round(1000 * float(np.percentile(values, share))) for share in (50, 95)}
    return found


def idle(make: Callable[[], VoicePipeline], random: np.random.Generator, seconds: int) -> dict[str, float]:
    """Return the share of one core that listening takes while nobody says a command."""
    count = seconds * SAMPLE_RATE_HZ
    talk = np.concatenate([spoken(text, voice) for text in COMMANDS[:12] for voice in VOICES])
    layers = [np.roll(np.resize(talk, count), int(random.integers(count))) for _ in range(6)]
    rooms = {
        "silence": np.zeros(count),
        "quiet room": random.normal(0, 1e-3, count),
        "fan": np.convolve(random.normal(0, 0.1, count), np.full(16, 1 / 16), "same"),
        "babble": 0.05 * np.sum(layers, axis=0),
    }
    shares = {}
    for name, samples in rooms.items():
        pipeline = make()
        began = time.process_time()
        for start in range(0, count, CHUNK):
            block = samples[start : start + CHUNK].astype(np.float32)
            pipeline.step(AudioChunk("bench", start / SAMPLE_RATE_HZ, block))
        shares[name] = round(100 * (time.process_time() - began) / seconds, 2)
    return shares


def main() -> None:
    """Print the tables and the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, help="model bundle, the one shipped where none is given")
    parser.add_argument("--words", type=Path, help="folder with a folder of recordings for each of ten words")
    parser.add_argument("--each", type=int, default=2, help="voices for each command")
    parser.add_argument("--each-word", type=int, default=10, help="recordings of each word")
    parser.add_argument("--seconds", type=int, default=60, help="sound of each kind to wait through")
    chosen = parser.parse_args()
    random, settings = np.random.default_rng(0), VoiceSettings()
    models = Models(chosen.bundle)
    at_home = home(None, settings.areas, settings.names, builtin=True)
    report: dict[str, Any] = measured(list(commands(random, chosen.each)), at_home, models)
    if chosen.words:
        ten: list[Source] = [{"intents": {word: {"data": [{"sentences": [word]}]} for word in WORDS}}]
        report |= measured(list(words(chosen.words, random, chosen.each_word)), ten, models)
    # A room in which somebody talks costs what wake words cost, where the bundle can hear them.
    waiting = settings.model_copy(update={"wake_words": (WAKE_WORD,) if models.ears.phones else ()})
    voice = make_voice(Settings(voice=waiting), models, None)
    report["percent of one core"] = idle(voice, random, chosen.seconds)
    for name, rows in report.items():
        print(name, *(f"{key}: {value}" for key, value in rows.items()), sep="\n  ")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
