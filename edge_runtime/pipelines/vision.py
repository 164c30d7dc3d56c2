"""A frame becomes events: motion, things that come and go, counts, zones and lines."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from edge_runtime.decision.debounce import Debounce
from edge_runtime.types import Event, Observation, new_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edge_runtime.decision.motion import MotionGate
    from edge_runtime.decision.scene import Scene
    from edge_runtime.decision.tracking import Track, Tracker
    from edge_runtime.decision.zones import Crossing, ZoneMonitor
    from edge_runtime.types import Box, Frame, Image, Look

MOTION_REST_S = 5.0
COUNT_SETTLE_S = 0.5
UPDATE_EVERY_S = 5.0
MOVED = 0.05
NOVEL = 0.3
WATCH_EVERY_S = 1.0


class Eyes(Protocol):
    """A model that finds objects and their meaning in one pass."""

    def look(self, image: Image) -> Look:
        """Return what the picture shows."""
        ...


@dataclass(frozen=True, slots=True)
class _Told:
    """What was last said about a track."""

    at: float
    box: Box
    data: dict[str, object]


class VisionPipeline:
    """Everything one camera's pictures go through; one thread at a time may call it."""

    def __init__(self, eyes: Eyes, gate: MotionGate, tracker: Tracker, zones: ZoneMonitor, scene: Scene) -> None:
        self._eyes = eyes
        self._gate = gate
        self._tracker = tracker
        self._zones = zones
        self._scene = scene
        self._session = new_id()[:8]
        self._motion = Debounce(initial=False, settle_s=MOTION_REST_S)
        self._counts: dict[str, Debounce[int]] = {}
        self._told: dict[int, _Told] = {}
        self._looked_at = float("-inf")
        self.looks = 0
        self.last: Observation | None = None

    def step(self, frame: Frame) -> list[Event]:
        """Look at one frame if it is worth it and return what is worth telling, oldest first."""
        motion = self._gate.update(frame.image, frame.at)
        events = list(self._motion_events(frame, moving=motion.moving))
        watching = bool(self._tracker.tracks) and frame.at - self._looked_at >= WATCH_EVERY_S
        if not (motion.look or self._motion.value or watching):
            return events
        self._looked_at = frame.at
        self.looks += 1
        look = self._eyes.look(frame.image)
        self.last = Observation(frame.source, frame.at, tuple(look.detections), look.embedding)
        self._scene.observe(self.last, frame, look.presence)
        changes = self._tracker.update(frame.at, look.detections, look.unsure, self._is_new)
        events += self._track_events(frame, changes.new, changes.seen)
        events += [self._object_event("end", frame.source, frame.at, track) for track in changes.ended]
        crossings = self._zones.update(frame.at, (*changes.new, *changes.seen), changes.ended)
        events += [Event(one.kind, frame.source, frame.at, self._crossing_data(one)) for one in crossings]
        events += self._count_events(frame.source, frame.at)
        return events

    def finish(self, source: str, at: float) -> list[Event]:
        """End everything that is still open, as when a recording ends or the program stops."""
        ended = self._tracker.finish()
        events = [self._object_event("end", source, at, track) for track in ended]
        left = self._zones.update(at, (), ended)
        events += [Event(one.kind, source, at, self._crossing_data(one)) for one in left]
        return [*events, *self._count_events(source, at, ended=True)]

    def _is_new(self, box: Box) -> bool:
        return self._gate.novelty(box) >= NOVEL

    def _motion_events(self, frame: Frame, *, moving: bool) -> Iterator[Event]:
        """Motion is told at once and taken back only after a rest."""
        if moving and not self._motion.value:
            self._motion = Debounce(initial=True, settle_s=MOTION_REST_S)
            yield Event("motion", frame.source, frame.at, {"active": True})
        elif self._motion.update(moving, frame.at):
            yield Event("motion", frame.source, frame.at, {"active": False})

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

    def _crossing_data(self, crossing: Crossing) -> dict[str, object]:
        track = crossing.track
        way = "type" if crossing.kind == "zone" else "direction"
        place = {crossing.kind: crossing.place, way: crossing.what}
        return {**place, "label": track.label, "track": self._track_id(track)}

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
