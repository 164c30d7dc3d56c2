"""What the record of events says of a stretch of the past: who was there from when to when, and what was watched."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

SAME_VISIT_S = 5.0
"""A thing that is lost for so short is the same one, not another."""
SAME_PLACE = 0.3
"""Overlap of where it was lost and where it was found again."""
LONGEST_VISIT_S = 6 * 3_600.0
INDEPENDENT = 2
"""A track was confirmed by several looks, of which this many count as independent of each other."""
LASTING_S = 3.0
"""One that lasts so long counts for a look more."""
ONLINE = "online"


class Record(Protocol):
    """One event of the past; `wall` is Unix time."""

    @property
    def kind(self) -> str:
        """Return the event's kind."""

    @property
    def source(self) -> str:
        """Return the camera or microphone."""

    @property
    def wall(self) -> float:
        """Return when it happened."""

    @property
    def at(self) -> float:
        """Return the same in the source's own seconds, which a recording that is read fast keeps."""

    @property
    def label(self) -> str | None:
        """Return what was seen or heard."""

    @property
    def score(self) -> float | None:
        """Return how probable that is."""

    @property
    def data(self) -> Mapping[str, Any]:
        """Return the rest of what the event said."""


class Past(Protocol):
    """The record of events; its methods raise SinkError where it cannot be read."""

    def between(
        self, start: float, end: float, kinds: Collection[str] = (), labels: Collection[str] = ()
    ) -> Sequence[Record]:
        """Return the events from `start` to `end`, oldest first."""

    def sources(self, kind: str) -> Sequence[str]:
        """Return everybody who ever gave an event of a kind."""

    def watched(self, start: float, end: float) -> Sequence[tuple[float, float]]:
        """Return the stretches in which events were recorded."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A thing that one camera saw from `start` to `end` (Unix time); `end` is None while it is there.

    `began` and `ended` are the same in the camera's own seconds, `came` and `went` where it was in the picture.
    """

    label: str
    source: str
    start: float
    end: float | None
    score: float
    began: float = 0.0
    ended: float = 0.0
    came: Sequence[float] = ()
    went: Sequence[float] = ()

    @property
    def chance(self) -> float:
        """Return the probability that it was real: one look's score is not all there is for a confirmed track."""
        lasting = self.end is not None and self.ended - self.began >= LASTING_S
        return float(1.0 - (1.0 - self.score) ** (INDEPENDENT + lasting))


def visits(past: Past, start: float, end: float, labels: Collection[str] = ()) -> list[Visit]:
    """Return the visits that overlap `start` to `end`, oldest first; no `labels` means all.

    Raises:
        SinkError: the record cannot be read.
    """
    # A label is only sure at the end of a track, so all of them are read.
    records = past.between(start - LONGEST_VISIT_S, end + LONGEST_VISIT_S, ("object",))
    tracks: dict[str, Visit] = {}
    for record in records:
        track = str(record.data.get("track"))
        label, score, box = record.label or "", record.score or 0.0, record.data.get("box", ())
        if record.data.get("type") == "end":
            seen_s = float(record.data.get("seen_s", 0.0))
            before = tracks.get(track)
            first = before.start if before else record.wall - seen_s
            began = before.began if before else record.at - seen_s
            end_at = max(min(first + seen_s, record.wall), first)
            came = before.came if before else box
            tracks[track] = Visit(label, record.source, first, end_at, score, began, began + seen_s, came, box)
        else:
            tracks[track] = Visit(label, record.source, record.wall, None, score, record.at, came=box)
    ended_at = max((record.wall for record in records), default=end)
    wanted = (visit for visit in tracks.values() if not labels or visit.label in labels)
    overlapping = [
        visit
        for visit in _joined(wanted)
        if visit.start <= end and (ended_at if visit.end is None else visit.end) >= start
    ]
    return sorted(overlapping, key=lambda visit: visit.start)


def _joined(found: Iterable[Visit]) -> list[Visit]:
    """Put together what is one visit: a track that broke off and went on at once."""
    joined: list[Visit] = []
    for visit in sorted(found, key=lambda visit: (visit.start, visit.began)):
        for index, before in enumerate(joined):
            if _goes_on(before, visit):
                score = max(before.score, visit.score)
                joined[index] = replace(before, end=visit.end, ended=visit.ended, went=visit.went, score=score)
                break
        else:
            joined.append(visit)
    return joined


def _goes_on(before: Visit, visit: Visit) -> bool:
    """Tell whether a visit is the rest of one that broke off: soon after, and in the same place."""
    same = (before.label, before.source) == (visit.label, visit.source) and before.end is not None
    soon = 0.0 <= visit.began - before.ended <= SAME_VISIT_S >= visit.start - (before.end or 0.0)
    return same and soon and _shared(before.went, visit.came) >= SAME_PLACE


def _shared(box: Sequence[float], other: Sequence[float]) -> float:
    """Return the intersection over union of two boxes."""
    if len(box) != 4 or len(other) != 4:
        return 0.0
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    both = max(width, 0.0) * max(height, 0.0)
    sizes = sum((b[2] - b[0]) * (b[3] - b[1]) for b in (box, other))
    return both / (sizes - both) if sizes > both else 0.0


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a stretch was watched: `share` of it, from `since` on; `lost` seconds each camera was away."""

    share: float
    since: float | None
    lost: Mapping[str, float]


def coverage(past: Past, start: float, end: float, cameras: Collection[str]) -> Coverage:
    """Return how much of `start` to `end` was watched; a camera of `cameras` that was away counts as far as it was.

    Raises:
        SinkError: the record cannot be read.
    """
    stretches = past.watched(start, end)
    length = max(end - start, 1.0)
    watched_s = sum(high - low for low, high in stretches)
    away = _lost(past.between(start, end, ("source_status",)), end)
    lost = {source: seconds for source, seconds in away.items() if source in cameras}
    share = min(watched_s / length, 1.0) * (1.0 - min(max(lost.values(), default=0.0) / length, 1.0))
    return Coverage(share, stretches[0][0] if stretches else None, lost)


def _lost(records: Iterable[Record], end: float) -> dict[str, float]:
    """Return for how long each source gave nothing good."""
    since: dict[str, float] = {}
    lost: dict[str, float] = {}
    for record in records:
        begun = since.pop(record.source, None)
        if begun is not None:
            lost[record.source] = lost.get(record.source, 0.0) + record.wall - begun
        if record.data.get("status") != ONLINE:
            since[record.source] = record.wall
    for source, begun in since.items():
        lost[source] = lost.get(source, 0.0) + max(end - begun, 0.0)
    return lost
