"""Where things are allowed to be: regions and lines in a camera's picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from edge_runtime.decision.debounce import Cooldown
from edge_runtime.types import Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from edge_runtime.decision.tracking import Track

Point = tuple[float, float]

_SETTLE_LOOKS = 2
_LINE_REST_S = 2.0
_EDGE = 1e-6


@dataclass(frozen=True, slots=True)
class Zone:
    """A polygon with corners as fractions of the picture; empty `labels` means every label."""

    name: str
    polygon: tuple[Point, ...]
    labels: tuple[str, ...] = ()
    dwell_s: float = 0.0
    cooldown_s: float = 10.0

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


@dataclass(frozen=True, slots=True)
class Line:
    """A line from `start` to `end` as fractions of the picture; empty `labels` means every label."""

    name: str
    start: Point
    end: Point
    labels: tuple[str, ...] = ()

    def crossed(self, before: Point, after: Point) -> Literal["left_to_right", "right_to_left"] | None:
        """Return the direction, seen when looking from `start` to `end`, if the step crosses the line."""
        side_before, side_after = _side(self.start, self.end, before), _side(self.start, self.end, after)
        if side_before * side_after >= 0 or _side(before, after, self.start) * _side(before, after, self.end) > 0:
            return None
        return "left_to_right" if side_after > 0 else "right_to_left"


@dataclass(frozen=True, slots=True)
class Crossing:
    """Something that happened at a zone ("enter", "leave") or a line (its direction).

    `steps` say why, for what is an alert; nobody is alerted of what leaves.
    """

    place: str
    kind: Literal["zone", "line"]
    what: str
    track: Track
    steps: tuple[Step, ...] = ()


@dataclass(slots=True)
class _Stay:
    since: float
    looks: int = 1
    reported: bool = False
    outside: int = 0


class ZoneMonitor:
    """Follows every track through the zones and lines of one camera."""

    def __init__(self, zones: Sequence[Zone], lines: Sequence[Line]) -> None:
        self._zones = tuple(zones)
        self._lines = tuple(lines)
        self._cooldowns = {zone.name: Cooldown(zone.cooldown_s) for zone in zones}
        self._line_rest = Cooldown(_LINE_REST_S)
        self._stays: dict[tuple[str, int], _Stay] = {}
        self._anchors: dict[int, Point] = {}

    def update(self, at: float, seen: Iterable[Track], ended: Iterable[Track]) -> list[Crossing]:
        """Take where the tracks were seen at `at` (seconds) and return what that means."""
        found: list[Crossing] = []
        for track in seen:
            found += self._line_crossings(track, at)
            found += self._zone_changes(track, at)
            self._anchors[track.number] = track.anchor
        for track in ended:
            self._anchors.pop(track.number, None)
            for zone in self._zones:
                stay = self._stays.pop((zone.name, track.number), None)
                if stay and stay.reported:
                    found.append(Crossing(zone.name, "zone", "leave", track))
        return found

    def state(self) -> dict[str, object]:
        """Return all that the next `update` depends on, as JSON values."""
        return {
            "stays": [[*key, stay.since, stay.looks, stay.reported, stay.outside] for key, stay in self._stays.items()],
            "anchors": [[number, *point] for number, point in self._anchors.items()],
            "cooldowns": {name: cooldown.state() for name, cooldown in self._cooldowns.items()},
            "lines": self._line_rest.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take on what `state` returned."""
        self._stays = {(name, number): _Stay(*rest) for name, number, *rest in state["stays"]}
        self._anchors = {number: (x, y) for number, x, y in state["anchors"]}
        for name, cooldown in self._cooldowns.items():
            cooldown.restore(state["cooldowns"].get(name, ()))
        self._line_rest.restore(state["lines"])

    def _line_crossings(self, track: Track, at: float) -> Iterator[Crossing]:
        before = self._anchors.get(track.number)
        if before is None:
            return
        for line in self._lines:
            way = line.crossed(before, track.anchor)
            counts = not line.labels or track.label in line.labels
            if way and counts and self._line_rest.ready(f"{line.name}/{track.number}", at):
                yield Crossing(line.name, "line", way, track, (_line_step(line, way, before, track),))

    def _zone_changes(self, track: Track, at: float) -> Iterator[Crossing]:
        for zone in self._zones:
            change = self._zone_change(zone, track, at)
            if change == "enter":
                yield Crossing(zone.name, "zone", change, track, self._zone_steps(zone, track, at))
            elif change:
                yield Crossing(zone.name, "zone", change, track)

    def _zone_change(self, zone: Zone, track: Track, at: float) -> str | None:
        key = (zone.name, track.number)
        stay = self._stays.get(key)
        if not zone.contains(track.anchor) or (zone.labels and track.label not in zone.labels):
            return self._outside(key, stay)
        if stay is None:
            self._stays[key] = _Stay(at)
            return None
        stay.looks, stay.outside = stay.looks + 1, 0
        if stay.reported or stay.looks < _SETTLE_LOOKS or at - stay.since < zone.dwell_s:
            return None
        if not self._cooldowns[zone.name].ready(track.label, at):
            return None
        stay.reported = True
        return "enter"

    def _zone_steps(self, zone: Zone, track: Track, at: float) -> tuple[Step, ...]:
        stay = self._stays[zone.name, track.number]
        facts = {
            "name": zone.name,
            "polygon": [list(corner) for corner in zone.polygon],
            "anchor": list(track.anchor),
            "inside": True,
            "since": stay.since,
            "inside_s": at - stay.since,
            "dwell_s": zone.dwell_s,
            "looks": stay.looks,
            "looks_needed": _SETTLE_LOOKS,
        }
        return Step("zone", facts), Step("cooldown", {"key": track.label, "cooldown_s": zone.cooldown_s})

    def _outside(self, key: tuple[str, int], stay: _Stay | None) -> str | None:
        """Leave only after two looks outside, so that a box that trembles on the edge stays one visit."""
        if stay is None:
            return None
        stay.outside += 1
        if stay.outside < _SETTLE_LOOKS:
            return None
        del self._stays[key]
        return "leave" if stay.reported else None


def _line_step(line: Line, way: str, before: Point, track: Track) -> Step:
    facts = {
        "name": line.name,
        "start": list(line.start),
        "end": list(line.end),
        "from": list(before),
        "to": list(track.anchor),
        "direction": way,
    }
    return Step("line", facts)


def _side(start: Point, end: Point, point: Point) -> float:
    """Return on which side of the directed line the point lies: positive is right in picture coordinates."""
    return (end[0] - start[0]) * (point[1] - start[1]) - (end[1] - start[1]) * (point[0] - start[0])
