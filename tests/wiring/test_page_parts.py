"""What the page is handed by a real box: pictures, events, zones, what left."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from edge_runtime.api.page_services import EventFilter
from edge_runtime.cloud.ledger import Ledger
from edge_runtime.config import Settings
from edge_runtime.decision.scene import Scene
from edge_runtime.errors import InputError
from edge_runtime.pipelines.rules import Rules
from edge_runtime.sinks.encoding import jpeg
from edge_runtime.sinks.event_log import EventLog
from edge_runtime.sinks.event_past import Past
from edge_runtime.types import Detection, Event, Frame, Observation, Step
from edge_runtime.wiring import live_pictures
from edge_runtime.wiring.assembly import Models
from edge_runtime.wiring.event_feed import EventFeed
from edge_runtime.wiring.live_pictures import LivePictures
from edge_runtime.wiring.page import last_left
from edge_runtime.wiring.page_zones import PageZones
from edge_runtime.wiring.watching import make_view

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.api.page_services import ToldEvent
    from edge_runtime.types import Image

CAT = Detection("cat", 0.8, (0.25, 0.25, 0.75, 0.75))
SQUARE = [(0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9)]


class View:
    """What looks at pictures, as far as the page asks it."""

    enabled = True


def frame(at: float, grey: int = 100, size: tuple[int, int] = (360, 640)) -> Frame:
    return Frame("door", at, np.full((*size, 3), grey, np.uint8))


class Watch:
    """A camera that is looked at."""

    def __init__(self) -> None:
        self.scene, self.view = Scene(), View()
        views: Any = {"door": self.view}
        self.pictures = LivePictures(("door",), views, self.scene, lambda: {"door": "online"})

    def see(self, shot: Frame, found: tuple[Detection, ...] | None = None) -> None:
        self.pictures.look_on(shot)
        if found is not None:
            self.scene.observe(Observation("door", shot.at, found), shot, {})

    def grey(self, width: int = 640, *, boxes: bool = False) -> int:
        shown = self.pictures.picture("door", width, boxes=boxes)
        assert shown
        image: Any = cv2.imdecode(np.frombuffer(shown.jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
        return int(np.median(image))


def test_boxes_are_shown_with_the_picture_that_they_were_found_in() -> None:
    watch = Watch()
    assert watch.pictures.picture("door", 640) is None
    assert watch.pictures.now()[0].size is None
    watch.see(frame(10.0, 50), (CAT,))
    watch.see(frame(10.3, 100))
    shown = watch.pictures.picture("door", 640)
    assert shown
    assert (watch.grey(), shown.detections) == (50, (CAT,)), "the look is new, so its own picture is shown"
    watch.see(frame(12.0, 150))
    assert watch.grey() == 150, "nothing moved for a while, so the newest picture is shown with the boxes as they were"
    watch.view.enabled = False
    shown = watch.pictures.picture("door", 640)
    assert shown
    assert shown.detections == (), "nobody looks any more"
    assert watch.pictures.now()[0].watching is False
    with pytest.raises(InputError):
        watch.pictures.picture("attic", 640)


def test_a_picture_is_made_once_for_all_who_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch()
    made: list[tuple[int, ...]] = []

    def slow(image: Image, quality: int) -> bytes:
        made.append(image.shape)
        time.sleep(0.05)
        return jpeg(image, quality)

    monkeypatch.setattr(live_pictures, "jpeg", slow)
    watch.see(frame(10.0))
    assert made == [], "nothing is made as long as nobody looks"
    watchers = [threading.Thread(target=watch.pictures.picture, args=("door", width)) for width in (301, 305, 320) * 3]
    for watcher in watchers:
        watcher.start()
    for watcher in watchers:
        watcher.join()
    assert made == [(180, 320, 3)]
    shown = watch.pictures.picture("door", 320)
    assert shown
    assert watch.pictures.picture("door", 320, shown.tag) is None
    assert watch.pictures.picture("door", 5000) is not None
    assert made[1:] == [(360, 640, 3)], "no picture becomes larger than it is"
    watch.see(frame(11.0))
    assert watch.pictures.picture("door", 320, shown.tag) is not None


def test_boxes_are_drawn_for_those_who_want_them() -> None:
    watch = Watch()
    watch.see(frame(10.0, 50), (CAT,))
    plain, drawn = (watch.pictures.picture("door", 640, boxes=boxes) for boxes in (False, True))
    assert plain
    assert drawn
    assert len(drawn.jpeg) > len(plain.jpeg) + 500


def event(kind: str, source: str = "door", age: float = 0.0, **data: Any) -> Event:
    return Event(kind, source, time.monotonic() - age, data, steps=(Step("zone", {}),) if kind == "zone" else ())


def test_the_feed_joins_memory_and_log(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.sqlite", days=1, max_mb=1)
    feed = EventFeed(Past(log.path))
    heard: list[ToldEvent] = []
    leave = feed.follow(heard.append)
    old = [event("zone", age=100 - number, zone="step", type="enter", label="cat") for number in range(4)]
    for one in old:
        log.publish(one)
    log.flush()
    new = [old[3], event("sound", "hall", label="glass", score=0.7), event("count", label="cat", count=1)]
    for one in new:
        feed.publish(one)
    leave()
    feed.publish(event("zone", zone="step", type="leave", label="cat"))
    assert [one.kind for one in heard] == ["zone", "sound"], "counts are too many to tell"
    found = feed.recent(EventFilter())
    assert [one.kind for one in found] == ["zone", "sound", "zone", "zone", "zone", "zone"], "nothing is told twice"
    assert [one.at for one in found] == sorted((one.at for one in found), reverse=True)
    assert (found[1].label, found[1].score, found[1].alert) == ("glass", 0.7, False)
    assert [one.source for one in feed.recent(EventFilter(kinds=frozenset({"sound"})))] == ["hall"]
    assert feed.recent(EventFilter(sources=frozenset({"attic"}))) == []
    assert len(feed.recent(EventFilter(limit=2))) == 2
    earlier = feed.recent(EventFilter(before=found[3].at))
    assert [one.id for one in earlier] == [one.id for one in found[4:]], "the list goes on where it ended"
    assert feed.recent(EventFilter(since=found[1].at)) == found[:2]
    log.close(5)
    assert EventFeed(None).recent(EventFilter()) == []


@pytest.mark.parametrize(
    ("kind", "data", "alert"),
    [
        pytest.param("zone", {"type": "enter"}, True, id="somebody comes"),
        pytest.param("zone", {"type": "leave"}, False, id="somebody goes"),
        pytest.param("line", {}, True, id="a crossing"),
        pytest.param("alert_denied", {}, True, id="evidence is kept of it"),
        pytest.param("line", {"quiet": True}, False, id="a crossing in quiet hours"),
        pytest.param("zone", {"type": "enter", "quiet": True}, False, id="somebody comes in quiet hours"),
    ],
)
def test_what_the_log_remembers_is_an_alert_where_it_was_one(
    tmp_path: Path, kind: str, data: dict[str, Any], *, alert: bool
) -> None:
    log = EventLog(tmp_path / "events.sqlite", days=1, max_mb=1)
    log.publish(event(kind, **data))
    log.close(5)
    assert [one.alert for one in EventFeed(Past(log.path)).recent(EventFilter())] == [alert]


@pytest.fixture(scope="module", name="models")
def all_models() -> Models:
    return Models.of(Settings())


def test_drawn_zones_are_checked_kept_and_watched_at_once(tmp_path: Path, models: Models) -> None:
    camera = {"name": "door", "url": "x.mp4", "zones": [{"name": "gate", "polygon": SQUARE}]}
    device = {"data_dir": tmp_path}
    settings = Settings.model_validate({"device": device, "cameras": [camera], "vision": {"labels": ["person", "cat"]}})
    view = make_view(settings.cameras[0], settings, models, Scene())
    zones = PageZones(settings, models, {"door": view})
    step = {"name": "step", "polygon": SQUARE, "labels": ["cat"]}
    refused = {
        "the settings have one": {**step, "name": "gate"},
        "unicorn": {**step, "labels": ["unicorn"]},
        "vision.labels": {**step, "labels": ["dog"]},
        "cross": {**step, "polygon": [(0.1, 0.1), (0.9, 0.9), (0.9, 0.1), (0.1, 0.9)]},
    }
    for why, zone in refused.items():
        with pytest.raises(InputError, match=why):
            zones.draw("door", [zone])
    zones.draw("door", [step])
    assert [zone["name"] for zone in zones.of_settings("door")] == ["gate"]
    assert [zone["name"] for zone in PageZones(settings, models, {"door": view}).drawn("door")] == ["step"]
    watched = [decider for decider in view.deciders if isinstance(decider, Rules)]
    assert [[zone.name for zone in rules._wanted[0]] for rules in watched if rules._wanted] == [["gate", "step"]]


def test_what_left_is_told_from_the_end_of_the_ledger(tmp_path: Path) -> None:
    assert last_left(tmp_path, 5) == []
    ledger = Ledger(tmp_path, file_bytes=10**9)
    long = "x" * 12_000
    for number in range(30):
        sent = {
            "kind": "send", "id": f"id-{number}", "at": "2026-11-22T10:00:00.000Z", "source": "http", "why": "unsure",
            "policy": "text", "to": {"provider": "one", "host": "a.example", "model": "m"}, "texts": [long],
            "masked": {"name": 1}, "picture": None, "worst_case_usd": 0.1,
        }  # fmt: skip
        ledger.append(sent)
        if number != 28:
            settled = {"kind": "settle", "at": "2026", "of": f"id-{number}", "cost_usd": number / 1000, "outcome": "ok"}
            ledger.append(settled)
    found = last_left(tmp_path, 3)
    assert [(one["cost_usd"], one["outcome"]) for one in found] == [(0.029, "ok"), (None, None), (0.027, "ok")]
    assert found[0]["to"] == "one/m at a.example"
    assert len(found[0]["texts"][0]) == 300
    assert "id" not in found[0]
