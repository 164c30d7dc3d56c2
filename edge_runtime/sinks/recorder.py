"""Keeps, of each alert, everything that it was decided from and what happened before and after."""

from __future__ import annotations

import logging
import queue
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edge_runtime.errors import SinkError
from edge_runtime.sinks.clip_file import clip_bytes
from edge_runtime.sinks.clip_ring import ClipRing
from edge_runtime.sinks.record_file import CLIP, SOUND
from edge_runtime.sinks.record_making import RecordMaker, with_record
from edge_runtime.sinks.sound_ring import SoundRing, flac

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_runtime.sinks.evidence_folder import EvidenceFolder
    from edge_runtime.sinks.record_file import Facts, Origin
    from edge_runtime.types import AudioChunk, Event, Frame

_log = logging.getLogger(__name__)

WAITING = 16
"""Alerts that wait for the disk at most; each holds a picture."""

LATE_S = 10.0
"""Seconds after which a clip ends although its source has told nothing new."""

LONGEST_S = 60.0
"""Seconds of a clip that later alerts prolong, at most; the next alert begins another."""

_SLACK_S = 3.0
_LOOK_EVERY_S = 0.25
_SAY_AGAIN_S = 3600.0
_DAY_S = 86_400.0
_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is kept.

    Attributes:
        before_s: seconds of clip and sound before the alert.
        after_s: seconds after it.
        mb_per_day: 10^6 bytes written in 24 hours at most. Beyond it alerts are kept with a small picture alone,
            beyond twice as much not at all.
    """

    before_s: float
    after_s: float
    mb_per_day: float


@dataclass(slots=True)
class _Running:
    """A clip, or a stretch of sound, that is still being made, for all alerts of its time."""

    source: str
    begin: float
    end: float
    give_up_at: float
    records: list[tuple[Path, Facts]] = field(default_factory=list)


class Recorder:
    """A sink that keeps evidence of alerts: events that have `steps`. The others are passed over.

    `publish` and `see` return at once: a thread of its own writes, the pictures first, the clip when its last second
    has passed. Alerts for which it has no time are dropped, counted and told in the log; so are those that the disk
    does not take, and the box goes on.

    Args:
        folder: where records are kept.
        extent: how much of each.
        origin: tells for an alert which settings, bundle and program it came from.
        clock: gives Unix time.
    """

    name = "recorder"
    # Called at once instead of through a long queue: each alert holds a picture.
    durable = True

    def __init__(
        self,
        folder: EvidenceFolder,
        extent: Extent,
        origin: Callable[[Event], Origin],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.kept = self.dropped = self.failed = 0
        self._folder = folder
        self._extent = extent
        self._origin = origin
        self._maker = RecordMaker()
        self._clock = clock
        self._rings: dict[str, ClipRing] = {}
        self._sounds: dict[str, SoundRing] = {}
        self._running: list[_Running] = []
        self._day_began, self._day_bytes = 0.0, 0
        self._said: dict[str, float] = {}
        self._queue: queue.Queue[tuple[Event, Origin] | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._run, name="sink-recorder", daemon=True)
        self._thread.start()

    def see(self, frame: Frame) -> None:
        """Remember a frame for the clips of its camera; called in the thread that captures it."""
        ring = self._rings.get(frame.source)
        if ring is None:
            ring = self._rings.setdefault(frame.source, ClipRing(self._reach_s))
        ring.take(frame)

    def hear(self, chunk: AudioChunk) -> None:
        """Remember a chunk for the sound of its microphone's alerts; called in the thread that listens."""
        ring = self._sounds.get(chunk.source)
        if ring is None:
            ring = self._sounds.setdefault(chunk.source, SoundRing(self._reach_s))
        ring.take(chunk)

    def publish(self, event: Event) -> None:
        """Keep an alert, soon."""
        if not event.steps:
            return
        try:
            self._queue.put_nowait((event, self._origin(event)))
        except queue.Full:
            self.dropped += 1
            self._say("full", f"{WAITING} alerts wait for the disk; evidence of this one is not kept")

    def close(self, timeout_s: float) -> None:
        """Write what waits and end all clips with what there is."""
        deadline = time.monotonic() + timeout_s
        try:
            self._queue.put(None, timeout=timeout_s)
        except queue.Full:
            return
        self._thread.join(max(deadline - time.monotonic(), 0.0))

    @property
    def _reach_s(self) -> float:
        return self._extent.before_s + self._extent.after_s + _SLACK_S

    def _run(self) -> None:
        self._attempt(self._folder.open, self._clock())
        while True:
            try:
                alert = self._queue.get(timeout=_LOOK_EVERY_S if self._running else None)
                if alert is None:
                    break
                self._attempt(self._keep, *alert)
            except queue.Empty:
                pass
            self._finish(everything=False)
        self._finish(everything=True)

    def _attempt(self, work: Callable[..., None], *what: object) -> None:
        """Do something with the disk; what it does not take is told once an hour."""
        try:
            work(*what)
        except SinkError as error:
            self.failed += 1
            self._say("disk", str(error))

    def _keep(self, event: Event, origin: Origin) -> None:
        now = self._clock()
        wall = min(now - time.monotonic() + event.at, now)
        if now - self._day_began >= _DAY_S or now < self._day_began:
            self._day_began, self._day_bytes = now, self._folder.written
        spent = (self._folder.written - self._day_bytes) / _MB
        if spent > 2 * self._extent.mb_per_day:
            self.dropped += 1
            self._say("flood", f"{spent:.0f} MB of evidence were written within a day; no more alerts are kept today")
            return
        whole = spent <= self._extent.mb_per_day
        if not whole:
            self._say(
                "day", f"{spent:.0f} MB of evidence were written within a day; the rest have a small picture alone"
            )
        facts, files = self._maker.make(event, origin, wall, whole=whole)
        if not self._folder.opened:
            self._folder.open(now)
        place = self._folder.add(event.id, wall, files)
        self.kept += 1
        if whole:
            self._run_on(event, place, facts)

    def _run_on(self, event: Event, place: Path, facts: Facts) -> None:
        """Begin the clip of an alert, or prolong the one that runs already."""
        extent, at = self._extent, event.at
        if event.source not in self._rings and event.source not in self._sounds:
            return
        for running in self._running:
            if running.source == event.source and at + extent.after_s - running.begin <= LONGEST_S + self._reach_s:
                running.end = max(running.end, at + extent.after_s)
                break
        else:
            running = _Running(event.source, at - extent.before_s, at + extent.after_s, 0.0)
            self._running.append(running)
        running.give_up_at = time.monotonic() + extent.after_s + LATE_S
        running.records.append((place, facts))
        self._hold(event.source)

    def _hold(self, source: str) -> None:
        since = min((one.begin for one in self._running if one.source == source), default=float("inf"))
        for ring in (self._rings.get(source), self._sounds.get(source)):
            if ring is not None:
                ring.hold(since)

    def _finish(self, *, everything: bool) -> None:
        """Write the clips whose last second has passed, or all of them."""
        now = time.monotonic()
        for running in [*self._running]:
            rings = (self._rings.get(running.source), self._sounds.get(running.source))
            passed = max(ring.last_at for ring in rings if ring is not None) >= running.end
            if passed or everything or now >= running.give_up_at:
                self._running.remove(running)
                self._attempt(self._end, running)
                self._hold(running.source)

    def _end(self, running: _Running) -> None:
        files: dict[str, bytes] = {}
        ring, sounds = self._rings.get(running.source), self._sounds.get(running.source)
        if ring and (pictures := ring.between(running.begin, running.end)):
            files[CLIP] = clip_bytes(pictures, running.begin, min(running.end, pictures[-1].at))
        if sounds and len(samples := sounds.between(running.begin, running.end)):
            files[SOUND] = flac(samples)
        for place, facts in running.records:
            if files:
                self._folder.extend(place, with_record(facts, files))

    def _say(self, key: str, text: str) -> None:
        now = time.monotonic()
        if now - self._said.get(key, -_SAY_AGAIN_S) >= _SAY_AGAIN_S:
            self._said[key] = now
            _log.error("recorder: %s; said again in an hour at the earliest", text)
