"""Detectors as small ONNX files: with fixed outputs, or with convolutions and random weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SIDE = 64
CELLS = 8 * 8 + 4 * 4 + 2 * 2


def yolox(classes: int, *, decoded: bool = False) -> NDArray[np.float32]:
    """Return (1, cells, 5 + classes) with one object of the last class: 16 x 24 pixels around (20, 12)."""
    out = np.zeros((1, CELLS, 5 + classes), np.float32)
    if decoded:
        out[0, :, :2] = [SIDE - 1, SIDE - 1]
        out[0, 10, :4] = [20, 12, 16, 24]
    else:
        # Cell 10 of the finest grid is column 2 of row 1, and one step is 8 pixels.
        out[0, 10, :4] = [0.5, 0.5, np.log(2), np.log(3)]
    out[0, 10, 4], out[0, 10, 4 + classes] = 0.9, 0.8
    return out


def yolov8(classes: int) -> NDArray[np.float32]:
    """Return (1, 4 + classes, cells) with the same object."""
    out = np.zeros((1, 4 + classes, CELLS), np.float32)
    out[0, :4, 10] = [20, 12, 16, 24]
    out[0, 3 + classes, 10] = 0.72
    return out


def write(
    path: Path,
    outputs: Mapping[str, NDArray[np.float32]],
    *,
    shape: Sequence[int | str] = (1, 3, SIDE, SIDE),
    kind: int = TensorProto.FLOAT,
    inputs: Sequence[str] = ("images",),
    notes: Mapping[str, str] | None = None,
) -> Path:
    """Write a model that gives `outputs` whatever it is shown."""
    nodes, constants, results = [], [], []
    for name, value in outputs.items():
        constants.append(numpy_helper.from_array(value, f"{name}_values"))
        nodes += [
            helper.make_node("Cast", [inputs[0]], [f"{name}_float"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", [f"{name}_float"], [f"{name}_mean"], keepdims=0),
            helper.make_node("Sub", [f"{name}_mean", f"{name}_mean"], [f"{name}_nothing"]),
            helper.make_node("Add", [f"{name}_values", f"{name}_nothing"], [name]),
        ]
        results.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape))
    taken = [helper.make_tensor_value_info(name, kind, shape) for name in inputs]
    graph = helper.make_graph(nodes, "detector", taken, results, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8)
    helper.set_model_props(model, dict(notes or {}))
    onnx.save(model, path)
    return path


class _Convolutions(torch.nn.Module):  # type: ignore[misc, name-defined, unused-ignore]
    """Boxes and scores of three grids in YOLOv8's layout, from random weights."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        layers = [torch.nn.Conv2d(3, 32, 3, 2, 1), torch.nn.ReLU(), torch.nn.Conv2d(32, 32, 3, 2, 1), torch.nn.ReLU()]
        self.stem = torch.nn.Sequential(*layers, torch.nn.Conv2d(32, 32, 3, 1, 1), torch.nn.ReLU())
        self.heads = torch.nn.ModuleList([torch.nn.Conv2d(32, 4 + classes, 1) for _ in range(3)])

    def forward(self, images: Any) -> Any:
        x = self.stem(images / 64)
        found = []
        for step, head in zip((2, 4, 8), self.heads, strict=True):
            found.append(head(torch.nn.functional.avg_pool2d(x, step)).flatten(2))
        table = torch.cat(found, 2)
        return torch.cat([32 + 8 * torch.tanh(table[:, :4]), torch.sigmoid(6 * table[:, 4:])], 1)


def write_convolutions(path: Path, classes: int = 3) -> Path:
    """Write a detector that finds something in any picture."""
    torch.manual_seed(3)
    torch.onnx.export(
        _Convolutions(classes).eval(),
        (torch.rand(1, 3, SIDE, SIDE),),
        str(path),
        dynamo=False,
        opset_version=11,
        input_names=["images"],
        output_names=["output0"],
    )
    return path
