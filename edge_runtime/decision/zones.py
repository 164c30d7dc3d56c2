"""What things do in the zones and at the lines of a picture: come in, stay, leave, cross."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from edge_runtime.decision.boxes import area
from edge_runtime.decision.debounce import Cooldown
from edge_runtime.decision.places import Line, Zone
from edge_runtime.types import Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from edge_runtime.decision.places import Way
    from edge_runtime.decision.schedule import Schedule
    from edge_runtime.decision.tracking import Track
    from edge_runtime.types import Box

_CLEAR = 0.02


@dataclass(frozen=True, slots=True)
class Moment:
    """When something is seen: monotonic seconds, local time if it is known, and whether these are quiet hours."""

    at: float
    local: datetime | None = None
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Crossing:
    """Something that happened at a zone ("enter", "leave") or a line (its direction).

    Attributes:
        inside_s: seconds that the thing has been inside, or was; for zones.
        steps: why it is an alert; empty for what leaves, and in quiet hours.
    """

    place: str
    kind: Literal["zone", "line"]
    what: str
    track: Track
    inside_s: float | None = None
    steps: tuple[Step, ...] = ()


@dataclass(slots=True)
class _Stay:
    """A visit of a zone: `outside` counts looks since `outside_at`."""

    since: float
    looks: int = 0
    reported: bool = False
    outside: int = 0
    outside_at: float = 0.0


@dataclass(slots=True)
class _Passage:
    """Which way a track crossed a line last, and which way it seems to have gone since."""

    told: Way
    doubtful: Way | None = None


class ZoneMonitor:
    """Follows every track through the zones and lines of one camera."""

    def __init__(self, zones: Sequence[Zone], lines: Sequence[Line]) -> None:
        self._stays: dict[tuple[str, int], _Stay] = {}
        self._passages: dict[tuple[str, int], _Passage] = {}
        self._boxes: dict[int, Box] = {}
        self._cooldowns: dict[str, Cooldown] = {}
        self.redraw(zones, lines)

    def redraw(self, zones: Sequence[Zone], lines: Sequence[Line]) -> None:
        """Watch other zones and lines from now on; whoever is inside one that keeps its name stays inside."""
        self._zones = {zone.name: zone for zone in zones}
        self._lines = {line.name: line for line in lines}
        self._drawn = {"zones": [zone.state() for zone in zones], "lines": [line.state() for line in lines]}
        rested = {name: cooldown.state() for name, cooldown in self._cooldowns.items()}
        places: list[Zone | Line] = [*zones, *lines]
        self._cooldowns = {place.name: Cooldown(place.cooldown_s) for place in places}
        for name, cooldown in self._cooldowns.items():
            cooldown.restore(rested.get(name, ()))

    def update(self, moment: Moment, seen: Iterable[Track], ended: Iterable[Track]) -> list[Crossing]:
        """Take where the tracks are seen at a moment and return what that means."""
        found: list[Crossing] = []
        for track in seen:
            found += self._line_crossings(track, moment)
            found += self._zone_changes(track, moment)
            self._boxes[track.number] = track.box
        for track in ended:
            self._boxes.pop(track.number, None)
            for line in [name for name, number in self._passages if number == track.number]:
                del self._passages[line, track.number]
            for zone in [name for name, number in self._stays if number == track.number]:
                stay = self._stays.pop((zone, track.number))
                found += [_leaves(zone, track, stay, track.last_at)] if stay.reported else []
        return found

    def state(self) -> dict[str, object]:
        """Return all that the next `update` depends on, as JSON values."""
        return {
            **self._drawn,
            "stays": [
                [*key, stay.since, stay.looks, stay.reported, stay.outside, stay.outside_at]
                for key, stay in self._stays.items()
            ],
            "passages": [[*key, passage.told, passage.doubtful] for key, passage in self._passages.items()],
            "boxes": [[number, [*box]] for number, box in self._boxes.items()],
            "cooldowns": {name: cooldown.state() for name, cooldown in self._cooldowns.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take on what `state` returned."""
        self.redraw([Zone.restored(zone) for zone in state["zones"]], [Line.restored(line) for line in state["lines"]])
        self._stays = {(name, number): _Stay(*rest) for name, number, *rest in state["stays"]}
        self._passages = {(name, number): _Passage(*rest) for name, number, *rest in state["passages"]}
        self._boxes = {number: (x0, y0, x1, y1) for number, (x0, y0, x1, y1) in state["boxes"]}
        for name, cooldown in self._cooldowns.items():
            cooldown.restore(state["cooldowns"][name])

    def _line_crossings(self, track: Track, moment: Moment) -> Iterator[Crossing]:
        before = self._boxes.get(track.number)
        if before is None:
            return
        for line in self._lines.values():
            way = self._crossed(line, track, before)
            if way is None or line.direction not in {None, way} or not (line.admits(track) and _in_force(line, moment)):
                continue
            key = _key(f"{track.label}/{way}", moment)
            if self._cooldowns[line.name].ready(key, moment.at):
                steps = (_line_step(line, way, before, track), *_terms_steps(line, track, moment, key))
                yield Crossing(line.name, "line", way, track, steps=() if moment.quiet else steps)

    def _crossed(self, line: Line, track: Track, before: Box) -> Way | None:
        """Return the way a line was crossed; who crosses back counts once well clear of it, or trembling would."""
        point = line.point(track.box)
        way = line.crossed(line.point(before), point)
        passage = self._passages.get((line.name, track.number))
        if passage is None or way == passage.told:
            if way is None:
                return None
            back_again = passage is not None and passage.doubtful is not None
            self._passages[line.name, track.number] = _Passage(way)
            return None if back_again else way
        passage.doubtful = way or passage.doubtful
        if passage.doubtful is None or line.distance(point) < _CLEAR:
            return None
        self._passages[line.name, track.number] = _Passage(passage.doubtful)
        return passage.doubtful

    def _zone_changes(self, track: Track, moment: Moment) -> Iterator[Crossing]:
        for zone in self._zones.values():
            key = (zone.name, track.number)
            if not zone.contains(zone.point(track.box)) or not zone.admits(track):
                yield from self._outside(zone, track, moment)
            elif self._settled_inside(zone, key, moment.at) and _in_force(zone, moment):
                stay, rest = self._stays[key], _key(track.label, moment)
                if not stay.reported and self._cooldowns[zone.name].ready(rest, moment.at):
                    stay.reported = True
                    steps = (_zone_step(zone, track, stay, moment.at), *_terms_steps(zone, track, moment, rest))
                    inside_s = moment.at - stay.since
                    yield Crossing(zone.name, "zone", "enter", track, inside_s, () if moment.quiet else steps)
        for name in [name for name, number in self._stays if number == track.number and name not in self._zones]:
            stay = self._stays.pop((name, track.number))
            if stay.reported:
                yield _leaves(name, track, stay, moment.at)

    def _settled_inside(self, zone: Zone, key: tuple[str, int], at: float) -> bool:
        stay = self._stays.setdefault(key, _Stay(at))
        stay.looks, stay.outside = stay.looks + 1, 0
        return stay.looks >= zone.debounce_looks and at - stay.since >= max(zone.dwell_s, zone.debounce_s)

    def _outside(self, zone: Zone, track: Track, moment: Moment) -> Iterator[Crossing]:
        """Leave only after some looks outside, so that a box that trembles on the edge stays one visit."""
        stay = self._stays.get((zone.name, track.number))
        if stay is None:
            return
        stay.outside += 1
        if stay.outside == 1:
            stay.outside_at = moment.at
        if stay.outside < zone.debounce_looks or moment.at - stay.outside_at < zone.debounce_s:
            return
        del self._stays[zone.name, track.number]
        if stay.reported:
            yield _leaves(zone.name, track, stay, stay.outside_at)


def _in_force(place: Zone | Line, moment: Moment) -> bool:
    """Return whether the place counts now; where nobody knows the time, it does."""
    return place.schedule.holds(moment.local, unknown=True)


def _key(what: str, moment: Moment) -> str:
    """Name what has to rest; what was told in quiet hours keeps no alert from coming after them."""
    return f"quiet/{what}" if moment.quiet else what


def _leaves(zone: str, track: Track, stay: _Stay, until: float) -> Crossing:
    return Crossing(zone, "zone", "leave", track, until - stay.since)


def _zone_step(zone: Zone, track: Track, stay: _Stay, at: float) -> Step:
    facts = {
        "name": zone.name,
        "polygon": [list(corner) for corner in zone.polygon],
        "labels": list(zone.labels),
        "anchor": list(zone.point(track.box)),
        "inside": True,
        "since": stay.since,
        "inside_s": at - stay.since,
        "dwell_s": zone.dwell_s,
        "looks": stay.looks,
        "debounce_looks": zone.debounce_looks,
        "debounce_s": zone.debounce_s,
    }
    return Step("zone", facts)


def _line_step(line: Line, way: Way, before: Box, track: Track) -> Step:
    facts = {
        "name": line.name,
        "start": list(line.start),
        "end": list(line.end),
        "labels": list(line.labels),
        "from": list(line.point(before)),
        "to": list(line.point(track.box)),
        "direction": way,
        "counted": [line.direction] if line.direction else ["left_to_right", "right_to_left"],
    }
    return Step("line", facts)


def _terms_steps(place: Zone | Line, track: Track, moment: Moment, key: str) -> Iterator[Step]:
    """Say of each of the further terms that were set why it let this through."""
    if place.min_score > 0:
        yield Step("score", {"best": track.score, "min_score": place.min_score})
    if place.min_size > 0 or place.max_size < 1:
        yield Step("size", {"size": area(track.box), "min_size": place.min_size, "max_size": place.max_size})
    if place.schedule.spans:
        yield schedule_step("schedule", place.schedule, moment.local, holds=True)
    if place.cooldown_s:
        yield Step("cooldown", {"key": key, "cooldown_s": place.cooldown_s, "rested": True})


def schedule_step(gate: str, schedule: Schedule, local: datetime | None, *, holds: bool) -> Step:
    """Say what a schedule decided at a local time, or without any."""
    known = local.isoformat() if local else None
    note = {} if local else {"note": "the clock was never set, so the alert comes"}
    return Step(gate, {"hours": list(schedule.spans), "local": known, "holds": holds, **note})
