"""What the owner says of an alert, by page or MQTT: whoever raised it learns from it, also after a restart."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import OrderedDict
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from edge_runtime.errors import InputError
from edge_runtime.types import Event
from edge_runtime.whole_files import write_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

Verdict: TypeAlias = Literal["fine", "right"]

log = logging.getLogger(__name__)

FILE = "alerts.jsonl"
KEPT = 100
VERDICTS = ("fine", "right")


@dataclass(frozen=True, slots=True)
class Alert:
    """What is remembered of an alert; `said` are the verdicts that were taken."""

    id: str
    kind: str
    source: str
    data: Mapping[str, Any]
    said: tuple[str, ...] = ()


class Feedback:
    """Knows the last hundred alerts and hands what is said of one to all who may have raised it; from any thread.

    It is a sink too: the alerts that the house tells are those that it knows.

    Args:
        folder: where they are kept, a line for each; None keeps them in memory alone.
        tell: publishes the event that says what was said.
    """

    name = "feedback"
    durable = False

    def __init__(self, folder: Path | None = None, tell: Callable[[Event], None] = lambda _: None) -> None:
        self.tell = tell
        self._path = folder / FILE if folder else None
        self._lock = threading.Lock()
        self._takers: list[Callable[[Alert, Verdict], object]] = []
        self._alerts: OrderedDict[str, Alert] = OrderedDict()
        self._lines = 0
        self._load()

    def register(self, taker: Callable[[Alert, Verdict], object]) -> None:
        """Have `taker` called with each alert that something is said of, in the thread of whoever says it."""
        self._takers.append(taker)

    def publish(self, event: Event) -> None:
        """Remember an event that is an alert."""
        if not event.steps:
            return
        alert = Alert(event.id, event.kind, event.source, dict(event.data))
        with self._lock:
            self._remember(alert)
            self._append(alert)

    def close(self, timeout_s: float = 0.0) -> None:
        """Nothing waits here: each alert is written as it comes."""

    def newest(self) -> str | None:
        """Return the id of the last alert."""
        with self._lock:
            return next(reversed(self._alerts), None)

    def give(self, event_id: str, verdict: Verdict) -> None:
        """Take what somebody says of an alert: `fine` is what should not have alarmed, `right` what should.

        Either counts once: a button that is pressed again and again must not teach more and more.

        Raises:
            InputError: the event is none of the last alerts.
        """
        with self._lock:
            alert = self._alerts.get(event_id)
            fresh = alert is not None and verdict not in alert.said
            if alert and fresh:
                alert = self._alerts[event_id] = replace(alert, said=(*alert.said, verdict))
                self._append(alert)
        if alert is None:
            raise InputError(f"event {event_id!r} is none of the last {KEPT} alerts; nothing can be said of it")
        if not fresh:
            return
        for take in self._takers:
            take(alert, verdict)
        told = {"event": event_id, "alert": alert.kind, "verdict": verdict}
        self.tell(Event("feedback", alert.source, time.monotonic(), told))

    def read(self, text: str) -> Mapping[str, object]:
        """Take feedback as a message: JSON such as {"id": "…", "verdict": "fine"}; fine where no verdict is given.

        Raises:
            InputError: it is not of that shape, or the event is none of the last alerts.
        """
        try:
            said = json.loads(text)
            event, verdict = str(said["id"]), said.get("verdict", "fine")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise InputError('feedback is JSON such as {"id": "…", "verdict": "fine"}') from None
        if verdict not in VERDICTS:
            raise InputError(f"the verdict {str(verdict)[:40]!r} is neither fine nor right")
        self.give(event, verdict)
        return {"id": event, "verdict": verdict}

    def _remember(self, alert: Alert) -> None:
        self._alerts[alert.id] = alert
        while len(self._alerts) > KEPT:
            self._alerts.popitem(last=False)

    def _load(self) -> None:
        if not self._path:
            return
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            log.warning("%s cannot be read (%s); nothing can be said of earlier alerts", self._path, error)
            return
        self._lines = len(lines)
        for line in lines:
            # A power cut may have torn a line: one alert of which nothing can be said, and a file to begin anew.
            try:
                kept = json.loads(line)
                said = tuple(str(verdict) for verdict in kept.get("said", ()))
                alert = Alert(str(kept["id"]), str(kept["kind"]), str(kept["source"]), dict(kept["data"]), said)
                self._remember(alert)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                self._lines = 2 * KEPT

    def _append(self, alert: Alert) -> None:
        """Write one line; the file begins anew when it holds twice as many as are known."""
        if not self._path:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if self._lines >= 2 * KEPT:
                write_whole(self._path, "".join(_line(one) for one in self._alerts.values()))
                self._lines = len(self._alerts)
                return
            with self._path.open("a", encoding="utf-8") as file:
                file.write(_line(alert))
            self._lines += 1
        except OSError as error:
            log.warning("alert %s cannot be kept in %s (%s)", alert.id, self._path, error.strerror)


def _line(alert: Alert) -> str:
    return json.dumps(asdict(alert), separators=(",", ":")) + "\n"
