"""A second look at alerts in plain words: the cloud says whether it is so, within its budget and what may leave."""

from __future__ import annotations

import json
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from edge_runtime.decision.second_look import ALERT, CONFIRMED, settled
from edge_runtime.errors import CloudError
from edge_runtime.pipelines.minds import WHY_NOT
from edge_runtime.prompts.book import PromptBook
from edge_runtime.types import Origin, Question, Request
from edge_runtime.wiring.cloud import make_cloud

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future

    from edge_runtime.config import Settings
    from edge_runtime.pipelines.minds import Cloud
    from edge_runtime.types import Box, Event
    from edge_runtime.wiring.assembly import Models

log = logging.getLogger(__name__)

SKILL = "alert"
AT_ONCE = 2
WAITING = 8
"""Alerts that wait for somebody to look at them at most; more are told at once."""
_AROUND = 2.0
_WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


class SecondLook:
    """Has alerts looked at by the cloud before they are told, each for `patience_s` at most.

    Whatever goes wrong, an alert is told: unconfirmed, with the reason.

    Args:
        cloud: who looks, or why nobody may.
        tell: publishes an event.
        patience_s: seconds that an alert may wait.
    """

    def __init__(self, cloud: Cloud | str, tell: Callable[[Event], None], patience_s: float) -> None:
        self._cloud = cloud
        self._tell = tell
        self._patience_s = patience_s
        self._pool = ThreadPoolExecutor(AT_ONCE, "second-look")
        self._waiting = threading.Semaphore(WAITING)

    def take(self, event: Event) -> bool:
        """Return whether an event is looked at first; it is told afterwards then. In quiet hours nothing is."""
        if event.kind != ALERT or not event.steps:
            return False
        if not self._waiting.acquire(blocking=False):
            self._tell(settled(event, _unseen("too many alerts wait already")))
            return True
        deadline = time.monotonic() + self._patience_s
        self._pool.submit(self._look, event, deadline).add_done_callback(lambda done: self._looked(event, done))
        return True

    def close(self) -> None:
        """Wait for those that are being looked at, and give back what the cloud has open."""
        self._pool.shutdown(wait=True)
        if not isinstance(self._cloud, str):
            self._cloud.close()

    def _looked(self, event: Event, done: Future[Mapping[str, object]]) -> None:
        self._waiting.release()
        error = done.exception()
        if error is not None:
            log.error("an alert could not be looked at again; it is told as it is", exc_info=error)
        self._tell(settled(event, _unseen("an error; the log says which") if error else done.result()))

    def _look(self, event: Event, deadline: float) -> Mapping[str, object]:
        """Return what is to be known of the second look: who says what, for how much, or why nobody does."""
        sight = event.trace.sight if event.trace else None
        if isinstance(self._cloud, str):
            return _unseen(self._cloud)
        if sight is None or not self._cloud.sees(event.source):
            return _unseen("pictures may not leave this box")
        text = f"The alert: {json.dumps(event.data['prompt'], ensure_ascii=False)}. Does the picture show it?"
        question = Question(text, event.source, event.at, sight.frame)
        begun = time.monotonic()
        try:
            answer = self._cloud.answer(Request(question, SKILL, deadline, _subject(event)))
        except CloudError as error:
            log.info("an alert was not looked at again: %s", error)
            return _unseen(next(why for kind, why in WHY_NOT if isinstance(error, kind)))
        said = json.loads(answer.text)["verdict"] if answer.origin is Origin.CLOUD else None
        sure = said in CONFIRMED
        return {
            "verdict": said if sure else None,
            "why": None if sure else "the cloud is not sure either",
            "model": answer.model,
            "cost_usd": answer.cost_usd,
            "seconds": round(time.monotonic() - begun, 3),
        }


def make_second_look(settings: Settings, models: Models, tell: Callable[[Event], None]) -> SecondLook | None:
    """Return who looks at alerts a second time, None where nobody shall."""
    if not settings.alerting.second_look:
        return None
    cloud = make_cloud(settings, models, PromptBook(settings.answering.prompts))
    if isinstance(cloud, str):
        log.warning("alerting.second_look is on, but %s; alerts are told unconfirmed", cloud)
    for camera in settings.cameras:
        if not isinstance(cloud, str) and not cloud.sees(camera.name):
            log.warning("alerting.second_look: no picture of %s may leave; allow it in egress.sources", camera.name)
    return SecondLook(cloud, tell, settings.alerting.second_look_s)


def _unseen(why: str) -> Mapping[str, object]:
    return {"verdict": None, "why": why}


def _subject(event: Event) -> Box:
    """Return the part of the picture that is sent: the thing, with as much around it as tells where it is."""
    where = event.data.get("where")
    if not isinstance(where, list):
        return _WHOLE
    x0, y0, x1, y1 = (float(side) for side in where)
    wide, high = (x1 - x0) * (_AROUND - 1) / 2, (y1 - y0) * (_AROUND - 1) / 2
    return max(x0 - wide, 0.0), max(y0 - high, 0.0), min(x1 + wide, 1.0), min(y1 + high, 1.0)
