"""Asks the cloud within the owner's rules: redact, reserve, call, retry, settle, in that order."""

from __future__ import annotations

import logging
import random
import time
from importlib import resources
from typing import TYPE_CHECKING, Protocol

from edge_runtime.cloud.client import Completion, Message, NotSentError, RefusedError
from edge_runtime.cloud.picture import data_url
from edge_runtime.decision.budget import CircuitBreaker, Price, usd
from edge_runtime.decision.redaction import redact_text
from edge_runtime.errors import CloudAuthError, CloudError, CloudRateLimitError, CloudUnavailableError
from edge_runtime.types import Answer, Origin, Question

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge_runtime.cloud.spending import Spending
    from edge_runtime.config import CloudSettings

logger = logging.getLogger(__name__)

SYSTEM_PROMPT = "system_prompt.txt"
UNSURE = "UNSURE"
NOT_BILLED = (CloudAuthError, CloudRateLimitError, NotSentError, RefusedError)
RETRIED = (CloudRateLimitError, CloudUnavailableError)
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 8.0
FRAMING_TOKENS = 16
"""More than the tokens that the chat format adds to each message."""


class Chat(Protocol):
    """One call to a chat model."""

    def complete(self, messages: Sequence[Message], *, max_output_tokens: int, timeout_s: float) -> Completion:
        """Return the reply; raises CloudError."""


class CloudResponder:
    """Answers a question by way of the cloud; safe across threads.

    Args:
        settings: whom to ask, how long, and for how much.
        chat: makes the call.
        spending: holds the money cap.
        pause: waits; the runtime hands in one that a stop cuts short.
    """

    def __init__(
        self, settings: CloudSettings, chat: Chat, spending: Spending, pause: Callable[[float], object] = time.sleep
    ) -> None:
        self._settings = settings
        self._chat = chat
        self._spending = spending
        self._pause = pause
        self._price = Price.per_million(settings.usd_per_million_input, settings.usd_per_million_output)
        self._breaker = CircuitBreaker()
        self._system = resources.files(__package__).joinpath(SYSTEM_PROMPT).read_text(encoding="utf-8").strip()

    @property
    def sees(self) -> bool:
        """Tell whether pictures may be sent."""
        return self._settings.send_pictures

    def answer(self, question: Question, deadline: float | None = None) -> Answer:
        """Return the cloud's answer by `deadline` (monotonic seconds), abstained where it does not know.

        `cost_usd` is the cost of the reply itself; what failed tries may have cost counts against the cap only.

        Raises:
            CloudError: nobody answered; its class says why.
        """
        start = time.monotonic()
        deadline = start + self._settings.deadline_s if deadline is None else deadline
        messages, worst_tokens = self._messages(question)
        for attempt in range(self._settings.attempts):
            try:
                completion, cost = self._call(messages, worst_tokens, deadline)
            except RETRIED as error:
                pause_s = self._pause_s(error, attempt)
                last = attempt + 1 == self._settings.attempts
                if last or time.monotonic() + pause_s >= deadline or isinstance(error, _BreakerOpenError):
                    raise
                logger.info("asking the cloud again in %.1f s: %s", pause_s, error)
                self._pause(pause_s)
            else:
                unsure = completion.text.strip(" .!").upper() == UNSURE
                origin, confidence = (Origin.ABSTAINED, 0.0) if unsure else (Origin.CLOUD, self._settings.confidence)
                return Answer(completion.text, confidence, origin, usd(cost), time.monotonic() - start)
        raise AssertionError

    def _call(self, messages: Sequence[Message], worst_tokens: int, deadline: float) -> tuple[Completion, int]:
        """Make one try with its own reservation, which stays where the endpoint may have billed it."""
        wait_s = self._breaker.wait_s(time.monotonic())
        if wait_s > 0:
            raise _BreakerOpenError(f"the cloud endpoint kept failing; it is asked again in {wait_s:.0f} s")
        settings = self._settings
        worst_case = self._price.cost(worst_tokens, settings.max_output_tokens)
        reservation = self._spending.reserve(worst_case)
        timeout_s = max(min(settings.timeout_s, deadline - time.monotonic()), 0.1)
        try:
            completion = self._chat.complete(
                messages, max_output_tokens=settings.max_output_tokens, timeout_s=timeout_s
            )
        except CloudError as error:
            if isinstance(error, CloudUnavailableError):
                self._breaker.failed(time.monotonic())
            if isinstance(error, NOT_BILLED):
                self._spending.settle(reservation, 0)
            raise
        self._breaker.succeeded()
        cost = worst_case
        if completion.input_tokens is not None and completion.output_tokens is not None:
            cost = self._price.cost(completion.input_tokens, completion.output_tokens)
        self._spending.settle(reservation, cost)
        return completion, cost

    def _messages(self, question: Question) -> tuple[Sequence[Message], int]:
        """Return what is sent and the most input tokens it can be: no token is shorter than a byte."""
        text = redact_text(question.text).encode("utf-8", "replace").decode()
        content: object = text
        tokens = len(self._system.encode()) + len(text.encode()) + 2 * FRAMING_TOKENS
        if question.frame is not None and self._settings.send_pictures:
            picture = {"type": "image_url", "image_url": {"url": data_url(question.frame.image), "detail": "low"}}
            content = [{"type": "text", "text": text}, picture]
            tokens += self._settings.picture_tokens
        return [{"role": "system", "content": self._system}, {"role": "user", "content": content}], tokens

    @staticmethod
    def _pause_s(error: CloudError, attempt: int) -> float:
        """Return what the endpoint asked for, else a doubling pause, jittered so that a fleet does not act as one."""
        if isinstance(error, CloudRateLimitError) and error.retry_after_s is not None:
            return error.retry_after_s
        longest = min(FIRST_PAUSE_S * 2.0**attempt, LONGEST_PAUSE_S)
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


class _BreakerOpenError(CloudUnavailableError):
    """The endpoint is left alone for a while."""
