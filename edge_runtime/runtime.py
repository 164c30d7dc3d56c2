"""Threads that live and die together: workers with back-off, stages that drain in order, and a watchdog."""

from __future__ import annotations

import enum
import logging
import os
import random
import socket
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from edge_runtime.metrics import Metrics

log = logging.getLogger(__name__)

ONLINE, LOST = "online", "lost"
FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 1.5
SETTLED_S = 10.0
"""A camera takes up to 3 s to open, and shall be back 5 s after it could be."""
WEDGED_AFTER_S = 120.0
DRAIN_S = 10.0
FEED_EVERY_S = 2.0
_TICK_S = 0.2


class ExitStatus(enum.IntEnum):
    """How the program ended, for the shell and for systemd."""

    OK = 0
    FAILURE = 1
    BAD_INPUT = 2
    WORKER_CRASHED = 3
    WORKER_WEDGED = 4


class Worker:
    """One named thread that does one thing until it is done, told to stop, or crashes.

    A SourceError is waited out with jittered exponential back-off and tried again; `on_change` hears of it when trouble
    begins ("lost", reason), of each other reason once, and when it is over ("online", ""). Anything else is a crash.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Worker], None],
        metrics: Metrics,
        on_change: Callable[[str, str], None] | None = None,
    ) -> None:
        self.name = name
        self.stopping = threading.Event()
        self.crashed = False
        self._work = work
        self._metrics = metrics
        self._on_change = on_change
        self._state = ""
        self._told: set[str] = set()
        self._failures = 0
        self._failed_at = float("-inf")
        self._beaten_at = time.monotonic()
        self._thread = threading.Thread(target=self.run, name=name, daemon=True)

    def start(self) -> None:
        """Begin the work in its own thread."""
        self.beat()
        self._thread.start()

    @property
    def done(self) -> bool:
        """Return whether the work has ended, well or not."""
        return self._thread.ident is not None and not self._thread.is_alive()

    @property
    def state(self) -> str:
        """Return how the source is, empty as long as nothing is known."""
        return self._state

    @property
    def silent_s(self) -> float:
        """Return the seconds since the last sign of progress."""
        return time.monotonic() - self._beaten_at

    def beat(self) -> None:
        """Give a sign of progress; a worker silent for two minutes is taken for wedged."""
        self._beaten_at = time.monotonic()

    def healthy(self, state: str = ONLINE, reason: str = "") -> None:
        """Tell that the source delivers, and how: `on_change` hears of each new state once.

        The back-off begins anew once it has delivered for ten seconds: one that fails after its first picture is not
        opened four times a second.
        """
        self.beat()
        if self._beaten_at - self._failed_at > SETTLED_S:
            self._failures = 0
        self._change(state, reason)

    def run(self) -> None:
        """Do the work here and now; `start` calls this in the thread."""
        try:
            while not self.stopping.is_set():
                try:
                    self._work(self)
                except SourceError as error:
                    self._wait_out(error)
                else:
                    return
        except Exception:
            self.crashed = True
            log.exception("worker %s crashed", self.name)
        finally:
            self._metrics.degraded.labels(self.name).set(0)

    def _wait_out(self, error: SourceError) -> None:
        self._change(LOST, str(error))
        wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**self._failures) * random.uniform(0.5, 1.0)  # noqa: S311  # jitter
        self._failures = min(self._failures + 1, 16)
        self._failed_at = time.monotonic()
        self._metrics.restarts.labels(self.name).inc()
        self.beat()
        self.stopping.wait(wait_s)

    def _change(self, state: str, reason: str) -> None:
        if state == self._state and (state != LOST or reason in self._told):
            return
        if state != self._state:
            self._told.clear()
        self._told.add(reason)
        self._state = state
        self._metrics.degraded.labels(self.name).set(state != ONLINE)
        if state == LOST:
            log.warning("%s: %s; trying again until it works", self.name, reason)
        else:
            log.log(logging.INFO if state == ONLINE else logging.WARNING, "%s: %s", self.name, reason or state)
        if self._on_change:
            self._on_change(state, reason)


@dataclass(frozen=True, slots=True)
class Stage:
    """Workers that end together; `close` then tells the next stage that no more will come."""

    workers: Sequence[Worker]
    close: Callable[[], None]


class Runtime:
    """Runs the stages until told to stop, or, with `once`, until the sources have ended and everything is drained."""

    def __init__(self, stages: Sequence[Stage], *, once: bool, close: Callable[[], None]) -> None:
        self._stages = stages
        self._once = once
        self._close = close
        self._stopping = threading.Event()
        self._thread_crashed = False
        self._fed_at = float("-inf")
        self._stop_at = float("inf")

    @property
    def well(self) -> bool:
        """Tell whether it runs: nothing has crashed, nothing is to end."""
        crashed = self._thread_crashed or any(worker.crashed for worker in self._workers())
        return not crashed and not self._stopping.is_set()

    def states(self) -> Mapping[str, str]:
        """Return the state of every worker by its name, ONLINE where all is well."""
        return {worker.name: worker.state or ONLINE for worker in self._workers()}

    def stop(self) -> None:
        """Ask everything to end within ten seconds; safe to call from a signal handler."""
        self._stop_at = min(self._stop_at, time.monotonic() + DRAIN_S)
        self._stopping.set()

    def run(self) -> ExitStatus:
        """Start every worker, watch over them, drain the stages in order, close the sinks."""
        before, threading.excepthook = threading.excepthook, self._thread_died
        for worker in self._workers():
            worker.start()
        notify_systemd("READY=1")
        try:
            return self._watch()
        finally:
            threading.excepthook = before
            notify_systemd("STOPPING=1")
            self._close()

    def _watch(self) -> ExitStatus:
        for position, stage in enumerate(self._stages):
            while not self._ended(stage, first=position == 0):
                if time.monotonic() > self._stop_at:
                    log.warning("gave up waiting for %s", ", ".join(w.name for w in stage.workers if not w.done))
                    break
                trouble = self._trouble()
                if trouble:
                    return trouble
                self._feed_watchdog()
                if self._stopping.wait(_TICK_S):
                    self._stop_sources()
                    time.sleep(_TICK_S)
            stage.close()
        return self._trouble() or ExitStatus.OK

    def _feed_watchdog(self) -> None:
        if time.monotonic() - self._fed_at >= FEED_EVERY_S:
            self._fed_at = time.monotonic()
            notify_systemd("WATCHDOG=1")

    def _stop_sources(self) -> None:
        for worker in self._stages[0].workers:
            worker.stopping.set()

    def _ended(self, stage: Stage, *, first: bool) -> bool:
        finished = all(worker.done for worker in stage.workers)
        return finished and (not first or self._once or self._stopping.is_set())

    def _thread_died(self, what: threading.ExceptHookArgs) -> None:
        """Take the death of any other thread, such as a sink's, as seriously as a worker's."""
        name = what.thread.name if what.thread else "a thread"
        log.error("%s crashed", name, exc_info=what.exc_value)
        self._thread_crashed = True

    def _trouble(self) -> ExitStatus | None:
        if self._thread_crashed:
            return ExitStatus.WORKER_CRASHED
        for worker in self._workers():
            if worker.crashed:
                return ExitStatus.WORKER_CRASHED
            if not worker.done and worker.silent_s > WEDGED_AFTER_S:
                log.error("worker %s has made no progress for %.0f s", worker.name, worker.silent_s)
                return ExitStatus.WORKER_WEDGED
        return None

    def _workers(self) -> Iterator[Worker]:
        for stage in self._stages:
            yield from stage.workers


def notify_systemd(message: str) -> None:
    """Send one line to the service manager (sd_notify(3)); does nothing when there is none."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        try:
            sender.connect("\0" + address[1:] if address.startswith("@") else address)
            sender.send(message.encode())
        except OSError as error:
            log.warning("service manager cannot be told %r: %s", message, error)
