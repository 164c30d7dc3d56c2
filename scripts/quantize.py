"""Turn FP32 ONNX files into INT8 ones: static with calibration data, or dynamic."""

from __future__ import annotations

import importlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from scripts import biases, rewriting
from scripts.export import find
from scripts.stage import Stage, Workshop, progress
from scripts.writing import replacing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    Feeds = Mapping[str, NDArray[Any]]


class Feeder(CalibrationDataReader):
    """Hand calibration inputs to onnxruntime one by one."""

    def __init__(self, feeds: Iterable[Feeds]) -> None:
        self._feeds = iter(feeds)

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        """Return the next inputs, or None at the end."""
        feeds = next(self._feeds, None)
        return None if feeds is None else dict(feeds)


def quantize_weights(source: Path, target: Path, recipe: Mapping[str, Any]) -> None:
    """Store weights as 8-bit integers, per channel; activations are scaled as they come (dynamic).

    Unsigned weights: with signed ones the 16-bit sums of processors without VNNI overflow.
    """
    quantize_dynamic(
        source,
        target,
        op_types_to_quantize=recipe.get("operators", ["MatMul", "Gemm", "Gather"]),
        per_channel=True,
        weight_type=QuantType.QUInt8,
        nodes_to_exclude=recipe.get("exclude", []),
        extra_options={"MatMulConstBOnly": True},
    )


def store_weights(path: Path, operators: Sequence[str]) -> int:
    """Store the constant weights of these operators as INT8, a scale per output channel; they compute in floats.

    For layers that are large but seldom run, where INT8 arithmetic would cost more than it saves.

    Returns:
        How many were stored so.
    """
    model: Any = onnx.load(path)
    values = {one.name: one for one in model.graph.initializer}
    found = [node for node in model.graph.node if node.op_type in operators and node.input[1] in values]
    for node in found:
        name = node.input[1]
        weights = onnx.numpy_helper.to_array(values[name])
        scale = np.maximum(np.abs(weights).reshape(len(weights), -1).max(1), 1e-8) / 127
        steps = np.round(weights / scale.reshape(-1, *[1] * (weights.ndim - 1))).astype(np.int8)
        model.graph.initializer.remove(values[name])
        model.graph.initializer.append(onnx.numpy_helper.from_array(steps, f"{name}_steps"))
        model.graph.initializer.append(onnx.numpy_helper.from_array(scale.astype(np.float32), f"{name}_scale"))
        model.graph.node.insert(
            0, onnx.helper.make_node("DequantizeLinear", [f"{name}_steps", f"{name}_scale"], [name], axis=0)
        )
    onnx.save(model, path)
    return len(found)


def usual_ranges(source: Path, feeds: Sequence[Feeds], share: float) -> dict[str, Any]:
    """Return the ranges that this share of the feeds keep to, as onnxruntime's TensorQuantOverrides.

    The one extreme among millions of numbers would make the steps of all others coarser.
    """
    model: Any = onnx.load(source)
    given = {item.name for item in model.graph.output}
    names = [name for node in model.graph.node if node.op_type in {"Conv", "Add", "Clip"} for name in node.output]
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names if name not in given)
    running = biases.session(model)
    extremes = [
        [(v.min(), v.max()) for v in running.run(names, dict(feed))] for feed in progress(feeds, "usual ranges")
    ]
    lows, highs = np.moveaxis(np.array(extremes, np.float64), 2, 0)
    low, high = np.quantile(lows, 1 - share, axis=0), np.quantile(highs, share, axis=0)
    return {
        name: [{"rmin": np.float32(min(a, 0)), "rmax": np.float32(max(b, 0))}]
        for name, a, b in zip(names, low, high, strict=True)
    }


def quantize_all(source: Path, target: Path, recipe: Mapping[str, Any], feeds: Sequence[Feeds]) -> dict[str, float]:
    """Store weights and activations as INT8 QDQ, per channel, scaled by what `feeds` makes the model do (static).

    Returns:
        What was rewritten for speed, how often, and by how much the biases were corrected.
    """
    usual = {"TensorQuantOverrides": usual_ranges(source, feeds, recipe["usual"])} if "usual" in recipe else {}
    quantize_static(
        source,
        target,
        Feeder(progress(feeds, "ranges")),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=recipe.get("operators"),
        per_channel=True,
        reduce_range=recipe.get("reduce_range", False),
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=recipe.get("exclude", []),
        calibrate_method=CalibrationMethod[recipe.get("range", "MinMax")],
        extra_options={"ActivationSymmetric": False, "WeightSymmetric": True, **usual, **recipe.get("extra", {})},
    )
    numbers: dict[str, float] = dict(rewriting.rewrite(target))
    if chosen := feeds[: recipe.get("bias_samples", 0)]:
        numbers["bias_change"] = biases.correct_biases(source, target, chosen)
    return numbers


def run(workshop: Workshop, part: str) -> None:
    """Quantise one part of the recipe, such as `text`."""
    recipe = workshop.table("quantize")[part]
    source = workshop.output("export", f"{part}.onnx")
    code = [Path(__file__), Path(biases.__file__), Path(rewriting.__file__)]
    inputs = {f"export/{part}.onnx": source}
    if "calibration" in recipe:
        module = importlib.import_module(recipe["calibration"].partition(":")[0])
        code.append(Path(str(module.__file__)))
    stage = Stage(workshop, "quantize", inputs, code, ("quantize",), (f"{part}.onnx",), part)
    if stage.fresh():
        print(f"quantize {part}: nothing has changed")
        return
    with stage, tempfile.TemporaryDirectory() as scratch, replacing(stage.folder / f"{part}.onnx") as target:
        prepared = Path(scratch) / "prepared.onnx"
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        if recipe["method"] == "dynamic":
            quantize_weights(prepared, target, recipe)
            store_weights(target, recipe.get("stored", []))
        else:
            feeds: Callable[[Workshop, int], Iterator[Feeds]] = find(recipe["calibration"])
            stage.numbers.update(quantize_all(prepared, target, recipe, list(feeds(workshop, int(recipe["samples"])))))
        stage.numbers["bytes"] = target.stat().st_size
        stage.numbers["bytes_fp32"] = source.stat().st_size


def main() -> None:
    """Quantise every part of the recipe."""
    workshop = Workshop.from_arguments(__doc__)
    for part in workshop.table("quantize"):
        run(workshop, part)


if __name__ == "__main__":
    main()
