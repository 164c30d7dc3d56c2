"""Who is asked when the skills are not sure: a bigger local model first, then the cloud, or both at once."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from edge_runtime.errors import (
    BudgetExceededError,
    CancelledError,
    CloudAuthError,
    CloudError,
    CloudProtocolError,
    CloudRateLimitError,
    CloudUnavailableError,
    EgressRefusedError,
)
from edge_runtime.types import Answer, Origin

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.decision.confidence import ConfidenceGate, Reply
    from edge_runtime.pipelines.answering import Pending
    from edge_runtime.types import Question, Request

logger = logging.getLogger(__name__)

MIND = "mind"
"""Name under which the gate judges what the bigger local model writes."""

WHY_NOT = (
    (CloudAuthError, "the cloud refused the key"),
    (CloudRateLimitError, "the cloud is too busy"),
    (CloudUnavailableError, "the cloud cannot be reached"),
    (CloudProtocolError, "the cloud gave a reply that cannot be understood"),
    (BudgetExceededError, "the cloud budget is used up"),
    (EgressRefusedError, "this may not leave the box"),
    (CancelledError, "nobody waited for the answer"),
    (CloudError, "the record of what the cloud costs and gets cannot be kept"),
)


class Mind(Protocol):
    """A bigger local model."""

    @property
    def name(self) -> str:
        """Return the model's name."""

    @property
    def sees(self) -> bool:
        """Tell whether it understands pictures."""

    def answer(self, request: Request) -> Reply | None:
        """Return what it writes with a raw score, None where it does not know, was cancelled or came too late."""


class Cloud(Protocol):
    """Whoever is asked last."""

    def sees(self, source: str) -> bool:
        """Tell whether pictures of a source may be sent."""

    def answer(self, request: Request) -> Answer:
        """Return an answer, abstained where the cloud does not know either; raises CloudError."""

    def close(self) -> None:
        """Give back what is open."""


class Minds:
    """Asks the bigger local model, then the cloud; with little time both at once, and the loser is cancelled.

    Args:
        cloud: asked last, or why nobody may be: the end of "I am not sure, and ...".
        mind: the bigger local model, if there is one.
        gate: judges what the local model writes.
        mark: the name, version and hash of the prompt that a skill's questions are asked with.
        deadline_s: seconds for one question.
        race_below_s: with less time than this, both are asked at once.
    """

    def __init__(
        self,
        cloud: Cloud | str,
        mind: Mind | None = None,
        gate: ConfidenceGate | None = None,
        *,
        mark: Callable[[str | None], str | None] = lambda _: None,
        deadline_s: float = 30.0,
        race_below_s: float = 0.0,
    ) -> None:
        self._cloud = cloud
        self._mind = mind
        self._gate = gate
        self.mark = mark
        self._deadline_s = deadline_s
        self._race_below_s = race_below_s

    def close(self) -> None:
        """Give back what the cloud has open."""
        if not isinstance(self._cloud, str):
            self._cloud.close()

    def patience_s(self, question: Question) -> float:
        """Return the seconds that a question has."""
        return min(self._deadline_s, question.wait_s or self._deadline_s)

    def answer(self, pending: Pending) -> Answer:
        """Return the first answer that is sure enough, or an abstention that says why there is none."""
        short = pending.request.deadline - time.monotonic() < self._race_below_s
        if short and self._can_write(pending) and not isinstance(self._cloud, str):
            return self._race(pending)
        own = self._ask_mind(pending) if self._can_write(pending) else None
        if own is not None and own.origin is Origin.LOCAL:
            return own
        return self._ask_cloud(pending, own or pending.guess)

    def _can_write(self, pending: Pending) -> bool:
        return self._mind is not None and (self._mind.sees or not pending.scene_bound)

    def _race(self, pending: Pending) -> Answer:
        """Ask both at once; the local model wins only where it is sure enough."""
        over = threading.Event()
        outer = pending.request.cancelled
        # Two streams at once would be read as one text, so nothing is streamed.
        request = replace(pending.request, on_text=None, cancelled=lambda: over.is_set() or outer())
        racing = replace(pending, request=request)
        own = _started(lambda: self._ask_mind(racing), "mind")
        far = _started(lambda: self._ask_cloud(racing, pending.guess), "cloud")
        best: Answer | None = None
        waiting: set[Future[Answer | None]] = {own, far}
        while waiting:
            done, waiting = wait(waiting, max(request.deadline - time.monotonic(), 0.0), FIRST_COMPLETED)
            for first in done:
                answer = first.result()
                if answer is not None and answer.origin is not Origin.ABSTAINED:
                    over.set()
                    return answer
                best = answer if answer is not None and (best is None or first is far) else best
            if not done:
                break
        over.set()
        return best or abstained("nobody answered in time", pending.guess, self.mark(request.skill))

    def _ask_mind(self, pending: Pending) -> Answer | None:
        """Return the local model's answer, abstained where it is not sure enough."""
        assert self._mind is not None  # noqa: S101 - asked only where there is one
        # What it writes is shown once the gate has let it pass.
        request = replace(pending.request, on_text=None)
        reply = self._mind.answer(request)
        if reply is None or self._gate is None:
            return None
        judged = self._gate.judge(MIND, reply.score, request.question.text)
        origin = Origin.LOCAL if judged.local else Origin.ABSTAINED
        return Answer(
            reply.text, judged.confidence, origin, skill=request.skill, model=self._mind.name,
            prompt=self.mark(request.skill),
        )  # fmt: skip

    def _ask_cloud(self, pending: Pending, guess: Answer | None) -> Answer:
        request = pending.request
        mark = self.mark(request.skill)
        if isinstance(self._cloud, str):
            return abstained(self._cloud, guess, mark)
        if request.question.local_only:
            return abstained("nobody else may be asked", guess, mark)
        question = request.question
        frame = question.frame
        # The stricter policy of who asks and who took the picture counts.
        hidden = frame is not None and not (self._cloud.sees(frame.source) and self._cloud.sees(question.source))
        if pending.scene_bound and hidden:
            return abstained("pictures may not leave this box", guess, mark)
        try:
            answer = self._cloud.answer(request)
        except CloudError as error:
            logger.info("the cloud did not answer: %s", error)
            return abstained(next(why for kind, why in WHY_NOT if isinstance(error, kind)), guess, mark)
        if answer.origin is Origin.CLOUD:
            return answer
        return replace(abstained("the cloud is not sure either", guess, mark), cost_usd=answer.cost_usd)


def abstained(why: str, guess: Answer | None, mark: str | None) -> Answer:
    """Return an answer that says why there is none, with the best guess if there is one."""
    if guess is None:
        return Answer(f"I cannot answer that by myself, and {why}.", 0.0, Origin.ABSTAINED, prompt=mark)
    text = f"I am not sure, and {why}. My best guess: {guess.text}"
    return replace(guess, text=text, origin=Origin.ABSTAINED, events=())


def _started(work: Callable[[], Answer | None], name: str) -> Future[Answer | None]:
    """Run `work` in a thread of its own; nobody waits for a loser."""
    result: Future[Answer | None] = Future()

    def run() -> None:
        answer = None
        try:
            answer = work()
        except CloudError as error:
            logger.info("%s gave up: %s", name, error)
        finally:
            # Whatever fails here, whoever waits goes on with the other.
            result.set_result(answer)

    threading.Thread(target=run, name=name, daemon=True).start()
    return result
