"""A frame becomes events: motion, and whatever the deciders of this camera make of a look at it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from edge_runtime.decision.debounce import Debounce
from edge_runtime.types import Event, Observation, Sight, Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from edge_runtime.decision.motion import Motion, MotionGate
    from edge_runtime.decision.scene import Scene
    from edge_runtime.decision.schedule import Schedule
    from edge_runtime.types import Frame, Image, Look

MOTION_REST_S = 5.0
WATCH_EVERY_S = 1.0


class Eyes(Protocol):
    """A model that finds objects and their meaning in one pass."""

    def look(self, image: Image, *, features: bool = False) -> Look:
        """Return what the picture shows; with the feature maps of the backbone where `features` are wanted."""
        ...


class Decider(Protocol):
    """Makes events of looks; a pure function of its state, its settings and the sight, so that it can be replayed.

    An event that is an alert carries `steps`; the pipeline gives it its `trace`.
    """

    @property
    def name(self) -> str:
        """Name in traces."""

    @property
    def features(self) -> bool:
        """Whether the look must bring the feature maps of the backbone."""

    @property
    def busy(self) -> bool:
        """Whether looking on is worth it although nothing moves."""

    def decide(self, sight: Sight) -> list[Event]:
        """Return what this look changed, oldest first."""

    def finish(self, source: str, at: float) -> list[Event]:
        """End everything that is still open."""

    def state(self) -> tuple[Mapping[str, object], Mapping[str, NDArray[Any]]]:
        """Return all that the next decision depends on: JSON values, and arrays that they name; taken at each look."""

    def restore(self, state: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take on a state that `state` returned, perhaps in another process."""


class VisionPipeline:
    """Everything one camera's pictures go through; one thread at a time may call it.

    Args:
        eyes: looks at pictures.
        gate: says which are worth it.
        deciders: make events of looks.
        scene: remembers them for answers.
        clock: local wall time of a moment in monotonic seconds, None as long as it is not known.
        quiet: hours in which what happens is told, marked as quiet, but is no alert.

    Attributes:
        enabled: while it is not, pictures are not looked at; may be set from any thread.
    """

    def __init__(
        self,
        eyes: Eyes,
        gate: MotionGate,
        deciders: Sequence[Decider],
        scene: Scene,
        clock: Callable[[float], datetime | None] = lambda _: None,
        *,
        quiet: Schedule | None = None,
    ) -> None:
        self.deciders = tuple(deciders)
        self.enabled = True
        self._eyes = eyes
        self._gate = gate
        self._scene = scene
        self._clock = clock
        self._quiet = quiet
        self._features = any(decider.features for decider in deciders)
        self._motion = Debounce(initial=False, settle_s=MOTION_REST_S)
        self._looked_at = float("-inf")
        self._watching = True
        self.looks = 0
        self.last: Observation | None = None

    def step(self, frame: Frame) -> list[Event]:
        """Look at one frame if it is worth it and return what is worth telling, oldest first."""
        if not self.enabled:
            return self._rest(frame)
        self._watching = True
        motion = self._gate.update(frame.image, frame.at)
        events = list(self._motion_events(frame, moving=motion.moving))
        busy = any(decider.busy for decider in self.deciders) and frame.at - self._looked_at >= WATCH_EVERY_S
        if not (motion.look or self._motion.value or busy):
            return events
        self._looked_at = frame.at
        self.looks += 1
        sight = self._see(frame, motion)
        quiet = self._quiet is not None and self._quiet.holds(sight.local, unknown=False)
        for decider in self.deciders:
            decided = _traced(decider, sight)
            events += [hushed(event) for event in decided] if quiet else decided
        return events

    def finish(self, source: str, at: float) -> list[Event]:
        """End everything that is still open, as when a recording ends or the program stops."""
        return [event for decider in self.deciders for event in decider.finish(source, at)]

    def _see(self, frame: Frame, motion: Motion) -> Sight:
        look = self._eyes.look(frame.image, features=self._features)
        self.last = Observation(frame.source, frame.at, look.detections, look.embedding)
        self._scene.observe(self.last, frame, look.presence)
        novelty = tuple(self._gate.novelty(found.box) for found in look.detections)
        return Sight(frame, look, motion.area, motion.moving, novelty, self._clock(frame.at))

    def _rest(self, frame: Frame) -> list[Event]:
        """Look away: what was open ends once."""
        if not self._watching:
            return []
        self._watching = False
        events = self.finish(frame.source, frame.at)
        if self._motion.value:
            events.append(Event("motion", frame.source, frame.at, {"active": False}))
        self._motion = Debounce(initial=False, settle_s=MOTION_REST_S)
        return events

    def _motion_events(self, frame: Frame, *, moving: bool) -> Iterator[Event]:
        """Motion is told at once and taken back only after a rest."""
        if moving and not self._motion.value:
            self._motion = Debounce(initial=True, settle_s=MOTION_REST_S)
            yield Event("motion", frame.source, frame.at, {"active": True})
        elif self._motion.update(moving, frame.at):
            yield Event("motion", frame.source, frame.at, {"active": False})


def hushed(event: Event) -> Event:
    """Tell in quiet hours what is an alert at others."""
    return replace(event, data={**event.data, "quiet": True}, steps=(), trace=None) if event.steps else event


def _traced(decider: Decider, sight: Sight) -> list[Event]:
    """Return what a decider decides, with what each alert can be decided from once more."""
    before, arrays = decider.state()
    events = decider.decide(sight)
    if not any(event.steps for event in events):
        return events
    trace = Trace(decider.name, before, arrays, sight)
    return [replace(event, trace=trace) if event.steps else event for event in events]
