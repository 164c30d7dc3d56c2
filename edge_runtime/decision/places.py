"""Regions and lines in a camera's picture, and what a thing must be to count there."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal, Self

from edge_runtime.decision.boxes import area, centre
from edge_runtime.decision.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_runtime.decision.tracking import Track
    from edge_runtime.types import Box

Point = tuple[float, float]
Anchor = Literal["bottom", "centre"]
Way = Literal["left_to_right", "right_to_left"]

_EDGE = 1e-6
_LEAST_AREA = 1e-4


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a thing must be to count, and when.

    Attributes:
        labels: it must be one of these; empty means any.
        min_score: its best sighting must reach this.
        min_size: its box must fill this fraction of the picture, and at most `max_size`.
        anchor: the point of its box that counts: the middle of the lower edge, where it stands, or the very middle.
        schedule: when the place counts at all.
        cooldown_s: seconds before the same place and label may alert again.
    """

    labels: tuple[str, ...] = ()
    min_score: float = 0.0
    min_size: float = 0.0
    max_size: float = 1.0
    anchor: Anchor = "bottom"
    schedule: Schedule = field(default_factory=Schedule)
    cooldown_s: float = 0.0

    def admits(self, track: Track) -> bool:
        """Return whether a thing as it is now may count."""
        named = not self.labels or track.label in self.labels
        return named and track.score >= self.min_score and self.min_size <= area(track.box) <= self.max_size

    def point(self, box: Box) -> Point:
        """Return the point of a box that counts."""
        x, y = centre(box)
        return (x, box[3]) if self.anchor == "bottom" else (x, y)

    def state(self) -> dict[str, object]:
        """Return the rule as JSON values."""
        known = {one.name: getattr(self, one.name) for one in fields(self)}
        return {**known, "schedule": self.schedule.spans}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Self:
        """Return the rule that `state` was taken of, perhaps by way of JSON."""
        known = {key: _tuples(value) for key, value in state.items()}
        return cls(**{**known, "schedule": Schedule(known["schedule"])})


@dataclass(frozen=True)
class Zone(Terms):
    """A polygon with corners as fractions of the picture.

    Attributes:
        dwell_s: a thing counts once it has stayed that long.
        debounce_looks: it is inside after as many looks, and outside after as many.
        debounce_s: and not before as many seconds.
    """

    name: str
    polygon: tuple[Point, ...]
    dwell_s: float = field(default=0.0, kw_only=True)
    debounce_looks: int = field(default=2, kw_only=True)
    debounce_s: float = field(default=0.0, kw_only=True)

    def contains(self, point: Point) -> bool:
        """Return whether the point lies inside (even-odd rule); the picture's own edges are inside it."""
        x, y = (min(max(value, _EDGE), 1 - _EDGE) for value in point)
        inside = False
        previous_x, previous_y = self.polygon[-1]
        for corner_x, corner_y in self.polygon:
            if (corner_y > y) != (previous_y > y):
                crossing = corner_x + (y - corner_y) * (previous_x - corner_x) / (previous_y - corner_y)
                inside ^= x < crossing
            previous_x, previous_y = corner_x, corner_y
        return inside


@dataclass(frozen=True)
class Line(Terms):
    """A line from `start` to `end` as fractions of the picture; `direction` is the one that counts, None for both."""

    name: str
    start: Point
    end: Point
    direction: Way | None = field(default=None, kw_only=True)

    def crossed(self, before: Point, after: Point) -> Way | None:
        """Return the direction, seen when looking from `start` to `end`, if the step crosses the line."""
        side_before, side_after = _side(self.start, self.end, before), _side(self.start, self.end, after)
        if side_before * side_after >= 0 or _side(before, after, self.start) * _side(before, after, self.end) > 0:
            return None
        return "left_to_right" if side_after > 0 else "right_to_left"

    def distance(self, point: Point) -> float:
        """Return how far the point is from the line, drawn on at both ends, in fractions of the picture."""
        return abs(_side(self.start, self.end, point)) / math.dist(self.start, self.end)


def checked_polygon(corners: Sequence[Point]) -> tuple[Point, ...]:
    """Return the corners without the first once more at the end, as some programs close a polygon.

    Raises:
        ValueError: they enclose nothing, or the edges cross.
    """
    polygon = tuple(corners[:-1] if len(corners) > 3 and corners[0] == corners[-1] else corners)
    for number, (corner, following) in enumerate(zip(polygon, (*polygon[1:], polygon[0]), strict=True), 1):
        if corner == following:
            raise ValueError(f"corner {number} {list(corner)} is there twice; leave one out")
    edges = [(polygon[i], polygon[(i + 1) % len(polygon)]) for i in range(len(polygon))]
    for (first, one), (second, other) in combinations(enumerate(edges, 1), 2):
        if _cross(one, other):
            raise ValueError(
                f"its edges {first} {[*map(list, one)]} and {second} {[*map(list, other)]} cross; "
                "give the corners in their order around the region"
            )
    doubled = sum(x * y2 - x2 * y for (x, y), (x2, y2) in edges)
    if abs(doubled) / 2 < _LEAST_AREA:
        raise ValueError(f"it encloses {abs(doubled) / 2:.6f} of the picture, which is nothing; draw a region")
    return polygon


def _cross(edge: tuple[Point, Point], other: tuple[Point, Point]) -> bool:
    """Return whether two edges have an inner point in common."""
    sides = [_side(*edge, point) for point in other], [_side(*other, point) for point in edge]
    return all(first * second < 0 for first, second in sides)


def _side(start: Point, end: Point, point: Point) -> float:
    """Return on which side of the directed line the point lies: positive is right in picture coordinates."""
    return (end[0] - start[0]) * (point[1] - start[1]) - (end[1] - start[1]) * (point[0] - start[0])


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
