"""What the eyes look at while they learn: pictures, what teachers and people say about them, and a fixed hold-out."""

from __future__ import annotations

import csv
import hashlib
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_runtime.inference.preprocess import image_tensor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scripts.stage import Workshop

Picture = NDArray[np.uint8]
HOLDOUT_PERCENT = 15


@dataclass
class Example:
    """One picture and what is known about it.

    Attributes:
        name: unique, "<set>/<file>".
        kind: the set it comes from: flickr, imagenet, pets, tiny, video.
        picture: RGB.
        label: ImageNet class 0..999, or -1.
        captions: sentences people wrote about it.
    """

    name: str
    kind: str
    picture: Picture
    label: int = -1
    captions: list[str] = field(default_factory=list)

    @property
    def part(self) -> str:
        """Return train, calibrate or evaluate: decided by the name alone, so that it never changes."""
        number = int(hashlib.sha256(self.name.encode()).hexdigest(), 16) % 1000
        if self.name.startswith("tiny_val/"):
            return "calibrate" if number % 2 else "evaluate"
        if self.kind in {"tiny", "video"} or number >= 10 * HOLDOUT_PERCENT:
            return "train"
        return "calibrate" if number % 2 else "evaluate"

    @property
    def held_out(self) -> bool:
        """Tell whether this picture is kept out of training."""
        return self.part != "train"


def decode(data: bytes) -> Picture:
    """Decode a JPEG or PNG into RGB."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError("not a picture that OpenCV can read")
    return np.ascontiguousarray(image[..., ::-1])


def members(path: Path) -> Iterator[tuple[str, Picture]]:
    """Yield name and picture of every JPEG in a tar, sorted by name."""
    with tarfile.open(path) as tar:
        for item in sorted((m for m in tar if m.isfile()), key=lambda m: m.name):
            file = tar.extractfile(item)
            if file is not None and item.name.lower().endswith((".jpg", ".jpeg")):
                yield item.name, decode(file.read())


def class_numbers(vision: Path) -> dict[str, int]:
    """Return wnid -> ImageNet class number; classes are numbered in the order of their wnids."""
    with tarfile.open(vision / "imagenet_samples.tar") as tar:
        wnids = sorted({Path(m.name).name.split("_")[0] for m in tar if m.isfile()})
    return {wnid: number for number, wnid in enumerate(wnids)}


def captions_of(path: Path) -> dict[str, list[str]]:
    """Return file name -> captions of a CSV with the columns image and caption."""
    found: dict[str, list[str]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["image"], []).append(row["caption"].strip())
    return found


def frames(path: Path, count: int) -> list[Picture]:
    """Return up to `count` frames of a clip, evenly spread."""
    capture = cv2.VideoCapture(str(path))
    step = max(1, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) // count)
    found: list[Picture] = []
    number = 0
    while len(found) < count:
        good, frame = capture.read()
        if not good:
            break
        if number % step == 0:
            found.append(np.ascontiguousarray(frame[..., ::-1]))
        number += 1
    capture.release()
    return found


def load(data: Path) -> list[Example]:
    """Read every picture set of the data folder (see its README), always in the same order."""
    vision = data / "vision"
    numbers = class_numbers(vision)
    captions = captions_of(vision / "flickr8k_1000_captions.csv")
    examples = [
        Example(f"flickr/{name}", "flickr", picture, captions=captions[Path(name).name])
        for name, picture in members(vision / "flickr8k_1000.tar")
    ]
    for name, picture in members(vision / "imagenet_samples.tar"):
        label = numbers[Path(name).name.split("_")[0]]
        examples.append(Example(f"imagenet/{name}", "imagenet", picture, label))
    examples += [Example(f"pets/{name}", "pets", picture) for name, picture in members(vision / "pets.tar")]
    for part in ("train", "val"):
        for name, picture in members(vision / f"tiny_imagenet_{part}.tar"):
            examples.append(Example(f"tiny_{part}/{name}", "tiny", picture, numbers[Path(name).parts[-2]]))
    for clip in sorted((data / "video").glob("*.*")):
        for index, picture in enumerate(frames(clip, 60)):
            examples.append(Example(f"video/{clip.name}/{index}", "video", picture))
    return examples


def class_names(teachers: Path) -> list[list[str]]:
    """Return the synonyms of the 1000 ImageNet classes."""
    lines = (teachers / "imagenet_labels.txt").read_text(encoding="utf-8").splitlines()
    return [[name.strip() for name in line.split(",")] for line in lines[1:1001]]


def calibration_feeds(workshop: Workshop, count: int) -> Iterator[dict[str, NDArray[np.float32]]]:
    """Yield training pictures, large and small, as the device will feed them, for INT8 calibration."""
    area = int(workshop.settings["image"]["area"])
    chosen = [e for e in load(workshop.data) if not e.held_out]
    rng = np.random.default_rng(11)
    weights = np.array([{"tiny": 0.1, "video": 1.0}.get(e.kind, 1.0) for e in chosen])
    for index in rng.choice(len(chosen), count, replace=False, p=weights / weights.sum()):
        picture = chosen[index].picture
        smallest = int(rng.choice([0, 0, 0, 96, 64, 32]))
        if smallest:
            picture = np.asarray(cv2.resize(picture, (smallest, smallest), interpolation=cv2.INTER_AREA), np.uint8)
        yield {"image": image_tensor(picture, area)}
