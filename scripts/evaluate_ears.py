"""Measure built ears on people and voices that they have never heard, INT8 beside FP32, as a table and as JSON."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from models.omni_nano import exam_ears, scoring, trials, utterances
from models.omni_nano.exam_ears import Ears
from scripts.bundle import EARS, candidate
from scripts.calibrate import VARIANTS
from scripts.calibrate_ears import material
from scripts.evaluate import table
from scripts.stage import Stage, Workshop, progress, write_atomically

PARTS = {**EARS, "background.npz": ("calibrate", "background.npz")}


def evaluate(workshop: Workshop) -> dict[str, Any]:
    """Return the rows of the table."""
    calibration = json.loads(workshop.output("calibrate", "ears.json").read_text(encoding="utf-8"))
    recordings, tried = material(workshop, workshop.folder("calibrate"))
    known = utterances.familiar(recordings)
    unseen = [one for one in tried if one.unseen and one.said.speaker not in known]
    with tempfile.TemporaryDirectory() as scratch:
        made = [
            Ears(candidate(workshop, stage, calibration, Path(scratch) / variant, PARTS))
            for variant, stage in VARIANTS.items()
        ]
        pair = made[0], made[1]
        rows = [*exam_ears.about_commands(pair, unseen), *exam_ears.about_wake_words(pair, recordings)]
    return {"rows": [scoring.answered(row) for row in progress(rows, "intervals")]}


def run(workshop: Workshop) -> None:
    """Measure the ears of a recipe as they are built; print the rows as a table and as JSON."""
    inputs = {f"{stage}/{file}": workshop.output(stage, file) for stage, file in PARTS.values()}
    inputs |= {"export/phones.onnx": workshop.output("export", "phones.onnx")}
    inputs |= {"calibrate/ears.json": workshop.output("calibrate", "ears.json")}
    code = [Path(__file__), *(Path(str(part.__file__)) for part in (exam_ears, scoring, trials, utterances))]
    stage = Stage(workshop, "evaluate", inputs, code, ("trials",), ("ears.json",), "ears")
    if stage.fresh():
        print("evaluate ears: nothing has changed")
        found = json.loads((stage.folder / "ears.json").read_text(encoding="utf-8"))
    else:
        with stage:
            found = evaluate(workshop)
            write_atomically(stage.folder / "ears.json", json.dumps(found, indent=1) + "\n")
            stage.numbers |= {row["name"]: row["int8"] for row in found["rows"]}
    print(table(found["rows"]))
    print(json.dumps(found))
