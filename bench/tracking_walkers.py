"""Simulated people, boxes alone: what a tracker makes of looks that miss, tremble and doubt, whatever the model.

They walk to and fro at their own speed, stop, pass one another and go behind a pillar in every other world. Who is
covered to 70 % by somebody nearer or by the pillar is not seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.types import Detection

if TYPE_CHECKING:
    from numpy.random import Generator
    from tracking_scores import Boxes

    from edge_runtime.types import Box

FPS = 6
PEOPLE = 3
MISSED, DOUBTED, TREMBLE = 0.08, 0.15, 0.04
HIDDEN = 0.7


@dataclass
class _Walker:
    """A person: the middle of the feet, fractions of the picture a second, and how high."""

    x: float
    foot: float
    speed: float
    high: float

    def step(self, random: Generator) -> None:
        """Walk on for one picture; now and then stop or turn, and turn at the picture's sides."""
        if random.random() < 0.03:
            self.speed = float(random.choice([0.0, -self.speed, random.uniform(-0.2, 0.2)]))
        if not 0.05 < self.x + self.speed / FPS < 0.95:
            self.speed = -self.speed
        self.x += self.speed / FPS

    @property
    def box(self) -> Box:
        """Where the person is, visible or not."""
        wide = 0.2 * self.high
        return (max(self.x - wide, 0.0), self.foot - self.high, min(self.x + wide, 1.0), self.foot)


Looks = list[tuple[tuple[Detection, ...], tuple[Detection, ...]]]


def world(seed: int, seconds: int = 40) -> tuple[Looks, Boxes]:
    """Return sure and unsure boxes of each picture, and who was there to be seen."""
    random = np.random.default_rng(seed)
    people = [
        _Walker(random.uniform(0.1, 0.9), random.uniform(0.7, 1.0), random.uniform(-0.2, 0.2), random.uniform(0.3, 0.5))
        for _ in range(PEOPLE)
    ]
    pillar = (0.4, 0.4 + random.uniform(0.1, 0.25)) if seed % 2 else (2.0, 2.0)
    looks: Looks = []
    truth: Boxes = []
    for _ in range(seconds * FPS):
        for walker in people:
            walker.step(random)
        seen = {number: walker.box for number, walker in enumerate(people) if not _hidden(walker, people, pillar)}
        found = [(_trembling(box, random), random.random()) for box in seen.values()]
        sure = tuple(Detection("person", 0.9, box) for box, luck in found if luck > MISSED + DOUBTED)
        looks.append(
            (sure, tuple(Detection("person", 0.3, b) for b, luck in found if MISSED < luck <= MISSED + DOUBTED))
        )
        truth.append(seen)
    return looks, truth


def _hidden(walker: _Walker, people: list[_Walker], pillar: tuple[float, float]) -> bool:
    """Return whether the pillar or somebody nearer covers most of a walker, by width."""
    x0, _, x1, _ = walker.box
    covers = [pillar, *((other.box[0], other.box[2]) for other in people if other.foot > walker.foot)]
    return any(min(x1, end) - max(x0, begin) > HIDDEN * (x1 - x0) for begin, end in covers)


def _trembling(box: Box, random: Generator) -> Box:
    size = (box[2] - box[0], box[3] - box[1]) * 2
    x0, y0, x1, y1 = (float(side + random.normal(0, TREMBLE * span)) for side, span in zip(box, size, strict=True))
    return (x0, y0, x1, y1)
