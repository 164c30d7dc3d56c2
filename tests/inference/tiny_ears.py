"""A sound model that fits into a test: it knows a low tone and a high tone, and onnxruntime runs it like any other."""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.bundles.manifest import default_bundle
from edge_runtime.types import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

LOW_HZ, HIGH_HZ = 250.0, 4000.0
_BANDS = {"low tone": 2, "high tone": 48}
PART = {
    "file": "audio.onnx",
    "labels": list(_BANDS),
    "thresholds": dict.fromkeys(_BANDS, 0.5),
    "templates": ["{}", "the sound of a {}"],
}


def tone(hertz: float, seconds: float, loudness: float = 0.5) -> Floats:
    at = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return (loudness * np.sin(2 * np.pi * hertz * at)).astype(np.float32)


def silence(seconds: float) -> Floats:
    return np.zeros(round(seconds * SAMPLE_RATE_HZ), np.float32)


def bundle_with_ears(folder: Path, *, size: int = 384) -> Path:
    """Write omni-nano and the sound model into `folder`."""
    shutil.copytree(default_bundle(), folder)
    (folder / "audio.onnx").write_bytes(model(size))
    manifest = json.loads((folder / "manifest.json").read_text())
    content = (folder / "audio.onnx").read_bytes()
    manifest["files"]["audio.onnx"] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    manifest["audio"] = PART
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def model(size: int = 384) -> bytes:
    """Return an ONNX file: the mean level of two bands as logits, and as a vector of length one."""
    heard = np.zeros((64, len(_BANDS)), np.float32)
    heard[list(_BANDS.values()), range(len(_BANDS))] = 1
    space = np.zeros((64, size), np.float32)
    space[:, :64] = np.eye(64)
    nodes = [
        _node("ReduceMean", ["log_mel"], "levels", _ints("axes", 1), _int("keepdims", 0)),
        _node("MatMul", ["levels", "heard"], "sounds"),
        _node("MatMul", ["levels", "space"], "raw"),
        _node("LpNormalization", ["raw"], "embedding", _int("axis", 1), _int("p", 2)),
    ]
    graph = b"".join(_field(1, node) for node in nodes) + _field(2, b"tiny")
    graph += _field(5, _tensor("heard", heard)) + _field(5, _tensor("space", space))
    graph += _field(11, _value("log_mel", 96, 64))
    graph += _field(12, _value("sounds", len(_BANDS))) + _field(12, _value("embedding", size))
    return _number(1, 8) + _field(8, _field(1, b"") + _number(2, 13)) + _field(7, graph)


# Protocol buffers as onnx.proto numbers them; the device's environment has no onnx package.
def _varint(value: int) -> bytes:
    head, rest = value & 0x7F, value >> 7
    return bytes([head | 0x80]) + _varint(rest) if rest else bytes([head])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _field(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _node(kind: str, inputs: list[str], output: str, *attributes: bytes) -> bytes:
    head = b"".join(_field(1, name.encode()) for name in inputs) + _field(2, output.encode())
    return head + _field(4, kind.encode()) + b"".join(_field(5, attribute) for attribute in attributes)


def _int(name: str, value: int) -> bytes:
    return _field(1, name.encode()) + _number(3, value) + _number(20, 2)


def _ints(name: str, value: int) -> bytes:
    return _field(1, name.encode()) + _number(8, value) + _number(20, 7)


def _tensor(name: str, values: Floats) -> bytes:
    shape = b"".join(_number(1, side) for side in values.shape)
    return shape + _number(2, 1) + _field(8, name.encode()) + _field(9, values.tobytes())


def _value(name: str, *sides: int) -> bytes:
    dims = _field(1, _field(2, b"n")) + b"".join(_field(1, _number(1, side)) for side in sides)
    return _field(1, name.encode()) + _field(2, _field(1, _number(1, 1) + _field(2, dims)))
