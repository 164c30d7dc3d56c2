"""What an ONNX file holds, and its INT8 twin."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnx.version_converter
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from edge_runtime.inference.session import OnnxSession

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from edge_runtime.making.tower import Feeds

_CONVOLUTIONS = ("Conv", "ConvTranspose")
_PRODUCTS = ("MatMul", "Gemm", "Gather")
_FEWEST_WEIGHTS = 100
_PER_CHANNEL_OPSET = 13


class _Feeder(CalibrationDataReader):
    """Hand calibration inputs to onnxruntime one by one."""

    def __init__(self, feeds: Iterator[Feeds]) -> None:
        self._feeds = feeds

    def get_next(self) -> Feeds | None:
        """Return the next inputs, or None at the end."""
        return next(self._feeds, None)


def convolutional(path: Path) -> bool:
    """Say whether most weights of an ONNX file belong to convolutions."""
    graph = onnx.load(path).graph
    sizes = {tensor.name: int(np.prod(tensor.dims)) for tensor in graph.initializer}
    held: Counter[str] = Counter()
    for node in graph.node:
        for name in node.input:
            held[node.op_type] += sizes.get(name, 0)
    return sum(held[kind] for kind in _CONVOLUTIONS) > sum(held[kind] for kind in _PRODUCTS)


def notes(path: Path) -> dict[str, str]:
    """Return the notes that the exporter left in an ONNX file."""
    return {entry.key: entry.value for entry in onnx.load(path, load_external_data=False).metadata_props}


def to_int8(full: Path, small: Path, calibration: Iterable[Feeds] | None) -> None:
    """Write the INT8 twin of an ONNX file.

    Args:
        full: the FP32 file.
        small: the file to write.
        calibration: inputs to scale the activations by (static, convolutions and products), or None to scale them as
            they come (dynamic, products alone).
    """
    with tempfile.TemporaryDirectory() as scratch, quiet():
        prepared = Path(scratch) / "prepared.onnx"
        quant_pre_process(_modern(full, Path(scratch)), prepared, skip_symbolic_shape=True)
        if calibration is None:
            # Unsigned weights: with signed ones the 16-bit sums of processors without VNNI overflow.
            quantize_dynamic(
                prepared,
                small,
                op_types_to_quantize=list(_PRODUCTS),
                per_channel=True,
                weight_type=QuantType.QUInt8,
                extra_options={"MatMulConstBOnly": True},
            )
            return
        quantize_static(
            prepared,
            small,
            _Feeder(iter(calibration)),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "Gemm", "MatMul"],
            per_channel=True,
            # Seven bits: with eight the 16-bit sums of processors without VNNI overflow.
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=_kept_float(prepared),
        )


def compared(full: Path, small: Path, examples: Sequence[Feeds]) -> dict[str, float]:
    """Return how far an INT8 file's outputs are from its FP32 twin's, in numbers for the manifest.

    Per output of more than one number: the mean and the worst cosine of its rows, the share of rows whose largest
    number is at the same place, the largest error, and the time that INT8 takes as a share of FP32's on this machine.
    """
    sessions = tuple(OnnxSession(path, warm_up=examples[0]) for path in (full, small))
    cosines: list[float] = []
    same: list[bool] = []
    error = 0.0
    for feeds in examples:
        wanted, got = (session.run(feeds) for session in sessions)
        for name, value in wanted.items():
            a, b = (array.reshape(-1, array.shape[-1]).astype(np.float64) for array in (value, got[name]))
            lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
            cosines += list((a * b).sum(1) / np.maximum(lengths, 1e-12))
            same += list(a.argmax(1) == b.argmax(1))
            error = max(error, float(np.abs(a - b).max()))
    return {
        "int8_mean_cosine": float(np.mean(cosines)),
        "int8_worst_cosine": float(np.min(cosines)),
        "int8_same_largest": float(np.mean(same)),
        "int8_max_error": error,
        "int8_time_share": sessions[1].timing.total_s / sessions[0].timing.total_s,
    }


def _modern(path: Path, scratch: Path) -> Path:
    """Return a file whose operators know scales per channel, converted where it is older."""
    model = onnx.load(path)
    if max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")) >= _PER_CHANNEL_OPSET:
        return path
    newer = scratch / "newer.onnx"
    onnx.save(onnx.version_converter.convert_version(model, _PER_CHANNEL_OPSET), newer)
    return newer


def _kept_float(path: Path) -> list[str]:
    """Return nodes that stay FP32, because rounding costs most there and INT8 saves least.

    These are the first convolution, those of single channels (depthwise), those with hardly any weights, and the last
    ones before each output, whose numbers are the scores and boxes.
    """
    graph = onnx.load(path).graph
    sizes = {tensor.name: int(np.prod(tensor.dims)) for tensor in graph.initializer}
    weights = {
        node.name: sum(sizes.get(name, 0) for name in node.input)
        for node in graph.node
        if node.op_type in (*_CONVOLUTIONS, *_PRODUCTS)
    }
    maker = {name: node for node in graph.node for name in node.output}
    kept = {name for name, count in weights.items() if count < _FEWEST_WEIGHTS}
    convolutions = [node for node in graph.node if node.op_type in _CONVOLUTIONS]
    kept |= {node.name for node in convolutions[:1]}
    kept |= {n.name for n in convolutions if any(a.name == "group" and a.i > 1 for a in n.attribute)}
    seen: set[str] = set()
    waiting = [output.name for output in graph.output]
    while waiting:
        node = maker.get(waiting.pop())
        if node is None or node.name in seen:
            continue
        seen.add(node.name)
        if weights.get(node.name, 0) >= _FEWEST_WEIGHTS:
            kept.add(node.name)
        else:
            waiting.extend(node.input)
    return sorted(kept)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep onnxruntime's advice to its own programmers from the owner's terminal."""
    log = logging.getLogger()
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
