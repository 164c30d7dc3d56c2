"""Weights of a language model in blocks of 8 or 4 bits; its table of tokens is there once, however often it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, MatMulNBitsQuantizer
from onnxruntime.quantization.onnx_model import ONNXModel

from edge_runtime.errors import InputError
from edge_runtime.making.graphs import quiet

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_BLOCK = 32
_TABLE_BITS = 8
_MIDDLE = 128
_COMPUTES_IN_INT8 = 4
_MOST_BYTES = 2_000_000_000


def rounded(full: Path, target: Path, bits: int) -> None:
    """Write a language model with weights of fewer bits: blocks of 32 along the input, symmetric, each with its scale.

    The table of tokens and the last product, which says how likely each is, keep 8 bits: they are read from the same
    numbers where the model ties them.

    Args:
        full: the FP32 file.
        target: the file to write.
        bits: of the weights, 4 or 8.
    """
    with quiet():
        model = onnx.load(full)
        table, head, tied = _vocabulary(model)
        whole = ONNXModel(model)
        # The quantiser knows products alone.
        whole.replace_gemm_with_matmul()
        model = _in_blocks(whole.model, bits, [head.name])
        model = _in_blocks(model, _TABLE_BITS, [node.name for node in _products(model) if node.name != head.name])
    product = next(node for node in model.graph.node if node.output[0] == head.output[0])
    if tied:
        _read_rows(model.graph, table, product.input[1], product.input[2])
    else:
        data, scales = _blocks(numpy_helper.to_array(_weights(model.graph)[table.input[0]]))
        named = {f"{table.input[0]}_{name}": array for name, array in (("data", data), ("scales", scales))}
        model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in named.items())
        _read_rows(model.graph, table, *named)
    _save(model, target)


def shared(full: Path, target: Path) -> None:
    """Write a language model as it is, but its table of tokens once.

    Raises:
        InputError: it is too large for one file.
    """
    model = onnx.load(full)
    table, head, tied = _vocabulary(model)
    if tied and head.input[1] != table.input[0]:
        turned = f"{table.input[0]}_turned"
        model.graph.node.insert(0, helper.make_node("Transpose", [table.input[0]], [turned], turned, perm=[1, 0]))
        head.input[1] = turned
    _save(model, target)


def _save(model: onnx.ModelProto, target: Path) -> None:
    """Write a model without the weights that nothing reads any more."""
    graph = model.graph
    read = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    size = sum(len(tensor.raw_data) for tensor in kept)
    if size > _MOST_BYTES:
        raise InputError(
            f"{target.name} would be {size / 1e9:.1f} GB, and one file holds {_MOST_BYTES / 1e9:.0f} GB; "
            "make it with fewer bits (not --fp32, or --int4), or choose a smaller model"
        )
    onnx.save(model, target)


def _vocabulary(model: onnx.ModelProto) -> tuple[Any, Any, bool]:
    """Return the node that reads the table of tokens, the last product, and whether both hold the same numbers.

    Raises:
        InputError: there are none.
    """
    weights = _weights(model.graph)
    # Some models reshape the tokens, which changes nothing for one sentence.
    same = {"input_ids"}
    for node in model.graph.node:
        same |= set(node.output) if node.op_type in ("Reshape", "Identity") and node.input[0] in same else set()
    tables = [node for node in model.graph.node if node.op_type == "Gather" and node.input[1] in same]
    if len(tables) != 1 or tables[0].input[0] not in weights:
        raise InputError("the decoder reads its tokens in a way that is not known here; choose another model")
    table = numpy_helper.to_array(weights[tables[0].input[0]])
    for node in reversed(model.graph.node):
        if node.op_type == "MatMul" and (weight := weights.get(node.input[1])) is not None:
            return tables[0], node, bool(np.array_equal(numpy_helper.to_array(weight).T, table))
    raise InputError("the decoder has no product of weights in it; choose another model")


def _weights(graph: Any) -> dict[str, Any]:
    return {tensor.name: tensor for tensor in graph.initializer}


def _products(model: onnx.ModelProto) -> list[Any]:
    return [node for node in model.graph.node if node.op_type == "MatMul"]


def _in_blocks(model: onnx.ModelProto, bits: int, kept: list[str]) -> onnx.ModelProto:
    how = DefaultWeightOnlyQuantConfig(
        block_size=_BLOCK, is_symmetric=True, accuracy_level=_COMPUTES_IN_INT8, bits=bits
    )
    quantiser = MatMulNBitsQuantizer(model, algo_config=how, nodes_to_exclude=kept)
    quantiser.process()
    done: onnx.ModelProto = quantiser.model.model
    return done


def _blocks(table: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return a table's rows in blocks of bytes around 128, (rows, blocks, 32), and their scales, (rows, blocks)."""
    count = -(-table.shape[1] // _BLOCK)
    padded = np.pad(table, ((0, 0), (0, count * _BLOCK - table.shape[1]))).reshape(len(table), count, _BLOCK)
    scales = (np.abs(padded).max(2) / (_MIDDLE - 1)).astype(np.float32)
    steps = padded / np.maximum(scales, np.finfo(np.float32).tiny)[..., None]
    return (np.rint(steps) + _MIDDLE).astype(np.uint8), scales


def _read_rows(graph: Any, table: Any, data: str, scales: str) -> None:
    """Have tokens read from blocks of bytes instead of the FP32 table."""
    weights = _weights(graph)
    size = int(weights[table.input[0]].dims[1])
    shapes = numpy_helper.to_array(weights[scales])
    count = -(-size // _BLOCK)
    if shapes.ndim == 1:
        # Some releases of the quantiser write the scales of all rows behind each other.
        weights[scales].CopyFrom(numpy_helper.from_array(shapes.reshape(-1, count), scales))
    name = table.output[0]
    constants = {
        "middle": np.array(_MIDDLE, np.float32),
        "last": np.array([-1], np.int64),
        "rows": np.array([1, -1, count * _BLOCK], np.int64),
        "from": np.array([0], np.int64),
        "size": np.array([size], np.int64),
    }
    graph.initializer.extend(numpy_helper.from_array(array, f"{name}_{key}") for key, array in constants.items())
    steps = (
        ("Gather", [data, table.input[1]], "bytes"),
        ("Cast", [f"{name}_bytes"], "whole"),
        ("Sub", [f"{name}_whole", f"{name}_middle"], "steps"),
        ("Gather", [scales, table.input[1]], "each"),
        ("Unsqueeze", [f"{name}_each", f"{name}_last"], "scale"),
        ("Mul", [f"{name}_steps", f"{name}_scale"], "blocks"),
        ("Reshape", [f"{name}_blocks", f"{name}_rows"], "padded"),
        ("Slice", [f"{name}_padded", f"{name}_from", f"{name}_size", f"{name}_last"], None),
    )
    place = list(graph.node).index(table)
    graph.node.remove(table)
    for kind, given, result in reversed(steps):
        how = {"to": onnx.TensorProto.FLOAT} if kind == "Cast" else {}
        output = name if result is None else f"{name}_{result}"
        graph.node.insert(place, helper.make_node(kind, given, [output], output, **how))
