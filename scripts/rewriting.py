"""Rewrites of a QDQ graph that keep its numbers and leave INT8 kernels less to do; standard ONNX, for any processor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import onnx
from onnx import helper, numpy_helper

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

# Integer kernels multiply four channels at a time, on x86 (VNNI) as on ARM (dot product).
CHANNELS_AT_ONCE = 4
INT32 = np.iinfo(np.int32)
ROWS_LAST, CHANNELS_LAST = (0, 3, 1, 2), (0, 2, 3, 1)


class Graph:
    """An ONNX graph whose nodes and constants are found by name."""

    def __init__(self, path: Path) -> None:
        self.model: Any = onnx.load(path)
        self.nodes: Any = self.model.graph.node
        self._constants: dict[str, Any] = {item.name: item for item in self.model.graph.initializer}

    def constant(self, name: str) -> NDArray[Any] | None:
        """Return a constant's values, or None if the name is none's."""
        return numpy_helper.to_array(self._constants[name]) if name in self._constants else None

    def known(self, name: str) -> NDArray[Any]:
        """Return the values of what must be a constant."""
        return numpy_helper.to_array(self._constants[name])

    def keep(self, name: str, values: NDArray[Any]) -> str:
        """Add or replace a constant and return its name."""
        if name not in self._constants:
            self._constants[name] = self.model.graph.initializer.add()
        self._constants[name].CopyFrom(numpy_helper.from_array(np.asarray(values), name))
        return name

    def shape(self, name: str, *sizes: int) -> str:
        """Add a constant shape and return its name."""
        return self.keep(name, np.array(sizes, np.int64))

    def maker(self, name: str) -> Any:
        """Return the node that makes a tensor, or None."""
        return next((node for node in self.nodes if name in node.output), None)

    def user(self, name: str, *kinds: str) -> Any:
        """Return the only node that reads a tensor, if it is one of these kinds, else None."""
        readers = [node for node in self.nodes if name in node.input]
        return readers[0] if len(readers) == 1 and readers[0].op_type in kinds else None

    def replace(self, node: Any, *others: Any) -> None:
        """Put other nodes where one was."""
        place = list(self.nodes).index(node)
        self.nodes.remove(node)
        for offset, other in enumerate(others):
            self.nodes.insert(place + offset, other)

    def prune(self) -> None:
        """Drop what no output needs any longer."""
        needed = {item.name for item in self.model.graph.output}
        for node in reversed(list(self.nodes)):
            if needed.isdisjoint(node.output):
                self.nodes.remove(node)
            else:
                needed.update(node.input)
        for name in set(self._constants) - needed:
            self.model.graph.initializer.remove(self._constants.pop(name))

    def save(self, path: Path) -> None:
        """Write the graph, checked."""
        # Shapes inferred before the rewrite may hold no longer.
        del self.model.graph.value_info[:]
        onnx.checker.check_model(self.model, full_check=True)
        onnx.save(self.model, path)


class Entrance(NamedTuple):
    """How a picture gets into its first convolution: rounded by `rounds`, spread by `spreads`, read by `conv`.

    What is rounded is gain * picture + shift.
    """

    rounds: Any
    spreads: Any
    conv: Any
    gain: float
    shift: float


def entrance(graph: Graph) -> Entrance | None:
    """Follow the picture through its scaling to the first convolution, or return None if it goes another way."""
    gain, shift = 1.0, 0.0
    name = graph.model.graph.input[0].name
    while (node := graph.user(name, "Mul", "Sub", "Add", "QuantizeLinear")) is not None:
        name = node.output[0]
        if node.op_type == "QuantizeLinear":
            spreads = graph.user(name, "DequantizeLinear")
            conv = graph.user(spreads.output[0], "Conv") if spreads is not None else None
            return None if conv is None else Entrance(node, spreads, conv, gain, shift)
        value = graph.constant(node.input[1])
        if value is None or value.size != 1:
            break
        if node.op_type == "Mul":
            gain, shift = gain * float(value.item()), shift * float(value.item())
        else:
            shift += float(value.item()) * (1 if node.op_type == "Add" else -1)
    return None


def read_bytes(graph: Graph) -> int:
    """Let the first convolution read the picture's own 0..255 instead of a scaled copy of it; return how many did.

    The bytes q of QuantizeLinear(image) stand for a * (q - zero). Zero points are whole, so up to half a step is left
    over; multiplied with the sum of the weights it moves into the bias. Only the padding is off by that half step.
    """
    way = entrance(graph)
    if (
        way is None
        or len(way.conv.input) < 3
        or way.gain <= 0
        or not 0 <= (zero := round(-way.shift / way.gain)) <= 255
    ):
        return 0
    weights, bias = graph.maker(way.conv.input[1]), graph.maker(way.conv.input[2])
    q = graph.known(weights.input[0]).astype(np.float64)
    scale = (way.gain * graph.known(weights.input[1]).astype(np.float64)).astype(np.float32)
    real = graph.known(bias.input[0]) * graph.known(bias.input[1]).astype(np.float64)
    whole = np.round(real / scale + (zero + way.shift / way.gain) * q.reshape(len(q), -1).sum(1))
    graph.keep(bias.input[0], np.clip(whole, INT32.min, INT32.max).astype(np.int32))
    graph.keep(bias.input[1], scale)
    way.spreads.input[1] = graph.keep("image_scale", np.array(way.gain, np.float32))
    way.spreads.input[2] = graph.keep("image_zero_point", np.array(zero, np.uint8))
    way.rounds.input[0] = graph.model.graph.input[0].name
    way.rounds.input[1] = graph.keep("image_step", np.array(1, np.float32))
    way.rounds.input[2] = graph.keep("image_bottom", np.array(0, np.uint8))
    return 1


def fill_channels(graph: Graph) -> int:
    """Give the picture empty channels up to a multiple of four, for kernels that need it; return how many were."""
    way = entrance(graph)
    if way is None:
        return 0
    name = graph.maker(way.conv.input[1]).input[0]
    weights = graph.known(name)
    missing = -weights.shape[1] % CHANNELS_AT_ONCE
    groups = next((a.i for a in way.conv.attribute if a.name == "group"), 1)
    if groups != 1 or missing == 0:
        return 0
    graph.keep(name, np.pad(weights, ((0, 0), (0, missing), (0, 0), (0, 0))))
    wider = graph.shape("image_channels", 0, 0, 0, 0, 0, missing, 0, 0)
    filled = helper.make_node("Pad", [way.rounds.output[0], wider], ["image_filled"], "image_filled")
    way.spreads.input[0] = filled.output[0]
    graph.nodes.insert(list(graph.nodes).index(way.spreads), filled)
    return missing


def copy_pixels(graph: Graph) -> int:
    """Double maps by copying rows of channels-last bytes instead of by Resize, pixel by pixel; return how many were.

    Convolutions in INT8 are channels-last already, so the transposes cancel when the graph is loaded.
    """
    shapes = {v.name: v.type.tensor_type.shape for v in onnx.shape_inference.infer_shapes(graph.model).graph.value_info}
    done = 0
    for resize in [node for node in graph.nodes if node.op_type == "Resize"]:
        before, after = graph.maker(resize.input[0]), graph.user(resize.output[0], "QuantizeLinear")
        channels = shapes[resize.output[0]].dim[1].dim_value if resize.output[0] in shapes else 0
        if after is None or before.op_type != "DequantizeLinear" or not channels or not _doubles(graph, resize):
            continue
        name = f"{resize.name}_copied"
        parts = [f"{name}_{part}" for part in ("last", "pairs", "wide", "rows", "size", "doubled", "flat")]
        last, pairs, wide, rows, size, doubled, flat = parts
        graph.replace(
            after,
            helper.make_node("Transpose", [before.input[0]], [last], last, perm=CHANNELS_LAST),
            helper.make_node("Concat", [last, last], [pairs], pairs, axis=3),
            helper.make_node("Reshape", [pairs, graph.shape(f"{name}_pixels", 0, 0, -1, channels)], [wide], wide),
            helper.make_node("Concat", [wide, wide], [rows], rows, axis=2),
            helper.make_node("Shape", [wide], [size], size),
            helper.make_node("Mul", [size, graph.shape("twice_as_high", 1, 2, 1, 1)], [doubled], doubled),
            helper.make_node("Reshape", [rows, doubled], [flat], flat),
            helper.make_node("Transpose", [flat], [after.output[0]], f"{name}_first", perm=ROWS_LAST),
        )
        done += 1
    return done


def _doubles(graph: Graph, resize: Any) -> bool:
    """Tell whether a Resize repeats every pixel twice in both directions."""
    options = {a.name: helper.get_attribute_value(a) for a in resize.attribute}
    scales = graph.constant(resize.input[2]) if len(resize.input) > 2 else None
    floor = options.get("nearest_mode") == b"floor" and options.get("coordinate_transformation_mode") == b"asymmetric"
    nearest = options.get("mode", b"nearest") == b"nearest" and floor
    return nearest and scales is not None and scales.tolist() == [1, 1, 2, 2]


def rewrite(path: Path) -> dict[str, int]:
    """Rewrite a QDQ model in place; return how often each rewrite found its place."""
    graph = Graph(path)
    found: dict[str, int] = {}
    for change in (read_bytes, fill_channels, copy_pixels):
        found[change.__name__] = change(graph)
        graph.prune()
    graph.save(path)
    return found
