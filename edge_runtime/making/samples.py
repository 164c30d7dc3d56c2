"""Pictures, sentences and sound that the copies of a model are compared on; they travel with the package."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.config import CameraSettings
from edge_runtime.errors import InputError
from edge_runtime.inference.preprocess import model_input
from edge_runtime.sources.files import read_picture, read_sound
from edge_runtime.sources.replay import VideoFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from edge_runtime.bundles.manifest import ImagePart
    from edge_runtime.making.tower import Feeds
    from edge_runtime.types import Image

SENTENCES = (
    "dog",
    "a photo of a cat",
    "turn on the kitchen light",
    "Is there anybody at the front door?",
    "a person in a red coat carries a parcel up the steps",
    "how many people have been in the garden since this morning",
    "The washing machine has finished; the laundry is still wet.",
    "two children play football in front of a house while an old man sits on a bench and reads a newspaper",
)
_DEMO = Path(__file__).resolve().parents[1] / "demo"
_ENDINGS = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
_COMPARED = 8
_MOST = 200


class Pictures:
    """The owner's pictures, or else a few of the demo's clip.

    Args:
        folder: of pictures like those the model will see, None for the clip.

    Raises:
        InputError: the folder holds no picture.
    """

    def __init__(self, folder: Path | None) -> None:
        self.own = folder is not None
        self._paths = [] if folder is None else _pictures(folder)
        few = f"{min(_COMPARED, len(self._paths))} of {len(self._paths)} pictures of {folder}"
        self.words = few if self.own else f"{_COMPARED} frames of the demo clip"

    def compared(self, part: ImagePart) -> tuple[Feeds, ...]:
        """Return the inputs for a comparison."""
        return tuple(islice(self._feeds(part, spread=_COMPARED), _COMPARED))

    def calibration(self, part: ImagePart) -> Iterator[Feeds]:
        """Yield at most 200 inputs, of the owner's pictures alone; nothing without them."""
        if self.own:
            yield from self._feeds(part, spread=_MOST)

    def images(self) -> Iterator[Image]:
        """Yield the pictures for a comparison, RGB."""
        yield from islice(self._images(_COMPARED), _COMPARED)

    def _feeds(self, part: ImagePart, spread: int) -> Iterator[Feeds]:
        for image in self._images(spread):
            yield {part.input: model_input(image, part)[0]}

    def _images(self, spread: int) -> Iterator[Image]:
        if not self.own:
            clip = VideoFile(CameraSettings(name="clip", url=str(_DEMO / "clip.mp4"), fps=1))
            yield from (frame.image for frame in clip.frames())
        for path in self._paths[:: max(1, len(self._paths) // spread)][:spread]:
            yield read_picture(path)


def speech(seconds: float) -> NDArray[np.float32]:
    """Return that much of the demo's spoken commands, float32 mono at 16 kHz."""
    samples = read_sound(_DEMO / "commands.wav").samples
    return np.resize(samples, round(seconds * 16_000))


def _pictures(folder: Path) -> Sequence[Path]:
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _ENDINGS)
    if not found:
        raise InputError(f"{folder}: no pictures in it; give a folder of JPEG or PNG files")
    return found
