"""Boxes in, things with a stable identity out."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.decision.boxes import area, centre, likeness, overlap, sides, size_ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from edge_runtime.types import Box, Detection

_MATCH, _NEAR = 0.3, 0.2
_OTHER_LABEL = 0.5
_FLICKER_S = 0.6
_SAME_THING = 0.6
_NESTED = 0.85
_PART = 0.2
_UNSURE_S = 10.0
_PACE_S = 0.4
_SIZE_S = 1.5
_COAST_S = 3.0
_STRAY = 0.8
_SMALLER, _LARGER = 0.4, 1.6
_HIDDEN = 1.5
_ALIKE = 0.5
_EXPECTED = 0.5
_USUAL = 0.75
_EDGE = 0.02


@dataclass(slots=True, eq=False)
class Track:
    """One thing followed through the pictures of one camera; `box` is where it was last seen.

    `pace` is how its centre moves, in fractions of the picture a second, and `size` its width and height of late.
    """

    number: int
    box: Box
    score: float
    first_at: float
    last_at: float
    sure_at: float
    hits: int = 1
    misses: int = 0
    confirmed: bool = False
    pace: tuple[float, float] = (0.0, 0.0)
    size: tuple[float, float] = (0.0, 0.0)
    votes: dict[str, float] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Return the label with the most score behind it."""
        return max(self.votes, key=lambda label: self.votes[label])

    def expected(self, at: float) -> NDArray[np.float64]:
        """Return the box where the thing should be at `at` if it kept its pace, shape (4,)."""
        passed = min(at - self.last_at, _COAST_S)
        return np.asarray(self.box) + np.array(self.pace * 2) * passed

    def hidden(self, at: float) -> bool:
        """Return whether it was looked for in vain for longer than a box may flicker."""
        return self.misses > 0 and at - self.last_at > _FLICKER_S

    def reach(self, at: float, box: Box) -> float:
        """Return how likely a hidden thing has come out here: 1 where expected, 0 or less out of reach.

        It may have stopped or hurried meanwhile; what is half hidden is smaller than it is.
        """
        passed = min(at - self.last_at, _COAST_S)
        wide, high = sides(box)
        if not _SMALLER < wide * high / (self.size[0] * self.size[1]) < _LARGER:
            return 0.0
        (x, y), (then_x, then_y) = centre(box), centre(self.box)
        away = math.hypot(x - then_x - self.pace[0] * passed, y - then_y - self.pace[1] * passed)
        return 1 - away / (_STRAY * (math.hypot(*self.size) + math.hypot(*self.pace) * passed))

    def state(self) -> dict[str, object]:
        """Return the track as JSON values; the order of the votes decides between equals, so they are a list."""
        return {
            "number": self.number,
            "box": [float(side) for side in self.box],
            "score": self.score,
            "first_at": self.first_at,
            "last_at": self.last_at,
            "sure_at": self.sure_at,
            "hits": self.hits,
            "misses": self.misses,
            "confirmed": self.confirmed,
            "pace": [*self.pace],
            "size": [*self.size],
            "votes": [[label, votes] for label, votes in self.votes.items()],
        }

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Track:
        """Return the track that `state` was taken of."""
        x0, y0, x1, y1 = state["box"]
        known = {**state, "box": (x0, y0, x1, y1), "pace": (*state["pace"],), "size": (*state["size"],)}
        return cls(**{**known, "votes": dict(state["votes"])})


@dataclass(frozen=True, slots=True)
class TrackChanges:
    """What one picture changed: things that appeared, that are still there, and that are gone."""

    new: tuple[Track, ...]
    seen: tuple[Track, ...]
    ended: tuple[Track, ...]


class Tracker:
    """Associates boxes with tracks: sure boxes first, then unsure ones keep known tracks alive (ByteTrack, 2022).

    A thing that goes behind another, or behind a pillar, keeps its pace there and its track when it comes out.
    """

    def __init__(self, confirm_frames: int, lost_s: float) -> None:
        """Report a track after `confirm_frames` sightings and end it `lost_s` seconds after the last.

        What vanished in the middle of the picture is more likely hidden than gone; it has half as long again.
        """
        self.confirm_frames = confirm_frames
        self._lost_s = lost_s
        self._count = 0
        self.tracks: list[Track] = []

    def update(
        self,
        at: float,
        sure: Sequence[Detection],
        unsure: Sequence[Detection] = (),
        may_start: Callable[[Box], bool] = lambda _: True,
    ) -> TrackChanges:
        """Take the boxes of the picture at `at` (seconds) into account.

        Only `sure` ones start a track and lead to its being reported, and of these only where `may_start` agrees.
        """
        before = {track.number for track in self.tracks if track.confirmed}
        unmatched = self._take_sure(at, sure, {found.box for found in sure if may_start(found.box)})
        for track in self.tracks:
            track.sure_at = track.last_at if track.last_at == at else track.sure_at
        self._take_unsure(at, unsure)
        left = [track for track in self.tracks if track.last_at < at]
        for track in left:
            track.misses += 1
        for detection in sorted(unmatched, key=lambda found: -found.score):
            if not self._seen_already(at, detection):
                self._start(at, detection)
        gone = [track for track in left if self._is_lost(track, at)]
        self.tracks = [track for track in self.tracks if track not in gone]
        seen = [track for track in self.tracks if track.confirmed and track.last_at == at]
        return TrackChanges(
            new=tuple(track for track in seen if track.number not in before),
            seen=tuple(track for track in seen if track.number in before),
            ended=tuple(track for track in gone if track.confirmed),
        )

    def finish(self) -> tuple[Track, ...]:
        """End every track, as when a recording ends, and return those that had been reported."""
        ended = tuple(track for track in self.tracks if track.confirmed)
        self.tracks = []
        return ended

    def state(self) -> dict[str, object]:
        """Return all that the next `update` depends on, as JSON values."""
        return {"count": self._count, "tracks": [track.state() for track in self.tracks]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take on what `state` returned."""
        self._count = state["count"]
        self.tracks = [Track.restored(track) for track in state["tracks"]]

    def _take_sure(self, at: float, sure: Sequence[Detection], fresh: Collection[Box]) -> list[Detection]:
        """Find the sure boxes' tracks, and return the fresh ones that have none.

        What is not new to the view only continues what looked like it: behind a person there may be a wall that the
        model takes for one.
        """
        known, young = ([one for one in self.tracks if one.confirmed is want] for want in (True, False))
        left, rest = self._associate(at, known, [found for found in sure if found.box in fresh])
        left, _ = self._associate(at, left, [found for found in sure if found.box not in fresh], alike=_ALIKE)
        rest = self._come_out(at, left, rest)
        return self._associate(at, young, rest)[1]

    def _take_unsure(self, at: float, unsure: Sequence[Detection]) -> None:
        """Let unsure boxes bridge a bad moment; a thing that is never sure again was a shadow, or is one now."""
        left = [one for one in self.tracks if one.confirmed and one.last_at < at and at - one.sure_at < _UNSURE_S]
        seen = [one for one in left if not one.hidden(at)]
        _, rest = self._associate(at, seen, unsure)
        self._come_out(at, left, rest, _EXPECTED)

    def _associate(
        self, at: float, tracks: Sequence[Track], detections: Sequence[Detection], *, alike: float = 0.0
    ) -> tuple[list[Track], list[Detection]]:
        """Pair greedily by overlap, best first; return the tracks and the detections left over."""
        if not tracks or not detections:
            return list(tracks), list(detections)
        boxes = np.array([found.box for found in detections])
        scores = likeness(np.stack([track.expected(at) for track in tracks]), boxes)
        scores[size_ratio(np.array([track.box for track in tracks]), boxes) < alike] = 0.0
        # The wall around somebody, or the legs alone, overlap well but are not of the usual size.
        scores *= size_ratio(np.array([[0.0, 0.0, *track.size] for track in tracks]), boxes) ** _USUAL
        for row, track in enumerate(tracks):
            # A label may flicker from look to look, but what comes after a gap is something else.
            other = _OTHER_LABEL if at - track.last_at <= _FLICKER_S else 0.0
            scores[row] *= [1.0 if found.label in track.votes else other for found in detections]
            # Whoever was seen once has no known pace yet and may be anywhere near.
            scores[row, scores[row] < (_MATCH if track.hits > 1 else _NEAR)] = 0.0
        return self._pair(at, tracks, detections, scores)

    def _come_out(
        self, at: float, tracks: Sequence[Track], detections: Sequence[Detection], least: float = 0.0
    ) -> list[Detection]:
        """Pair what was hidden with what nobody else claims; return the detections left over."""
        hidden = [track for track in tracks if track.last_at < at and track.hidden(at)]
        free = [found for found in detections if not self._seen_already(at, found)] if hidden else []
        if free:
            reach = [[one.reach(at, found.box) * (found.label in one.votes) for found in free] for one in hidden]
            scores = np.array(reach)
            self._pair(at, hidden, free, np.where(scores >= least, scores, 0.0))
        taken = {track.box for track in hidden if track.last_at == at}
        return [found for found in detections if found.box not in taken]

    def _pair(
        self, at: float, tracks: Sequence[Track], detections: Sequence[Detection], scores: NDArray[np.float64]
    ) -> tuple[list[Track], list[Detection]]:
        """Pair by score, best first, as long as there is any."""
        free_tracks, free_found = dict(enumerate(tracks)), dict(enumerate(detections))
        for flat in np.argsort(scores, axis=None, kind="stable")[::-1]:
            row, column = divmod(int(flat), len(detections))
            if scores[row, column] <= 0:
                break
            if row in free_tracks and column in free_found:
                self._extend(free_tracks.pop(row), at, free_found.pop(column))
        return list(free_tracks.values()), list(free_found.values())

    def _extend(self, track: Track, at: float, found: Detection) -> None:
        passed = max(at - track.last_at, 1e-3)
        (x, y), (then_x, then_y) = centre(found.box), centre(track.box)
        # Slow enough to outlast the moments in which it goes behind something and its box stands still.
        newest = max(1 / track.hits, 1 - math.exp(-passed / _PACE_S))
        track.pace = (
            track.pace[0] + newest * ((x - then_x) / passed - track.pace[0]),
            track.pace[1] + newest * ((y - then_y) / passed - track.pace[1]),
        )
        newest = 1 - math.exp(-passed / _SIZE_S)
        wide, high = sides(found.box)
        track.size = track.size[0] + newest * (wide - track.size[0]), track.size[1] + newest * (high - track.size[1])
        track.box, track.last_at, track.misses = found.box, at, 0
        track.score = max(track.score, found.score)
        track.hits += 1
        track.votes[found.label] = track.votes.get(found.label, 0.0) + found.score
        track.confirmed = track.confirmed or track.hits >= self.confirm_frames

    def _seen_already(self, at: float, found: Detection) -> bool:
        """Return whether this box is a second opinion on a thing that has a track.

        A cat is not also a dog, and a person's head, or a person with the wall around, is not another person.
        """
        for track in self.tracks:
            if track.last_at == at:
                same, covered = overlap(found.box, track.box)
                small, large = sorted((area(found.box), area(track.box)))
                nested = found.label == track.label and covered > _NESTED and small > _PART * large
                if same > _SAME_THING or nested:
                    return True
        return False

    def _start(self, at: float, found: Detection) -> None:
        self._count += 1
        track = Track(self._count, found.box, found.score, at, at, at, confirmed=self.confirm_frames <= 1)
        track.votes[found.label] = found.score
        track.size = sides(found.box)
        self.tracks.append(track)

    def _is_lost(self, track: Track, at: float) -> bool:
        """Count looks as well as seconds: an unwatched thing has not left; an unconfirmed one goes after two."""
        if not track.confirmed:
            return track.misses >= 2
        patience_s = self._lost_s * (1.0 if _leaving(track, at) else _HIDDEN)
        return track.misses >= 2 and at - track.last_at >= patience_s


def _leaving(track: Track, at: float) -> bool:
    """Return whether a thing was last seen at the picture's edge, or should have come to it since."""
    return any(
        box[0] < _EDGE or box[2] > 1 - _EDGE or box[1] < _EDGE for box in (track.box, track.expected(at).tolist())
    )
