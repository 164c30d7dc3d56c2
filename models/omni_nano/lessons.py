"""The teachers' answers for every picture, worked out once and kept: boxes, soft labels and sentence vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edge_runtime.inference.preprocess import resized
from models.omni_nano.augment import mirrored
from models.omni_nano.everyday import GROUPS, members
from models.omni_nano.network import FEATURES
from models.omni_nano.teachers import Classifier, NanoDet, Yolox
from scripts.stage import progress
from scripts.writing import replacing

if TYPE_CHECKING:
    from pathlib import Path

    from models.omni_nano.data import Example

Floats = NDArray[np.float32]
VIEWS = 2
VIEW_SIDE = 224
# Pictures between two savings of the detectors' answers.
PART = 500


def group_matrix() -> Tensor:
    """Return (1000, groups): which everyday group an ImageNet class belongs to, rows summing to 1 or 0."""
    matrix = torch.zeros(1000, len(GROUPS))
    for index, (_, numbers) in enumerate(GROUPS):
        matrix[members(numbers), index] = 1
    return matrix / matrix.sum(1, keepdim=True).clamp(min=1)


@dataclass
class Lessons:
    """What the teachers say, one entry per picture, in the order of the examples.

    Attributes:
        logits: float16 (pictures, VIEWS, 1000), the classifier's logits of every view.
        features: float16 (pictures, VIEWS, 1280), what its last layer holds.
        yolox: boxes of the first detector, (n, 6) each.
        nanodet: boxes of the second.
    """

    logits: Tensor
    features: Tensor
    yolox: list[Floats]
    nanodet: list[Floats]


def view_box(index: int, view: int, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Return x0, y0, x1, y1 in pixels of one of a picture's fixed views: 0 is all of it, the others are crops."""
    height, width = shape[:2]
    if view == 0:
        return 0, 0, width, height
    rng = np.random.default_rng([index, view])
    area = height * width * rng.uniform(0.3, 0.85)
    aspect = float(np.exp(rng.uniform(-0.35, 0.35)))
    columns = max(16, min(width, round(float(np.sqrt(area * aspect)))))
    rows = max(16, min(height, round(float(np.sqrt(area / aspect)))))
    x = int(rng.integers(0, max(1, width - columns + 1)))
    y = int(rng.integers(0, max(1, height - rows + 1)))
    return x, y, min(width, x + columns), min(height, y + rows)


def opinions(examples: list[Example], teacher: Classifier, batch: int = 24) -> tuple[Tensor, Tensor]:
    """Return the classifier's logits and features of every view of the photographs.

    Clips and the smallest pictures get none.
    """
    logits = torch.zeros(len(examples), VIEWS, 1000, dtype=torch.float16)
    features = torch.zeros(len(examples), VIEWS, FEATURES, dtype=torch.float16)
    wanted = [i for i, e in enumerate(examples) if e.kind not in {"tiny", "video"}]
    for start in progress(range(0, len(wanted), batch), "soft labels"):
        rows = wanted[start : start + batch]
        views = []
        for index in rows:
            picture = examples[index].picture
            for view in range(VIEWS):
                x0, y0, x1, y1 = view_box(index, view, picture.shape)
                views.append(resized(picture[y0:y1, x0:x1], (VIEW_SIDE, VIEW_SIDE)))
        last, scores = teacher(torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2))
        logits[rows] = scores.view(len(rows), VIEWS, 1000).half()
        features[rows] = last.view(len(rows), VIEWS, FEATURES).half()
    return logits, features


def keep(path: Path, answers: object) -> None:
    """Save a teacher's answers, whole or not at all."""
    with replacing(path) as partial, partial.open("wb") as file:
        torch.save(answers, file)


def find_boxes(examples: list[Example], teachers: Path, part: Path) -> tuple[list[Floats], list[Floats]]:
    """Ask both detectors about every picture; the smallest ones are only shown to the first.

    Every PART pictures the answers so far go to the file `part`, from which a killed run goes on.
    """
    yolox, nanodet = Yolox(teachers / "yolox_nano.onnx"), NanoDet(teachers)
    first: list[Floats] = []
    second: list[Floats] = []
    if part.exists():
        first, second = torch.load(part, weights_only=False)
    done = len(first)
    for example in progress(examples[done:], "boxes", total=len(examples), done=done):
        if len(first) % PART == 0 and len(first) > done:
            keep(part, (first, second))
        first.append(yolox(example.picture))
        if example.kind == "tiny":
            second.append(np.zeros((0, 6), np.float32))
            continue
        mirror = np.ascontiguousarray(example.picture[:, ::-1])
        first[-1] = merged(first[-1], mirrored(yolox(mirror)))
        second.append(merged(nanodet(example.picture), mirrored(nanodet(mirror))))
    return first, second


def overlaps(a: Floats, b: Floats) -> Floats:
    """Return intersection over union, (len(a), len(b))."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:4], b[None, :, 2:4])
    inner = np.clip(high - low, 0, None).prod(2)
    sizes_a, sizes_b = (a[:, 2:4] - a[:, :2]).prod(1), (b[:, 2:4] - b[:, :2]).prod(1)
    union = sizes_a[:, None] + sizes_b[None] - inner
    return np.asarray(inner / np.maximum(union, 1e-9), np.float32)


def merged(a: Floats, b: Floats) -> Floats:
    """Average what a picture and its mirror image show; what only one shows counts half."""
    iou = overlaps(a, b) * (a[:, None, 5] == b[None, :, 5]) if len(a) and len(b) else np.zeros((len(a), len(b)))
    out: list[Floats] = []
    used: set[int] = set()
    for row in np.argsort(-a[:, 4]):
        partners = [j for j in np.argsort(-iou[row]) if j not in used and iou[row, j] > 0.5]
        box = a[row].copy()
        if partners:
            used.add(int(partners[0]))
            box[:5] = (a[row, :5] + b[partners[0], :5]) / 2
        else:
            box[4] /= 2
        out.append(box)
    for column in range(len(b)):
        if column not in used:
            box = b[column].copy()
            box[4] /= 2
            out.append(box)
    return np.stack(out).astype(np.float32) if out else np.zeros((0, 6), np.float32)


def lessons(examples: list[Example], teachers: Path, cache: Path) -> Lessons:
    """Return every teacher's answers, from the cache where they have been worked out before."""
    cache.mkdir(parents=True, exist_ok=True)
    boxes_path, opinions_path = cache / "boxes.pt", cache / "opinions.pt"
    if not boxes_path.exists():
        part = cache / "boxes-part.pt"
        keep(boxes_path, find_boxes(examples, teachers, part))
        part.unlink(missing_ok=True)
    if not opinions_path.exists():
        classifier = Classifier(teachers / "mobilenet_v2_1.0_224_ptq.tflite")
        keep(opinions_path, opinions(examples, classifier))
    yolox, nanodet = torch.load(boxes_path, weights_only=False)
    logits, features = torch.load(opinions_path)
    return Lessons(logits, features, yolox, nanodet)


@dataclass(frozen=True)
class Labelled:
    """What the detectors say together about one picture.

    Attributes:
        boxes: (n, 6) fractions, strength, COCO class: objects to learn; above SURE they count as seen.
        unsure: (m, 6): places where one teacher sees something dimly: neither object nor background.
    """

    boxes: Floats
    unsure: Floats


# Half the score of both teachers together; fits where YOLOX and NanoDet agree with people's captions.
SURE = 0.35
DIM = 0.2
NOTHING: Floats = np.zeros((0, 6), np.float32)


def agreement(
    yolox: Floats, nanodet: Floats, expected: frozenset[int] = frozenset(), *, alone: bool = False
) -> Labelled:
    """Join two detectors' boxes: what both see is strong, what one sees is weak unless it sees it clearly.

    Args:
        yolox: (n, 6) of the first detector.
        nanodet: (m, 6) of the second.
        expected: COCO classes that the picture's true label vouches for.
        alone: the second detector was not asked.
    """
    iou = overlaps(yolox, nanodet) * (yolox[:, None, 5] == nanodet[None, :, 5]) if len(nanodet) and len(yolox) else None
    joined: list[Floats] = []
    taken: set[int] = set()
    for row, box in enumerate(yolox):
        column = int(iou[row].argmax()) if iou is not None else -1
        other, corners = 0.0, box[:4]
        if iou is not None and iou[row, column] > 0.5 and column not in taken:
            taken.add(column)
            other, corners = float(nanodet[column, 4]), (corners + nanodet[column, :4]) / 2
        own = float(box[4])
        strength = max((own + other) / 2, own if own > 0.6 else 0.0)
        if int(box[5]) in expected and max(own, other) > 0.15:
            strength = max(0.8, strength)
        joined.append(np.array([*corners, strength, box[5]], np.float32))
    for column, box in enumerate(nanodet):
        if column not in taken:
            strength = 0.8 if int(box[5]) in expected and box[4] > 0.25 else float(box[4]) / 2
            joined.append(np.array([*box[:4], strength, box[5]], np.float32))
    if not joined:
        return Labelled(NOTHING, NOTHING)
    boxes = suppressed(np.stack(joined))
    least = 0.55 if alone else DIM
    dim = (boxes[:, 4] < least) & (boxes[:, 4] > 0.07)
    return Labelled(boxes[boxes[:, 4] >= least], boxes[dim])


def suppressed(boxes: Floats) -> Floats:
    """Drop the weaker of two boxes on one object, whatever their classes: the teachers confuse cats with dogs."""
    if not len(boxes):
        return boxes
    sides = np.concatenate([boxes[:, :2], boxes[:, 2:4] - boxes[:, :2]], 1)
    chosen = np.asarray(cv2.dnn.NMSBoxes(sides.tolist(), boxes[:, 4].tolist(), 0.0, 0.7)).ravel()
    return boxes[chosen]
