"""Alarms about the unusual, recorded as on a running box: after hours of ordinary life strange things happen.

The hours are simulated: pictures and sounds carry the time at which they would have come. What is usual is the first
picture of the embedded clip in changing light, and the hum of a machine. Strange are patterns that nobody has seen,
parts of the view where they do not belong, a person at places where nobody ever was; squeals, bangs and silences.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.config import Settings
from edge_runtime.decision.scene import Scene
from edge_runtime.inference.patches import sound_cells
from edge_runtime.metrics import Metrics
from edge_runtime.pipelines.unusual_sound import UnusualSound
from edge_runtime.types import SAMPLE_RATE_HZ, AudioChunk, Frame
from edge_runtime.wiring.assembly import Models
from edge_runtime.wiring.evidence import make_recorder
from edge_runtime.wiring.watching import make_view

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_runtime.sinks.recorder import Recorder
    from edge_runtime.types import Event, Image

    Samples = NDArray[np.float32]

LEARN_MINUTES = 120
LOOKS_A_MINUTE, LOOK_EVERY_S = 4, 5.0
STRANGE_LOOKS, QUIET_LOOKS = 14, 30
STEP_S = 30


def record_unusual(folder: Path, usual: Image, people: list[Image], wanted: int, threads: int = 1) -> dict[str, int]:
    """Keep evidence of `wanted` alarms of a camera and as many of a microphone under `folder`; return how many came.

    Args:
        folder: the box's data.
        usual: what the camera sees, RGB.
        people: parts of pictures that show a person.
        wanted: how many strange things happen to each of them.
        threads: of the model.
    """
    settings = Settings.model_validate(
        {
            "device": {"data_dir": str(folder), "threads": threads},
            "cameras": [{"name": "yard", "url": "rtsp://127.0.0.1/yard"}],
            "microphones": [{"name": "cellar"}],
            "vision": {"motion_area": 0.0},
            "anomaly": {"alarms_per_day": 20, "cooldown_s": 20},
            "evidence": {"mb_per_day": 100_000, "mb": 100_000},
        }
    )
    models = Models(threads=threads)
    recorder = make_recorder(settings, models, Metrics())
    assert recorder is not None
    found = {"pictures": 0, "sounds": 0}
    view = make_view(settings.cameras[0], settings, models, Scene())
    for frame in frames(usual, people, wanted):
        found["pictures"] += kept(recorder, view.step(frame))
    ear = UnusualSound(sound_cells, settings.anomaly.alarms_per_day, settings.anomaly.cooldown_s)
    for chunk in chunks(wanted):
        found["sounds"] += kept(recorder, ear.step(chunk))
    recorder.close(60.0)
    return found


def kept(recorder: Recorder, events: list[Event]) -> int:
    """Hand events to the recorder; return how many alarms about the unusual are among them."""
    alarms = [event for event in events if event.kind == "anomaly" and event.steps]
    for event in alarms:
        recorder.publish(event)
        # A box has minutes for each.
        time.sleep(0.2)
    return len(alarms)


def frames(usual: Image, people: list[Image], wanted: int) -> Iterator[Frame]:
    """Yield what the camera sees: hours of ordinary life, then strange things with ordinary minutes between them."""
    rng, at = np.random.default_rng(5), time.monotonic() - 36_000.0
    for _ in range(LEARN_MINUTES):
        for _ in range(LOOKS_A_MINUTE):
            yield Frame("yard", at, in_light(usual, rng))
            at += LOOK_EVERY_S
        at += 60.0 - LOOKS_A_MINUTE * LOOK_EVERY_S
    for number in range(wanted):
        strange = with_something(usual, people, number, rng)
        for look in range(STRANGE_LOOKS + QUIET_LOOKS):
            yield Frame("yard", at, in_light(strange if look < STRANGE_LOOKS else usual, rng))
            at += LOOK_EVERY_S


def in_light(image: Image, rng: np.random.Generator) -> Image:
    """Return a picture in other light, with the noise of a sensor."""
    seen = image * np.float32(rng.uniform(0.92, 1.08)) + rng.normal(0, 2, image.shape).astype(np.float32)
    return np.asarray(np.clip(seen, 0, 255), np.uint8)


def with_something(image: Image, people: list[Image], number: int, rng: np.random.Generator) -> Image:
    """Return the view with something strange in it: in turns a pattern, a part of itself, a person."""
    height, width = image.shape[:2]
    high, wide = height // 3, width // 5
    y, x = int(rng.integers(0, height - high)), int(rng.integers(0, width - wide))
    if number % 3 == 0:
        coarse = rng.integers(0, 255, (high // 6 + 1, wide // 6 + 1, 3), np.uint8)
        thing: Image = coarse.repeat(6, 0).repeat(6, 1)
    elif number % 3 == 1:
        thing = image[height - high :, width - wide :] if x < width // 2 else image[:high, :wide]
    else:
        thing = people[number % len(people)]
    high, wide = min(high, thing.shape[0]), min(wide, thing.shape[1])
    changed = image.copy()
    changed[y : y + high, x : x + wide] = thing[:high, :wide]
    return changed


def chunks(wanted: int) -> Iterator[AudioChunk]:
    """Yield what the microphone hears, two seconds of each half minute, as steady as a machine; then strange sounds."""
    rng, at = np.random.default_rng(6), time.monotonic() - 36_000.0
    for _ in range(LEARN_MINUTES * 60 // STEP_S):
        yield AudioChunk("cellar", at, hum(rng))
        at += STEP_S
    for number in range(wanted):
        yield AudioChunk("cellar", at, strange_sound(number, rng))
        at += STEP_S
        for _ in range(6):
            yield AudioChunk("cellar", at, hum(rng))
            at += STEP_S


def hum(rng: np.random.Generator) -> Samples:
    """Return two seconds of a machine."""
    moments = np.arange(2 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    tone = sum(0.03 / one * np.sin(2 * np.pi * 50 * one * moments) for one in (1, 2, 3, 5))
    return np.asarray(tone * rng.uniform(0.9, 1.1) + rng.normal(0, 0.01, len(moments)), np.float32)


def strange_sound(number: int, rng: np.random.Generator) -> Samples:
    """Return two seconds in which something else is heard: in turns a squeal, bangs, nearly nothing."""
    heard: Any = hum(rng)
    moments = np.arange(len(heard)) / SAMPLE_RATE_HZ
    if number % 3 == 0:
        heard = heard + 0.1 * np.sin(2 * np.pi * rng.uniform(1500, 4000) * moments)
    elif number % 3 == 1:
        heard = heard + rng.normal(0, 0.3, len(heard)) * np.exp(-8 * (moments % 0.4))
    else:
        heard = heard * 0.01
    return np.asarray(heard, np.float32)
