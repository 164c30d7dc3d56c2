"""Turn raw scores into probabilities: boxes, presence, zero-shot labels and the gate of local answers.

What ships is fitted on all held-out pictures. Beside it are fitted, for the evaluation, tables that leave out one fold
of them each, for the model in INT8 and in FP32: nothing is then judged on what it was fitted on.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.omni_nano import calibrating, judging
from models.omni_nano.calibrating import FOLDS
from models.omni_nano.everyday import TEN
from scripts.bundle import candidate
from scripts.stage import Stage, Workshop, progress, write_atomically

if TYPE_CHECKING:
    from models.omni_nano.calibrating import Evidence, Naming

VARIANTS = {"int8": "quantize", "fp32": "export"}
# What people type: a handful of labels up to a page of them.
LENGTHS = (5, 10, 20)


def fit(seen: Evidence, named: Naming, labels: list[str], seed: int) -> dict[str, Any]:
    """Return the manifest's calibration tables for this evidence."""
    fitted = calibrating.scales(seen)
    questions = calibrating.asked(seen.present, seen.share)
    lists = [chosen for length in LENGTHS for chosen in calibrating.lists_of(len(judging.NOUNS), length, seed)]
    ten = [judging.NOUNS.index(noun) for noun in TEN]
    return {
        "detector": {
            "labels": labels,
            "thresholds": dict(zip(labels, calibrating.thresholds(seen, fitted), strict=True)),
            "calibration": dict(zip(labels, fitted.further.tolist(), strict=True)),
            "presence": dict(zip(labels, fitted.presence.tolist(), strict=True)),
            "nms_iou": judging.NMS_IOU,
        },
        "classify": {"temperature": calibrating.temperature(named, [*lists, ten])},
        "gate": calibrating.gate(fitted.present(seen)[questions], seen.present[questions], seen.share),
    }


def calibrate(workshop: Workshop) -> dict[str, list[dict[str, Any]]]:
    """Return for INT8 and FP32 the table fitted on everything, then those without one fold each."""
    recipe = workshop.settings
    labels, seed = list(recipe["vision"]["labels"]), int(recipe["vision"]["seed"])
    known = judging.material(workshop)
    tables = {}
    with tempfile.TemporaryDirectory() as scratch:
        for variant, stage in VARIANTS.items():
            manifest = candidate(workshop, stage, judging.uncalibrated(labels), Path(scratch) / variant)
            seen, named = judging.gather(manifest, known)
            tables[variant] = [fit(seen, named, labels, seed)]
            for fold in progress(range(FOLDS), f"{variant} folds"):
                tables[variant].append(fit(seen.without(fold), named.without(fold), labels, seed))
    return tables


def main() -> None:
    """Calibrate the quantised models of a recipe on the held-out pictures."""
    workshop = Workshop.from_arguments(__doc__)
    parts = [(stage, file) for stage in VARIANTS.values() for file in ("image.onnx", "text.onnx")]
    inputs = {f"{stage}/{file}": workshop.output(stage, file) for stage, file in parts}
    inputs |= {"distil/tokenizer.json": workshop.output("distil", "tokenizer.json"), "vision": workshop.data / "vision"}
    names = ("calibrating", "judging", "data", "lessons", "batches", "everyday")
    code = [Path(__file__), *(workshop.model / f"{name}.py" for name in names)]
    outputs = ("calibration.json", "folds.json")
    stage = Stage(workshop, "calibrate", inputs, code, ("vision", "image", "classify"), outputs)
    if stage.fresh():
        print("calibrate: nothing has changed")
        return
    with stage:
        tables = calibrate(workshop)
        whole = tables["int8"][0]
        write_atomically(stage.folder / "calibration.json", json.dumps(whole, indent=1) + "\n")
        write_atomically(stage.folder / "folds.json", json.dumps(tables) + "\n")
        stage.numbers |= {"temperature": whole["classify"]["temperature"], **whole["gate"]}
        stage.numbers |= {"person": whole["detector"]["presence"]["person"]}
        stage.numbers |= {"person_threshold": whole["detector"]["thresholds"]["person"]}


if __name__ == "__main__":
    main()
