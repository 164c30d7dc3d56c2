"""Questions on their way to their answers: the box's own skills one after the other, bigger minds beside them."""

from __future__ import annotations

import logging
import queue
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from edge_runtime.errors import BusyError, EdgeError
from edge_runtime.pipelines.dictation import unwritten, written
from edge_runtime.types import Answer, Event, Question

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.metrics import Metrics
    from edge_runtime.pipelines.answering import Answerer, Pending
    from edge_runtime.pipelines.dictation import Dictation
    from edge_runtime.runtime import Worker

log = logging.getLogger(__name__)

QUESTIONS_KEPT = 64
THINKING = 8
"""Questions that bigger minds answer at the same time; what the box answers by itself never waits behind them."""
PONDERED_KEPT = 32
"""Questions that are with bigger minds or wait for one; beyond that the box says that it is too busy."""
LAST_WORDS_S = 2.0
_PATIENCE_S = 60.0
_TICK_S = 0.5

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question on its way, and where its answer goes."""

    question: Question
    reply: Future[Answer] = field(default_factory=Future)
    on_text: Callable[[str], None] | None = None
    cancelled: Callable[[], bool] = bool
    since: float = field(default_factory=time.monotonic)


class Questions:
    """Takes questions from everywhere and tells their answers.

    Args:
        answerer: skills, and the minds behind them.
        dictation: writes down what is still sound alone.
        metrics: counts answers and money.
        publish: gets the answer as an event, and what else happens because of it.
        say: gets the answer to be said aloud, if it is to be.
        hurried: tells that the box is to end now.
    """

    def __init__(
        self,
        answerer: Answerer,
        dictation: Dictation | None,
        metrics: Metrics,
        publish: Callable[[Event], None],
        say: Callable[[Question, Answer], None],
        hurried: Callable[[], bool] = bool,
    ) -> None:
        self._answerer = answerer
        self._dictation = dictation
        self._metrics = metrics
        self._publish = publish
        self._say = say
        self._hurried = hurried
        self._asked: queue.Queue[Asked | None] = queue.Queue(QUESTIONS_KEPT)
        self._thinking = ThreadPoolExecutor(THINKING, "thinking")
        self._pondered = 0
        self._changed = threading.Condition()
        self._over = threading.Event()

    @property
    def waiting(self) -> int:
        """Return how many questions nobody has looked at yet."""
        return self._asked.qsize()

    def put(self, question: Question) -> None:
        """Take a question that was heard, and wait where too many do already."""
        self._asked.put(Asked(_whole(question)), timeout=_PATIENCE_S)

    def submit(
        self,
        question: Question,
        on_text: Callable[[str], None] | None = None,
        cancelled: Callable[[], bool] = bool,
    ) -> Future[Answer]:
        """Take a question that came from outside; its answer comes by its deadline.

        Args:
            question: what is asked.
            on_text: gets what a bigger mind writes piece by piece, from another thread.
            cancelled: tells that nobody waits for the answer any more.

        Raises:
            BusyError: too many questions wait.
        """
        asked = Asked(_whole(question), on_text=on_text, cancelled=cancelled)
        try:
            self._asked.put_nowait(asked)
        except queue.Full:
            raise BusyError(f"{QUESTIONS_KEPT} questions are waiting already; ask again later") from None
        return asked.reply

    def close(self) -> None:
        """Take no more questions; `answer` ends after those that wait."""
        self._asked.put(None, timeout=_PATIENCE_S)

    def answer(self, worker: Worker) -> None:
        """Answer questions until `close`, and wait for bigger minds; in a hurry they are told that nobody waits."""
        while (asked := next_of(self._asked, worker)) is not None:
            question = asked.question
            if self._dictation and unwritten(question):
                question = written(question, self._dictation)
                if not question.text:
                    nothing = {"transcript": "", "confidence": 0.0}
                    self._publish(Event("not_understood", question.source, question.at, nothing))
                    continue
            found = self._answerer.begin(question)
            if isinstance(found, Answer):
                self._tell(question, found, asked.reply)
            else:
                self._ponder(question, asked, found)
        self._wait_for_minds(worker)
        self._thinking.shutdown(wait=False, cancel_futures=True)

    def _wait_for_minds(self, worker: Worker) -> None:
        with self._changed:
            while self._pondered and not self._hurried():
                worker.beat()
                self._changed.wait(_TICK_S)
            # First a moment to finish, then another to give up and say so.
            for _ in range(2):
                self._changed.wait_for(lambda: not self._pondered, LAST_WORDS_S)
                self._over.set()

    def _ponder(self, question: Question, asked: Asked, pending: Pending) -> None:
        """Leave a question to a bigger mind; whoever answers goes on with the next meanwhile."""
        with self._changed:
            full = self._pondered >= PONDERED_KEPT
            self._pondered += not full
        if full:
            self._tell(question, self._answerer.give_up(pending, "too many questions wait already"), asked.reply)
            return
        request = replace(pending.request, cancelled=lambda: self._over.is_set() or asked.cancelled())

        def think() -> None:
            answer = self._answerer.finish(replace(pending, request=request), asked.since, asked.on_text)
            self._tell(question, answer, asked.reply)

        self._thinking.submit(think).add_done_callback(partial(self._thought, asked.reply))

    def _thought(self, reply: Future[Answer], done: Future[None]) -> None:
        """Count a mind as free; a fault in one is logged and told to whoever waits, and the box goes on."""
        error = None if done.cancelled() else done.exception()
        if error is not None:
            log.error("a question could not be answered", exc_info=error)
        if not reply.done():
            reply.set_exception(EdgeError("the question could not be answered; the log says why"))
        with self._changed:
            self._pondered -= 1
            self._changed.notify_all()

    def _tell(self, question: Question, answer: Answer, reply: Future[Answer]) -> None:
        self._metrics.answers.labels(answer.origin.value).inc()
        self._metrics.cloud_usd.inc(answer.cost_usd)
        for event in answer.events:
            self._publish(event)
        self._publish(answered(question, answer))
        self._say(question, answer)
        # Whoever waited may have gone.
        if reply.set_running_or_notify_cancel():
            reply.set_result(answer)


def answered(question: Question, answer: Answer) -> Event:
    """Return the event that tells an answer."""
    data = {
        "question": question.text,
        "text": answer.text,
        "confidence": round(answer.confidence, 4),
        "origin": answer.origin.value,
        "cost_usd": answer.cost_usd,
        "elapsed_s": round(answer.elapsed_s, 3),
        "skill": answer.skill,
        "model": answer.model,
        "prompt": answer.prompt,
        "cached": answer.cached,
        "sources": list(answer.sources),
    }
    return Event("answered", question.source, question.at, data)


def _whole(question: Question) -> Question:
    """Return the question without half characters, as broken clients send them: no file and no wire takes them."""
    turns = tuple(replace(turn, text=_utf8(turn.text)) for turn in question.history)
    return replace(question, text=_utf8(question.text), history=turns)


def _utf8(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def next_of(items: queue.Queue[T | None], worker: Worker) -> T | None:
    """Wait for the next item, giving signs of life, until None says that there are no more."""
    while True:
        worker.beat()
        try:
            return items.get(timeout=_TICK_S)
        except queue.Empty:
            continue
