"""Pictures, sentences and sound that the copies of a model are compared on; they travel with the package."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.errors import InputError
from edge_runtime.inference.preprocess import model_input
from edge_runtime.sources.files import read_picture, read_sound
from edge_runtime.sources.replay import VideoFile
from edge_runtime.watch_sections import CameraSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from edge_runtime.bundles.parts import ImagePart
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
_FRAMES = 8
_COMPARED = 50
_CALIBRATED = 200
_EVERY = 4
_FEWEST = 8


class Pictures:
    """The owner's pictures, every fourth kept for comparing, or else a few of the demo's clip, all for comparing.

    Args:
        folder: of pictures like those the model will see, None for the clip.

    Raises:
        InputError: the folder holds too few pictures.
    """

    def __init__(self, folder: Path | None) -> None:
        paths = [] if folder is None else _pictures(folder)
        self._compared = _thinned(paths[::_EVERY], _COMPARED)
        self._calibrated = _thinned([path for i, path in enumerate(paths) if i % _EVERY], _CALIBRATED)
        own = f"{len(self._compared)} pictures of {folder.resolve().name}" if folder else ""
        self.words = own or f"{_FRAMES} frames of the demo clip"

    def images(self) -> Iterator[Image]:
        """Yield the pictures for comparing, RGB."""
        if self._compared:
            yield from map(read_picture, self._compared)
        else:
            clip = VideoFile(CameraSettings(name="clip", url=str(_DEMO / "clip.mp4"), fps=1))
            yield from (frame.image for frame in islice(clip.frames(), _FRAMES))

    def compared(self, part: ImagePart) -> tuple[Feeds, ...]:
        """Return the inputs for comparing."""
        return tuple({part.input: model_input(image, part)[0]} for image in self.images())

    def calibration(self, part: ImagePart) -> Iterator[Feeds]:
        """Yield the inputs to scale INT8 by: of the owner's pictures alone, and of none that are compared."""
        for path in self._calibrated:
            yield {part.input: model_input(read_picture(path), part)[0]}


def speech(seconds: float) -> NDArray[np.float32]:
    """Return that much of the demo's spoken commands, float32 mono at 16 kHz."""
    samples = read_sound(_DEMO / "commands.wav").samples
    return np.resize(samples, round(seconds * 16_000))


def _pictures(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _ENDINGS)
    if len(found) < _FEWEST:
        raise InputError(f"{folder}: {len(found)} pictures in it; calibration needs {_FEWEST}, better 200, JPEG or PNG")
    return found


def _thinned(paths: list[Path], most: int) -> list[Path]:
    return paths[:: max(1, -(-len(paths) // most))]
