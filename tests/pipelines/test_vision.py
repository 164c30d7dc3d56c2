from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge_runtime.decision.motion import MotionGate
from edge_runtime.decision.places import Line, Zone
from edge_runtime.decision.scene import Scene
from edge_runtime.decision.schedule import Schedule
from edge_runtime.decision.tracking import Tracker
from edge_runtime.decision.zones import ZoneMonitor
from edge_runtime.pipelines.rules import Rules
from edge_runtime.pipelines.vision import VisionPipeline
from edge_runtime.types import Detection, Event, Frame, Image, Look, Sight, Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

FPS = 6
YARD = Zone("yard", ((0.3, 0.0), (0.7, 0.0), (0.7, 1.0), (0.3, 1.0)), cooldown_s=0.0)
GATE = Line("gate", (0.5, 0.0), (0.5, 1.0))


class Painted:
    """Eyes that find the white rectangle which the test painted, so that pictures and boxes agree.

    With `fancies`, they also take the bare wall on the left for a person whenever somebody is there.
    """

    def __init__(self, *, fancies: bool = False) -> None:
        self.looks = 0
        self._fancies = fancies

    def look(self, image: Image, *, features: bool = False) -> Look:  # noqa: ARG002
        self.looks += 1
        rows, columns = np.nonzero(image[:, :, 1] > 250)
        found: tuple[Detection, ...] = ()
        if rows.size:
            height, width = image.shape[:2]
            box = (columns.min() / width, rows.min() / height, columns.max() / width, rows.max() / height)
            found = (Detection("person", 0.9, (float(box[0]), float(box[1]), float(box[2]), float(box[3]))),)
        if found and self._fancies:
            found = (*found, Detection("person", 0.9, (0.0, 0.1, 0.25, 1.0)))
        return Look(found, (), {"person": 0.9 if found else 0.05}, np.ones(384, np.float32))


def picture(x: float | None) -> Image:
    image = np.full((180, 320, 3), 90, np.uint8)
    if x is not None:
        left = int(x * 320)
        image[60:150, max(0, left - 20) : left + 20] = 255
    return image


def play(
    where: Callable[[float], float | None], seconds: float, *, fancies: bool = False
) -> tuple[list[Event], Painted, Scene]:
    eyes, scene = Painted(fancies=fancies), Scene()
    view = VisionPipeline(eyes, MotionGate(0.002, 10.0), [Rules(Tracker(3, 1.0), ZoneMonitor([YARD], [GATE]))], scene)
    events: list[Event] = []
    for tick in range(int(seconds * FPS)):
        at = tick / FPS
        events += view.step(Frame("door", at, picture(where(at))))
    return events + view.finish("door", seconds), eyes, scene


def walking(at: float) -> float | None:
    return None if at < 2 or at > 8 else 0.05 + 0.9 * (at - 2) / 6


def told(events: list[Event], kind: str) -> list[object]:
    key = {"object": "type", "motion": "active", "count": "count", "zone": "type", "line": "direction"}[kind]
    return [event.data[key] for event in events if event.kind == kind]


def test_a_passer_by_is_told_once_from_start_to_end() -> None:
    events, _, scene = play(walking, 24)
    assert told(events, "object") == ["new", "update", "end"]
    assert told(events, "motion") == [True, False]
    assert told(events, "count") == [1, 0]
    assert told(events, "zone") == ["enter", "leave"]
    assert told(events, "line") == ["right_to_left"]
    tracks = {event.data["after"]["id"] for event in events if event.kind == "object"}  # type: ignore[index]  # JSON
    assert len(tracks) == 1, "new, update and end speak of the same thing"
    assert len({event.id for event in events}) == len(events)
    sighting = scene.last_seen("person")
    assert sighting is not None
    assert sighting.source == "door"


def test_an_empty_still_view_costs_little() -> None:
    events, eyes, _ = play(lambda _: None, 60)
    assert told(events, "object") == []
    assert eyes.looks < 60 * FPS / 5, "the model mostly sleeps"


@pytest.mark.parametrize(
    ("stop_at", "ends"),
    [
        pytest.param(6.0, 1, id="cut-in-the-middle-of-a-visit"),
        pytest.param(1.0, 0, id="cut-before-anything-happened"),
    ],
)
def test_what_is_open_is_ended_when_the_recording_ends(stop_at: float, ends: int) -> None:
    events, _, _ = play(walking, stop_at)
    assert told(events, "object").count("end") == ends


def test_something_that_stands_still_stays_one_thing() -> None:
    random = np.random.default_rng(0)
    events, _, _ = play(lambda at: None if at < 1 else 0.5 + random.uniform(-0.02, 0.02), 40)
    assert told(events, "object") == ["new", "end"], "a box that trembles is no news"
    assert told(events, "count") == [1, 0], "nobody is counted after the end"


def test_what_has_always_been_there_is_no_visitor() -> None:
    events, _, _ = play(lambda at: 0.7 if 10 < at < 20 else None, 40, fancies=True)
    assert told(events, "object") == ["new", "end"], "the wall that the model takes for a person has not just come"


class Crier:
    """A decider that alerts at every look."""

    name, features, busy = "crier", False, True

    def decide(self, sight: Sight) -> list[Event]:
        told = Event("object", sight.frame.source, sight.frame.at, {"type": "new"})
        return [told, Event("alert", sight.frame.source, sight.frame.at, {"prompt": "x"}, steps=(Step("word", {}),))]

    def finish(self, source: str, at: float) -> list[Event]:  # noqa: ARG002
        return []

    def state(self) -> tuple[dict[str, object], dict[str, NDArray[Any]]]:
        return {}, {}

    def restore(self, state: object, arrays: object) -> None:
        """Take on nothing."""


@pytest.mark.parametrize(
    ("hour", "alerts"),
    [
        pytest.param(23, False, id="in-quiet-hours"),
        pytest.param(12, True, id="out-of-them"),
        pytest.param(None, True, id="while-the-clock-was-never-set"),
    ],
)
def test_in_quiet_hours_no_decider_alerts(hour: int | None, alerts: bool) -> None:
    def clock(_: float) -> datetime | None:
        return None if hour is None else datetime(2026, 1, 5, hour, tzinfo=UTC)

    quiet = Schedule(("22:00-06:00",))
    view = VisionPipeline(Painted(), MotionGate(0.0, 10.0), [Crier()], Scene(), clock, quiet=quiet)
    told, alert = (event for event in view.step(Frame("door", 0.0, picture(None))) if event.kind != "motion")
    assert "quiet" not in told.data
    assert bool(alert.steps) is bool(alert.trace) is alerts
    assert alert.data.get("quiet", False) is not alerts
