"""Lessons turned into batches: views, object close-ups, small pictures and mosaics, each with what is to be learnt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from edge_runtime.inference.preprocess import resized
from models.omni_nano import augment
from models.omni_nano.everyday import GROUPS, TEN, group_of, speak_of_people
from models.omni_nano.lessons import (
    NOTHING,
    SURE,
    VIEWS,
    Floats,
    Labelled,
    Lessons,
    agreement,
    group_matrix,
    view_box,
)
from models.omni_nano.network import FEATURES
from models.omni_nano.objectives import Boxes
from models.omni_nano.scenes import Scenes
from models.omni_nano.teachers import COCO

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from models.omni_nano.cutouts import CutOut
    from models.omni_nano.data import Example, Picture

FAR = 72
KINDS = ("view", "small", "close_up", "mosaic", "portrait", "scene")


@dataclass
class Sample:
    """One picture to learn from; what is not known about it is None.

    Attributes:
        picture: RGB at any size.
        found: objects, or None where boxes must not be judged.
        soft: ImageNet distribution (1000,).
        group: everyday distribution (groups,).
        captions: the example's number where its captions fit this view.
        features: what the classifier's last layer holds when it sees this view sharp, (1280,).
    """

    picture: Picture
    found: Labelled | None = None
    soft: Tensor | None = None
    group: Tensor | None = None
    captions: int | None = None
    features: Tensor | None = None


@dataclass
class Batch:
    """Samples stacked: pictures (B, 3, H, W) and one target tensor per lesson; a weight of 0 leaves one out."""

    pictures: Tensor
    truths: list[Boxes | None]
    present: Tensor
    soft: Tensor
    soft_weight: Tensor
    group: Tensor
    group_weight: Tensor
    captions: Tensor
    features: Tensor
    features_weight: Tensor


def agreed(examples: Sequence[Example], lessons: Lessons) -> list[Labelled]:
    """Return what the detectors, the true label and people's captions say about every picture."""
    matrix = group_matrix()
    noun, person = [group_of(name) for name in COCO], COCO.index("person")
    found = []
    for example, first, second in zip(examples, lessons.yolox, lessons.nanodet, strict=True):
        groups = set(matrix[example.label].nonzero().flatten().tolist()) if example.label >= 0 else set()
        expected = frozenset(i for i, g in enumerate(noun) if g in groups)
        if speak_of_people(example.captions):
            expected |= {person}
        told = agreement(first, second, expected, alone=example.kind == "tiny")
        if speak_of_people(example.captions) and not (np.concatenate([told.boxes, told.unsure])[:, 5] == person).any():
            # Somebody is there whom neither detector sees: nobody knows where.
            told = Labelled(told.boxes, np.concatenate([told.unsure, [[0, 0, 1, 1, 0, person]]]).astype(np.float32))
        found.append(told)
    return found


class Curriculum:
    """Draws samples; the same seed draws the same ones."""

    def __init__(
        self,
        examples: Sequence[Example],
        lessons: Lessons,
        labels: Sequence[str],
        mix: dict[str, Any],
        things: Sequence[CutOut],
    ) -> None:
        self.examples = examples
        self.lessons = lessons
        self.mix = mix
        self.channel = {COCO.index(label): number for number, label in enumerate(labels)}
        self.labels = labels
        self.matrix = group_matrix()
        self.labelled = agreed(examples, lessons)
        use = [i for i, e in enumerate(examples) if not e.held_out]
        rare = [i for i, (names, _) in enumerate(GROUPS) if names[0] in TEN and names[0] not in {"bird", "dog"}]
        wanted = (self.matrix[:, rare].sum(1) > 0).tolist()
        tiny = [i for i in use if examples[i].kind == "tiny"]
        weights = np.array([float(mix["rare_small"]) if wanted[examples[i].label] else 1.0 for i in tiny])
        self.tiny, self.tiny_chances = np.array(tiny), weights / weights.sum()
        photos = [i for i in use if examples[i].kind != "tiny"]
        weights = np.array([float(mix["weights"][examples[i].kind]) for i in photos])
        weights *= [float(mix["rare"]) if examples[i].label >= 0 and wanted[examples[i].label] else 1.0 for i in photos]
        self.photos, self.chances = np.array(photos), weights / weights.sum()
        self.objects = [(i, b) for i in photos for b, box in enumerate(self.labelled[i].boxes) if self._close(i, box)]
        rarity: dict[int, int] = {}
        for i, b in self.objects:
            rarity[int(self.labelled[i].boxes[b, 5])] = rarity.get(int(self.labelled[i].boxes[b, 5]), 0) + 1
        odds = np.array([rarity[int(self.labelled[i].boxes[b, 5])] ** -0.6 for i, b in self.objects])
        self.object_chances = odds / odds.sum()
        self.scenes = Scenes(things, self.background)

    def _close(self, index: int, box: Floats) -> bool:
        height, width = self.examples[index].picture.shape[:2]
        size = min((box[2] - box[0]) * width, (box[3] - box[1]) * height)
        return bool(size >= 18 and box[4] > SURE and group_of(COCO[int(box[5])]) is not None)

    def sample(self, rng: np.random.Generator) -> Sample:
        """Draw one sample."""
        name = str(rng.choice(KINDS, p=[self.mix[kind] for kind in KINDS]))
        draw: Callable[[np.random.Generator], Sample] = getattr(self, name)
        return draw(rng)

    def side(self, rng: np.random.Generator) -> int:
        """Draw the resolution of a worse camera; 0 is the picture's own."""
        return 0 if rng.random() < self.mix["sharp"] else int(np.exp(rng.uniform(np.log(26), np.log(140))))

    def window(self, index: int, window: augment.Window) -> tuple[Picture, Labelled]:
        """Cut a window, with its boxes."""
        example, labelled = self.examples[index], self.labelled[index]
        boxes, cut = augment.cropped(labelled.boxes, window, example.picture.shape)
        unsure, part = augment.cropped(labelled.unsure, window, example.picture.shape)
        x0, y0, x1, y1 = window
        return example.picture[y0:y1, x0:x1], Labelled(boxes, np.concatenate([cut, unsure, part]))

    def view(self, rng: np.random.Generator) -> Sample:
        """Draw a fixed view of a photograph, with the classifier's opinion of it and its captions."""
        index = int(rng.choice(self.photos, p=self.chances))
        example = self.examples[index]
        view = 0 if rng.random() < 0.5 else int(rng.integers(1, VIEWS))
        window = view_box(index, view, example.picture.shape)
        picture, found = self.window(index, window)
        soft = self.lessons.logits[index, view].float().softmax(0)
        if example.label >= 0:
            soft = 0.7 * soft
            soft[example.label] += 0.3
        group = soft @ self.matrix
        sure = float(group.sum()) > 0.5 and float(group.max()) > 0.4
        spoken = index if example.captions and (view == 0 or rng.random() < 0.4) else None
        return Sample(
            augment.camera(picture, self.side(rng), rng),
            found,
            None if example.kind == "video" else soft,
            group / group.sum() if sure and example.kind != "video" else None,
            spoken,
            None if example.kind == "video" else self.lessons.features[index, view].float(),
        )

    def small(self, rng: np.random.Generator) -> Sample:
        """Draw a 64-pixel picture with its true label."""
        index = int(rng.choice(self.tiny, p=self.tiny_chances))
        example = self.examples[index]
        height, width = example.picture.shape[:2]
        y0, x0 = (int(v) for v in rng.integers(0, 10, 2))
        y1, x1 = height - int(rng.integers(0, 10)), width - int(rng.integers(0, 10))
        picture, found = self.window(index, (x0, y0, x1, y1))
        soft = torch.zeros(1000)
        soft[example.label] = 1
        group = soft @ self.matrix
        side = int(rng.choice([0, 24, 32, 32, 40, 48]))
        return Sample(augment.camera(picture, side, rng), found, soft, group if float(group.sum()) > 0 else None)

    def close_up(self, rng: np.random.Generator) -> Sample:
        """Draw one object with little around it, named by its everyday noun."""
        index, number = self.objects[int(rng.choice(len(self.objects), p=self.object_chances))]
        picture = self.examples[index].picture
        height, width = picture.shape[:2]
        box = self.labelled[index].boxes[number]
        x0, y0, x1, y1 = box[:4] * np.array([width, height, width, height])
        grow = rng.uniform(0.0, 0.35, 4) * np.array([x1 - x0, y1 - y0, x1 - x0, y1 - y0])
        window = (
            max(0, int(x0 - grow[0])),
            max(0, int(y0 - grow[1])),
            min(width, int(x1 + grow[2]) + 1),
            min(height, int(y1 + grow[3]) + 1),
        )
        cut, found = self.window(index, window)
        group = torch.zeros(len(GROUPS))
        noun = group_of(COCO[int(box[5])])
        if noun is not None:
            group[noun] = 1
        side = int(rng.choice([0, 32, 32, 48, 64, 96]))
        return Sample(augment.camera(cut, side, rng), found, None, group)

    def background(self, rng: np.random.Generator) -> tuple[Picture, Labelled]:
        """Draw what things are pasted into."""
        index = int(rng.choice(self.photos, p=self.chances))
        view = int(rng.integers(0, VIEWS))
        return self.window(index, view_box(index, view, self.examples[index].picture.shape))

    def portrait(self, rng: np.random.Generator) -> Sample:
        """Draw one cut-out thing, large, before something else."""
        picture, found, group = self.scenes.portrait(rng)
        side = int(rng.choice([0, 32, 32, 48, 64, 96]))
        return Sample(augment.camera(picture, side, rng), found, None, group)

    def scene(self, rng: np.random.Generator) -> Sample:
        """Draw cut-out things, near and far, in a photograph."""
        picture, found = self.scenes.scene(rng)
        side = self.side(rng)
        # The smallest thing pasted keeps some eight pixels.
        return Sample(augment.camera(picture, max(FAR, side) if side else 0, rng), found)

    def mosaic(self, rng: np.random.Generator) -> Sample:
        """Put four photographs into one, for many and small objects."""
        side = 288
        split = int(rng.integers(96, side - 96)), int(rng.integers(96, side - 96))
        canvas = np.zeros((side, side, 3), np.uint8)
        boxes, unsure = [NOTHING], [NOTHING]
        for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
            picture, found = self.background(rng)
            y0, y1 = (0, split[0]) if row == 0 else (split[0], side)
            x0, x1 = (0, split[1]) if column == 0 else (split[1], side)
            canvas[y0:y1, x0:x1] = resized(picture, (y1 - y0, x1 - x0))
            for source, kept in ((found.boxes, boxes), (found.unsure, unsure)):
                moved = source.copy()
                moved[:, [0, 2]] = (source[:, [0, 2]] * (x1 - x0) + x0) / side
                moved[:, [1, 3]] = (source[:, [1, 3]] * (y1 - y0) + y0) / side
                kept.append(moved)
        found = Labelled(np.concatenate(boxes), np.concatenate(unsure))
        resolution = 0 if rng.random() < 0.6 else int(rng.integers(96, 256))
        return Sample(augment.camera(canvas, resolution, rng), found)

    def batch(self, size: int, shape: tuple[int, int], rng: np.random.Generator) -> Batch:
        """Draw a batch of pictures of one shape (rows, columns)."""
        samples = [self.sample(rng) for _ in range(size)]
        pictures = np.stack([resized(s.picture, shape) for s in samples])
        flips = rng.random(size) < 0.5
        pictures[flips] = pictures[flips, :, ::-1]
        present = torch.full((size, len(self.labels)), -1.0)
        truths: list[Boxes | None] = []
        for row, (sample, flip) in enumerate(zip(samples, flips, strict=True)):
            truths.append(None if sample.found is None else self._truth(sample.found, flip=bool(flip)))
            present[row] = self._present(truths[-1])
        none = torch.zeros(1000), torch.zeros(len(GROUPS)), torch.zeros(FEATURES)
        return Batch(
            torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))),
            truths,
            present,
            torch.stack([none[0] if s.soft is None else s.soft for s in samples]),
            torch.tensor([0.0 if s.soft is None else 1.0 for s in samples]),
            torch.stack([none[1] if s.group is None else s.group for s in samples]),
            torch.tensor([0.0 if s.group is None else 1.0 for s in samples]),
            torch.tensor([-1 if s.captions is None else s.captions for s in samples]),
            torch.stack([none[2] if s.features is None else s.features for s in samples]),
            torch.tensor([0.0 if s.features is None else 1.0 for s in samples]),
        )

    def _truth(self, found: Labelled, *, flip: bool) -> Boxes:
        def kept(boxes: Floats) -> Tensor:
            known = np.array([int(c) in self.channel for c in boxes[:, 5]], bool)
            rows = (augment.mirrored(boxes) if flip else boxes)[known].astype(np.float32)
            rows[:, 5] = [self.channel[int(c)] for c in rows[:, 5]]
            return torch.from_numpy(rows)

        boxes, unsure = kept(found.boxes), kept(found.unsure)
        weights = torch.where(boxes[:, 4] > SURE, (boxes[:, 4] * 1.2).clamp(0.6, 1.0), boxes[:, 4])
        return Boxes(boxes[:, :4], boxes[:, 5].long(), weights, unsure[:, :4], unsure[:, 5].long())

    def _present(self, truth: Boxes | None) -> Tensor:
        if truth is None:
            return torch.full((len(self.labels),), -1.0)
        present = torch.zeros(len(self.labels))
        present[truth.unsure_classes] = -1
        present[truth.classes[truth.weights < 0.6]] = -1
        present[truth.classes[truth.weights >= 0.6]] = 1
        return present
