"""Put what rounding shifts on average back into the biases (arXiv:1906.04721, section 4.2), one layer after another."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Feeds = Mapping[str, NDArray[Any]]

INT32 = np.iinfo(np.int32)


def session(model: Any) -> onnxruntime.InferenceSession:
    """Load a model so that it computes node by node, QDQ in float."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def channel_means(full: Path, feeds: Sequence[Feeds]) -> dict[str, NDArray[np.float64]]:
    """Return what each convolution of the float model gives on average, (channels,) by its node's name."""
    model: Any = onnx.load(full)
    names = {node.name: node.output[0] for node in model.graph.node if node.op_type == "Conv"}
    model.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names.values())
    running = session(model)
    sums: dict[str, Any] = dict.fromkeys(names, 0.0)
    for feed in feeds:
        for name, value in zip(names, running.run(list(names.values()), dict(feed)), strict=True):
            sums[name] = sums[name] + value.mean((0, 2, 3), dtype=np.float64)
    return {name: value / len(feeds) for name, value in sums.items()}


class Walk:
    """A QDQ model computed node by node, all feeds side by side, so that a layer sees the corrected ones before it."""

    def __init__(self, model: Any, feeds: Sequence[Feeds]) -> None:
        graph = model.graph
        self._model = model
        self._count = len(feeds)
        self.constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
        self._values = {name: [feed[name] for feed in feeds] for name in feeds[0]}
        self._readers = Counter(name for node in graph.node for name in node.input)

    def _alone(self, node: Any) -> onnxruntime.InferenceSession:
        """Load one node as a model of its own."""
        names = [name for name in dict.fromkeys(node.input) if name]
        inputs = [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(values[0].dtype), [None] * values[0].ndim
            )
            for name, values in ((n, self._values[n]) for n in names if n not in self.constants)
        ]
        known = [numpy_helper.from_array(self.constants[name], name) for name in names if name in self.constants]
        outputs = [helper.make_empty_tensor_value_info(name) for name in node.output]
        graph = helper.make_graph([node], "one", inputs, outputs, known)
        return session(
            helper.make_model(graph, opset_imports=self._model.opset_import, ir_version=self._model.ir_version)
        )

    def step(self, node: Any) -> list[list[NDArray[Any]]]:
        """Compute a node: the values of its outputs for every feed; none if they are the same for all."""
        running = self._alone(node)
        inputs = [item.name for item in running.get_inputs()]
        if not inputs:
            self.constants.update(zip(node.output, running.run(None, {}), strict=True))
            return []
        found = [running.run(None, {n: self._values[n][i] for n in inputs}) for i in range(self._count)]
        self._values.update({name: [row[i] for row in found] for i, name in enumerate(node.output)})
        self._readers.subtract(node.input)
        for name in inputs:
            if not self._readers[name]:
                del self._values[name]
        return [self._values[name] for name in node.output]


def correct_biases(full: Path, rounded: Path, feeds: Sequence[Feeds]) -> float:
    """Change the INT32 biases of a QDQ model so that every channel's mean is the float model's; return the mean change.

    Args:
        full: the float model that was quantised; its convolutions bear the same names.
        rounded: the QDQ model, changed in place.
        feeds: typical inputs, all kept in memory.
    """
    wanted = channel_means(full, feeds)
    model: Any = onnx.load(rounded)
    walk = Walk(model, feeds)
    stored = {item.name: item for item in model.graph.initializer}
    makers = {name: node for node in model.graph.node for name in node.output}
    changes: list[float] = []
    for node in model.graph.node:
        values = walk.step(node)
        if node.op_type != "Conv" or node.name not in wanted or len(node.input) < 3:
            continue
        whole, scale = makers[node.input[2]].input[:2]
        step, old = walk.constants[scale].astype(np.float64), walk.constants[whole]
        missing = wanted[node.name] - np.mean([v.mean((0, 2, 3), dtype=np.float64) for v in values[0]], 0)
        # In double precision: the largest INT32 is not a float32.
        new = np.clip(np.round(old + missing / step), INT32.min, INT32.max).astype(np.int32)
        stored[whole].CopyFrom(numpy_helper.from_array(new, whole))
        change = (new - old.astype(np.float64)) * step
        for value in values[0]:
            np.add(value, change.astype(np.float32).reshape(1, -1, 1, 1), out=value)
        changes.append(float(np.abs(change).mean()))
    onnx.save(model, rounded)
    return float(np.mean(changes)) if changes else 0.0
