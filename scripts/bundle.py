"""Put the built parts and what is known about them into the folder that ships.

calibrate/calibration.json holds the manifest's "detector", "gate" and "classify" (its temperature);
evaluate/evaluation.json holds "numbers" and what the model's report shows; bench/model.json, if bench/model.py has been
asked for one, its times.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_runtime.bundles.manifest import Manifest
from models.omni_nano import reporting, scoring, utterances
from scripts.stage import REPOSITORY, Stage, Workshop, sha256, versions, write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NUMBERS = ("<!-- numbers: written by scripts/bundle.py -->", "<!-- end of numbers -->")
CALIBRATION = ("<!-- calibration: written by scripts/bundle.py -->", "<!-- end of calibration -->")
# What the manifest keeps of a row of the evaluation.
KEPT = ("int8", "low", "high", "fp32", "difference", "difference_low", "difference_high", "count")
LIMIT_BYTES = 25_000_000
EYES = {
    "image.onnx": ("quantize", "image.onnx"),
    "text.onnx": ("quantize", "text.onnx"),
    "tokenizer.json": ("distil", "tokenizer.json"),
}
EARS = {
    "phones.onnx": ("quantize", "phones.onnx"),
    "lexicon.xz": ("lexicon", "lexicon.xz"),
    "spelling.npz": ("lexicon", "spelling.npz"),
}
SOUNDS = {"audio.onnx": ("quantize", "audio.onnx"), "sounds.npz": ("calibrate", "sounds.npz")}
FACES = {f"faces_{kind}.onnx": ("faces", f"faces_{kind}.onnx") for kind in ("propose", "refine", "decide")}
GROUPS = {
    "image": EYES,
    "phones": {**EARS, "background.npz": ("calibrate", "background.npz")},
    "sounds": SOUNDS,
    "faces": FACES,
}
"""The files of eyes, of ears for speech and for sounds, of faces, by the recipe's table that asks for them."""
FILES = {name: source for group in GROUPS.values() for name, source in group.items()}
"""By name of a file the stage that leaves it, and how it is called there."""
CALIBRATED = {
    "image": "calibration.json",
    "phones": "ears.json",
    "sounds": "sounds.json",
    "ordinary": "pictures.json",
}
STAGES = (
    "faces",
    "lexicon",
    "speak",
    "listen",
    "train",
    "train_sounds",
    "distil",
    "export",
    "quantize",
    "tap",
    "calibrate",
    "evaluate",
)


def records(workshop: Workshop) -> dict[str, dict[str, Any]]:
    """Return what every stage that has run wrote about itself, by `stage` or `stage.part`."""
    found = {}
    for stage in STAGES:
        for path in sorted(workshop.folder(stage).glob("stage*.json")):
            part = path.stem.removeprefix("stage").strip(".")
            found[f"{stage}.{part}" if part else stage] = json.loads(path.read_text(encoding="utf-8"))
    return found


def needed(recipe: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return the files among FILES that a model of this recipe has: eyes with [image], ears with [phones], [sounds].

    With [taps] the eyes are those that were tapped, with [ordinary] they come with ordinary pictures.
    """
    groups = [group for table, group in GROUPS.items() if table in recipe]
    files = {name: source for group in groups for name, source in group.items()}
    if "ordinary" in recipe and "image" in recipe:
        files |= {"pictures.npz": ("calibrate", "pictures.npz")}
    return files | ({"image.onnx": ("tap", "image.onnx")} if "taps" in recipe and "image" in recipe else {})


def describe(
    workshop: Workshop, target: Path, calibration: Mapping[str, Any], numbers: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the manifest of the files that lie in `target`."""
    recipe = workshop.settings
    names = sorted(path.name for path in target.iterdir() if path.name != "manifest.json")
    parts = {**(_eyes(recipe) if "image.onnx" in names else {}), **(_ears(names) if "phones.onnx" in names else {})}
    if "faces_decide.onnx" in names:
        parts["faces"] = {name[6:-5]: name for name in FACES} | {"thresholds": recipe["faces"]["thresholds"]}
    for name, table in calibration.items():
        parts[name] = {**parts.get(name, {}), **table}
    return {
        "format": 1,
        "name": recipe["name"],
        "version": recipe["version"],
        "created": _git("show", "-s", "--format=%cs", "HEAD"),
        "license": recipe["license"],
        "files": {name: {"sha256": sha256(target / name), "bytes": (target / name).stat().st_size} for name in names},
        **parts,
        "numbers": dict(numbers),
        "teachers": recipe["teachers"],
        "sources": recipe["sources"],
        "built": _built(records(workshop)),
    }


def _eyes(recipe: Mapping[str, Any]) -> dict[str, Any]:
    part = {"file": "image.onnx", "area": recipe["image"]["area"], "stride": recipe["image"]["stride"]}
    return {
        "embedding_size": 384,
        "image": part | ({"patches": list(recipe["taps"])} if "taps" in recipe else {}),
        "text": {"file": "text.onnx", "tokenizer": "tokenizer.json", "max_tokens": recipe["text"]["max_tokens"]},
        "classify": {"templates": recipe["classify"]["templates"]},
    }


def _ears(names: Sequence[str]) -> dict[str, Any]:
    part = {"file": "phones.onnx", "hop": utterances.HOP, "shortest": utterances.SHORTEST}
    part |= {"phones": utterances.PHONES, "lexicon": "lexicon.xz", "spelling": "spelling.npz"}
    return {"phones": part | ({"background": "background.npz"} if "background.npz" in names else {})}


def candidate(
    workshop: Workshop,
    stage: str,
    calibration: Mapping[str, Any],
    folder: Path,
    files: Mapping[str, tuple[str, str]] = EYES,
) -> Manifest:
    """Make a bundle of what a stage left, `quantize` or `export`, so that it can be judged as one."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (last, file) in files.items():
        shutil.copyfile(workshop.output(stage if last == "quantize" else last, file), folder / name)
    return Manifest.model_validate({**describe(workshop, folder, calibration, {}), "folder": folder})


def numbers_of(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the manifest says about the model's worth, by name of the question."""
    return {row["name"]: {key: row[key] for key in KEPT} for row in found.get("rows", [])}


def write_card(card: Path, manifest: Manifest, found: Mapping[str, Any]) -> None:
    """Write sizes, numbers and calibration between the marks of the model card, so that they cannot drift."""
    lines = ["| what | as shipped | 95 % interval | bar | FP32 | INT8 - FP32 | 95 % interval | count |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for name, entry in sorted(manifest.files.items()):
        lines.append(f"| size of {name} | {entry.bytes / 1e6:.2f} MB | | | | | | |")
    for row in found.get("rows", []):
        bar = scoring.judged(row)
        spans = [f"{row[low]:.3f} to {row[low.replace('low', 'high')]:.3f}" for low in ("low", "difference_low")]
        lines.append(
            f"| {row['what']} | {row['int8']:.3f} | {spans[0]} | {bar} | {row['fp32']:.3f} "
            f"| {row['difference']:+.3f} | {spans[1]} | {row['count']} |"
        )
    text = between(card.read_text(encoding="utf-8"), NUMBERS, "\n".join(lines), card)
    if "curves" in found:
        text = between(text, CALIBRATION, reporting.summary(found, "report"), card)
    write_atomically(card, text)


def between(text: str, marks: tuple[str, str], block: str, card: Path) -> str:
    """Return the text with a block between its marks.

    Raises:
        SystemExit: the marks are not there.
    """
    before, begin, rest = text.partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not (begin and end):
        raise SystemExit(f"{card} has no place for what is measured; put {marks[0]} and {marks[1]} in it")
    return f"{before}{begin}\n{block}\n{end}{after}"


def _built(done: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    seeds = {name: table["seed"] for r in done.values() for name, table in r["settings"].items() if "seed" in table}
    outputs = {f"{stage}/{name}": digest for stage, r in done.items() for name, digest in r["outputs"].items()}
    return {"git": _git("rev-parse", "HEAD"), "versions": versions(), "seeds": seeds, "outputs": outputs}


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def run(workshop: Workshop) -> None:
    """Assemble the bundle, its card and its report; refuses a bundle of more than 25 MB."""
    target = workshop.model / "bundle"
    inputs = {name: workshop.output(stage, file) for name, (stage, file) in needed(workshop.settings).items()}
    size = sum(path.stat().st_size for path in inputs.values())
    if size > LIMIT_BYTES:
        raise SystemExit(f"the bundle would be {size} bytes; the limit is {LIMIT_BYTES}")
    calibration: dict[str, Any] = {}
    for table, name in CALIBRATED.items():
        if table in workshop.settings:
            for part, told in json.loads(workshop.output("calibrate", name).read_text(encoding="utf-8")).items():
                calibration[part] = {**calibration.get(part, {}), **told}
    evaluation = workshop.folder("evaluate") / "evaluation.json"
    found = json.loads(evaluation.read_text(encoding="utf-8")) if evaluation.exists() else {}
    heard = workshop.folder("evaluate") / "ears.json"
    ears = json.loads(heard.read_text(encoding="utf-8")) if heard.exists() else {}
    found |= {"rows": [*found.get("rows", []), *ears.get("rows", [])]} if found or ears else {}
    code = [Path(__file__), *(Path(str(part.__file__)) for part in (reporting, scoring))]
    with Stage(workshop, "bundle", inputs, code, tuple(workshop.settings)) as stage:
        target.mkdir(parents=True, exist_ok=True)
        for name, source in inputs.items():
            shutil.copyfile(source, target / name)
        for stray in {path.name for path in target.iterdir()} - {*inputs, "manifest.json"}:
            (target / stray).unlink()
        told = describe(workshop, target, calibration, numbers_of(found))
        write_atomically(target / "manifest.json", json.dumps(told, indent=1, sort_keys=True) + "\n")
        manifest = Manifest.load(target)
        manifest.verify()
        write_card(workshop.model / "CARD.md", manifest, found)
        if "curves" in found:
            speed = reporting.read_speed(workshop.folder("bench") / "model.json")
            told |= {"template": told["classify"]["templates"][0], "speed": speed}
            reporting.write(workshop.model / "report", found, told)
        stage.numbers["bytes"] = sum(path.stat().st_size for path in target.iterdir())


def main() -> None:
    """Assemble the bundle."""
    run(Workshop.from_arguments(__doc__))


if __name__ == "__main__":
    main()
