"""Torch modules become ONNX files through optimum, and are compared with them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from optimum.exporters.onnx import export as optimum_export
from optimum.exporters.onnx.base import OnnxConfig
from optimum.utils import NormalizedConfig

from edge_runtime.errors import InputError
from edge_runtime.inference.session import OnnxSession

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edge_runtime.making.tower import Axes, Tower

OPSET = 17
TOLERANCE = 1e-3
"""Most that an ONNX file may differ from torch, as a share of the largest output (or of 1, where that is more)."""

# Beyond this protobuf writes weights beside the file, and no box of ours could hold them.
_MOST_BYTES = 1_900_000_000
# Where the file becomes smaller afterwards its weights may lie beside it until then.
_MOST_ROUNDED = 8_000_000_000


class _TowerConfig(OnnxConfig):
    """A tower's inputs and outputs, as optimum asks for them."""

    NORMALIZED_CONFIG_CLASS = NormalizedConfig

    def __init__(self, tower: Tower) -> None:
        super().__init__(tower.module.config, task="feature-extraction")
        self._tower = tower

    @property
    def inputs(self) -> Axes:
        """Return the free axes of each input."""
        return self._tower.inputs

    @property
    def outputs(self) -> Axes:
        """Return the free axes of each output."""
        return self._tower.outputs

    def generate_dummy_inputs(self, framework: str = "pt", **_: Any) -> dict[str, Any]:
        """Return the inputs to trace with."""
        feeds = self._tower.examples[0]
        return arguments(feeds) if framework == "pt" else feeds


def export(tower: Tower, path: Path) -> dict[str, float]:
    """Write a tower as ONNX and return how far its outputs are from torch's: "export_max_error" and its "tolerance".

    Raises:
        InputError: the model is too large, or the file does not compute what torch computes.
    """
    # Tensors that are tied are there once.
    tensors = {value.data_ptr(): value for value in tower.module.state_dict().values()}
    size, most = sum(value.nbytes for value in tensors.values()), _MOST_BYTES if tower.finish is None else _MOST_ROUNDED
    if size > most:
        raise InputError(f"{tower.file} would be {size / 1e9:.1f} GB; {most / 1e9:.1f} GB is the most")
    with warnings.catch_warnings():
        # Tracing warns of every shape it takes for fixed; the comparison below tells whether one was.
        warnings.simplefilter("ignore")
        optimum_export(tower.module, _TowerConfig(tower), path, opset=OPSET, disable_dynamic_axes_fix=True)
    error, allowed = difference(tower, path)
    if not error <= allowed:
        raise InputError(
            f"{tower.file}: ONNX and torch differ by {error:.2g}, {allowed:.2g} at most; the exporter does not "
            "understand this model"
        )
    return {"export_max_error": error, "tolerance": allowed}


def difference(tower: Tower, path: Path) -> tuple[float, float]:
    """Return the largest difference between a file's outputs and torch's over all examples, and what is allowed."""
    session = OnnxSession(path)
    largest, error = 1.0, 0.0
    for feeds in tower.examples:
        got, wanted = session.run(feeds), _by_torch(tower, feeds)
        for name in tower.outputs:
            if got[name].shape != wanted[name].shape:
                return float("inf"), TOLERANCE
            error = float(np.fmax(error, np.abs(got[name] - wanted[name]).max()))
            largest = max(largest, float(np.abs(wanted[name]).max()))
            if not np.isfinite(got[name]).all():
                return float("nan"), TOLERANCE
    return error, TOLERANCE * largest


def arguments(feeds: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a tower's module is called with; inputs called cross.0.key, cross.0.value, ... become one tuple."""
    found: dict[str, Any] = {}
    for name, value in feeds.items():
        argument, _, rest = name.partition(".")
        tensor = torch.from_numpy(value)
        found[argument] = (*found.get(argument, ()), tensor) if rest else tensor
    return found


def _by_torch(tower: Tower, feeds: Mapping[str, Any]) -> dict[str, Any]:
    with torch.inference_mode():
        outputs = tower.module(**arguments(feeds))
    return {name: value.numpy() for name, value in outputs.items()}
