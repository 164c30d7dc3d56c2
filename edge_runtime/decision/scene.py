"""What "now" means for an answer: the last look of every camera, and when each thing was last seen."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edge_runtime.decision.usual import Usual

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from edge_runtime.types import Detection, Frame, Observation

VISIT_GAP_S = 5.0
MISSED = 0.1
"""Chance that a thing without any evidence is there all the same, used where the model gave no evidence for it."""


@dataclass(frozen=True, slots=True)
class LastLook:
    """One look of one camera; `evidence` is the calibrated probability per label that the picture shows one."""

    observation: Observation
    frame: Frame | None
    evidence: Mapping[str, float]

    @property
    def source(self) -> str:
        """Return the camera's name."""
        return self.observation.source

    def boxes(self, label: str) -> tuple[float, ...]:
        """Return the score of every detection of `label`, weak ones too."""
        return tuple(detection.score for detection in self.observation.detections if detection.label == label)

    def presence(self, label: str) -> float:
        """Return the probability that this look holds at least one `label`."""
        boxes = self.boxes(label)
        if label in self.evidence:
            return max(self.evidence[label], *boxes, 0.0)
        return either(boxes) if boxes else MISSED


@dataclass(frozen=True, slots=True)
class Sighting:
    """The last visit of a label to a camera; `score` is the best of the visit, `at` its last moment."""

    label: str
    source: str
    at: float
    score: float


class Scene:
    """Memory of what was seen, one entry per camera and one per camera and label; safe across threads.

    `usual` knows what each camera usually sees.

    Args:
        seen_score: a detection counts as a sighting from this probability.
    """

    def __init__(self, seen_score: float = 0.5) -> None:
        self._seen_score = seen_score
        self._lock = threading.Lock()
        self._looks: dict[str, LastLook] = {}
        self._sightings: dict[tuple[str, str], Sighting] = {}
        self._since: float | None = None
        self.usual = Usual()

    def observe(
        self, observation: Observation, frame: Frame | None = None, evidence: Mapping[str, float] | None = None
    ) -> None:
        """Remember one look; one older than the camera's last is ignored."""
        source, at = observation.source, observation.at
        with self._lock:
            known = self._looks.get(source)
            if known is not None and at < known.observation.at:
                return
            self._since = at if self._since is None else min(self._since, at)
            self._looks[source] = LastLook(observation, frame, dict(evidence or {}))
            self.usual.learn(observation)
            for detection in observation.detections:
                if detection.score >= self._seen_score:
                    self._remember(Sighting(detection.label, source, at, detection.score))

    def _remember(self, sighting: Sighting) -> None:
        key = (sighting.source, sighting.label)
        before = self._sightings.get(key)
        if before is not None and sighting.at - before.at <= VISIT_GAP_S:
            sighting = replace(sighting, score=max(sighting.score, before.score))
        self._sightings[key] = sighting

    @property
    def sources(self) -> tuple[str, ...]:
        """Return every camera that was looked at, in the order in which they first were."""
        with self._lock:
            return tuple(self._looks)

    @property
    def since(self) -> float | None:
        """Return when watching began, monotonic seconds."""
        with self._lock:
            return self._since

    def looks(self, at: float, max_age_s: float, source: str | None = None) -> tuple[LastLook, ...]:
        """Return the last look of every camera, or of `source`, that is at most `max_age_s` old at `at`."""
        return tuple(look for look in self._all(source) if at - look.observation.at <= max_age_s)

    def latest(self, source: str | None = None) -> Observation | None:
        """Return the newest observation of `source`, or of any camera."""
        return max((look.observation for look in self._all(source)), key=lambda seen: seen.at, default=None)

    def latest_frame(self, source: str | None = None) -> Frame | None:
        """Return the newest picture of `source`, or of any camera."""
        frames = (look.frame for look in self._all(source) if look.frame is not None)
        return max(frames, key=lambda frame: frame.at, default=None)

    def _all(self, source: str | None) -> tuple[LastLook, ...]:
        with self._lock:
            return tuple(look for name, look in self._looks.items() if source in {None, name})

    def now_detections(self, max_age_s: float, at: float) -> tuple[Detection, ...]:
        """Return what every camera sees at `at`, leaving out looks older than `max_age_s`."""
        return tuple(detection for look in self.looks(at, max_age_s) for detection in look.observation.detections)

    def last_seen(self, label: str, source: str | None = None) -> Sighting | None:
        """Return the newest sighting of `label` by `source`, or by any camera."""
        with self._lock:
            kept = [s for s in self._sightings.values() if s.label == label and source in {None, s.source}]
        return max(kept, key=lambda sighting: sighting.at, default=None)


def either(chances: Iterable[float]) -> float:
    """Return the probability that at least one of independent events happens."""
    return 1.0 - math.prod(1.0 - chance for chance in chances)
