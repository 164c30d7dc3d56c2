"""What the bundle's eyes see in a user's pictures, as they are and as worse cameras would take them."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import InputError
from edge_runtime.sources.files import read_picture
from models.omni_nano.augment import camera, low_resolution
from models.omni_nano.data import frames
from scripts.stage import load_checkpoint, progress, save_checkpoint

if TYPE_CHECKING:
    from edge_runtime.inference.embedder import Embedder
    from models.omni_nano.data import Picture
    from models.omni_nano.own_pictures import OwnPictures

Vectors = NDArray[np.float32]
CHECKPOINT_EVERY_S = 20.0
# No look needs more than this, and phones take thirty times as much.
LONGEST_SIDE = 960
SIDES = (0, 0, 0, 160, 96, 64, 48)
DEMO_FRAMES = 40
DEMO_VIEWS = 4


@dataclass(frozen=True)
class Looks:
    """Embeddings, unit vectors.

    Attributes:
        plain: (n, size), the pictures as they are.
        views: (n, views, size), each as seen by worse cameras.
        demo: (m, size), frames of the demo's clip and views of them, which have nothing to do with the user's.
    """

    plain: Vectors
    views: Vectors
    demo: Vectors


def view(picture: Picture, rng: np.random.Generator) -> Picture:
    """Take a picture again: a part of it, maybe mirrored, with a worse camera."""
    height, width = picture.shape[:2]
    scale, stretch = rng.uniform(0.4, 1.0) ** 0.5, np.exp(rng.uniform(-0.25, 0.25))
    rows = int(np.clip(height * scale * stretch, 1, height))
    columns = int(np.clip(width * scale / stretch, 1, width))
    top, left = int(rng.integers(0, height - rows + 1)), int(rng.integers(0, width - columns + 1))
    part = picture[top : top + rows, left : left + columns]
    if rng.random() < 0.5:
        part = part[:, ::-1]
    return camera(np.ascontiguousarray(part), int(rng.choice(SIDES)), rng)


def seen(embedder: Embedder, picture: Picture, views: int, seed: list[int]) -> Vectors:
    """Return (1 + views, size): the picture as it is, then its views; the same for the same seed."""
    rng = np.random.default_rng(seed)
    small = low_resolution(picture, LONGEST_SIDE)
    # As it is means as the device will be handed it: in full size.
    looks = [picture, *(view(small, rng) for _ in range(views))]
    return np.stack([embedder.embed_image(look) for look in looks]).astype(np.float32)


def gather(own: OwnPictures, embedder: Embedder, views: int, seed: int, checkpoint: Path) -> tuple[OwnPictures, Looks]:
    """Look at every picture, or remember the look from a run before; leave out those that cannot be read.

    `checkpoint` is a file of looks by the sha256 of their picture; a killed run goes on from it.

    Raises:
        InputError: too few can be read.
    """
    known: dict[str, Vectors] = (load_checkpoint(checkpoint) or {}).get("looks", {})
    saved = time.monotonic()
    readable = []
    for one in progress(own.pictures, "look"):
        if one.digest not in known:
            try:
                known[one.digest] = seen(embedder, read_picture(one.path), views, [seed, int(one.digest[:8], 16)])
            except InputError:
                continue
        readable.append(one)
        if time.monotonic() - saved > CHECKPOINT_EVERY_S:
            save_checkpoint(checkpoint, looks=known)
            saved = time.monotonic()
    if "demo" not in known:
        known["demo"] = demo(embedder, seed)
    save_checkpoint(checkpoint, looks=known)
    lost = len(own.pictures) - len(readable)
    kept = replace(own, pictures=tuple(readable), skipped={**own.skipped, "unreadable": lost})
    kept.check()
    both = np.stack([known[one.digest] for one in readable])
    return kept, Looks(both[:, 0], both[:, 1:], known["demo"])


def demo_frames(count: int = DEMO_FRAMES) -> list[Picture]:
    """Return frames of the demo's clip, which every copy of the program carries."""
    with resources.as_file(resources.files("edge_runtime.demo") / "clip.mp4") as path:
        return frames(Path(path), count)


def demo(embedder: Embedder, seed: int) -> Vectors:
    """Return the looks at the demo's frames."""
    pictures = progress(demo_frames(), "look at the demo")
    return np.concatenate([seen(embedder, p, DEMO_VIEWS, [seed, number]) for number, p in enumerate(pictures)])
