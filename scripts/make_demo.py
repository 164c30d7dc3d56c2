"""Make the demo clip: a person and then a cat, cut out of photographs, come into an empty room and leave again.

The photographs (see NOTICE) are `astronaut.png` and `chelsea.png` as scikit-image ships them in `skimage/data`:

    python scripts/make_demo.py --pictures FOLDER --out edge_runtime/demo/clip.mp4
"""

from __future__ import annotations

import argparse
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, FPS, SECONDS = 640, 360, 12, 14.0

Picture = NDArray[Any]


@dataclass(frozen=True)
class Visitor:
    """A cut-out picture and its walk: seconds, left edge and scale at each point, in pixels of the clip."""

    picture: Picture
    alpha: Picture
    top: float
    steps_hz: float
    walk: tuple[tuple[float, float, float], ...]


def main() -> None:
    """Draw every picture and hand them to ffmpeg."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--pictures", type=Path, required=True, help="folder of astronaut.png and chelsea.png")
    arguments.add_argument("--out", type=Path, required=True, help="the .mp4 file to write")
    options = arguments.parse_args()
    person = cut_out(options.pictures / "astronaut.png", PERSON_OUTLINE)
    cat = cut_out(options.pictures / "chelsea.png", CAT_OUTLINE)
    visitors = [
        # So close that the helmet stays below the picture: a detector takes it for a chair.
        Visitor(*person, 18, 1.6, ((1.5, 660, 0.99), (3.0, 190, 1.0), (6.6, 165, 1.01), (8.0, -400, 0.99))),
        Visitor(*cat, 0, 0.5, ((8.6, -560, 1.24), (9.7, 0, 1.24), (12.6, -12, 1.26), (13.6, -560, 1.24))),
    ]
    encode(options.out, [draw(index / FPS, visitors) for index in range(round(SECONDS * FPS))])


PERSON_OUTLINE = (
    (20, 512), (22, 380), (40, 270), (110, 205), (130, 165), (185, 145), (178, 120), (152, 100), (158, 55), (190, 22),
    (235, 14), (285, 35), (302, 80), (285, 120), (262, 150), (262, 175), (302, 215), (305, 240), (345, 275), (362, 345),
    (400, 342), (455, 358), (490, 410), (498, 460), (490, 512),
)  # fmt: skip
CAT_OUTLINE = (
    (0, 300), (0, 122), (28, 108), (34, 60), (40, 0), (400, 0), (385, 30), (358, 72), (366, 125), (356, 172),
    (330, 215), (318, 262), (345, 265), (385, 300),
)  # fmt: skip


def cut_out(path: Path, outline: tuple[tuple[int, int], ...]) -> tuple[Picture, Picture]:
    """Return the picture and how much of each pixel belongs to the visitor, found near the rough `outline`."""
    picture = cv2.imread(str(path))
    if picture is None:
        raise SystemExit(f"{path}: not found; unpack the scikit-image wheel and name its skimage/data folder")
    inside = cv2.fillPoly(np.zeros(picture.shape[:2], np.uint8), [np.array(outline, np.int32)], 1)
    near = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (25, 25))
    # The edge of the photograph is no outline: without the border the visitor would be eaten away from there.
    sure = cv2.erode(inside, near, borderType=cv2.BORDER_REPLICATE)
    possible = cv2.dilate(inside, near)
    mask = np.select([sure == 1, inside == 1, possible == 1], [1, 3, 2], 0).astype(np.uint8)
    cv2.setRNGSeed(1)
    cv2.grabCut(picture, mask, (0, 0, 1, 1), np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_MASK)
    belongs: Picture = np.isin(mask, (1, 3)).astype(np.float32)
    belongs = cv2.morphologyEx(belongs, cv2.MORPH_OPEN, np.ones((5, 5)))
    return picture.astype(np.float32), cv2.GaussianBlur(cv2.erode(belongs, np.ones((3, 3))), (0, 0), 1.2)


def room() -> Picture:
    """Return the empty room: a wall with daylight from the left, a skirting board, a wooden floor."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    light = 0.72 + 0.28 * np.exp(-(((x - 150) / 330) ** 2) - ((y - 90) / 260) ** 2)
    wall = light[..., None] * np.array([196, 206, 212], np.float32)
    depth = np.clip((y - 292) / 68, 0, 1)
    board = np.floor((x - 320) / (46 + 70 * depth) + 40)
    floor = (0.55 + 0.2 * light + 0.05 * np.sin(board * 12.9) + 0.12 * depth)[..., None] * np.array([92, 128, 160])
    picture = np.where((y < 292)[..., None], wall, floor)
    skirting = ((y > 276) & (y < 292))[..., None]
    picture = np.where(skirting, light[..., None] * np.array([222, 228, 232]), picture)
    door = ((x > 470) & (x < 600) & (y > 40) & (y < 292))[..., None]
    panel = ((x > 482) & (x < 588) & (y > 52))[..., None]
    wood = light[..., None] * np.where(panel, (150, 172, 184), (176, 194, 204))
    blurred: Picture = cv2.GaussianBlur(np.where(door, wood, picture).astype(np.float32), (0, 0), 1.0)
    return blurred


ROOM = room()


def draw(at: float, visitors: list[Visitor]) -> NDArray[np.uint8]:
    """Return the picture at `at` seconds, with the noise of a camera."""
    picture = ROOM
    for visitor in visitors:
        times, lefts, scales = zip(*visitor.walk, strict=True)
        if not times[0] <= at <= times[-1]:
            continue
        left, scale = eased(at, times, lefts), eased(at, times, scales)
        moving = abs(eased(at + 0.1, times, lefts) - left)
        bob = min(4.0, moving / 8) * np.sin(2 * np.pi * visitor.steps_hz * at) + 1.2 * np.sin(1.9 * at)
        place = np.array([[scale, 0, left], [0, scale, visitor.top + bob]], np.float32)
        alpha = cv2.warpAffine(visitor.alpha, place, (WIDTH, HEIGHT))
        shadow = cv2.warpAffine(alpha, np.array([[1, 0, 16], [0, 1, 4]], np.float32), (WIDTH, HEIGHT))
        shadow = cv2.GaussianBlur(shadow, (0, 0), 14)[..., None]
        shown = cv2.warpAffine(visitor.picture, place, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
        picture = picture * (1 - 0.35 * shadow)
        picture = picture * (1 - alpha[..., None]) + 0.94 * shown * alpha[..., None]
    noise = np.random.default_rng(round(at * FPS)).normal(0, 2.0, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def eased(at: float, times: tuple[float, ...], values: tuple[float, ...]) -> float:
    """Return the value at `at`, speeding up and slowing down between the points as a body does."""
    index = int(np.clip(np.searchsorted(times, at) - 1, 0, len(times) - 2))
    part = np.clip((at - times[index]) / (times[index + 1] - times[index]), 0, 1)
    part = part * part * (3 - 2 * part)
    return float(values[index] + (values[index + 1] - values[index]) * part)


def encode(path: Path, pictures: list[NDArray[np.uint8]]) -> None:
    """Write H.264 that every player shows, the same bytes each time."""
    command = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{WIDTH}x{HEIGHT}"]
    command += ["-r", str(FPS), "-i", "-", "-c:v", "libx264", "-preset", "slow", "-crf", "21", "-pix_fmt", "yuv420p"]
    command += ["-threads", "1", "-fflags", "+bitexact", "-movflags", "+faststart", str(path)]
    subprocess.run(command, input=b"".join(picture.tobytes() for picture in pictures), check=True)


if __name__ == "__main__":
    main()
