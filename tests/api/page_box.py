"""What the page is handed, by the simplest real thing that does it; names and words are chosen by the test."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from http_box import simple

from edge_runtime.api.page_services import BoxNow, CameraNow, Kept, LivePicture, PageServices, Taught, ToldEvent
from edge_runtime.errors import InputError
from edge_runtime.types import Detection

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from edge_runtime.api.capabilities import Capabilities
    from edge_runtime.api.page_services import EventFilter, Verdict
    from edge_runtime.types import Image

IDS = itertools.count(1)


def told(kind: str = "zone", source: str = "door", at: float | None = None, **more: Any) -> ToldEvent:
    given = {
        "label": "person",
        "score": 0.9,
        "data": {"zone": "step", "type": "enter"},
        "alert": kind == "zone",
        **more,
    }
    return ToldEvent(f"{next(IDS):032x}", kind, source, time.time() if at is None else at, **given)


@dataclass
class Cameras:
    """Cameras whose picture is another one each time that it changes."""

    names: tuple[str, ...] = ("door",)
    label: str = "person"
    tag: str = "1"
    made: int = 0
    shown: bool = True

    def now(self) -> Sequence[CameraNow]:
        size = (320, 180) if self.shown else None
        return [CameraNow(name, "online", watching=True, size=size, seen=time.time()) for name in self.names]

    def picture(self, camera: str, width: int, known: str | None = None, *, boxes: bool = False) -> LivePicture | None:
        assert camera in self.names
        if known == self.tag or not self.shown:
            return None
        self.made += 1
        image = np.full((width * 9 // 16, width, 3), 255 if boxes else 90, np.uint8)
        data = cv2.imencode(".jpg", image)[1].tobytes()
        return LivePicture(self.tag, data, time.time(), (Detection(self.label, 0.9, (0.1, 0.2, 0.6, 0.9)),))


@dataclass
class Events:
    """Events that the test gives."""

    past: list[ToldEvent] = field(default_factory=list)
    asked: list[EventFilter] = field(default_factory=list)
    followers: list[Callable[[ToldEvent], None]] = field(default_factory=list)

    def recent(self, wanted: EventFilter) -> Sequence[ToldEvent]:
        self.asked.append(wanted)
        kinds, sources = wanted.kinds, wanted.sources
        found = [
            one
            for one in self.past
            if (not kinds or one.kind in kinds)
            and (not sources or one.source in sources)
            and wanted.since <= one.at < wanted.before
        ]
        return found[: wanted.limit]

    def follow(self, take: Callable[[ToldEvent], None]) -> Callable[[], None]:
        self.followers.append(take)
        return lambda: self.followers.remove(take)

    def happen(self, event: ToldEvent) -> None:
        self.past.insert(0, event)
        for take in list(self.followers):
            take(event)


@dataclass
class Evidence:
    """One folder; files are named after their events."""

    folder: Path

    def kept(self, event_ids: Collection[str]) -> Kept:
        there = {(path.stem, path.suffix) for path in self.folder.iterdir()}
        found = {kind: frozenset(one for one in event_ids if (one, kind) in there) for kind in (".jpg", ".avi")}
        return Kept(found[".jpg"], found[".avi"])

    def snapshot(self, event_id: str, *, boxes: bool = True) -> Path | None:
        path = self.folder / f"{event_id}{'.jpg' if boxes else '.png'}"
        return path if path.exists() else None

    def clip(self, event_id: str) -> Path | None:
        path = self.folder / f"{event_id}.avi"
        return path if path.exists() else None


@dataclass
class Zones:
    """Zones that are kept as they come."""

    kept: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)

    def of_settings(self, camera: str) -> Sequence[Mapping[str, Any]]:
        assert camera
        return []

    def drawn(self, camera: str) -> Sequence[Mapping[str, Any]]:
        return self.kept.get(camera, [])

    def draw(self, camera: str, zones: Sequence[Mapping[str, Any]]) -> None:
        if any(zone["name"] == "taken" for zone in zones):
            raise InputError("zone taken: choose another name")
        self.kept[camera] = list(zones)


@dataclass
class Switches:
    """Two switches."""

    states: dict[str, bool] = field(default_factory=lambda: {"door_detection": True, "mute": False})

    def switches(self) -> Mapping[str, bool]:
        return dict(self.states)

    def set(self, name: str, *, on: bool) -> None:
        self.states[name] = on


@dataclass
class PageBox:
    """All that the page is handed."""

    folder: Path
    cameras: Cameras = field(default_factory=Cameras)
    events: Events = field(default_factory=Events)
    zones: Zones = field(default_factory=Zones)
    switches: Switches = field(default_factory=Switches)
    verdicts: list[tuple[str, Verdict]] = field(default_factory=list)
    taught: list[tuple[str, list[tuple[int, ...]]]] = field(default_factory=list)
    left: list[Mapping[str, Any]] = field(default_factory=list)
    spending: Sequence[Mapping[str, Any]] | str = "the cloud is switched off"
    name: str = "home"

    def reset(self) -> None:
        """Forget what the test before this one did; whoever holds a part holds it still."""
        self.cameras.tag, self.cameras.shown = "1", True
        for kept in (self.events.past, self.events.asked, self.zones.kept, self.verdicts, self.taught):
            kept.clear()
        self.switches.states.update(door_detection=True, mute=False)

    def can(self, **instead: Any) -> Capabilities:
        services: dict[str, Any] = {
            "labels": ("person", "cat"),
            "cameras": self.cameras,
            "events": self.events,
            "evidence": Evidence(self.folder),
            "zones": self.zones,
            "give_feedback": self._take,
            "switches": self.switches,
            "teach_picture": self._learn,
            "box": self._now,
        }
        return simple(page=PageServices(**{**services, **instead}))

    def _take(self, event: str, verdict: Verdict) -> None:
        if event not in {one.id for one in self.events.past}:
            raise InputError("nobody knows this event")
        self.verdicts.append((event, verdict))

    def _learn(self, name: str, pictures: Sequence[Image]) -> Taught:
        self.taught.append((name, [picture.shape for picture in pictures]))
        return Taught(name, len(pictures), ("show it from the side too",))

    def _now(self) -> BoxNow:
        machine = {
            "processor_c": None, "memory_free": 1, "memory_total": 2, "disk_free": 1, "disk_total": 2,
            "running_s": 1.0, "up_s": 2.0,
        }  # fmt: skip
        return BoxNow(self.name, "omni-nano 1", machine, self.spending, self.left)
