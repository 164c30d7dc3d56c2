"""The three networks that find faces (MTCNN, arXiv:1604.02878) as small ONNX files, from weights in PyTorch's layout.

Each weight is stored as INT8 with one scale for each output channel, and multiplied out when the model is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Weights = Mapping[str, NDArray[np.float32]]

OPSET = 17
CONV = {"propose": 3, "refine": 3, "decide": 4}
"""How many convolutions each network has."""
POOL = {"propose": {1: 2}, "refine": {1: 3, 2: 3}, "decide": {1: 3, 2: 3, 3: 2}}
"""Window of the pooling after a convolution, stride 2."""
SIZE = {"propose": 12, "refine": 24, "decide": 48}
"""Pixels of the face that each network looks at; the first is convolutional and takes pictures of any size."""


@dataclass
class _Graph:
    """Collects the nodes and constants of one network; `add` returns the name of a node's output."""

    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, name: str, value: NDArray[Any]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def weight(self, name: str, value: NDArray[np.float32]) -> str:
        """Add a weight whose first axis is the output channel, rounded to INT8."""
        axes = tuple(range(1, value.ndim))
        scale = np.maximum(np.abs(value).max(axis=axes, keepdims=True), 1e-12) / 127
        whole = self.constant(f"{name}.int8", np.round(value / scale).astype(np.int8))
        steps = self.constant(f"{name}.scale", scale.astype(np.float32))
        return self.add("Mul", self.add("Cast", whole, to=TensorProto.FLOAT), steps)


def make(kind: str, weights: Weights) -> onnx.ModelProto:
    """Return a network: `faces` float32 [n, 3, h, w] in -1 to 1 in, `scores` and `moves` of the box out.

    Args:
        kind: "propose", "refine" or "decide".
        weights: by PyTorch's names.
    """
    graph = _Graph()
    at = "faces"
    for layer in range(1, CONV[kind] + 1):
        bias = graph.constant(f"conv{layer}.bias", weights[f"conv{layer}.bias"])
        at = graph.add("Conv", at, graph.weight(f"conv{layer}", weights[f"conv{layer}.weight"]), bias)
        at = graph.add("PRelu", at, graph.constant(f"slope{layer}", weights[f"prelu{layer}.weight"][:, None, None]))
        if layer in POOL[kind]:
            window = POOL[kind][layer]
            at = graph.add("MaxPool", at, kernel_shape=[window] * 2, strides=[2, 2], ceil_mode=1)
    _convolved_heads(graph, at, weights) if kind == "propose" else _dense_heads(graph, at, weights)
    side = ["height", "width"] if kind == "propose" else [SIZE[kind]] * 2
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            kind,
            [helper.make_tensor_value_info("faces", TensorProto.FLOAT, ["n", 3, *side])],
            [helper.make_tensor_value_info(*out) for out in _outputs(kind)],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=8,
    )
    onnx.checker.check_model(model)
    return model


def _outputs(kind: str) -> list[tuple[str, int, list[str | int]]]:
    place: list[str | int] = ["rows", "columns"] if kind == "propose" else []
    return [(name, TensorProto.FLOAT, ["n", size, *place]) for name, size in (("scores", 2), ("moves", 4))]


def _convolved_heads(graph: _Graph, at: str, weights: Weights) -> None:
    for number, name in ((1, "scores"), (2, "moves")):
        bias = graph.constant(f"{name}.bias", weights[f"conv4_{number}.bias"])
        out = graph.add("Conv", at, graph.weight(name, weights[f"conv4_{number}.weight"]), bias)
        graph.nodes.append(_last(name, out, axis=1))


def _dense_heads(graph: _Graph, at: str, weights: Weights) -> None:
    first = 4 if "dense4.weight" in weights else 5
    # The weights were learned with width before height.
    at = graph.add("Flatten", graph.add("Transpose", at, perm=[0, 3, 2, 1]))
    bias = graph.constant("dense.bias", weights[f"dense{first}.bias"])
    at = graph.add("Gemm", at, graph.weight("dense", weights[f"dense{first}.weight"]), bias, transB=1)
    at = graph.add("PRelu", at, graph.constant("dense.slope", weights[f"prelu{first}.weight"]))
    for number, name in ((1, "scores"), (2, "moves")):
        key = f"dense{first + 1}_{number}"
        bias = graph.constant(f"{name}.bias", weights[f"{key}.bias"])
        out = graph.add("Gemm", at, graph.weight(name, weights[f"{key}.weight"]), bias, transB=1)
        graph.nodes.append(_last(name, out, axis=1))


def _last(name: str, out: str, axis: int) -> Any:
    return (
        helper.make_node("Softmax", [out], [name], axis=axis)
        if name == "scores"
        else helper.make_node("Identity", [out], [name])
    )
