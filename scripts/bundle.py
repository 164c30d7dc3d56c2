"""Put the built parts and what is known about them into the folder that ships.

calibrate/calibration.json holds the manifest's "detector", "gate" and "classify" (its temperature);
evaluate/evaluation.json holds "numbers".
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_runtime.bundles.manifest import Manifest
from scripts.stage import REPOSITORY, Stage, Workshop, sha256, versions, write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping

NUMBERS = ("<!-- numbers: written by scripts/bundle.py -->", "<!-- end of numbers -->")
LIMIT_BYTES = 25_000_000
FILES = {
    "image.onnx": ("quantize", "image.onnx"),
    "text.onnx": ("quantize", "text.onnx"),
    "tokenizer.json": ("distil", "tokenizer.json"),
}
STAGES = ("train", "distil", "export", "quantize", "calibrate", "evaluate")


def records(workshop: Workshop) -> dict[str, dict[str, Any]]:
    """Return what every stage that has run wrote about itself, by `stage` or `stage.part`."""
    found = {}
    for stage in STAGES:
        for path in sorted(workshop.folder(stage).glob("stage*.json")):
            part = path.stem.removeprefix("stage").strip(".")
            found[f"{stage}.{part}" if part else stage] = json.loads(path.read_text(encoding="utf-8"))
    return found


def describe(workshop: Workshop, target: Path) -> dict[str, Any]:
    """Return the manifest of the files that lie in `target`."""
    recipe = workshop.settings
    calibration = json.loads(workshop.output("calibrate", "calibration.json").read_text(encoding="utf-8"))
    evaluation = workshop.folder("evaluate") / "evaluation.json"
    done = records(workshop)
    names = sorted(path.name for path in target.iterdir() if path.name != "manifest.json")
    return {
        "format": 1,
        "name": recipe["name"],
        "version": recipe["version"],
        "created": _git("show", "-s", "--format=%cs", "HEAD"),
        "license": recipe["license"],
        "files": {name: {"sha256": sha256(target / name), "bytes": (target / name).stat().st_size} for name in names},
        "embedding_size": 384,
        "image": {"file": "image.onnx", "area": recipe["image"]["area"], "stride": recipe["image"]["stride"]},
        "text": {"file": "text.onnx", "tokenizer": "tokenizer.json", "max_tokens": recipe["text"]["max_tokens"]},
        "detector": calibration["detector"],
        "classify": {"templates": recipe["classify"]["templates"], **calibration["classify"]},
        "gate": calibration["gate"],
        "numbers": json.loads(evaluation.read_text(encoding="utf-8")) if evaluation.exists() else {},
        "teachers": recipe["teachers"],
        "sources": recipe["sources"],
        "built": _built(done),
    }


def write_numbers(card: Path, manifest: Manifest) -> None:
    """Write sizes and numbers between the marks of the model card, so that they cannot drift from the bundle."""
    sizes = {f"size of {name}": f"{entry.bytes / 1e6:.2f} MB" for name, entry in sorted(manifest.files.items())}
    groups = dict(manifest.numbers)
    full = _flat(groups.pop("fp32", {}))
    rows = sizes | _flat(groups.pop("int8", {})) | _flat(groups)
    lines = [f"| {name} | {value} | {full.get(name, '')} |" for name, value in rows.items()]
    table = "\n".join(["| what | as shipped | FP32 |", "|---|---|---|", *lines])
    text = card.read_text(encoding="utf-8")
    before, begin, rest = text.partition(NUMBERS[0])
    _, end, after = rest.partition(NUMBERS[1])
    if not (begin and end):
        raise SystemExit(f"{card} has no place for the numbers; put {NUMBERS[0]} and {NUMBERS[1]} in it")
    write_atomically(card, f"{before}{begin}\n{table}\n{end}{after}")


def _flat(numbers: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in numbers.items():
        label = f"{above}{name}".replace("_", " ")
        found |= _flat(value, f"{label} ") if isinstance(value, dict) else {label: value}
    return found


def _built(done: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    seeds = {name: table["seed"] for r in done.values() for name, table in r["settings"].items() if "seed" in table}
    outputs = {f"{stage}/{name}": digest for stage, r in done.items() for name, digest in r["outputs"].items()}
    return {"git": _git("rev-parse", "HEAD"), "versions": versions(), "seeds": seeds, "outputs": outputs}


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def run(workshop: Workshop) -> None:
    """Assemble the bundle; refuses one of more than 25 MB."""
    target = workshop.model / "bundle"
    inputs = {name: workshop.output(stage, file) for name, (stage, file) in FILES.items()}
    size = sum(path.stat().st_size for path in inputs.values())
    if size > LIMIT_BYTES:
        raise SystemExit(f"the bundle would be {size} bytes; the limit is {LIMIT_BYTES}")
    with Stage(workshop, "bundle", inputs, [Path(__file__)], tuple(workshop.settings)) as stage:
        target.mkdir(parents=True, exist_ok=True)
        for name, source in inputs.items():
            shutil.copyfile(source, target / name)
        for stray in {path.name for path in target.iterdir()} - {*inputs, "manifest.json"}:
            (target / stray).unlink()
        text = json.dumps(describe(workshop, target), indent=1, sort_keys=True) + "\n"
        write_atomically(target / "manifest.json", text)
        manifest = Manifest.load(target)
        manifest.verify()
        write_numbers(workshop.model / "CARD.md", manifest)
        stage.numbers["bytes"] = sum(path.stat().st_size for path in target.iterdir())


def main() -> None:
    """Assemble the bundle."""
    run(Workshop.from_arguments(__doc__))


if __name__ == "__main__":
    main()
