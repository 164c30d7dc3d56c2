"""A copy of a bundle whose picture embedding goes through a user's memory, and proof that nothing else changed."""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from edge_runtime.bundles.manifest import Manifest
from edge_runtime.bundles.parts import ImagePart
from edge_runtime.errors import InputError
from edge_runtime.inference.preprocess import model_input
from models.omni_nano.own_looks import demo_frames
from models.omni_nano.own_memory import SHARPNESS
from scripts.stage import sha256, versions, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from edge_runtime.wiring.assembly import Models
    from models.omni_nano.own_memory import Memory
    from models.omni_nano.own_pictures import OwnPicture

KEYS, VALUES, NEARNESS = "own_keys", "own_values", "own_nearness"


def graft(source: Path, target: Path, output: str, memory: Memory) -> None:
    """Write a picture model whose `output` (1, size) is moved by the memory, in float: five nodes at its end.

    Raises:
        InputError: there is no such output.
    """
    model = onnx.load(source)
    graph = model.graph
    if output not in {value.name for value in graph.output}:
        raise InputError(f"{source} has no output {output!r}; give a bundle that embeds pictures")
    before = f"{output}_before"
    for node in graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                if name == output:
                    names[place] = before
    tables = {
        KEYS: memory.keys.numpy() * np.float32(SHARPNESS),
        NEARNESS: np.full(len(memory.keys), -SHARPNESS, np.float32),
        VALUES: memory.values.numpy(),
    }
    graph.initializer.extend(numpy_helper.from_array(table, name) for name, table in tables.items())
    graph.node.extend(
        [
            helper.make_node("LpNormalization", [before], ["own_unit"], "own/unit", axis=-1, p=2),
            helper.make_node("Gemm", ["own_unit", KEYS, NEARNESS], ["own_distance"], "own/distance", transB=1),
            helper.make_node("Exp", ["own_distance"], ["own_likeness"], "own/likeness"),
            helper.make_node("Gemm", ["own_likeness", VALUES, "own_unit"], ["own_moved"], "own/moved"),
            helper.make_node("LpNormalization", ["own_moved"], [output], "own/embedding", axis=-1, p=2),
        ]
    )
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, target)


def assemble(base: Manifest, folder: Path, memory: Memory, changes: Mapping[str, Any]) -> Manifest:
    """Write the new bundle's files into `folder`, and a manifest that is the base's with `changes`."""
    part = base.part(ImagePart)
    for name in base.files:
        if name != part.file:
            shutil.copyfile(base.path(name), folder / name)
    graft(base.path(part.file), folder / part.file, str(part.embedding), memory)
    data = read(base.folder)
    files = {name: {"sha256": sha256(folder / name), "bytes": (folder / name).stat().st_size} for name in base.files}
    built = {
        "base": {"name": base.name, "version": base.version, "files": {n: f.sha256 for n, f in base.files.items()}},
        "versions": versions(),
    }
    data |= {"created": datetime.now(UTC).date().isoformat(), "files": files, "built": built}
    return rewrite(folder, data, changes)


def read(folder: Path) -> dict[str, Any]:
    """Return a bundle's manifest as plain data."""
    data: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return data


def rewrite(folder: Path, data: Mapping[str, Any], changes: Mapping[str, Any]) -> Manifest:
    """Write the manifest again with `changes`; tables are merged one level deep."""
    merged = dict(data)
    for key, value in changes.items():
        merged[key] = {**merged.get(key, {}), **value} if isinstance(value, dict) else value
    write_atomically(folder / "manifest.json", json.dumps(merged, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    manifest = Manifest.load(folder)
    manifest.verify()
    return manifest


def version_of(base: Manifest, pictures: Iterable[OwnPicture]) -> str:
    """Return the base's version with a mark of the pictures: 0.1.0+own.1a2b3c4d."""
    digest = hashlib.sha256("".join(sorted(p.digest + "".join(p.words) for p in pictures)).encode())
    return f"{base.version}+own.{digest.hexdigest()[:8]}"


def prove_unchanged(old: Models, new: Models) -> None:
    """Compare everything but the embedding, such as the detector's boxes, bit for bit on frames of the demo's clip.

    Raises:
        InputError: something else changed.
    """
    part = old.manifest.part(ImagePart)
    for frame in demo_frames(8):
        tensor, _ = model_input(frame, part)
        one, other = old.image.run({part.input: tensor}), new.image.run({part.input: tensor})
        for name in one.keys() - {part.embedding}:
            if not np.array_equal(one[name], other[name]):
                raise InputError(f"output {name!r} of the picture model changed; report this, nothing was written")
