"""Made-up scenes: things cut out of one photograph and pasted into another, large or far away (arXiv:2012.07177)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from edge_runtime.inference.preprocess import resized
from models.omni_nano.cutouts import CutOut, pasted
from models.omni_nano.everyday import GROUPS, group_of
from models.omni_nano.lessons import Floats, Labelled, overlaps
from models.omni_nano.teachers import COCO

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from models.omni_nano.data import Picture

STRENGTH = 0.9
HIDDEN = 0.5

Window = tuple["Picture", Labelled]


class Scenes:
    """Draws scenes; rarer things come more often than they are found.

    Args:
        things: what can be pasted.
        background: draws a picture with what is known to be in it.
    """

    def __init__(self, things: Sequence[CutOut], background: Callable[[np.random.Generator], Window]) -> None:
        self._things = things
        self._background = background
        counts = np.bincount([t.label for t in things], minlength=len(COCO))
        odds = np.array([counts[t.label] ** -0.5 for t in things])
        self._chances = odds / odds.sum()

    def draw(self, rng: np.random.Generator) -> CutOut:
        """Draw one thing."""
        return self._things[int(rng.choice(len(self._things), p=self._chances))]

    def portrait(self, rng: np.random.Generator) -> tuple[Picture, Labelled, torch.Tensor | None]:
        """Draw one thing that fills most of a picture, with its everyday noun as a distribution (groups,)."""
        thing = self.draw(rng)
        rows, columns = thing.picture.shape[:2]
        side = round(max(rows, columns) / rng.uniform(0.6, 0.98))
        picture, known = self._background(rng)
        canvas = resized(picture, (side, side)).copy()
        box = self._paste(canvas, thing, max(rows, columns) / side, rng)
        noun = group_of(COCO[thing.label])
        group = torch.zeros(len(GROUPS))
        if noun is not None:
            group[noun] = 1
        return canvas, Labelled(box, np.concatenate([known.boxes, known.unsure])), None if noun is None else group

    def scene(self, rng: np.random.Generator) -> Window:
        """Draw a picture into which one to four things have been pasted."""
        picture, known = self._background(rng)
        scale = 256 / max(picture.shape[:2])
        canvas = resized(picture, (round(picture.shape[0] * scale), round(picture.shape[1] * scale))).copy()
        boxes, unsure = known.boxes, known.unsure
        for _ in range(int(rng.integers(1, 5))):
            size = float(np.exp(rng.uniform(np.log(0.15), np.log(0.75))))
            box = self._paste(canvas, self.draw(rng), size, rng)
            boxes, covered = _uncovered(boxes, box)
            unsure = np.concatenate([unsure, covered])
            boxes = np.concatenate([boxes, box])
        return canvas, Labelled(boxes, unsure)

    @staticmethod
    def _paste(canvas: Picture, thing: CutOut, size: float, rng: np.random.Generator) -> Floats:
        """Paste with its longer side at `size` of the canvas's shorter one; return its box (1, 6)."""
        rows, columns = canvas.shape[:2]
        scale = size * min(rows, columns) / max(thing.picture.shape[:2])
        height = max(6, min(rows, round(thing.picture.shape[0] * scale * rng.uniform(0.9, 1.1))))
        width = max(6, min(columns, round(thing.picture.shape[1] * scale * rng.uniform(0.9, 1.1))))
        x, y = int(rng.integers(0, columns - width + 1)), int(rng.integers(0, rows - height + 1))
        if rng.random() < 0.5:
            thing = CutOut(thing.picture[:, ::-1], thing.opacity[:, ::-1], thing.label)
        pasted(canvas, thing, (x, y, width, height), float(rng.uniform(0.6, 1.3)))
        sides = [x / columns, y / rows, (x + width) / columns, (y + height) / rows]
        return np.array([[*sides, STRENGTH, thing.label]], np.float32)


def _uncovered(boxes: Floats, over: Floats) -> tuple[Floats, Floats]:
    """Split boxes by whether another one, laid over them, leaves enough of them to be seen."""
    if not len(boxes):
        return boxes, boxes
    low, high = np.maximum(boxes[:, :2], over[:, :2]), np.minimum(boxes[:, 2:4], over[:, 2:4])
    inner = np.clip(high - low, 0, None).prod(1)
    share = inner / np.maximum((boxes[:, 2:4] - boxes[:, :2]).prod(1), 1e-9)
    hidden = (share > HIDDEN) | (overlaps(boxes, over)[:, 0] > HIDDEN)
    return boxes[~hidden], boxes[hidden]
