"""A camera learns its view and tells what is unlike it: once, with where it is, and so that it can be replayed."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.pipelines.unusual import Unusual
from edge_runtime.types import Detection, Frame, Look, Sight

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from edge_runtime.types import Box, Event

    Change = Callable[[NDArray[np.float32], float], None]

ROWS, COLUMNS = 6, 8
IMAGE = np.zeros((2, 2, 3), np.uint8)
LEARNT_MINUTES = 100
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
STEP_S = 4.0
GATES = ["motion", "memory", "brief", "lasting", "place", "time", "allowance"]
STRANGE = np.random.default_rng(99).normal(0.0, 3.0, 24).astype(np.float32)


class Camera:
    """Looks at a view whose features tremble; `change` may alter them, channels first, at a second."""

    def __init__(self, unusual: Unusual, seed: int = 1) -> None:
        self.unusual = unusual
        self.at = 1000.0
        self.rng = np.random.default_rng(seed)
        self.view = np.random.default_rng(0).normal(0.0, 1.0, (24, ROWS, COLUMNS)).astype(np.float32)

    def sight(
        self, change: Change | None = None, things: tuple[Detection, ...] = (), local: datetime | None = None
    ) -> Sight:
        features = self.view + self.rng.normal(0.0, 0.1, self.view.shape).astype(np.float32)
        if change:
            change(features, self.at)
        look = Look(things, (), {}, None, (features[:8], features[8:]))
        novelty = (0.0,) * len(things)
        return Sight(Frame("yard", self.at, IMAGE), look, area=0.0, moving=False, novelty=novelty, local=local)

    def watch(
        self, seconds: float, change: Change | None = None, things: Mapping[float, Box] | None = None
    ) -> list[Event]:
        """Look every four seconds; `things` are persons, by the seconds from which they stand at a box."""
        events, end, begun = [], self.at + seconds, self.at
        while self.at < end:
            boxes = [box for since, box in (things or {}).items() if self.at - begun >= since]
            persons = tuple(Detection("person", 0.9, box) for box in boxes)
            events += self.unusual.decide(self.sight(change, persons, NOON + timedelta(seconds=self.at)))
            self.at += STEP_S
        return events


def blob(row: int, column: int) -> Change:
    def change(features: NDArray[np.float32], _: float) -> None:
        features[:, row : row + 2, column : column + 2] = STRANGE[:, None, None]

    return change


def where(event: Event) -> list[float]:
    box = event.data["where"]
    assert isinstance(box, list)
    return [float(side) for side in box]


def passing(features: NDArray[np.float32], at: float) -> None:
    column = 3 * int(at / STEP_S) % (COLUMNS - 1)
    features[:, 2:4, column : column + 2] = STRANGE[:, None, None]


def brighter(features: NDArray[np.float32], _: float) -> None:
    features *= np.float32(1.25)
    features += np.float32(0.3)


def moved(features: NDArray[np.float32], _: float) -> None:
    """What is known on the left is on the right as well."""
    features[:, 1:4, 5:8] = features[:, 1:4, 0:3]


@pytest.fixture(scope="module")
def learnt() -> Camera:
    camera = Camera(Unusual(1.0, 300.0))
    for _ in range(LEARNT_MINUTES):
        assert camera.watch(32.0) == []
        camera.at += 28.0
    return camera


@pytest.fixture
def camera(learnt: Camera) -> Camera:
    return copy.deepcopy(learnt)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        pytest.param(blob(2, 4), "picture", id="what was never seen stays"),
        pytest.param(moved, "place", id="what is known is where it never was"),
        pytest.param(passing, None, id="what passes is on its way"),
        pytest.param(brighter, None, id="the light of the whole view changes"),
        pytest.param(None, None, id="nothing happens"),
    ],
)
def test_what_stays_and_is_unlike_the_view_alarms(camera: Camera, change: Change | None, kind: str | None) -> None:
    events = camera.watch(60.0, change)
    assert [event.data["unusual"] for event in events] == ([kind] if kind else [])


def test_the_alarm_says_where_how_strange_and_why(camera: Camera) -> None:
    (event,) = camera.watch(60.0, blob(2, 4))
    x0, y0, x1, y1 = where(event)
    assert x0 <= 4 / COLUMNS < 6 / COLUMNS <= x1
    assert y0 <= 2 / ROWS < 4 / ROWS <= y1
    assert float(str(event.data["score"])) > float(str(event.data["threshold"]))
    assert event.heat is not None
    assert event.heat.shape == (ROWS, COLUMNS)
    assert event.heat[2:4, 4:6].min() > 2 * event.heat[:, :2].max()
    assert [step.gate for step in event.steps] == GATES


def test_what_was_told_is_not_told_again_while_it_stays(camera: Camera) -> None:
    assert len(camera.watch(900.0, blob(2, 4))) == 1


def test_something_else_is_told_while_the_first_thing_stays(camera: Camera) -> None:
    first, second = blob(0, 0), blob(4, 6)

    def both(features: NDArray[np.float32], at: float) -> None:
        first(features, at)
        second(features, at)

    assert len(camera.watch(400.0, first)) == 1
    (event,) = camera.watch(60.0, both)
    assert where(event)[0] > 0.5


def test_many_things_may_happen_in_one_hour(camera: Camera) -> None:
    corners = [(row, column) for row in (0, 4) for column in (0, 3, 6)]
    events = []
    for row, column in corners:
        events += camera.watch(60.0, blob(row, column))
        camera.watch(180.0)
    assert len(events) == len(corners)


def test_what_comes_thick_and_fast_is_not_told_all_of_it(camera: Camera) -> None:
    rng = np.random.default_rng(4)
    told = 0
    for _ in range(60):
        told += len(camera.watch(28.0, blob(int(rng.integers(0, 5)), int(rng.integers(0, 7)))))
        camera.watch(64.0)
    assert 6 <= told <= 6 + 60 * 92 / 300


def test_a_look_now_and_then_learns_nothing_strange_either(camera: Camera) -> None:
    camera.watch(20.0, blob(2, 4))
    before = camera.unusual.kept()[1]["seen"][2 * COLUMNS + 4].copy()
    for _ in range(20):
        camera.at += 26.0
        camera.watch(STEP_S, blob(2, 4))
    assert np.array_equal(camera.unusual.kept()[1]["seen"][2 * COLUMNS + 4], before)


def test_what_stays_for_half_an_hour_is_usual_in_the_end(camera: Camera) -> None:
    for _ in range(75):
        camera.watch(16.0, blob(2, 4))
        camera.at += 44.0
    assert camera.watch(60.0) == []
    camera.watch(100.0)
    assert camera.watch(60.0, blob(2, 4)) == []


@pytest.mark.parametrize(("fine", "again"), [(True, 0), (False, 1)], ids=["said to be fine", "nothing said"])
def test_what_was_fine_does_not_alarm_again(camera: Camera, *, fine: bool, again: int) -> None:
    (event,) = camera.watch(60.0, blob(2, 4))
    camera.watch(400.0)
    if fine:
        camera.unusual.fine(event.id, str(event.data["gate"]), 0.0)
        camera.watch(4.0)
    assert len(camera.watch(60.0, blob(2, 4))) == again


def test_what_was_fine_hides_nothing_else(camera: Camera) -> None:
    (event,) = camera.watch(60.0, blob(2, 4))
    camera.watch(400.0)
    camera.unusual.fine(event.id, str(event.data["gate"]), 0.0)
    camera.watch(4.0)
    assert len(camera.watch(60.0, blob(0, 0))) == 1


def test_an_alarm_can_be_decided_once_more_from_its_state(camera: Camera) -> None:
    change = blob(2, 4)
    told: list[Event] = []
    while not told:
        before, arrays = camera.unusual.state()
        before, sight = json.loads(json.dumps(before)), camera.sight(change)
        told = camera.unusual.decide(sight)
        camera.at += STEP_S
    again = Unusual(1.0, 300.0)
    again.restore(before, arrays)
    (event,) = again.decide(sight)
    assert (event.kind, event.source, event.at, event.data) == (told[0].kind, "yard", told[0].at, told[0].data)
    assert event.steps == told[0].steps
    assert event.heat is not None
    assert told[0].heat is not None
    assert np.array_equal(event.heat, told[0].heat)


def test_a_restart_forgets_nothing(camera: Camera) -> None:
    state, arrays = camera.unusual.kept()
    after = Camera(Unusual(1.0, 300.0), seed=2)
    after.unusual.take(json.loads(json.dumps(state)), arrays)
    assert after.watch(120.0) == []
    assert len(after.watch(60.0, blob(2, 4))) == 1


@pytest.mark.parametrize(("minute", "judges_at"), [(3, 19), (6, 15), (13, 15), (20, 15)])
def test_after_a_restart_within_the_first_minutes_learning_goes_on(minute: int, judges_at: int) -> None:
    """Before two minutes of looks nothing is learnt that could be kept; after them nothing is lost."""
    camera = Camera(Unusual(1.0, 300.0))
    for passed in range(judges_at):
        if passed == minute:
            state, arrays = camera.unusual.kept()
            camera.unusual = Unusual(1.0, 300.0)
            camera.unusual.take(json.loads(json.dumps(state)), arrays)
        camera.watch(60.0)
    history = camera.unusual.kept()[0]["thresholds"]
    camera.watch(120.0)
    later = camera.unusual.kept()[0]["thresholds"]
    assert isinstance(history, dict)
    assert isinstance(later, dict)
    assert later["brief"]["minutes"] >= history["brief"]["minutes"] + 1


def test_what_is_forgotten_is_learnt_anew(camera: Camera) -> None:
    camera.unusual.forget()
    camera.watch(4.0)
    assert camera.watch(60.0, blob(2, 4)) == []


def test_what_is_kept_is_small(camera: Camera) -> None:
    state, arrays = camera.unusual.kept()
    assert len(json.dumps(state)) < 30_000
    assert sum(array.nbytes for array in arrays.values()) * 264 / (ROWS * COLUMNS) < 2_000_000


def test_a_person_where_nobody_ever_was_alarms_and_one_on_the_path_does_not() -> None:
    camera = Camera(Unusual(1.0, 300.0))
    rng = np.random.default_rng(3)
    for visit in range(25):
        x = 0.2 + 0.15 * (visit % 5) + float(rng.uniform(-0.01, 0.01))
        assert camera.watch(230.0, things={200.0: (x - 0.05, 0.4, x + 0.05, 0.8)}) == []
    assert camera.watch(300.0, things={290.0: (0.4, 0.4, 0.5, 0.8)}) == []
    (event,) = camera.watch(20.0, things={0.0: (0.4, 0.0, 0.5, 0.25)})
    assert (event.data["unusual"], event.data["label"]) == ("place", "person")


def test_a_look_without_feature_maps_says_nothing(camera: Camera) -> None:
    sight = Sight(Frame("yard", camera.at, IMAGE), Look((), (), {}), area=0.0, moving=False, novelty=())
    assert camera.unusual.decide(sight) == []


def test_looking_on_is_worth_it_until_it_was_told(camera: Camera) -> None:
    busy = []
    for _ in range(12):
        camera.watch(STEP_S, blob(2, 4))
        busy.append(camera.unusual.busy)
    assert busy[0]
    assert not busy[-1]
