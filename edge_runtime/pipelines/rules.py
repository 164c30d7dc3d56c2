"""The rules of one camera: things that come and go, how many there are, zones and lines."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_runtime.decision.debounce import Debounce
from edge_runtime.decision.zones import Moment, schedule_step
from edge_runtime.types import Event, Step, new_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from edge_runtime.decision.places import Line, Zone
    from edge_runtime.decision.schedule import Schedule
    from edge_runtime.decision.tracking import Track, Tracker
    from edge_runtime.decision.zones import Crossing, ZoneMonitor
    from edge_runtime.types import Box, Detection, Frame, Sight

COUNT_SETTLE_S = 0.5
UPDATE_EVERY_S = 5.0
MOVED = 0.05
NOVEL = 0.3
"""A box of which so much is unlike the last minutes is news: it may start a track, and is worth a closer look."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What was last said about a track."""

    at: float
    box: Box
    data: dict[str, object]


class Rules:
    """Follows things and tells what the zones and lines make of them; a Decider of VisionPipeline.

    Args:
        tracker: follows.
        zones: watches zones and lines.
        quiet: hours in which what happens there is told, but nobody is alerted.
    """

    name = "rules"
    features = False

    def __init__(self, tracker: Tracker, zones: ZoneMonitor, quiet: Schedule | None = None) -> None:
        self._tracker = tracker
        self._zones = zones
        self._quiet = quiet
        self._wanted: tuple[Sequence[Zone], Sequence[Line]] | None = None
        self._session = new_id()[:8]
        self._counts: dict[str, Debounce[int]] = {}
        self._told: dict[int, _Told] = {}

    @property
    def busy(self) -> bool:
        """Return whether something is being followed, so that looking on is worth it."""
        return bool(self._tracker.tracks)

    def redraw(self, zones: Sequence[Zone], lines: Sequence[Line]) -> None:
        """Watch other zones and lines from the next look on; may be called from any thread."""
        self._wanted = (zones, lines)

    def decide(self, sight: Sight) -> list[Event]:
        """Return what this look changed, oldest first."""
        frame, look = sight.frame, sight.look
        new = {found.box for found, novelty in zip(look.detections, sight.novelty, strict=True) if novelty >= NOVEL}
        changes = self._tracker.update(frame.at, look.detections, look.unsure, new.__contains__)
        events = list(self._track_events(frame, changes.new, changes.seen))
        events += [self._object_event("end", frame.source, frame.at, track) for track in changes.ended]
        quiet = self._quiet is not None and self._quiet.holds(sight.local, unknown=False)
        moment = Moment(frame.at, sight.local, quiet)
        crossings = self._zones.update(moment, (*changes.new, *changes.seen), changes.ended)
        for one in crossings:
            steps = (*self._steps(one.track, sight), *one.steps) if one.steps else ()
            told = {**self._crossing_data(one), **({"quiet": True} if quiet else {})}
            events.append(Event(one.kind, frame.source, frame.at, told, steps=steps))
        return [*events, *self._count_events(frame.source, frame.at)]

    def finish(self, source: str, at: float) -> list[Event]:
        """End everything that is still open, as when a recording ends or the program stops."""
        ended = self._tracker.finish()
        events = [self._object_event("end", source, at, track) for track in ended]
        left = self._zones.update(Moment(at), (), ended)
        events += [Event(one.kind, source, at, self._crossing_data(one)) for one in left]
        return [*events, *self._count_events(source, at, ended=True)]

    def _track_events(self, frame: Frame, new: Sequence[Track], seen: Sequence[Track]) -> Iterator[Event]:
        for track in new:
            yield self._object_event("new", frame.source, frame.at, track)
        for track in seen:
            told = self._told[track.number]
            # A box trembles from look to look; only a real step is news, or a still visitor would fill the spool.
            moved = max(abs(now - then) for now, then in zip(track.box, told.box, strict=True)) > MOVED
            if told.data["label"] != track.label or (moved and frame.at - told.at >= UPDATE_EVERY_S):
                yield self._object_event("update", frame.source, frame.at, track)

    def _object_event(self, change: str, source: str, at: float, track: Track) -> Event:
        before = self._told.pop(track.number, None)
        after = self._track_data(track)
        if change != "end":
            self._told[track.number] = _Told(at, track.box, after)
        data = {"type": change, "label": track.label, "before": before.data if before else None, "after": after}
        return Event("object", source, at, data)

    def _count_events(self, source: str, at: float, *, ended: bool = False) -> Iterator[Event]:
        counts = Counter(track.label for track in self._tracker.tracks if track.confirmed)
        for label in sorted({*counts, *self._counts}):
            settled = self._counts.setdefault(label, Debounce(0, COUNT_SETTLE_S))
            if settled.update(counts[label], at) or (ended and settled.value):
                yield Event("count", source, at, {"label": label, "count": counts[label]})

    def _steps(self, track: Track, sight: Sight) -> Iterator[Step]:
        """Say by which figures a track came to be."""
        yield Step("motion", {"area": sight.area, "moving": sight.moving})
        found = _seen_as(track, sight)
        if found:
            presence = sight.look.presence.get(found.label)
            box = [float(side) for side in found.box]
            yield Step(
                "detector", {"label": found.label, "score": found.score, "box": box, "presence": _number(presence)}
            )
        for other, novelty in zip(sight.look.detections, sight.novelty, strict=True):
            if other is found:
                yield Step("novelty", {"novelty": float(novelty), "needed_to_start": NOVEL})
        yield Step(
            "tracker",
            {
                "track": self._track_id(track),
                "label": track.label,
                "votes": dict(sorted(track.votes.items())),
                "hits": track.hits,
                "confirm_frames": self._tracker.confirm_frames,
                "first_at": track.first_at,
                "last_at": track.last_at,
            },
        )
        if self._quiet:
            yield schedule_step("quiet_hours", self._quiet, sight.local, holds=False)

    def _crossing_data(self, crossing: Crossing) -> dict[str, object]:
        track = crossing.track
        way = "type" if crossing.kind == "zone" else "direction"
        place = {crossing.kind: crossing.place, way: crossing.what}
        stay = {} if crossing.inside_s is None else {"inside_s": round(crossing.inside_s, 3)}
        return {**place, "label": track.label, "track": self._track_id(track), **stay}

    def _track_data(self, track: Track) -> dict[str, object]:
        return {
            "id": self._track_id(track),
            "label": track.label,
            "score": round(track.score, 3),
            "box": [round(side, 4) for side in track.box],
            "seen_s": round(track.last_at - track.first_at, 3),
        }

    def _track_id(self, track: Track) -> str:
        """Name a track so that no restart gives the name again."""
        return f"{self._session}-{track.number}"

    def state(self) -> tuple[Mapping[str, object], Mapping[str, NDArray[Any]]]:
        """Return all that the next decision depends on, as JSON values; there are no arrays.

        What was drawn anew takes effect here, just before a look: a decision must not change between its state and it.
        """
        if (wanted := self._wanted) is not None:
            self._zones.redraw(*wanted)
            if self._wanted is wanted:
                self._wanted = None
        state = {
            "session": self._session,
            "tracker": self._tracker.state(),
            "zones": self._zones.state(),
            "counts": {label: settled.state() for label, settled in self._counts.items()},
            "told": [[number, told.at, [*map(float, told.box)], told.data] for number, told in self._told.items()],
        }
        return state, {}

    def restore(self, state: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:  # noqa: ARG002
        """Take on a state that `state` returned."""
        self._session = state["session"]
        self._tracker.restore(state["tracker"])
        self._zones.restore(state["zones"])
        self._counts = {label: Debounce(0, COUNT_SETTLE_S) for label in state["counts"]}
        for label, settled in state["counts"].items():
            self._counts[label].restore(settled)
        self._told = {number: _Told(at, (*box,), data) for number, at, box, data in state["told"]}


def _seen_as(track: Track, sight: Sight) -> Detection | None:
    """Return the box of this look that continued the track."""
    if track.last_at != sight.frame.at:
        return None
    found = (one for one in (*sight.look.detections, *sight.look.unsure) if one.box == track.box)
    return next(found, None)


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)
