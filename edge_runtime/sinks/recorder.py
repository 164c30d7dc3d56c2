"""Keeps, of each alert, everything that it was decided from and what happened before and after."""

from __future__ import annotations

import logging
import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.errors import SinkError
from edge_runtime.sinks.clips import Clips
from edge_runtime.sinks.record_making import RecordMaker, with_record

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_runtime.metrics import Metrics
    from edge_runtime.sinks.evidence_folder import EvidenceFolder
    from edge_runtime.sinks.record_file import Facts, Origin
    from edge_runtime.types import AudioChunk, Event, Frame

_log = logging.getLogger(__name__)

WAITING = 16
"""Alerts that wait for the disk at most; each holds a picture."""

TIDY_EVERY_S = 3600.0

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
        late_s: seconds that an alert may be told after it happened.
    """

    before_s: float
    after_s: float
    mb_per_day: float
    late_s: float = 3.0


class Recorder:
    """A sink that keeps evidence of alerts: events that have `steps`. The others are passed over.

    `publish`, `see` and `hear` return at once: a thread of its own writes, the pictures first, the clip when its last
    second has passed. Alerts for which it has no time are dropped, counted and told in the log; so are those that the
    disk does not take, and the box goes on.

    Args:
        folder: where records are kept.
        extent: how much of each.
        origin: tells for an alert which settings, bundle and program it came from.
        metrics: counts what became of the alerts.
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
        metrics: Metrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._extent = extent
        self._origin = origin
        self._metrics = metrics
        self._clock = clock
        self._maker = RecordMaker()
        self._clips: Clips[tuple[Path, Facts]] = Clips(extent.before_s, extent.after_s, extent.late_s)
        self._day_began, self._day_bytes = 0.0, 0
        self._said: dict[str, float] = {}
        self._queue: queue.Queue[tuple[Event, Origin] | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._run, name="sink-recorder", daemon=True)
        self._thread.start()

    def see(self, frame: Frame) -> None:
        """Remember a frame for the clips of its camera; called in the thread that captures it."""
        try:
            self._clips.see(frame)
        except SinkError as error:
            self._say("clip", str(error))

    def hear(self, chunk: AudioChunk) -> None:
        """Remember a chunk for the sound of its microphone's alerts; called in the thread that listens."""
        self._clips.hear(chunk)

    def publish(self, event: Event) -> None:
        """Keep an alert, soon."""
        if not event.steps:
            return
        try:
            self._queue.put_nowait((event, self._origin(event)))
        except queue.Full:
            self._count("dropped")
            self._say("full", f"{WAITING} alerts wait for the disk; evidence of this one is not kept")

    def close(self, timeout_s: float) -> None:
        """Write what waits and end all clips with what there is."""
        deadline = time.monotonic() + timeout_s
        try:
            self._queue.put(None, timeout=timeout_s)
        except queue.Full:
            return
        self._thread.join(max(deadline - time.monotonic(), 0.0))

    def _run(self) -> None:
        self._attempt(self._tidy)
        while True:
            try:
                alert = self._queue.get(timeout=_LOOK_EVERY_S if self._clips.running else TIDY_EVERY_S)
                if alert is None:
                    break
                self._attempt(self._keep, *alert)
            except queue.Empty:
                if not self._clips.running:
                    self._attempt(self._tidy)
            self._finish(everything=False)
        self._finish(everything=True)

    def _attempt(self, work: Callable[..., None], *what: object) -> None:
        """Do something with the disk; what goes wrong is told once an hour."""
        try:
            work(*what)
        except SinkError as error:
            self._count("failed")
            self._say("disk", str(error))
        except (TypeError, ValueError) as error:
            # A decider that puts into its events what is no JSON must not end the evidence of the others.
            self._count("failed")
            self._say("kind", f"an alert cannot be written down ({error!r})")

    def _tidy(self) -> None:
        """Forget what is too old, although nothing new comes."""
        if not self._folder.opened:
            self._folder.open(self._clock())
        self._folder.tidy(self._clock())
        self._metrics.evidence_bytes.set(self._folder.used)

    def _keep(self, event: Event, origin: Origin) -> None:
        now = self._clock()
        wall = min(now - time.monotonic() + event.at, now)
        whole = self._allowance(now)
        if whole is None:
            self._count("dropped")
            return
        facts, files = self._maker.make(event, origin, wall, whole=whole)
        if not self._folder.opened:
            self._folder.open(now)
        place = self._folder.add(event.id, wall, files)
        self._count("kept")
        self._metrics.evidence_bytes.set(self._folder.used)
        if whole:
            self._clips.begin(event.source, event.at, (place, facts))

    def _allowance(self, now: float) -> bool | None:
        """Return whether an alert may be kept whole; None where not even in part, as too much was written today."""
        if now - self._day_began >= _DAY_S or now < self._day_began:
            self._day_began, self._day_bytes = now, self._folder.written
        spent = (self._folder.written - self._day_bytes) / _MB
        told = f"{spent:.0f} MB of evidence were written within a day"
        if spent > 2 * self._extent.mb_per_day:
            self._say("flood", f"{told}; no more alerts are kept today")
            return None
        if spent > self._extent.mb_per_day:
            self._say("day", f"{told}; further alerts are kept with a small picture alone")
            return False
        return True

    def _finish(self, *, everything: bool) -> None:
        for records, files in self._clips.ended(everything=everything):
            for place, facts in records if files else ():
                self._attempt(self._folder.extend, place, with_record(facts, files))

    def _count(self, outcome: str) -> None:
        self._metrics.evidence.labels(outcome).inc()

    def _say(self, key: str, text: str) -> None:
        now = time.monotonic()
        if now - self._said.get(key, -_SAY_AGAIN_S) >= _SAY_AGAIN_S:
            self._said[key] = now
            _log.error("recorder: %s; said again in an hour at the earliest", text)
