"""Made surfaces, good ones and such with faults, for bench/anomaly.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Dice = np.random.Generator

SIDE = 256


def noise(dice: Dice, across: float, down: float | None = None, shape: tuple[int, int] = (SIDE, SIDE)) -> Floats:
    """Return noise of spread 1 that is smooth over so many pixels across and down."""
    grain = dice.normal(size=shape)
    soft = cv2.GaussianBlur(grain, (0, 0), sigmaX=across, sigmaY=across if down is None else down)
    return np.asarray(soft / soft.std(), np.float64)


def fabric(dice: Dice) -> Floats:
    """Return a plain weave, a little drawn out of shape."""
    y, x = np.mgrid[:SIDE, :SIDE] + 1.5 * np.stack([noise(dice, 30), noise(dice, 30)])
    threads = np.where(np.sin(np.pi * x / 8) * np.sin(np.pi * y / 8) > 0, np.sin(np.pi * x / 4), np.sin(np.pi * y / 4))
    return np.asarray(130 + 28 * np.abs(threads) + 5 * noise(dice, 0.7), np.float64)


def wood(dice: Dice) -> Floats:
    """Return grain in waves."""
    x = np.mgrid[:SIDE, :SIDE][1] + 14 * noise(dice, 40, 90)
    return np.asarray(140 + 20 * np.sin(x / 5) + 8 * noise(dice, 0.6, 15), np.float64)


def brushed(dice: Dice) -> Floats:
    """Return brushed metal."""
    return 150 + 16 * noise(dice, 25, 0.6) + 4 * noise(dice, 0.6)


def ground(dice: Dice) -> Floats:
    """Return ground plates whose marks, light and rims differ from one to the next."""
    marks = noise(dice, 30, 0.7) if dice.random() < 0.5 else noise(dice, 0.7, 30)
    grey = (
        dice.uniform(70, 130) + dice.uniform(3, 8) * marks + 4 * noise(dice, 0.7) + dice.uniform(2, 8) * noise(dice, 60)
    )
    grey *= 1 + dice.uniform(-0.3, 0.3) * np.linspace(-0.5, 0.5, SIDE)[:, np.newaxis]
    if dice.random() < 0.4:
        grey[: int(dice.uniform(8, 40))] *= dice.uniform(0.25, 0.5)
    return np.rot90(grey, int(dice.integers(4)))


def tiles(dice: Dice) -> Floats:
    """Return a wall of tiles, its joints anywhere."""
    down, across = np.mgrid[:SIDE, :SIDE] + dice.integers(0, 48, (2, 1, 1))
    joint = cv2.GaussianBlur(((down % 48 < 5) | (across % 48 < 5)).astype(np.float64), (0, 0), 0.8)
    tile, mortar = 178 + 5 * noise(dice, 1) + 4 * noise(dice, 50), 95 + 8 * noise(dice, 0.8)
    return np.asarray(tile * (1 - joint) + mortar * joint, np.float64)


def casting(dice: Dice) -> Floats:
    """Return a turned part from above, a little moved and turned."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2 + 4 * dice.normal(size=(2, 1, 1))
    radius, angle = np.hypot(x, y) / (SIDE / 2), np.arctan2(y, x) + dice.uniform(0, 6)
    part = 150 - 30 * (radius > 0.55) + 25 * (radius < 0.18) + 12 * np.cos(6 * angle) * (np.abs(radius - 0.4) < 0.1)
    return np.asarray(cv2.GaussianBlur(np.where(radius < 0.92, part, 235.0), (0, 0), 1.2), np.float64) + 5 * noise(
        dice, 1
    )


def pebbles(dice: Dice) -> Floats:
    """Return a rough surface."""
    return 120 + 24 * noise(dice, 4) + 12 * noise(dice, 1.2)


SURFACES: dict[str, Callable[[Dice], Floats]] = {
    one.__name__: one for one in (fabric, wood, brushed, ground, tiles, casting, pebbles)
}


def _blob(dice: Dice, share: float) -> Floats:
    """Return a soft patch of about this share of the picture, 0 to 1."""
    centre, stretch, turn = (
        dice.uniform(0.1, 0.9, (2, 1, 1)) * SIDE,
        np.exp(0.4 * dice.normal()),
        dice.uniform(0, np.pi),
    )
    y, x = np.mgrid[:SIDE, :SIDE] - centre
    along, across = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
    radius = SIDE * np.sqrt(share / np.pi)
    depth = (1 - np.hypot(along / stretch, across * stretch) / radius) * radius / 2
    return np.asarray(np.clip(depth + 0.5, 0, 1), np.float64)


def _line(dice: Dice, length: float, width: float, bend: float) -> Floats:
    """Return a thin line, 0 to 1."""
    turns = dice.uniform(0, 2 * np.pi) + np.cumsum(bend * dice.normal(size=14))
    steps = np.stack([np.cos(turns), np.sin(turns)], 1) * length / 14
    points = np.cumsum(np.concatenate([dice.uniform(0.12, 0.88, (1, 2)) * SIDE, steps]), 0)
    mask = np.zeros((SIDE, SIDE))
    cv2.polylines(
        mask,
        [np.round(points * 8).astype(np.int32)],
        isClosed=False,
        color=1.0,
        thickness=max(1, round(width)),
        lineType=cv2.LINE_AA,
        shift=3,
    )
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), 0.5), np.float64)


def with_fault(grey: Floats, other: Floats, dice: Dice) -> Floats:
    """Return a surface with one fault of seven kinds, small or large, clear or faint; `other` is a second surface."""
    share, sign = float(np.exp(dice.uniform(np.log(0.004), np.log(0.07)))), float(dice.choice([-1.0, 1.0]))
    strength = sign * dice.uniform(0.9, 2.4) * max(float(grey.std()), 16.0)
    length, width, patch = dice.uniform(30, 130), dice.uniform(1.2, 4), _blob(dice, share)
    soft = np.asarray(cv2.GaussianBlur(patch, (0, 0), 2.5), np.float64)
    slope = np.asarray(cv2.Sobel(soft, cv2.CV_64F, 1, 0), np.float64)
    turned = np.rot90(other, int(dice.integers(1, 4)))
    faults: dict[str, Callable[[], Floats]] = {
        "scratch": lambda: grey + strength * _line(dice, length, width, 0.12),
        "crack": lambda: grey - 1.2 * abs(strength) * _line(dice, length, width, 0.5),
        "hole": lambda: grey * (1 - dice.uniform(0.4, 0.9) * _blob(dice, 0.35 * share)),
        "stain": lambda: grey + 0.7 * strength * soft,
        "patched": lambda: grey * (1 - patch) + patch * turned,
        "shifted": lambda: grey * (1 - patch) + patch * np.roll(grey, (9, -14), (0, 1)),
        "dent": lambda: grey + strength * slope / np.abs(slope).max(),
    }
    return faults[str(dice.choice(list(faults)))]()


def photograph(grey: Floats, dice: Dice) -> NDArray[np.uint8]:
    """Return what a camera makes of a surface: other light each time, and its noise; uint8 (256, 256, 3)."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE - 0.5
    turn = dice.uniform(0, 2 * np.pi)
    light = 1 + 0.05 * dice.normal() + dice.uniform(0, 0.1) * (np.cos(turn) * x + np.sin(turn) * y)
    seen = grey * light + dice.uniform(0.5, 3) * dice.normal(size=grey.shape)
    photo: NDArray[np.uint8] = np.clip(seen, 0, 255).astype(np.uint8)[..., np.newaxis].repeat(3, 2)
    return photo


def surfaces(kind: str, count: int, *, faulty: bool, seed: int, shots: int = 1) -> list[NDArray[np.uint8]]:
    """Return photographs of one kind of surface, so many of each piece, all with a fault or all without."""
    made = []
    for number in range(count):
        dice = np.random.default_rng([seed, number // shots, faulty, *kind.encode()])
        grey = SURFACES[kind](dice)
        piece = with_fault(grey, SURFACES[kind](dice), dice) if faulty else grey
        exposed = np.random.default_rng([seed, number, faulty, *kind.encode()])
        made.append(photograph(piece if shots == 1 else piece * exposed.uniform(0.6, 1.5), exposed))
    return made
