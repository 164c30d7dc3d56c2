"""A static camera made of a real clip: its visits in new orders, and light, noise, rain, insects and headlights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Image = NDArray[np.uint8]
    Floats = NDArray[np.float32]
    Plant = Callable[[Floats, float], Floats]

COLUMNS = 640


def read_clip(path: Path) -> tuple[list[Image], float]:
    """Return a clip's pictures, RGB at 640 columns, and how many there are in a second."""
    clip = cv2.VideoCapture(str(path))
    rate, images = clip.get(cv2.CAP_PROP_FPS) or 10.0, []
    while True:
        found, image = clip.read()
        if not found:
            break
        rows = round(image.shape[0] * COLUMNS / image.shape[1] / 2) * 2
        small = cv2.resize(image, (COLUMNS, rows), interpolation=cv2.INTER_AREA)
        images.append(np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), np.uint8))
    if not images:
        raise SystemExit(f"{path} holds no pictures")
    return images, rate


def visits(images: list[Image]) -> tuple[Image, list[tuple[int, int]]]:
    """Return the view that comes most often, and from where to where the clip differs from it."""
    small = np.stack([image[::8, ::8] for image in images]).astype(np.int16)
    some = range(0, len(images), max(1, len(images) // 100))
    unlike = np.stack([(np.abs(small - small[index]).max(3) > 30).mean((1, 2)) for index in some])
    empty = int((unlike < 0.004).sum(1).argmax())
    there = unlike[empty] >= 0.006
    edges = np.flatnonzero(np.diff(np.concatenate([[0], there.astype(int), [0]])))
    spans = [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= 4]
    return images[list(some)[empty]], spans or [(0, len(images))]


@dataclass(frozen=True)
class Passing:
    """Something that lasts from `begin` to `end`, with its own random numbers."""

    begin: float
    end: float
    seed: int

    def holds(self, at: float) -> bool:
        """Tell whether it is there at a moment."""
        return self.begin <= at < self.end


class StaticCamera:
    """Pictures of one camera at any second of `seconds`; all of it follows from the seed.

    Args:
        images: of the clip; rate: of them in a second.
        seconds: how long it watches.
        seed: of everything random.
    """

    def __init__(self, images: list[Image], rate: float, seconds: float, seed: int) -> None:
        self.images, self.rate, self.seconds = images, rate, seconds
        self.view, self.spans = visits(images)
        self._rng = rng = np.random.default_rng(seed)
        self._visits = self._plan_visits()
        self.rain = self._passing(1.5, 180.0, 600.0)
        self.insects = self._passing(25.0, 0.5, 3.0)
        self.headlights = self._passing(18.0, 1.5, 4.0)
        self._noise = rng.normal(0.0, 1.0, (self.view.shape[0] + 64, COLUMNS + 64, 3)).astype(np.float32)
        self._sigma = float(rng.uniform(1.5, 5.0))
        self._waves = [(rng.uniform(60, 1800), rng.uniform(0, 2 * math.pi), rng.uniform(0.02, 0.08)) for _ in range(4)]
        self._clouds = self._passing(8.0, 20.0, 180.0)
        self._lamps = self._passing(1.0, 60.0, 300.0)

    def picture(self, at: float, plant: Plant | None = None) -> Image:
        """Return the picture of a second, with what `plant` puts into the scene before light and weather do."""
        rng = np.random.default_rng(int(at * 1000) + 7)
        scene = self._scene(at).astype(np.float32)
        if plant:
            scene = plant(scene, at)
        scene = self._lit(scene, at)
        for sweep in self.headlights:
            if sweep.holds(at):
                scene = _headlight(scene, sweep, at)
        if any(shower.holds(at) for shower in self.rain):
            scene = _rain(scene, rng)
        for insect in self.insects:
            if insect.holds(at):
                scene = _insect(scene, insect, at)
        y, x = rng.integers(0, 64, 2)
        grain = self._noise[y : y + scene.shape[0], x : x + COLUMNS]
        out: Image = np.clip(scene + self._sigma * grain, 0, 255).astype(np.uint8)
        return out

    def _plan_visits(self) -> list[tuple[float, float, int, int, float]]:
        """Visits one after the other with pauses between them: begin, end, first picture, step, pace."""
        plan, at = [], 5.0
        while at < self.seconds:
            first, last = self.spans[self._rng.integers(len(self.spans))]
            length = min(last - first, int(40 * self.rate))
            start = first + int(self._rng.integers(0, max(1, last - first - length + 1)))
            pace = float(self._rng.uniform(0.7, 1.3))
            lasts = length / self.rate / pace
            forwards = self._rng.random() < 0.5
            plan.append((at, at + lasts, start if forwards else start + length - 1, 1 if forwards else -1, pace))
            at += lasts + float(self._rng.exponential(45.0))
        return plan

    def _passing(self, per_hour: float, least_s: float, most_s: float) -> list[Passing]:
        count = self._rng.poisson(per_hour * self.seconds / 3600)
        begins = self._rng.uniform(0, self.seconds, count)
        lasts = self._rng.uniform(least_s, most_s, count)
        seeds = self._rng.integers(0, 2**31, count)
        return [Passing(float(b), float(b + d), int(s)) for b, d, s in zip(begins, lasts, seeds, strict=True)]

    def _scene(self, at: float) -> Image:
        for begin, end, first, step, pace in self._visits:
            if begin <= at < end:
                index = first + step * int((at - begin) * self.rate * pace)
                return self.images[min(max(index, 0), len(self.images) - 1)]
        return self.view

    def _lit(self, scene: Floats, at: float) -> Floats:
        """Clouds, dusk and lamps: slow waves, some shadows, a lamp that is warmer."""
        gain = 1.0 + sum(depth * math.sin(2 * math.pi * at / period + phase) for period, phase, depth in self._waves)
        for cloud in self._clouds:
            if cloud.holds(at):
                edge = min(at - cloud.begin, cloud.end - at, 5.0) / 5.0
                gain *= 1.0 - edge * (0.1 + 0.2 * (cloud.seed % 100) / 100)
        tint = np.array([1.0, 1.0, 1.0], np.float32)
        if any(lamp.holds(at) for lamp in self._lamps):
            tint = np.array([1.12, 1.04, 0.9], np.float32)
        out: Floats = scene * (tint * np.float32(gain))
        return out


def _headlight(scene: Floats, sweep: Passing, at: float) -> Floats:
    """A soft warm spot that crosses the view."""
    rng = np.random.default_rng(sweep.seed)
    rows, columns = scene.shape[:2]
    share = (at - sweep.begin) / (sweep.end - sweep.begin)
    share = share if rng.random() < 0.5 else 1 - share
    x, y = (1.4 * share - 0.2) * columns, rng.uniform(0.3, 0.8) * rows
    wide, high, bright = rng.uniform(40, 130), rng.uniform(25, 70), rng.uniform(60, 160)
    across = np.exp(-(((np.arange(columns) - x) / wide) ** 2)).astype(np.float32)
    down = np.exp(-(((np.arange(rows) - y) / high) ** 2)).astype(np.float32)
    spot = np.float32(bright) * down[:, None, None] * across[None, :, None]
    out: Floats = scene + spot * np.array([1.0, 0.95, 0.8], np.float32)
    return out


def _rain(scene: Floats, rng: np.random.Generator) -> Floats:
    """Streaks, slanting and faint, and a greyer view."""
    layer = np.zeros(scene.shape[:2], np.float32)
    for x, y, length in zip(
        rng.integers(0, COLUMNS, 220), rng.integers(0, scene.shape[0], 220), rng.integers(6, 26, 220), strict=True
    ):
        cv2.line(layer, (int(x), int(y)), (int(x) + int(length) // 4, int(y) + int(length)), float(rng.uniform(15, 60)))
    out: Floats = 0.92 * scene + 8.0 + cv2.GaussianBlur(layer, (0, 0), 0.7)[:, :, None]
    return out


def _insect(scene: Floats, insect: Passing, at: float) -> Floats:
    """A blurred spot close to the lens on an unsteady way."""
    rng = np.random.default_rng(insect.seed)
    rows, columns = scene.shape[:2]
    passed = at - insect.begin
    x = (rng.uniform(0.1, 0.9) + rng.uniform(-0.4, 0.4) * passed + 0.05 * math.sin(9 * passed)) * columns
    y = (rng.uniform(0.1, 0.9) + rng.uniform(-0.3, 0.3) * passed + 0.05 * math.sin(7 * passed + 1)) * rows
    radius, level = int(rng.uniform(5, 22)), float(rng.choice([35.0, 235.0]))
    mask = np.zeros((rows, columns), np.float32)
    cv2.ellipse(mask, (int(x), int(y)), (radius, max(2, radius // 2)), rng.uniform(0, 180), 0, 360, 0.8, -1)
    soft = np.asarray(cv2.GaussianBlur(mask, (0, 0), radius / 3), np.float32)[:, :, None]
    out: Floats = scene * (1 - soft) + level * soft
    return out
