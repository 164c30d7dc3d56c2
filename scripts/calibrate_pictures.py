"""Show the eyes parts of ordinary photographs: alerts in words and taught pictures are told from them."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np

from edge_runtime.inference import ordinary_pictures
from edge_runtime.inference.detector import ObjectDetector
from edge_runtime.inference.session import OnnxSession
from models.omni_nano import data, ordinary
from scripts.bundle import candidate
from scripts.stage import Stage, Workshop, progress, write_atomically
from scripts.writing import replacing

ORDINARY = "pictures.npz"


def run(workshop: Workshop) -> None:
    """Write pictures.npz, and pictures.json for the manifest."""
    inputs = {"quantize/image.onnx": workshop.output("quantize", "image.onnx")}
    inputs |= {"calibrate/calibration.json": workshop.output("calibrate", "calibration.json")}
    inputs |= {"data/vision": workshop.data / "vision"}
    code = [Path(__file__), *(Path(str(module.__file__)) for module in (data, ordinary, ordinary_pictures))]
    stage = Stage(workshop, "calibrate", inputs, code, ("ordinary", "image"), (ORDINARY, "pictures.json"), "pictures")
    if stage.fresh():
        print("calibrate pictures: nothing has changed")
        return
    rules = workshop.table("ordinary")
    with stage, tempfile.TemporaryDirectory() as scratch:
        tables = json.loads(inputs["calibrate/calibration.json"].read_text(encoding="utf-8"))
        manifest = candidate(workshop, "quantize", tables, Path(scratch))
        detector = ObjectDetector(OnnxSession(manifest.path("image.onnx"), threads=1), manifest)
        shown = ordinary.parts(data.load(workshop.data), int(rules["count"]), int(rules["seed"]))
        looks = [detector.look(part) for part in progress(list(shown), "ordinary pictures")]
        with replacing(stage.folder / ORDINARY) as partial, partial.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **ordinary_pictures.pack_pictures(looks))
        write_atomically(stage.folder / "pictures.json", json.dumps({"image": {"ordinary": ORDINARY}}, indent=1) + "\n")
        stage.numbers["pictures"] = len(looks)


def main() -> None:
    """Show them."""
    run(Workshop.from_arguments(__doc__))


if __name__ == "__main__":
    main()
