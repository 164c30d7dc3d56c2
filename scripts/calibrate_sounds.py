"""Set from where on each kind of sound counts as heard, and judge the ears: INT8 beside FP32 and their teacher."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import torch

from edge_runtime.bundles.parts import AudioPart
from edge_runtime.inference.embedder import Embedder
from edge_runtime.inference.log_mel import patches
from edge_runtime.inference.session import OnnxSession
from models.omni_nano import (
    sounds,
    sounds_background,
    sounds_data,
    sounds_judging,
    sounds_making,
    sounds_shaping,
    sounds_teacher,
    sounds_words,
)
from scripts.bundle import candidate
from scripts.stage import Stage, Workshop, progress, write_atomically
from scripts.writing import replacing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge_runtime.bundles.manifest import Manifest
    from models.omni_nano.sounds_judging import Case, Floats

FILES = {
    "audio.onnx": ("quantize", "audio.onnx"),
    "text.onnx": ("quantize", "text.onnx"),
    "tokenizer.json": ("distil", "tokenizer.json"),
}
TEMPERATURES = (0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1)
COMPARED = 400
ORDINARY = "sounds.npz"
"""Vectors of ordinary sounds: taught sounds are told from them."""


def runner(path: Path) -> Callable[[Floats], Floats]:
    """Return what maps patches to the logits of a model."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(log_mel: Floats) -> Floats:
        found: Floats = session.run(["sounds"], {"log_mel": log_mel})[0]
        return found

    return run


def taught(workshop: Workshop, tower: sounds.SoundTower, log_mel: Floats) -> Floats:
    """Return the logits of the kinds of sound from the teacher's own scores, with its eight bits, (n, labels)."""
    teacher = sounds_teacher.Teacher(workshop.teachers / sounds_teacher.FILE)
    known = sounds_words.classes()
    loud = sounds.lift(torch.from_numpy(log_mel), *tower.loudness).numpy()
    scores = np.clip(teacher(loud)[:, [heard.channel for heard in known]], 1e-4, 1 - 1e-4)
    logits = torch.from_numpy(np.log(scores / (1 - scores)))
    wanted = sounds_words.wanted(workshop.table("sounds"), known)
    for blend in wanted.blends:
        logits = torch.cat([logits, logits[:, list(blend)].mean(1, keepdim=True)], 1)
    return tower.sounds(logits).numpy()


def describe(settings: dict[str, Any], begins: dict[str, float], temperature: float) -> dict[str, Any]:
    """Return the manifest's table: a kind of sound begins at a probability of one half."""
    return {
        "file": "audio.onnx",
        "labels": list(settings["labels"]),
        "thresholds": dict.fromkeys(settings["labels"], 0.5),
        "calibration": {label: (1.0, -level) for label, level in begins.items()},
        "temperature": temperature,
        "templates": settings["label_templates"],
    }


def lists(labels: Sequence[str], truth: str, lengths: Sequence[int], dice: np.random.Generator) -> list[list[str]]:
    """Return lists of labels, as people give them, with the right one among them."""
    others = [label for label in labels if label != truth]
    return [[truth, *dice.choice(others, length - 1, replace=False)] for length in lengths]


def naming(manifest: Manifest, heard: Sequence[Case], settings: dict[str, Any]) -> dict[str, float]:
    """Return the temperature that fits best, and how often the right one of all labels is the nearest."""
    session = OnnxSession(manifest.path("audio.onnx"), threads=1)
    embedder = Embedder(manifest, lambda: session, threads=1, audio=lambda: session)
    dice = np.random.default_rng(int(settings["threshold"]["seed"]))
    labels, template = list(settings["labels"]), settings["label_templates"][0]
    vectors = dict(zip(labels, embedder.embed_text([template.replace("{}", x) for x in labels]), strict=True))
    losses, right = [], []
    for case in heard:
        (truth,) = case.truth
        sound = embedder.embed_audio(case.samples)
        for chosen in lists(labels, truth, settings["threshold"]["lists"], dice):
            cosines = np.stack([vectors[label] for label in chosen]) @ sound
            scaled = cosines[:, None] / np.array(TEMPERATURES)
            losses.append(np.log(np.exp(scaled - scaled[0]).sum(0)))
        right.append(labels[int((np.stack(list(vectors.values())) @ sound).argmax())] == truth)
    mean = np.mean(losses, 0)
    return {"temperature": TEMPERATURES[int(mean.argmin())], "loss": float(mean.min()), "first": float(np.mean(right))}


def calibrate(stage: Stage) -> dict[str, Any]:
    """Return the manifest's table for the sound model; note what it reaches on clips that are held out."""
    workshop = stage.workshop
    settings = workshop.table("sounds")
    rules, labels = settings["threshold"], list(settings["labels"])
    learned, held = (
        sounds_judging.cases(workshop.data, int(rules["seed"]), int(rules["each"]), held=part) for part in (False, True)
    )
    small, full = (runner(workshop.output(name, "audio.onnx")) for name in ("quantize", "export"))
    begins = sounds_judging.thresholds(
        sounds_judging.listen(small, list(progress(learned, "thresholds"))), learned, labels, rules
    )
    levels = np.array([begins[label] for label in labels])
    for name, run in (("int8", small), ("fp32", full)):
        found = sounds_judging.listen(run, list(progress(held, name))) - levels
        stage.numbers[name] = sounds_judging.hits(found, held, labels)
    state = torch.load(workshop.output("train_sounds", "audio.pt"), map_location="cpu", weights_only=False)
    dice = np.random.default_rng(int(rules["seed"]))
    rows = np.concatenate([patches(case.samples) for case in held])
    rows = rows[dice.permutation(len(rows))[:COMPARED]]
    said = taught(workshop, sounds.rebuild(state), rows)
    for name, run in (("int8", small), ("fp32", full)):
        stage.numbers[f"{name}_as_teacher"] = sounds_judging.agreement(said - levels, run(rows) - levels, labels)
    plain = [case for case in held + learned if case.plain and case.truth & set(labels)]
    with tempfile.TemporaryDirectory() as scratch:
        text = {"file": "text.onnx", "tokenizer": "tokenizer.json", "max_tokens": workshop.table("text")["max_tokens"]}
        tables = {"audio": describe(settings, begins, TEMPERATURES[-1]), "text": text}
        manifest = candidate(workshop, "quantize", tables, Path(scratch), FILES)
        stage.numbers["naming"] = named = naming(manifest, plain, settings)
        session = OnnxSession(manifest.path("audio.onnx"), threads=1)
        ordinary = sounds_background.make(session, manifest.part(AudioPart), workshop.data)
    with replacing(stage.folder / ORDINARY) as partial, partial.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **ordinary)
    return describe(settings, begins, named["temperature"])


def main() -> None:
    """Calibrate the sound model of a recipe."""
    workshop = Workshop.from_arguments(__doc__)
    parts = [*FILES.values(), ("export", "audio.onnx"), ("train_sounds", "audio.pt")]
    inputs = {f"{stage}/{file}": workshop.output(stage, file) for stage, file in parts}
    inputs |= {"data/audio": workshop.data / "audio"}
    modules = (
        sounds,
        sounds_background,
        sounds_data,
        sounds_judging,
        sounds_making,
        sounds_shaping,
        sounds_teacher,
        sounds_words,
    )
    code = [Path(__file__), *(Path(str(module.__file__)) for module in modules)]
    stage = Stage(workshop, "calibrate", inputs, code, ("sounds", "text"), ("sounds.json", ORDINARY), "sounds")
    if stage.fresh():
        print("calibrate sounds: nothing has changed")
        return
    with stage:
        kept = {"audio": calibrate(stage) | {"background": ORDINARY}}
        write_atomically(stage.folder / "sounds.json", json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
