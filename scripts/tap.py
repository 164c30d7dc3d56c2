"""Give the eyes further outputs: what some stages of the backbone make of a picture, for whoever remembers patches.

Nothing is computed that the model does not compute anyhow: an output spreads the bytes that the next layer reads.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import onnx
from onnx import TensorProto, helper

from scripts import rewriting
from scripts.stage import Stage, Workshop
from scripts.writing import replacing

if TYPE_CHECKING:
    from collections.abc import Mapping


def tap(source: Path, target: Path, outputs: Mapping[str, str]) -> None:
    """Write a QDQ model with more outputs, in their order after its own.

    Args:
        source: the model.
        target: where the other one goes.
        outputs: tensors that are rounded to bytes, by the name of the new output; (1, channels, rows, columns) each.

    Raises:
        SystemExit: there is no such tensor, or it is not rounded.
    """
    graph = rewriting.Graph(source)
    shapes = {v.name: v.type.tensor_type.shape for v in onnx.shape_inference.infer_shapes(graph.model).graph.value_info}
    for name, tensor in outputs.items():
        rounds = next((n for n in graph.nodes if n.op_type == "QuantizeLinear" and n.input[0] == tensor), None)
        if rounds is None or tensor not in shapes:
            raise SystemExit(f"{source} rounds no tensor {tensor!r} to bytes; correct [taps] in the recipe")
        graph.nodes.append(helper.make_node("DequantizeLinear", [rounds.output[0], *rounds.input[1:]], [name], name))
        channels = shapes[tensor].dim[1].dim_value
        sides = [f"{name}_rows", f"{name}_columns"]
        shape = [1, channels, *sides]
        graph.model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    graph.save(target)


def run(workshop: Workshop) -> None:
    """Tap the eyes of a recipe."""
    inputs = {"quantize/image.onnx": workshop.output("quantize", "image.onnx")}
    code = [Path(__file__), Path(rewriting.__file__)]
    stage = Stage(workshop, "tap", inputs, code, ("taps",), ("image.onnx",))
    if stage.fresh():
        print("tap: nothing has changed")
        return
    with stage, replacing(stage.folder / "image.onnx") as partial:
        tap(inputs["quantize/image.onnx"], partial, workshop.table("taps"))
        stage.numbers["bytes"] = partial.stat().st_size


def main() -> None:
    """Tap the eyes."""
    run(Workshop.from_arguments(__doc__))


if __name__ == "__main__":
    main()
