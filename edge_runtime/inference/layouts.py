"""Where the boxes and scores of one picture lie in a detector's outputs, layout by layout.

YOLOX (arXiv:2107.08430) as its official ONNX export writes it: one row per cell with centre and size, objectness and
class probabilities; the centre in steps from the cell, the size as a logarithm, both in units of the cell's stride.
YOLOv8 as Ultralytics exports it: one column per cell with centre and size in pixels and class probabilities.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from edge_runtime.bundles.parts import DetectorPart

    Floats = NDArray[np.float32]

LOGITS = {"omni"}
"""Layouts whose scores are logits; those of the others are probabilities."""

_STRIDES = ((8, 16, 32), (8, 16, 32, 64))
_LARGEST_LOG = 10.0


def read_cells(outputs: Mapping[str, NDArray[Any]], part: DetectorPart, size: tuple[int, int]) -> tuple[Floats, Floats]:
    """Return corners x0 y0 x1 y1 in pixels of the input, shape (cells, 4), and scores, shape (cells, labels).

    Args:
        outputs: the model's outputs by name, for one picture.
        part: layout and labels.
        size: rows and columns of the input.

    Raises:
        BundleError: an output is missing or its shape does not fit the labels, the layout or the input.
    """
    if part.layout == "omni":
        rows, columns = size
        return outputs["boxes"][0] * np.array([columns, rows] * 2, np.float32), outputs["logits"][0]
    values = _only(outputs, part.output)
    table = values[0].T if part.layout == "yolov8" else values[0]
    first = 4 if part.layout == "yolov8" else 5
    if table.ndim != 2 or table.shape[1] != first + len(part.labels):
        wanted = f"{first + len(part.labels)} numbers a cell ({len(part.labels)} labels)"
        raise BundleError(f"layout {part.layout!r} needs {wanted}, the model gives the shape {values.shape}")
    if part.layout == "yolov8":
        return _corners(table[:, :2], table[:, 2:4]), table[:, 4:]
    scores = table[:, 4:5] * table[:, 5:]
    if part.decoded:
        return _corners(table[:, :2], table[:, 2:4]), scores
    origins, strides = _grid(len(table), size)
    centres = (table[:, :2] + origins) * strides
    # A wild number must not overflow; e to the ten is larger than any picture.
    return _corners(centres, np.exp(np.minimum(table[:, 2:4], _LARGEST_LOG)) * strides), scores


def _only(outputs: Mapping[str, NDArray[Any]], name: str | None) -> NDArray[Any]:
    if name is None and len(outputs) == 1:
        return next(iter(outputs.values()))
    if name is None or name not in outputs:
        said = "detector.output names none" if name is None else f"detector.output is {name!r}"
        raise BundleError(f"the model has the outputs {', '.join(outputs)}, but {said}; name the one with the boxes")
    return outputs[name]


def _corners(centres: Floats, sides: Floats) -> Floats:
    return np.concatenate([centres - sides / 2, centres + sides / 2], 1)


@lru_cache(maxsize=8)
def _grid(cells: int, size: tuple[int, int]) -> tuple[Floats, Floats]:
    """Return each cell's column and row, shape (cells, 2), and its stride in pixels, shape (cells, 1)."""
    rows, columns = size
    for strides in _STRIDES:
        if sum((rows // stride) * (columns // stride) for stride in strides) == cells:
            break
    else:
        raise BundleError(
            f"layout 'yolox': no grid of an input of {rows}x{columns} has {cells} cells; check image.size"
        )
    origins, steps = [], []
    for stride in strides:
        y, x = np.mgrid[: rows // stride, : columns // stride]
        origins.append(np.stack([x, y], -1).reshape(-1, 2))
        steps.append(np.full((x.size, 1), stride))
    return np.concatenate(origins).astype(np.float32), np.concatenate(steps).astype(np.float32)
