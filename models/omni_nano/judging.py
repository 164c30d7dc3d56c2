"""Show held-out pictures to a bundle through the functions that the device uses, and line its answers up with truth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from edge_runtime.bundles.parts import ClassifyPart, DetectorPart, ImagePart
from edge_runtime.inference.detector import ObjectDetector
from edge_runtime.inference.embedder import Embedder
from edge_runtime.inference.preprocess import resized
from edge_runtime.inference.session import OnnxSession
from models.omni_nano import calibrating, data
from models.omni_nano.augment import low_resolution
from models.omni_nano.batches import agreed
from models.omni_nano.everyday import GROUPS
from models.omni_nano.lessons import NOTHING, SURE, Labelled, group_matrix, overlaps
from models.omni_nano.teachers import COCO

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from edge_runtime.bundles.manifest import Manifest
    from edge_runtime.types import Detection, Look
    from models.omni_nano.data import Example, Picture
    from models.omni_nano.lessons import Lessons
    from scripts.stage import Workshop

Ints = calibrating.Ints
NMS_IOU = 0.5
# What every everyday group is called.
NOUNS = tuple(names[0] for names, _ in GROUPS)
# Of a clip's sixty frames, one in this many is looked at.
CLIP_STEP = 3
# In place of a fold's number: the calibrations that the bundle has itself.
EVERY = -1
# Below this raw score there is nothing to calibrate: sigmoid(-5).
FAINT = 0.0067
# Weaker than the device reports; curves need the tail.
DIM = 0.01


@dataclass(frozen=True)
class Camera:
    """How a picture is shown: its longer side at most `side` pixels, or squeezed to a square; 0 leaves it."""

    name: str
    side: int = 0
    square: bool = False

    def show(self, picture: Picture) -> Picture:
        """Return the picture as this camera would give it."""
        if not self.side:
            return picture
        return resized(picture, (self.side, self.side)) if self.square else low_resolution(picture, self.side)


WHOLE, SQUEEZED = Camera("as it is"), Camera("96 x 96", 96, square=True)
TINY = Camera("32 x 32", 32, square=True)
CAMERAS = (WHOLE, Camera("160 pixels", 160), SQUEEZED)


@dataclass(frozen=True)
class Material:
    """The held-out pictures and what is true of them.

    Attributes:
        examples: of both halves, in a fixed order.
        labelled: what the box teachers agree on, one a picture.
        captions: every caption of every picture there is, and the names of their pictures.
        clips: frames of video with their truth, which training has seen: for a look at what no hold-out shows.
    """

    examples: list[Example]
    labelled: list[Labelled]
    captions: list[tuple[str, str]]
    clips: list[tuple[Example, Labelled]]

    @cached_property
    def photographs(self) -> list[int]:
        """Return the numbers of all but the 64-pixel pictures."""
        return [i for i, e in enumerate(self.examples) if e.kind != "tiny"]

    @cached_property
    def named(self) -> list[tuple[int, int]]:
        """Return number and everyday noun of the pictures whose true label is one noun's alone."""
        matrix = group_matrix().numpy()
        held = [np.flatnonzero(matrix[e.label]).tolist() if e.label >= 0 else [] for e in self.examples]
        return [(index, nouns[0]) for index, nouns in enumerate(held) if len(nouns) == 1]


def material(workshop: Workshop) -> Material:
    """Read the pictures that no training has seen, with the teachers' boxes."""
    examples = data.load(workshop.data)
    yolox, nanodet = torch.load(workshop.output("train", "cache/boxes.pt"), weights_only=False)
    # The classifier's opinions take minutes to work out and say nothing about boxes.
    known = agreed(examples, cast("Lessons", SimpleNamespace(yolox=yolox, nanodet=nanodet)))
    held = [i for i, e in enumerate(examples) if e.held_out]
    captions = [(text, e.name) for e in examples for text in e.captions]
    clips = [pair for pair in zip(examples, known, strict=True) if pair[0].kind == "video"][::CLIP_STEP]
    return Material([examples[i] for i in held], [known[i] for i in held], captions, clips)


def presence(labelled: Labelled, labels: Sequence[str]) -> Ints:
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


def objects(labelled: Labelled, labels: Sequence[str]) -> Ints:
    """Return how many objects of every label both teachers are sure of."""
    sure = labelled.boxes[labelled.boxes[:, 4] > SURE, 5].astype(int)
    return np.array([int((sure == COCO.index(label)).sum()) for label in labels])


def hits(found: Sequence[Detection], labelled: Labelled) -> Ints:
    """Match boxes, the surest first, to objects of their label at half overlap: 1 right, 0 wrong, -1 nobody knows."""
    result = np.zeros(len(found), np.int64)
    sure = labelled.boxes[:, 4] > SURE
    vague = np.concatenate([labelled.boxes[~sure], labelled.unsure, NOTHING])
    taken: set[int] = set()
    for row, one in enumerate(found):
        code = COCO.index(one.label)
        box = np.array([one.box], np.float32)
        match = overlaps(box, labelled.boxes)[0] * (sure & (labelled.boxes[:, 5] == code))
        free = [int(i) for i in np.argsort(-match) if i not in taken and match[i] > 0.5]
        if free:
            taken.add(free[0])
            result[row] = 1
        elif (vague[:, 5] == code).any() and float(overlaps(box, vague[vague[:, 5] == code]).max()) > 0.3:
            result[row] = -1
    return result


def uncalibrated(labels: Sequence[str]) -> dict[str, Any]:
    """Return the manifest's tables for a model whose scores are still the sigmoid of its logits."""
    same = dict.fromkeys(labels, (1.0, 0.0))
    return {
        "detector": {
            "labels": list(labels),
            "thresholds": dict.fromkeys(labels, 0.5),
            "calibration": same,
            "presence": same,
            "nms_iou": NMS_IOU,
        },
        "classify": {"temperature": 1.0},
        "gate": {"local_threshold": 0.99, "alpha": calibrating.ALPHA},
    }


def logit(chance: float) -> float:
    """Return the logit of a probability of single precision."""
    p = min(max(chance, 1e-9), 1 - 6e-8)
    return float(np.log(p / (1 - p)))


def gather(manifest: Manifest, known: Material) -> tuple[calibrating.Evidence, calibrating.Naming]:
    """Look at every held-out picture through an uncalibrated bundle."""
    eyes = Eyes(manifest, floor=FAINT)
    return _boxes(eyes, known), _names(eyes, known)


def _boxes(eyes: Eyes, known: Material) -> calibrating.Evidence:
    labels = list(eyes.labels)
    folds: list[int] = []
    best, present, counts = [], [], []
    rows: list[tuple[float, int, int, int, bool]] = []
    for index in known.photographs:
        example, labelled = known.examples[index], known.labelled[index]
        for camera in CAMERAS:
            seen = eyes.look(camera.show(example.picture))
            found = everything(seen)
            started: set[str] = set()
            for one, right in zip(found, hits(found, labelled).tolist(), strict=True):
                first = one.label not in started
                started.add(one.label)
                rows.append((logit(one.score), labels.index(one.label), len(folds), right, first))
            folds.append(calibrating.fold_of(example.name))
            best.append([logit(seen.presence[label]) for label in labels])
            present.append(presence(labelled, labels))
            counts.append(objects(labelled, labels))
    columns: list[NDArray[Any]] = [np.array(column) for column in zip(*rows, strict=True)]
    boxes = calibrating.Boxes(*columns)
    share = 1 / len(CAMERAS)
    return calibrating.Evidence(np.array(folds), np.array(best), np.stack(present), np.stack(counts), boxes, share)


def _names(eyes: Eyes, known: Material) -> calibrating.Naming:
    folds, near, truth = [], [], []
    for index, noun in known.named:
        example = known.examples[index]
        # What a home's cameras cut out is small; on larger pictures this errs towards doubt.
        for camera in (TINY,) if example.kind == "tiny" else (SQUEEZED, TINY):
            # At temperature 1 the logarithm of a probability is the cosine less a constant.
            near.append(np.log(eyes.classify(eyes.embedder.embed_image(camera.show(example.picture)), NOUNS)))
            folds.append(calibrating.fold_of(example.name))
            truth.append(noun)
    return calibrating.Naming(np.array(folds), np.stack(near), np.array(truth))


def everything(seen: Look) -> list[Detection]:
    """Return the boxes above and below the thresholds, the surest first."""
    return sorted((*seen.detections, *seen.unsure), key=lambda one: -one.score)


class Eyes:
    """A bundle's detector and embedder, as the command line uses them.

    Args:
        manifest: of the bundle.
        floor: boxes weaker than this are not looked at.
    """

    def __init__(self, manifest: Manifest, *, floor: float = DIM) -> None:
        self.manifest = manifest
        self.labels = manifest.part(DetectorPart).labels
        self._floor = floor
        self._session = OnnxSession(manifest.path(manifest.part(ImagePart).file), threads=1)
        self.embedder = Embedder(manifest, lambda: self._session, threads=1)
        self._detectors = {EVERY: ObjectDetector(self._session, manifest, floor=floor)}
        self._warmth = {EVERY: manifest.part(ClassifyPart).temperature}

    def add(self, fold: int, table: Mapping[str, Any]) -> None:
        """Use other calibrations, thresholds and another temperature for the pictures of a fold."""
        manifest = self.manifest.model_copy(update={"detector": DetectorPart.model_validate(table["detector"])})
        self._detectors[fold] = ObjectDetector(self._session, manifest, floor=self._floor)
        self._warmth[fold] = float(table["classify"]["temperature"])

    def look(self, picture: Picture, fold: int = EVERY) -> Look:
        """Look at a picture with the calibrations of its fold."""
        return self._detectors[fold].look(picture)

    def classify(self, vector: NDArray[np.float32], labels: Sequence[str], fold: int = EVERY) -> calibrating.Floats:
        """Return the probability of every label, in their order, at the temperature of a fold."""
        chances = self.embedder.classify(vector, labels)
        # Another temperature is another power of the probabilities, made to sum to 1 again.
        power = self._warmth[EVERY] / self._warmth[fold]
        logs = power * np.log(np.maximum([chances[label] for label in labels], 1e-30))
        weights = np.exp(logs - logs.max())
        return np.asarray(weights / weights.sum())
