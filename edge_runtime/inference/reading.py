"""Read what is written in a picture, with RapidOCR's detector and recogniser of lines (extra [ocr])."""

from __future__ import annotations

import importlib.util
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.errors import ConfigError

if TYPE_CHECKING:
    from edge_runtime.types import Box, Image

MODELS = {
    "Det": "PP-OCRv6_det_small.onnx",
    "Cls": "ch_ppocr_mobile_v2.0_cls_mobile.onnx",
    "Rec": "PP-OCRv6_rec_small.onnx",
}
LEAST_SCORE = 0.5
"""What the recogniser is less sure of is no text."""
LARGEST = 1600
"""Larger pictures are made so large; small print needs no more, and time grows with it."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text; `score` is the recogniser's mean confidence in its letters, `box` fractions of the picture."""

    text: str
    score: float
    box: Box


def can_read() -> bool:
    """Tell whether the extra is installed."""
    return importlib.util.find_spec("rapidocr") is not None


class Reader:
    """Reads pictures on one processor thread; the models, about 30 MB, are loaded with the first and never fetched."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._engine: Any = None

    def __call__(self, image: Image) -> tuple[Line, ...]:
        """Return the lines of an RGB picture in the order of reading: from top to bottom, from left to right.

        Raises:
            ConfigError: the extra is not installed, or its models are not those that it came with.
        """
        with self._lock:
            if self._engine is None:
                self._engine = self._load()
            # It expects OpenCV's order of colours.
            found = self._engine(np.ascontiguousarray(image[:, :, ::-1]))
        if found.txts is None:
            return ()
        height, width = image.shape[:2]
        lines = [
            Line(text.strip(), float(score), _box(corners, width, height))
            for text, score, corners in zip(found.txts, found.scores, found.boxes, strict=True)
            if text.strip() and score >= LEAST_SCORE
        ]
        return _in_order(lines)

    def _load(self) -> Any:
        if not can_read():
            raise ConfigError("reading needs the extra [ocr]; pip install 'edge-runtime[ocr]'")
        import rapidocr  # noqa: PLC0415 - few need it, and it is slow to import

        folder = Path(rapidocr.__file__).parent / "models"
        missing = [name for name in MODELS.values() if not (folder / name).is_file()]
        if missing:
            raise ConfigError(f"rapidocr in {folder.parent} has no model {missing[0]}; pip install 'rapidocr>=3.10,<4'")
        # A pool of one thread has no second one that could spin while it waits.
        params: dict[str, Any] = {f"EngineConfig.onnxruntime.{pool}_op_num_threads": 1 for pool in ("intra", "inter")}
        params |= {"Global.max_side_len": LARGEST, "Global.log_level": "error"}
        params |= {f"{stage}.model_path": str(folder / name) for stage, name in MODELS.items()}
        return rapidocr.RapidOCR(params=params)


def _box(corners: Any, width: int, height: int) -> Box:
    xs, ys = np.asarray(corners, float).T
    left, right = np.clip([xs.min() / width, xs.max() / width], 0.0, 1.0)
    top, bottom = np.clip([ys.min() / height, ys.max() / height], 0.0, 1.0)
    return float(left), float(top), float(right), float(bottom)


def _in_order(lines: list[Line]) -> tuple[Line, ...]:
    """Return lines as they are read; those whose middles lie in each other's height stand side by side."""
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda one: (one.box[1] + one.box[3]) / 2):
        middle = (line.box[1] + line.box[3]) / 2
        if rows and rows[-1][0].box[1] <= middle <= rows[-1][0].box[3]:
            rows[-1].append(line)
        else:
            rows.append([line])
    return tuple(line for row in rows for line in sorted(row, key=lambda one: one.box[0]))
