"""What the page is handed: pictures, events and their evidence, zones, switches, money, as little as it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from edge_runtime.types import Detection, Image

Verdict = Literal["fine", "right"]


@dataclass(frozen=True, slots=True)
class CameraNow:
    """How a camera is.

    Attributes:
        status: "online" where all is well.
        watching: its pictures are looked at.
        size: width and height of its last picture in pixels, None before the first.
        seen: Unix time of that picture.
    """

    name: str
    status: str
    watching: bool
    size: tuple[int, int] | None
    seen: float | None


@dataclass(frozen=True, slots=True)
class LivePicture:
    """A camera's newest picture as JPEG, with what was found in it.

    Attributes:
        tag: another one for each picture.
        taken: Unix time.
    """

    tag: str
    jpeg: bytes
    taken: float
    detections: tuple[Detection, ...]


class Cameras(Protocol):
    """The cameras as they are now."""

    def now(self) -> Sequence[CameraNow]:
        """Return how each camera is, in the order of the settings."""

    def picture(self, camera: str, width: int, known: str | None = None, *, boxes: bool = False) -> LivePicture | None:
        """Return the newest picture, None before the first and where `known` is its tag.

        Args:
            camera: its name.
            width: in pixels at most; it may become a little larger.
            known: tag of the picture that the client has.
            boxes: draw what was found.

        Raises:
            InputError: there is no such camera.
        """


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are wanted; empty sets mean all.

    Attributes:
        since: Unix time of the oldest.
        before: Unix time that the newest is older than.
        limit: at most so many, the newest.
    """

    kinds: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    since: float = 0.0
    before: float = float("inf")
    limit: int = 50


@dataclass(frozen=True, slots=True)
class ToldEvent:
    """An event as clients are told of it.

    Attributes:
        at: Unix time.
        label: what was seen or heard, where the event names it.
        score: how probable that is.
        data: the rest of what it says, JSON values.
        alert: evidence of it is kept.
    """

    id: str
    kind: str
    source: str
    at: float
    label: str | None
    score: float | None
    data: Mapping[str, Any]
    alert: bool


class Events(Protocol):
    """What happened, and what happens."""

    def recent(self, wanted: EventFilter) -> Sequence[ToldEvent]:
        """Return events, the newest first."""

    def follow(self, take: Callable[[ToldEvent], None]) -> Callable[[], None]:
        """Give each event to `take` as it comes, from another thread; returns what ends that."""


class Evidence(Protocol):
    """What is kept of alerts."""

    def kept(self, event_ids: Collection[str]) -> Kept:
        """Return of which of these events there are pictures and films."""

    def snapshot(self, event_id: str, *, boxes: bool = True) -> Path | None:
        """Return the picture as a JPEG file, or as a PNG file without what was drawn in; None where there is none."""

    def clip(self, event_id: str) -> Path | None:
        """Return the film, None where there is none."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Ids of the events of which there is a picture, and of which there is a film."""

    snapshots: frozenset[str] = frozenset()
    clips: frozenset[str] = frozenset()


class Zones(Protocol):
    """The zones of the cameras as JSON values: those of the settings, and those drawn on the page."""

    def of_settings(self, camera: str) -> Sequence[Mapping[str, Any]]:
        """Return those that stand in the settings."""

    def drawn(self, camera: str) -> Sequence[Mapping[str, Any]]:
        """Return those that were drawn."""

    def draw(self, camera: str, zones: Sequence[Mapping[str, Any]]) -> None:
        """Put these in place of the drawn ones, at once and for good; raises InputError where one cannot be."""


class Switches(Protocol):
    """What can be switched on and off."""

    def switches(self) -> Mapping[str, bool]:
        """Return each switch and whether it is on."""

    def set(self, name: str, *, on: bool) -> None:
        """Switch; raises InputError where there is no such switch."""


@dataclass(frozen=True, slots=True)
class Taught:
    """What became of pictures that were shown.

    Attributes:
        name: what they show.
        pictures: how many of them count.
        notes: what the owner should know.
    """

    name: str
    pictures: int
    notes: tuple[str, ...] = ()


class TeachesPictures(Protocol):
    """Learns from pictures."""

    def __call__(self, name: str, pictures: Sequence[Image]) -> Taught:
        """Learn what `pictures` show under `name`; raises InputError where they are not enough."""


@dataclass(frozen=True, slots=True)
class BoxNow:
    """How the box is, what it spent, what left it; JSON values only.

    Attributes:
        name: of the box.
        model: name and version of the model that looks.
        machine: temperature, memory, disk, times.
        spending: each cap, and what of it is spent; a reason where there is none.
        left: the last things that left the box, the newest first.
    """

    name: str
    model: str
    machine: Mapping[str, Any]
    spending: Sequence[Mapping[str, Any]] | str
    left: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class PageServices:
    """What the page shows and does; where the box cannot, a string says why. All may be called from any thread.

    Attributes:
        labels: what the cameras can see.
        give_feedback: takes a verdict on an event; raises InputError where nobody knows it.
    """

    labels: tuple[str, ...]
    cameras: Cameras
    events: Events
    evidence: Evidence | str
    zones: Zones | str
    give_feedback: Callable[[str, Verdict], None] | str
    switches: Switches | str
    teach_picture: TeachesPictures | str
    box: Callable[[], BoxNow]
