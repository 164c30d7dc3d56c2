"""People, animals and vehicles cut out of photographs by a segmenting teacher, to be pasted into other pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter

from edge_runtime.inference.preprocess import resized
from models.omni_nano.augment import low_resolution
from models.omni_nano.lessons import SURE, Floats, Labelled, keep, overlaps
from models.omni_nano.teachers import COCO
from scripts.stage import progress

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from models.omni_nano.data import Example, Picture

SIDE = 513
# Pascal VOC's classes, by number, that are things on their own, under COCO's names.
VOC = {
    1: "airplane",
    2: "bicycle",
    3: "bird",
    4: "boat",
    5: "bottle",
    6: "bus",
    7: "car",
    8: "cat",
    10: "cow",
    12: "dog",
    13: "horse",
    14: "motorcycle",
    15: "person",
    17: "sheep",
    19: "train",
}
LONGEST = 144
SMALLEST = 40
# A cut-out is kept where its frame is the one that both detectors drew.
SAME_FRAME = 0.6


@dataclass(frozen=True)
class CutOut:
    """One thing without what was around it: RGB, opacity 0 to 255 of the same size, COCO class."""

    picture: Picture
    opacity: NDArray[np.uint8]
    label: int


class Segmenter:
    """DeepLabv3 (arXiv:1706.05587) on MobileNetV2: a picture to the VOC class of every pixel."""

    def __init__(self, path: Path) -> None:
        self._net = Interpreter(str(path), num_threads=1)
        self._net.allocate_tensors()
        self._input = self._net.get_input_details()[0]["index"]
        self._output = self._net.get_output_details()[0]["index"]

    def __call__(self, picture: Picture) -> NDArray[np.uint8]:
        """Return the classes, (rows, columns) of the picture."""
        self._net.set_tensor(self._input, resized(picture, (SIDE, SIDE))[None])
        self._net.invoke()
        classes = self._net.get_tensor(self._output)[0].astype(np.uint8)
        size = (picture.shape[1], picture.shape[0])
        return np.asarray(cv2.resize(classes, size, interpolation=cv2.INTER_NEAREST), np.uint8)


def of_picture(picture: Picture, classes: NDArray[np.uint8], boxes: Floats) -> list[CutOut]:
    """Return the things in a picture whose outline fits a box (n, 6) that the detectors are sure of."""
    found = []
    for number, name in VOC.items():
        label = COCO.index(name)
        sure = boxes[(boxes[:, 5] == label) & (boxes[:, 4] > SURE)]
        if not len(sure):
            continue
        count, parts, stats, _ = cv2.connectedComponentsWithStats((classes == number).astype(np.uint8))
        for part in range(1, count):
            x, y, width, height = (int(v) for v in stats[part, :4])
            frame = np.array([[x, y, x + width, y + height, 1, label]], np.float32)
            frame[:, :4] /= np.array([picture.shape[1], picture.shape[0]] * 2)
            if min(width, height) >= SMALLEST and float(overlaps(frame, sure).max()) > SAME_FRAME:
                window = np.s_[y : y + height, x : x + width]
                opacity = (parts[window] == part).astype(np.uint8) * 255
                # The teacher's outlines run a little outside the thing.
                edge = cv2.copyMakeBorder(opacity, 2, 2, 2, 2, cv2.BORDER_CONSTANT)
                inner = cv2.GaussianBlur(cv2.erode(edge, np.ones((3, 3), np.uint8)), (0, 0), 1.0)
                soft = np.ascontiguousarray(inner[2:-2, 2:-2], np.uint8)
                found.append(CutOut(low_resolution(picture[window], LONGEST), low_resolution(soft, LONGEST), label))
    return found


def cut_outs(examples: Sequence[Example], labelled: Sequence[Labelled], teachers: Path, cache: Path) -> list[CutOut]:
    """Cut out of every training photograph, or read what was cut before."""
    path = cache / "cutouts.pt"
    if not path.exists():
        segment = Segmenter(teachers / "deeplabv3_mnv2_pascal_quant.tflite")
        found: list[CutOut] = []
        for example, labels in zip(progress(examples, "cut-outs"), labelled, strict=True):
            if not example.held_out and example.kind not in {"tiny", "video"} and len(labels.boxes):
                found += of_picture(example.picture, segment(example.picture), labels.boxes)
        keep(path, [(c.picture, c.opacity, c.label) for c in found])
    return [CutOut(*row) for row in torch.load(path, weights_only=False)]


def pasted(canvas: Picture, thing: CutOut, place: tuple[int, int, int, int], light: float) -> None:
    """Paste a thing into a canvas, in place; `place` is x, y, width, height in pixels, all inside the canvas."""
    x, y, width, height = place
    picture = resized(thing.picture, (height, width)).astype(np.float32) * light
    opacity = resized(thing.opacity, (height, width)).astype(np.float32)[..., None] / 255
    under = canvas[y : y + height, x : x + width]
    under[:] = (under * (1 - opacity) + picture.clip(0, 255) * opacity).astype(np.uint8)
