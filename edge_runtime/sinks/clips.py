"""The clips of alerts: what each camera and microphone told before and after, cut when its last second has passed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from edge_runtime.sinks.clip_file import clip_bytes
from edge_runtime.sinks.clip_ring import ClipRing
from edge_runtime.sinks.record_file import CLIP, SOUND
from edge_runtime.sinks.sound_ring import SoundRing, flac

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_runtime.types import AudioChunk, Frame

R = TypeVar("R")

LATE_S = 10.0
"""Seconds after which a clip ends although its source has told nothing new."""

LONGEST_S = 60.0
"""Seconds that a clip takes at most, unless one alert alone wants more; the next alert begins another."""


@dataclass(slots=True)
class _Running(Generic[R]):
    """A clip that is still being made, for all alerts of its time."""

    source: str
    begin: float
    end: float
    give_up_at: float = 0.0
    records: list[R] = field(default_factory=list)


class Clips(Generic[R]):
    """Remembers the last seconds of every source and cuts clips out of them.

    `see` and `hear` may be called from any thread; one thread calls the rest.

    Args:
        before_s: seconds of a clip before its alert.
        after_s: seconds after it.
        late_s: seconds that an alert may be told after it happened.
    """

    def __init__(self, before_s: float, after_s: float, late_s: float) -> None:
        self._before_s = before_s
        self._after_s = after_s
        self._keep_s = before_s + after_s + late_s
        self._longest_s = max(LONGEST_S, before_s + after_s)
        self._pictures: dict[str, ClipRing] = {}
        self._sounds: dict[str, SoundRing] = {}
        self._running: list[_Running[R]] = []

    @property
    def running(self) -> bool:
        """Return whether a clip is being made."""
        return bool(self._running)

    def see(self, frame: Frame) -> None:
        """Remember a frame.

        Raises:
            SinkError: it cannot be encoded.
        """
        ring = self._pictures.get(frame.source)
        if ring is None:
            ring = self._pictures.setdefault(frame.source, ClipRing(self._keep_s))
        ring.take(frame)

    def hear(self, chunk: AudioChunk) -> None:
        """Remember a chunk."""
        ring = self._sounds.get(chunk.source)
        if ring is None:
            ring = self._sounds.setdefault(chunk.source, SoundRing(self._keep_s))
        ring.take(chunk)

    def begin(self, source: str, at: float, record: R) -> None:
        """Begin the clip of an alert, or let the one that runs already show it too."""
        if source not in self._pictures and source not in self._sounds:
            return
        begin, end = at - self._before_s, at + self._after_s
        for running in self._running:
            first, last = min(running.begin, begin), max(running.end, end)
            if running.source == source and last - first <= self._longest_s:
                running.begin, running.end = first, last
                break
        else:
            running = _Running(source, begin, end)
            self._running.append(running)
        running.give_up_at = time.monotonic() + self._after_s + LATE_S
        running.records.append(record)
        self._hold(source)

    def ended(self, *, everything: bool) -> Iterator[tuple[list[R], dict[str, bytes]]]:
        """Yield the clips whose last second has passed, or all of them: whose they are, and their files."""
        now = time.monotonic()
        for running in [*self._running]:
            rings = (self._pictures.get(running.source), self._sounds.get(running.source))
            passed = max(ring.last_at for ring in rings if ring is not None) >= running.end
            if passed or everything or now >= running.give_up_at:
                self._running.remove(running)
                yield running.records, self._files(running)
                self._hold(running.source)

    def _files(self, running: _Running[R]) -> dict[str, bytes]:
        files: dict[str, bytes] = {}
        ring, sounds = self._pictures.get(running.source), self._sounds.get(running.source)
        if ring and (pictures := ring.between(running.begin, running.end)):
            files[CLIP] = clip_bytes(pictures, running.begin, min(running.end, pictures[-1].at))
        if sounds and len(samples := sounds.between(running.begin, running.end)):
            files[SOUND] = flac(samples)
        return files

    def _hold(self, source: str) -> None:
        """Let a source's ring keep what its running clips still want."""
        since = min((one.begin for one in self._running if one.source == source), default=float("inf"))
        for ring in (self._pictures.get(source), self._sounds.get(source)):
            if ring is not None:
                ring.hold(since)
