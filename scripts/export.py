"""Turn trained towers into FP32 ONNX files that compute the same numbers."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import torch
from optimum.exporters.onnx import export as optimum_export

from scripts.stage import Stage, Workshop
from scripts.writing import replacing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from optimum.exporters.onnx.base import OnnxConfig

OPSET = 17


@dataclass(frozen=True)
class Exportable:
    """A trained tower, ready to be written as ONNX.

    Attributes:
        module: in eval mode; takes the feeds in order.
        feeds: an example of each input, by name.
        outputs: names of the outputs, in order.
        dynamic: the axes that may differ at run time, by input or output name: {"image": {2: "height"}}.
        config: how optimum sees the module, for one it can export; None leaves it to torch.onnx.
    """

    module: torch.nn.Module
    feeds: Mapping[str, torch.Tensor]
    outputs: tuple[str, ...]
    dynamic: Mapping[str, Mapping[int, str]]
    config: OnnxConfig | None = None


def find(reference: str) -> Any:
    """Return what a "package.module:name" of the recipe points at."""
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


def export(tower: Exportable, path: Path) -> float:
    """Write a tower as ONNX and return the largest difference between its outputs and torch's."""
    feeds = tuple(tower.feeds.values())
    if tower.config is not None:
        optimum_export(tower.module, tower.config, path, opset=OPSET)
    else:
        torch.onnx.export(
            tower.module,
            feeds,
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=list(tower.feeds),
            output_names=list(tower.outputs),
            dynamic_axes={name: dict(axes) for name, axes in tower.dynamic.items()},
        )
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    got = session.run(list(tower.outputs), {name: value.numpy() for name, value in tower.feeds.items()})
    with torch.no_grad():
        wanted = tower.module(*feeds)
    if isinstance(wanted, torch.Tensor):
        wanted = (wanted,)
    elif isinstance(wanted, dict):
        wanted = tuple(wanted[name] for name in tower.outputs)
    return max(float(np.abs(a - b.numpy()).max()) for a, b in zip(got, wanted, strict=True))


def run(workshop: Workshop, part: str) -> None:
    """Export one part of the recipe, such as `text`."""
    recipe = workshop.table("export")[part]
    checkpoint = workshop.output(*recipe["checkpoint"].split("/"))
    builder: Callable[[Path], Exportable] = find(recipe["exportable"])
    stage = Stage(
        workshop,
        "export",
        inputs={recipe["checkpoint"]: checkpoint},
        code=[Path(__file__), Path(str(importlib.import_module(builder.__module__).__file__))],
        tables=("export",),
        outputs=(f"{part}.onnx",),
        part=part,
    )
    if stage.fresh():
        print(f"export {part}: nothing has changed")
        return
    with stage:
        path = stage.folder / f"{part}.onnx"
        with replacing(path) as partial:
            stage.numbers["largest_difference"] = export(builder(checkpoint), partial)
        stage.numbers["bytes"] = path.stat().st_size


def main() -> None:
    """Export every part of the recipe."""
    workshop = Workshop.from_arguments(__doc__)
    for part in workshop.table("export"):
        run(workshop, part)


if __name__ == "__main__":
    main()
