"""Boxes in, things with a stable identity out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from edge_runtime.types import Box, Detection

_MATCH = 0.2
_OTHER_LABEL = 0.5
_FLICKER_S = 0.6
_SAME_THING = 0.6
_NESTED = 0.85
_PART = 0.2
_BLEND = 0.5
_UNSURE_S = 10.0


@dataclass(slots=True)
class Track:
    """One thing followed through the pictures of one camera; `box` is where it was last seen."""

    number: int
    box: Box
    score: float
    first_at: float
    last_at: float
    sure_at: float
    hits: int = 1
    misses: int = 0
    confirmed: bool = False
    velocity: NDArray[np.float64] = field(default_factory=lambda: np.zeros(4))
    votes: dict[str, float] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Return the label with the most score behind it."""
        return max(self.votes, key=lambda label: self.votes[label])

    def expected(self, at: float) -> NDArray[np.float64]:
        """Return the box where the thing should be at `at` if it kept its speed, shape (4,)."""
        return np.asarray(self.box) + self.velocity * min(at - self.last_at, 1.0)

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
            "velocity": self.velocity.tolist(),
            "votes": [[label, votes] for label, votes in self.votes.items()],
        }

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Track:
        """Return the track that `state` was taken of."""
        x0, y0, x1, y1 = state["box"]
        known = {**state, "box": (x0, y0, x1, y1), "velocity": np.array(state["velocity"], np.float64)}
        return cls(**{**known, "votes": dict(state["votes"])})


@dataclass(frozen=True, slots=True)
class TrackChanges:
    """What one picture changed: things that appeared, that are still there, and that are gone."""

    new: tuple[Track, ...]
    seen: tuple[Track, ...]
    ended: tuple[Track, ...]


class Tracker:
    """Associates boxes with tracks: sure boxes first, then unsure ones keep known tracks alive (ByteTrack, 2022)."""

    def __init__(self, confirm_frames: int, lost_s: float) -> None:
        """Report a track after `confirm_frames` sightings and end it `lost_s` seconds after the last."""
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
        left, rest = self._associate(at, [track for track in self.tracks if track.confirmed], sure)
        fresh = [found for found in rest if may_start(found.box)]
        tentative, unmatched = self._associate(at, [track for track in self.tracks if not track.confirmed], fresh)
        for track in self.tracks:
            track.sure_at = track.last_at if track.last_at == at else track.sure_at
        # Unsure boxes bridge a bad moment; a thing that is never sure again was a shadow, or is one now.
        bridged = [track for track in left if at - track.sure_at < _UNSURE_S]
        left = [track for track in left if track not in bridged] + self._associate(at, bridged, unsure)[0] + tentative
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

    def _associate(
        self, at: float, tracks: Sequence[Track], detections: Sequence[Detection]
    ) -> tuple[list[Track], list[Detection]]:
        """Pair greedily by overlap, best first; return the tracks and the detections left over."""
        if not tracks or not detections:
            return list(tracks), list(detections)
        scores = _overlap(
            np.stack([track.expected(at) for track in tracks]), np.array([found.box for found in detections])
        )
        for row, track in enumerate(tracks):
            for column, found in enumerate(detections):
                if found.label not in track.votes:
                    # A label may flicker from look to look, but what comes after a gap is something else.
                    scores[row, column] *= _OTHER_LABEL if at - track.last_at <= _FLICKER_S else 0.0
        free_tracks, free_found = dict(enumerate(tracks)), dict(enumerate(detections))
        for flat in np.argsort(scores, axis=None)[::-1]:
            row, column = divmod(int(flat), len(detections))
            if scores[row, column] < _MATCH:
                break
            if row in free_tracks and column in free_found:
                self._extend(free_tracks.pop(row), at, free_found.pop(column))
        return list(free_tracks.values()), list(free_found.values())

    def _extend(self, track: Track, at: float, found: Detection) -> None:
        passed = max(at - track.last_at, 1e-3)
        moved = (np.asarray(found.box) - np.asarray(track.box)) / passed
        track.velocity = moved if track.hits == 1 else (1 - _BLEND) * track.velocity + _BLEND * moved
        track.box, track.last_at, track.misses = found.box, at, 0
        track.score = max(track.score, found.score)
        track.hits += 1
        track.votes[found.label] = track.votes.get(found.label, 0.0) + found.score
        track.confirmed = track.confirmed or track.hits >= self.confirm_frames

    def _seen_already(self, at: float, found: Detection) -> bool:
        """Return whether this box is a second opinion on a thing that has a track.

        A cat is not also a dog, and a person's head, or a person with the wall around, is not another person.
        """
        box = np.array([found.box])
        for track in self.tracks:
            if track.last_at == at:
                other = np.array([track.box])
                shared, sizes = float(_shared(box, other)[0, 0]), (float(_sizes(box)[0]), float(_sizes(other)[0]))
                covered = shared / (1 + shared) * sum(sizes) / min(sizes)
                nested = found.label == track.label and covered > _NESTED and min(sizes) > _PART * max(sizes)
                if shared > _SAME_THING or nested:
                    return True
        return False

    def _start(self, at: float, found: Detection) -> None:
        self._count += 1
        track = Track(self._count, found.box, found.score, at, at, at, confirmed=self.confirm_frames <= 1)
        track.votes[found.label] = found.score
        self.tracks.append(track)

    def _is_lost(self, track: Track, at: float) -> bool:
        """Count looks as well as seconds: an unwatched thing has not left; an unconfirmed one goes after two."""
        if not track.confirmed:
            return track.misses >= 2
        return track.misses >= 2 and at - track.last_at >= self._lost_s


def _overlap(boxes: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how likely each pair is the same thing, 0 to 1, shape (n, m).

    Intersection over union is blind to near misses of fast things, so where there is little of it, closeness of the
    centres measured in box sizes counts, for half as much.
    """
    size, other_size = _sizes(boxes), _sizes(others)
    smaller = np.minimum(size[:, None], other_size[None, :])
    similar = smaller / np.maximum(size[:, None], other_size[None, :])
    centre, other_centre = ((b[:, :2] + b[:, 2:]) / 2 for b in (boxes, others))
    distance = np.linalg.norm(centre[:, None] - other_centre[None, :], axis=2)
    near = np.clip(1 - distance / (2 * np.sqrt(smaller)), 0, 1) * similar * 0.5
    likeness: NDArray[np.float64] = np.maximum(_shared(boxes, others), near)
    return likeness


def _shared(boxes: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the intersection over union of each pair, shape (n, m)."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    ratio: NDArray[np.float64] = shared / (_sizes(boxes)[:, None] + _sizes(others)[None, :] - shared)
    return ratio


def _sizes(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    sizes: NDArray[np.float64] = np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 1e-6, None), axis=1)
    return sizes
