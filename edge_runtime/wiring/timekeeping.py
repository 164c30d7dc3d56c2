"""Timers kept on disk, so that a reboot loses none, and told by the running box when they end."""

from __future__ import annotations

import fcntl
import json
import logging
import time
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from edge_runtime.decision.timers import Moment, Timer, kept, left_s, out_of_step, timer_of
from edge_runtime.errors import SinkError
from edge_runtime.skills.durations import ended
from edge_runtime.types import CLOCK_SET_AFTER, Event
from edge_runtime.whole_files import write_whole

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Sequence

log = logging.getLogger(__name__)

_TICK_S = 0.25
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def clocks() -> Moment:
    """Return now, by the clocks of this machine."""
    wall = time.time()
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    try:
        boot = _BOOT.read_text().strip()
    except OSError:
        boot = "unknown"
    return Moment(wall, time.clock_gettime(clock), boot, wall >= CLOCK_SET_AFTER)


class Timers:
    """The timers of one box in one file, shared by its processes.

    Args:
        folder: where `timers.json` is kept; made when the first timer is set.
        now: both clocks.
    """

    def __init__(self, folder: Path, now: Callable[[], Moment] = clocks) -> None:
        self._path = folder / "timers.json"
        self._now = now
        self._seen: tuple[int, int, int] | None = None
        self._timers: tuple[Timer, ...] = ()

    def now(self) -> Moment:
        """Return now, by both clocks."""
        return self._now()

    @property
    def watched(self) -> bool:
        """Tell whether a running box will notice when a timer ends."""
        try:
            with self._path.with_suffix(".watched").open("r") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def all(self) -> tuple[Timer, ...]:
        """Return the timers that have not ended, the next one first."""
        try:
            state = self._path.stat()
        except OSError:
            return ()
        seen = (state.st_mtime_ns, state.st_size, state.st_ino)
        if seen != self._seen:
            self._timers, self._seen = self._read(), seen
        return self._timers

    def change(self, edit: Callable[[tuple[Timer, ...]], Sequence[Timer]]) -> None:
        """Replace the timers by what `edit` makes of them; no other process changes them meanwhile.

        Raises:
            SinkError: they cannot be written.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with _locked(self._path.with_suffix(".lock")):
                before = self._read()
                now = self._now()
                after = [kept(timer, now) for timer in edit(before)]
                self._write(sorted(after, key=lambda timer: left_s(timer, now)))
        except OSError as error:
            raise SinkError(f"timers cannot be kept in {self._path} ({error.strerror}); free or unlock it") from None

    def serve(
        self,
        tell: Callable[[Event, str], None],
        stopping: threading.Event,
        alive: Callable[[], None],
    ) -> None:
        """Tell what ends until told to stop, with an event and the words for it.

        The first of several boxes that share a folder does; the others wait for its place.
        """
        while not stopping.wait(_TICK_S):
            alive()
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                with self._path.with_suffix(".watched").open("w") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    while not stopping.wait(_TICK_S):
                        alive()
                        self.tell_ended(tell)
            except BlockingIOError:
                continue
            except OSError as error:
                log.warning("timers in %s cannot be watched (%s)", self._path, error.strerror)
                stopping.wait(30.0)

    def tell_ended(self, tell: Callable[[Event, str], None]) -> None:
        """Tell every timer that has ended and forget it; told again after a crash in between, with the same id."""
        timers, now = self.all(), self._now()
        done = [timer for timer in timers if left_s(timer, now) <= 0]
        for timer in done:
            late_s = max(-left_s(timer, now), 0.0)
            said = ended(timer, late_s)
            data = {"timer": timer.kind, "name": timer.name, "text": timer.text, "said": said}
            more = {"length_s": round(timer.length_s, 1), "late_s": round(late_s, 1)}
            tell(Event("timer_finished", "timers", time.monotonic(), {**data, **more}, id=timer.id), said)
        if done or any(out_of_step(timer, now) for timer in timers):
            ids = {timer.id for timer in done}
            try:
                self.change(lambda before: [timer for timer in before if timer.id not in ids])
            except SinkError as error:
                log.warning("%s", error)
                # Told once in this process at least, whatever the disk does.
                self._timers = tuple(timer for timer in self._timers if timer.id not in ids)

    def _read(self) -> tuple[Timer, ...]:
        try:
            records = json.loads(self._path.read_text(encoding="utf-8"))
            return tuple(timer_of(record) for record in records)
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, TypeError) as error:
            aside = self._path.with_suffix(".broken")
            log.warning("%s cannot be read (%s); it is kept as %s, and there are no timers", self._path, error, aside)
            self._path.replace(aside)
            return ()

    def _write(self, timers: Sequence[Timer]) -> None:
        write_whole(self._path, json.dumps([asdict(timer) for timer in timers], indent=1))


@contextmanager
def _locked(path: Path) -> Iterator[TextIO]:
    """Hold the lock that a file stands for; a process that dies gives it back."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
