"""How well the ears hear: which kinds of sound they find in clips and mixtures, and where that begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_runtime.decision.hearing import HOLD
from edge_runtime.inference.log_mel import HOP_SAMPLES, PATCH_SAMPLES, patches
from edge_runtime.inference.sounds import SILENCE
from models.omni_nano import sounds_data

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from models.omni_nano.sounds_data import Clip

Floats = NDArray[np.float32]
# What the recordings of single sounds hold.
HELD = {
    "applause": "applause",
    "arcade_music": "music",
    "birds1": "bird",
    "car-horn": "car horn",
    "car_engine": "engine",
    "cinematic": "music",
    "crowd_cheering": "",
    "dog": "dog",
    "guitar": "music",
    "jazz_guitar": "music",
    "piano": "music",
    "rain": "rain",
    "snoring": "snoring",
    "thunder": "thunder",
    "train": "",
    "typing": "typing",
}
NOTHING = -30.0
EDGE = float(np.log(HOLD / (2 - HOLD)))
"""A sound goes on down to this logit where it begins at 0."""


class Case(NamedTuple):
    """A clip or a mixture, the kinds of sound that are in it, and whether it is a recording as it was made."""

    samples: Floats
    truth: frozenset[str]
    plain: bool


def kind(clip: Clip) -> str:
    """Return the label of a clip; it may be no label of the model's."""
    return (
        HELD.get(clip.name, "")
        if clip.origin == sounds_data.EVENTS
        else clip.name
        if clip.origin == "made"
        else "speech"
    )


def cases(data: Path, seed: int, each: int, *, held: bool) -> list[Case]:
    """Return every clip as it is and once in a mixture; `held` chooses those that nothing was learned from."""
    part = int(held)
    recorded = sounds_data.halves(sounds_data.recordings(data))[part]
    clips = recorded + sounds_data.made(seed + 1 + part, each)
    dice = np.random.default_rng((seed, part, 1))
    found = [Case(clip.samples, frozenset({kind(clip)}), plain=True) for clip in clips]
    for clip in clips:
        behind = clips[dice.integers(len(clips))] if dice.random() < sounds_data.BEHIND else None
        truth = {kind(clip)} | ({kind(behind)} if behind else set())
        found.append(Case(sounds_data.mixture(dice, clip, behind), frozenset(truth), plain=False))
    return found


def sureness(logits: Floats, samples: Floats) -> Floats:
    """Return for each label the logit that counts for a clip, (labels,): it begins there if that is above 0.

    Two patches in a row must hold a sound, but where the clip begins and ends (edge_runtime.decision.hearing).
    """
    quiet = [np.abs(samples[i * HOP_SAMPLES :][:PATCH_SAMPLES]).max() <= SILENCE for i in range(len(logits))]
    heard = np.where(np.array(quiet)[:, None], NOTHING, logits)
    around = np.pad(heard, ((1, 1), (0, 0)), constant_values=NOTHING)
    held = np.minimum(heard, np.maximum(around[:-2], around[2:]) - EDGE)
    held[[0, -1]] = heard[[0, -1]]
    best: Floats = held.max(0)
    return best


def listen(run: Callable[[Floats], Floats], heard: Sequence[Case]) -> Floats:
    """Return what counts for each case and label, (cases, labels); `run` maps patches to logits."""
    return np.stack([sureness(run(patches(case.samples)), case.samples) for case in heard])


def thresholds(
    found: Floats, heard: Sequence[Case], labels: Sequence[str], settings: Mapping[str, Any]
) -> dict[str, float]:
    """Return for each label the logit from which on it is heard.

    No less than the recipe's `least` probability, and twice the odds of what a false alarm in `alarms` cases reaches.
    Cases that hold something alike, one of its `families`, or something unknown are no false alarms.
    """
    least = settings["least"]
    chosen = {}
    for column, label in enumerate(labels):
        alike = {"", label}.union(*(family for family in settings["families"] if label in family))
        others = np.array([alike.isdisjoint(case.truth) for case in heard])
        alarm = np.quantile(found[others, column], 1 - 1 / settings["alarms"]) + np.log(2)
        floor = least.get(label, least["other"])
        chosen[label] = round(float(np.clip(alarm, logit(floor), logit(settings["most"]))), 3)
    return chosen


def logit(probability: float) -> float:
    """Return the logarithm of the odds."""
    return float(np.log(probability / (1 - probability)))


def hits(found: Floats, heard: Sequence[Case], labels: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return for each label the share of its cases that are found, and the false alarms among the others.

    Args:
        found: logits less their thresholds.
        heard: the cases.
        labels: in the order of the columns.
    """
    rows = {}
    for column, label in enumerate(labels):
        there = np.array([label in case.truth for case in heard])
        said = found[:, column] >= 0
        rows[label] = {
            "cases": int(there.sum()),
            "found": round(float(said[there].mean()), 3) if there.any() else -1.0,
            "others": int((~there).sum()),
            "false_alarms": int(said[~there].sum()),
        }
    return rows


def agreement(one: Floats, other: Floats, labels: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return for each label in how many patches each is heard and the share where both say the same, at even odds."""
    return {
        label: {
            "heard": int((one[:, column] >= 0).sum()),
            "same": round(float(((one[:, column] >= 0) == (other[:, column] >= 0)).mean()), 4),
        }
        for column, label in enumerate(labels)
    }
