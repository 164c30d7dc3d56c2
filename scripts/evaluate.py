"""Measure a built model on pictures and sentences it has never seen, INT8 beside FP32, as a table and as JSON.

Everything is asked through the functions that the command line uses. Each picture is judged with calibrations and
thresholds fitted without its fold (see scripts/calibrate.py), so no number here has seen its own exam.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.omni_nano import exam, exam_words, judging, scoring
from models.omni_nano.curves import curves
from scripts.bundle import FILES, candidate
from scripts.calibrate import VARIANTS
from scripts.stage import Stage, Workshop, progress, write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence

# Image and detector, text, all: millions of bytes.
SIZES = {"image": 6.0, "text": 8.0, "all": 25.0}


def variants(workshop: Workshop, scratch: Path) -> tuple[judging.Eyes, judging.Eyes]:
    """Return the bundles in INT8 and in FP32, each with the calibrations of its folds."""
    tables = json.loads(workshop.output("calibrate", "folds.json").read_text(encoding="utf-8"))
    made = []
    for variant, stage in VARIANTS.items():
        whole, *folds = tables[variant]
        eyes = judging.Eyes(candidate(workshop, stage, whole, scratch / variant))
        for fold, table in enumerate(folds):
            eyes.add(fold, table)
        made.append(eyes)
    return made[0], made[1]


def evaluate(workshop: Workshop) -> dict[str, Any]:
    """Return the rows of the table, sizes, and what the report draws."""
    known = judging.material(workshop)
    gate = json.loads(workshop.output("calibrate", "calibration.json").read_text(encoding="utf-8"))["gate"]
    with tempfile.TemporaryDirectory() as scratch:
        int8, fp32 = variants(workshop, Path(scratch))
        pair = exam.answers(int8, known, "INT8"), exam.answers(fp32, known, "FP32")
        questions = (exam.about_people, exam.about_nouns, exam.about_captions, exam.about_boxes)
        rows = [row for ask in questions for row in ask(pair)]
        rows += exam_words.about_words(pair, workshop)
        return {
            "rows": [scoring.answered(row) for row in progress(rows, "intervals")],
            "sizes": sizes(workshop),
            "curves": curves(pair[0], gate["local_threshold"]) | {"gate": gate},
        }


def sizes(workshop: Workshop) -> list[dict[str, Any]]:
    """Return the bundle's sizes in MB beside their bars."""
    files = {name: workshop.output(*place).stat().st_size / 1e6 for name, place in FILES.items()}
    found = {"image": files["image.onnx"], "text": files["text.onnx"] + files["tokenizer.json"]}
    found["all"] = sum(files.values())
    return [{"name": n, "mb": round(v, 2), "bar": SIZES[n], "reached": v <= SIZES[n]} for n, v in found.items()]


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows as text, a line each."""
    lines = [
        (
            f"{'what':24} {'INT8':>7}  {'95 %':15} {'bar':26} {'FP32':>7}  "
            f"{'INT8 - FP32, 95 %':25} {'at most a point':18} count"
        )
    ]
    for row in rows:
        bar = scoring.judged(row)
        span = f"{row['low']:.3f} to {row['high']:.3f}"
        paired = f"{row['difference']:+.3f}, {row['difference_low']:+.3f} to {row['difference_high']:+.3f}"
        lines.append(
            f"{row['name']:24} {row['int8']:7.4f}  {span:15} {bar:26} {row['fp32']:7.4f}  "
            f"{paired:25} {scoring.loss(row):18} {row['count']}"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure the parts of a recipe as they are built."""
    workshop = Workshop.from_arguments(__doc__)
    parts = [(stage, file) for stage in VARIANTS.values() for file in ("image.onnx", "text.onnx")]
    parts += [("calibrate", "calibration.json"), ("calibrate", "folds.json"), ("distil", "tokenizer.json")]
    inputs = {f"{stage}/{file}": workshop.output(stage, file) for stage, file in parts}
    names = ("exam", "exam_words", "curves", "scoring", "calibrating", "judging", "data")
    code = [Path(__file__), *(workshop.model / f"{name}.py" for name in names)]
    stage = Stage(workshop, "evaluate", inputs, code, ("image", "classify"), ("evaluation.json",))
    if stage.fresh():
        print("evaluate: nothing has changed")
        found = json.loads((stage.folder / "evaluation.json").read_text(encoding="utf-8"))
    else:
        with stage:
            found = evaluate(workshop)
            write_atomically(stage.folder / "evaluation.json", json.dumps(found, indent=1) + "\n")
            stage.numbers |= {row["name"]: row["int8"] for row in found["rows"]}
    print(table(found["rows"]))
    for row in found["sizes"]:
        bar = scoring.verdict(row["bar"], reached=row["reached"], least=False)
        print(f"{'size_' + row['name']:24} {row['mb']:7.2f}  {'MB':15} {bar}")
    print(json.dumps({"rows": found["rows"], "sizes": found["sizes"]}))
    if "trials" in workshop.settings:
        from scripts import evaluate_ears  # noqa: PLC0415 - it shows its rows as this does

        evaluate_ears.run(workshop)


if __name__ == "__main__":
    main()
