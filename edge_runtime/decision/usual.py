"""What each camera usually sees: a small memory of looks, and how unlike it the present one is."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from edge_runtime.types import Observation, Vector

KEPT = 128
"""Looks kept of one camera, about 100 kB; beyond it every second one goes and they are taken half as often."""
EVERY_S = 30.0
SELDOM_S = 960.0
ENOUGH = 30
"""Looks from which something can be said; a p-value cannot be smaller than one in so many."""
RECENT_S = 120.0
"""Looks so new are part of the present, not of what is usual."""
NEIGHBOURS = 5
FORGET = 4_000
"""Looks of an hour of the day after which what was long ago counts half."""
SEEN = 0.5
DAY_S, HOUR_S = 86_400.0, 3_600.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """The present look of a camera against its memory.

    Attributes:
        looks: how many looks there are to compare with.
        watched_s: since when they were taken.
        whole: conformal p-value of the picture as a whole: how many of the usual looks are as unlike the others
            (Vovk, Gammerman and Shafer 2005); None where there are too few, or the model gives no embedding.
        labels: for each label seen now or usually, the share of the usual looks that show it.
        same_hour: `labels` is of this hour of the day alone.
    """

    looks: int
    watched_s: float
    whole: float | None
    labels: Mapping[str, float]
    same_hour: bool


@dataclass(slots=True)
class _Memory:
    """What is kept of one camera."""

    at: deque[float] = field(default_factory=deque)
    vectors: deque[NDArray[np.float16] | None] = field(default_factory=deque)
    labels: deque[frozenset[str]] = field(default_factory=deque)
    hours: defaultdict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    fresh: deque[tuple[float, frozenset[str]]] = field(default_factory=deque)
    every_s: float = EVERY_S
    since: float | None = None


class Usual:
    """Learns what cameras see, look by look; safe across threads. Days are counted from the machine's start."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._memories: dict[str, _Memory] = {}

    def learn(self, seen: Observation) -> None:
        """Remember a look, if the last one remembered is old enough."""
        with self._lock:
            memory = self._memories.setdefault(seen.source, _Memory())
            _count(memory, seen)
            if memory.at and seen.at - memory.at[-1] < memory.every_s:
                return
            memory.since = seen.at if memory.since is None else memory.since
            memory.at.append(seen.at)
            memory.vectors.append(None if seen.embedding is None else seen.embedding.astype(np.float16))
            memory.labels.append(_labels(seen))
            if len(memory.at) > KEPT:
                _thin(memory)

    def compare(self, seen: Observation) -> Comparison:
        """Return how the present look compares with what is usual for its camera."""
        with self._lock:
            memory = self._memories.get(seen.source, _Memory())
            old = [index for index, at in enumerate(memory.at) if seen.at - at >= RECENT_S]
            vectors = [memory.vectors[index] for index in old]
            known = [memory.labels[index] for index in old]
            here = Counter(memory.hours[_hour(seen.at)])
            since = memory.since if memory.since is not None else seen.at
        same_hour = here[""] >= ENOUGH and seen.at - since > DAY_S
        total = here[""] if same_hour else len(known)
        counts = here if same_hour else Counter(label for labels in known for label in labels)
        names = {*_labels(seen), *counts} - {""}
        shares = {label: counts[label] / total for label in names} if total else {}
        kept = [vector for vector in vectors if vector is not None]
        whole = _p_value(seen.embedding, np.array(kept, np.float32)) if len(kept) >= ENOUGH else None
        return Comparison(len(old), seen.at - since, whole, shares, same_hour)


def _labels(seen: Observation) -> frozenset[str]:
    return frozenset(found.label for found in seen.detections if found.score >= SEEN)


def _hour(at: float) -> int:
    return int(at % DAY_S // HOUR_S)


def _count(memory: _Memory, seen: Observation) -> None:
    """Count the labels of the hour, once they are no longer part of the present."""
    if not memory.fresh or seen.at - memory.fresh[-1][0] >= EVERY_S:
        memory.fresh.append((seen.at, _labels(seen)))
    while memory.fresh and seen.at - memory.fresh[0][0] >= RECENT_S:
        at, labels = memory.fresh.popleft()
        hour = memory.hours[_hour(at)]
        hour.update([*labels, ""])
        if hour[""] >= FORGET:
            for label in list(hour):
                hour[label] //= 2


def _thin(memory: _Memory) -> None:
    """Make room: every second look goes as long as looks are taken often, then the oldest."""
    if memory.every_s >= SELDOM_S:
        for kept in (memory.at, memory.vectors, memory.labels):
            kept.popleft()
        return
    memory.every_s *= 2
    memory.at = deque(list(memory.at)[::2])
    memory.vectors = deque(list(memory.vectors)[::2])
    memory.labels = deque(list(memory.labels)[::2])


def _p_value(present: Vector | None, usual: NDArray[np.float32]) -> float | None:
    """Return the share of looks, the present one counted, that are as far from their nearest as the present one."""
    if present is None:
        return None
    every = np.concatenate([usual, present[None].astype(np.float32)])
    nearness = every @ every.T
    np.fill_diagonal(nearness, -np.inf)
    strangeness = -np.sort(nearness, axis=1)[:, -NEIGHBOURS:].mean(1)
    return float((strangeness >= strangeness[-1] - 1e-6).mean())
