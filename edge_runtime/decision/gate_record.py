"""A learned gate as plain JSON values, and back."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.decision.confidence import Calibration
from edge_runtime.decision.drift import BINS
from edge_runtime.decision.head import Head, Shape
from edge_runtime.decision.learned_gate import Judge, LearnedGate, ScoreScale
from edge_runtime.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

FORMAT = 1


def to_record(gate: LearnedGate) -> dict[str, Any]:
    """Return a gate as JSON values."""
    judges = {
        skill: {
            "calibration": [judge.calibration.scale, judge.calibration.bias],
            "scale": None if judge.scale is None else [judge.scale.middle, judge.scale.width],
            "head": None if judge.head is None else _head_record(judge.head),
        }
        for skill, judge in gate.judges.items()
    }
    facts = dict(gate.facts)
    return {
        "format": FORMAT,
        "facts": facts,
        "threshold": gate.threshold,
        "judges": judges,
        "reference": gate.reference,
    }


def from_record(record: Mapping[str, Any]) -> LearnedGate:
    """Return the gate of a record.

    Raises:
        InputError: it is no gate, or one of another format.
    """
    if record.get("format") != FORMAT:
        raise InputError(f"its format is {record.get('format')!r}, and this program reads {FORMAT}")
    try:
        judges = {str(skill): _judge(judge) for skill, judge in record["judges"].items()}
        reference = tuple(int(count) for count in record["reference"])
        gate = LearnedGate(judges, float(record["threshold"]), reference, dict(record["facts"]))
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error) as error:
        raise InputError(f"it is damaged ({error!r})") from None
    if len(reference) != BINS or min(reference) < 0 or not np.isfinite(gate.threshold):
        raise InputError("it is damaged (its numbers are none)")
    return gate


def _judge(record: Mapping[str, Any]) -> Judge:
    slope, bias = (float(value) for value in record["calibration"])
    scale = None if record["scale"] is None else ScoreScale(*(float(value) for value in record["scale"]))
    return Judge(Calibration(slope, bias), scale, None if record["head"] is None else _head(record["head"]))


def _head_record(head: Head) -> dict[str, Any]:
    shape = head.shape
    return {
        "shape": [shape.gamma, shape.ridge, shape.looks, shape.score],
        "size": int(head.landmarks.shape[1]),
        "landmarks": _text(head.landmarks),
        "near": _text(head.near),
        "linear": _text(head.linear),
    }


def _head(record: Mapping[str, Any]) -> Head:
    landmarks = _numbers(record["landmarks"], "<i1").astype(np.int8).reshape(-1, int(record["size"]))
    near, linear = (_numbers(record[key], "<f4").astype(np.float32) for key in ("near", "linear"))
    if len(near) != len(landmarks):
        raise ValueError("its head is torn")
    return Head(Shape(*(float(value) for value in record["shape"])), landmarks, near, linear)


def _text(numbers: NDArray[Any]) -> str:
    little = numbers.astype(numbers.dtype.newbyteorder("<"))
    return base64.b85encode(little.tobytes()).decode()


def _numbers(text: str, kind: str) -> NDArray[Any]:
    return np.frombuffer(base64.b85decode(text), kind)
