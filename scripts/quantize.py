"""Turn FP32 ONNX files into INT8 ones: static with calibration data, or dynamic."""

from __future__ import annotations

import importlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from scripts.export import find
from scripts.stage import Stage, Workshop, progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    Feeds = Mapping[str, NDArray[Any]]


class Feeder(CalibrationDataReader):
    """Hand calibration inputs to onnxruntime one by one."""

    def __init__(self, feeds: Iterator[Feeds]) -> None:
        self._feeds = feeds

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


def quantize_all(source: Path, target: Path, recipe: Mapping[str, Any], feeds: Iterator[Feeds]) -> None:
    """Store weights and activations as INT8 QDQ, per channel, scaled by what `feeds` makes the model do (static)."""
    quantize_static(
        source,
        target,
        Feeder(feeds),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=recipe.get("operators"),
        per_channel=True,
        reduce_range=recipe.get("reduce_range", False),
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=recipe.get("exclude", []),
        calibrate_method=CalibrationMethod[recipe.get("range", "MinMax")],
        extra_options={"ActivationSymmetric": False, "WeightSymmetric": True, **recipe.get("extra", {})},
    )


def run(workshop: Workshop, part: str) -> None:
    """Quantise one part of the recipe, such as `text`."""
    recipe = workshop.settings["quantize"][part]
    source = workshop.output("export", f"{part}.onnx")
    code = [Path(__file__)]
    inputs = {f"export/{part}.onnx": source}
    if "calibration" in recipe:
        module = importlib.import_module(recipe["calibration"].partition(":")[0])
        code.append(Path(str(module.__file__)))
    stage = Stage(workshop, "quantize", inputs, code, ("quantize",), (f"{part}.onnx",), part)
    if stage.fresh():
        print(f"quantize {part}: nothing has changed")
        return
    with stage, tempfile.TemporaryDirectory() as scratch:
        prepared, target = Path(scratch) / "prepared.onnx", stage.folder / f"{part}.onnx"
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        if recipe["method"] == "dynamic":
            quantize_weights(prepared, target, recipe)
        else:
            feeds: Callable[[Workshop, int], Iterator[Feeds]] = find(recipe["calibration"])
            count = int(recipe["samples"])
            quantize_all(prepared, target, recipe, iter(progress(feeds(workshop, count), part, total=count)))
        stage.numbers["bytes"] = target.stat().st_size
        stage.numbers["bytes_fp32"] = source.stat().st_size


def main() -> None:
    """Quantise every part of the recipe."""
    workshop = Workshop.from_arguments(__doc__)
    for part in workshop.settings["quantize"]:
        run(workshop, part)


if __name__ == "__main__":
    main()
