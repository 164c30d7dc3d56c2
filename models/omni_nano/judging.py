"""Run a built picture model over held-out pictures, as the device would, and line its answers up with the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge_runtime.inference.preprocess import image_tensor, resized
from models.omni_nano.augment import low_resolution
from models.omni_nano.lessons import NOTHING, SURE, Floats, Labelled, overlaps
from models.omni_nano.teachers import COCO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_runtime.inference.session import OnnxSession
    from models.omni_nano.data import Example, Picture

LOWEST_LOGIT = -5.0
NMS_IOU = 0.5


@dataclass
class Look:
    """What the model says about one picture, before any calibration.

    Attributes:
        boxes: (n, 4) fractions, after suppression of repeats.
        logits: (n,) raw.
        classes: (n,) channels.
        best: (C,) the highest raw logit of every class anywhere.
        embedding: (384,).
    """

    boxes: Floats
    logits: Floats
    classes: NDArray[np.int64]
    best: Floats
    embedding: Floats


def look(session: OnnxSession, picture: Picture, area: int) -> Look:
    """Look at one picture through the device's own preprocessing."""
    out = session.run({"image": image_tensor(picture, area)})
    boxes, logits = np.clip(out["boxes"][0], 0, 1), out["logits"][0]
    cells, classes = np.nonzero(logits > LOWEST_LOGIT)
    values = logits[cells, classes]
    order = np.argsort(-values, kind="stable")[:500]
    cells, classes, values = cells[order], classes[order], values[order]
    if len(cells):
        sides = np.concatenate([boxes[cells, :2], boxes[cells, 2:] - boxes[cells, :2]], 1)
        # Suppression drops scores below its floor, which must lie under the lowest logit.
        scores = (values - LOWEST_LOGIT).tolist()
        chosen = cv2.dnn.NMSBoxesBatched((sides * 1000).tolist(), scores, classes.tolist(), 0.0, NMS_IOU)
        rows = np.asarray(chosen, np.int64).ravel()
        cells, classes, values = cells[rows], classes[rows], values[rows]
    return Look(boxes[cells], values, classes.astype(np.int64), logits.max(0), out["embedding"][0])


def sizes(picture: Picture, side: int, *, square: bool = False) -> Picture:
    """Return a picture as a smaller camera would give it: longer side `side`, or squeezed to a square; 0 leaves it."""
    if not side:
        return picture
    return resized(picture, (side, side)) if square else low_resolution(picture, side)


def presence(labelled: Labelled, labels: Sequence[str]) -> NDArray[np.int64]:
    """Return 1, 0 or -1 (the teachers do not agree) for every label."""
    known = np.zeros(len(labels), np.int64)
    for boxes, value in ((labelled.unsure, -1), (labelled.boxes[labelled.boxes[:, 4] <= SURE], -1)):
        for box in boxes:
            if COCO[int(box[5])] in labels:
                known[labels.index(COCO[int(box[5])])] = value
    for box in labelled.boxes[labelled.boxes[:, 4] > SURE]:
        if COCO[int(box[5])] in labels:
            known[labels.index(COCO[int(box[5])])] = 1
    return known


def hits(seen: Look, labelled: Labelled, labels: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Match boxes to objects of their class at half overlap, the surest first.

    Returns:
        For every box 1 (right), 0 (wrong) or -1 (nobody knows), and for every label how many sure objects there are.
    """
    result = np.zeros(len(seen.logits), np.int64)
    counts = np.zeros(len(labels), np.int64)
    sure = labelled.boxes[:, 4] > SURE
    for channel, label in enumerate(labels):
        code = COCO.index(label)
        truth = labelled.boxes[sure & (labelled.boxes[:, 5] == code)]
        vague = np.concatenate([labelled.boxes[~sure], labelled.unsure, NOTHING])
        vague = vague[vague[:, 5] == code]
        counts[channel] = len(truth)
        taken: set[int] = set()
        for row in np.nonzero(seen.classes == channel)[0]:
            box = seen.boxes[row : row + 1]
            match = overlaps(box, truth)[0] if len(truth) else np.zeros(0, np.float32)
            free = [i for i in np.argsort(-match) if i not in taken and match[i] > 0.5]
            if free:
                taken.add(int(free[0]))
                result[row] = 1
            elif len(vague) and float(overlaps(box, vague).max()) > 0.3:
                result[row] = -1
    return result, counts


def held_out(examples: Sequence[Example], part: str) -> list[int]:
    """Return the numbers of the photographs of one part: calibrate or evaluate."""
    return [i for i, e in enumerate(examples) if e.part == part and e.kind != "tiny"]


def calibration_error(chances: Floats, right: NDArray[np.int64], bins: int = 10) -> float:
    """Return the expected calibration error (arXiv:1706.04599) with bins of equal width."""
    place = np.clip((chances * bins).astype(int), 0, bins - 1)
    total = 0.0
    for number in range(bins):
        chosen = place == number
        if chosen.any():
            total += float(chosen.mean()) * abs(float(chances[chosen].mean()) - float(right[chosen].mean()))
    return total
