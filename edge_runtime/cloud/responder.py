"""Answers by way of the cloud, within the owner's rules: gate, cache, budget, call, check, in that order."""

from __future__ import annotations

import functools
import logging
import random
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from edge_runtime.cloud.answer_format import AnswerFormat, says_unsure
from edge_runtime.cloud.asking import asked_for, parcel_of, repair_of
from edge_runtime.cloud.calls import Bought, Calls, is_unsure
from edge_runtime.cloud.client import SilentError
from edge_runtime.cloud.providers import LeftAloneError, in_order
from edge_runtime.decision.budget import usd
from edge_runtime.errors import (
    BudgetExceededError,
    CloudAuthError,
    CloudError,
    CloudProtocolError,
    CloudRateLimitError,
    CloudUnavailableError,
)
from edge_runtime.prompts.book import UNSURE
from edge_runtime.types import Answer, Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge_runtime.answer_sections import CloudSettings
    from edge_runtime.cloud.answer_cache import AnswerCache, Known
    from edge_runtime.cloud.attempt import Asked, Books
    from edge_runtime.cloud.providers import Provider
    from edge_runtime.prompts.book import Prompt, PromptBook
    from edge_runtime.types import Request

logger = logging.getLogger(__name__)

RETRIED = (CloudRateLimitError, CloudUnavailableError)
"""A second try at the same provider may help."""
PASSED_ON = (*RETRIED, CloudAuthError, CloudProtocolError, BudgetExceededError)
"""Another provider may help."""
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 8.0
PATIENCE_S = 2.0
"""With others to ask, nobody is waited for longer than this."""


class CloudResponder:
    """Answers a question by way of the cloud; safe across threads.

    Args:
        settings: how long and how often, and how long the answers.
        providers: who may be asked.
        prompts: what they are told.
        books: the egress gate and the money cap.
        cache: answers that were bought earlier.
        pause: waits.
    """

    def __init__(
        self,
        settings: CloudSettings,
        providers: Sequence[Provider],
        prompts: PromptBook,
        books: Books,
        cache: AnswerCache | None = None,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._settings = settings
        self._providers = tuple(providers)
        # Prompts do not change while the box runs, and to look for private words in them takes a millisecond.
        self._prompt_of = functools.cache(lambda skill: books.gate.cleaned(prompts.of(skill)))
        self._books = books
        self._cache = cache
        self._pause = pause

    def close(self) -> None:
        """Give connections and files back; what is still on its way opens them again."""
        for provider in self._providers:
            provider.chat.close()
        self._books.spending.close()
        if self._cache is not None:
            self._cache.close()

    def sees(self, source: str) -> bool:
        """Tell whether pictures of a source may be sent, and somebody understands them."""
        return self._books.gate.sees(source) and any(provider.pictures for provider in self._providers)

    def answer(self, request: Request) -> Answer:
        """Return the cloud's answer by the request's deadline, abstained where it does not know.

        `cost_usd` is the cost of the reply itself; what failed tries may have cost counts against the caps only.

        Raises:
            CloudError: nobody answered; its class says why.
        """
        start = time.monotonic()
        question = request.question
        prompt = self._prompt_of(request.skill)
        schema = prompt.output if question.schema is None else question.schema
        expected = None if schema is None else AnswerFormat(schema)
        frame = question.frame if question.frame is not None and self.sees(question.frame.source) else None
        parcel = parcel_of(request, prompt, self._books.gate)
        # An answer to what everybody may see is not given where faces are hidden.
        parcel = replace(parcel, policy=self._books.gate.joint_policy(question.source, frame))
        known = self._cache.key(request, prompt, parcel, frame) if self._cache is not None else None
        if known is not None and (answer := self._again(request, known, start)) is not None:
            return answer
        if frame is not None:
            parcel = self._books.gate.pictured(parcel, frame, request.subject)
        asked = asked_for(request, prompt, parcel, expected, self._settings.max_output_tokens)
        bought = self._bought(request, asked, expected)
        answer = self._told(request, prompt, bought, start, checked=expected is not None)
        if known is not None and self._cache is not None and answer.origin is Origin.CLOUD:
            self._cache.keep(known, answer)
        return answer

    def _again(self, request: Request, known: Known, start: float) -> Answer | None:
        """Return an answer that was bought earlier."""
        answer = self._cache.find(known) if self._cache is not None else None
        if answer is None:
            return None
        if request.on_text is not None:
            request.on_text(answer.text)
        return replace(answer, skill=request.skill, elapsed_s=time.monotonic() - start)

    def _told(self, request: Request, prompt: Prompt, bought: Bought, start: float, *, checked: bool) -> Answer:
        text = bought.completion.text
        unsure = is_unsure(text) or (checked and says_unsure(text, UNSURE))
        origin, confidence = (Origin.ABSTAINED, 0.0) if unsure else (Origin.CLOUD, self._settings.confidence)
        return Answer(
            text, confidence, origin, usd(bought.pico_usd), time.monotonic() - start,
            skill=request.skill, model=bought.provider.label, prompt=prompt.mark,
        )  # fmt: skip

    def _bought(self, request: Request, asked: Asked, expected: AnswerFormat | None) -> Bought:
        """Return a reply, of the expected shape if there is one, having asked for a correction once."""
        # What is checked as a whole can be shown as a whole only.
        streamed = request.on_text is not None and expected is None
        calls = Calls(request, self._books, self._settings.hedge_after_s, streamed=streamed)
        bought = self._from_somebody(request, calls, asked)
        complaint = self._complaint(bought, expected)
        if complaint is not None:
            logger.info("%s is asked to correct its answer: %s", bought.provider.name, complaint)
            repair = repair_of(asked, bought.completion.text, complaint, self._books.gate)
            again = self._from_somebody(request, calls, repair, (bought.provider,))
            bought = replace(again, pico_usd=bought.pico_usd + again.pico_usd)
            complaint = self._complaint(bought, expected)
        if complaint is not None:
            raise CloudProtocolError(f"{bought.provider.name} gave an answer of another shape twice: {complaint}")
        if request.on_text is not None and not calls.spoken and not is_unsure(bought.completion.text):
            request.on_text(bought.completion.text)
        return bought

    @staticmethod
    def _complaint(bought: Bought, expected: AnswerFormat | None) -> str | None:
        text = bought.completion.text
        return None if expected is None or is_unsure(text) else expected.complaint(text)

    def _from_somebody(
        self, request: Request, calls: Calls, asked: Asked, only: Sequence[Provider] | None = None
    ) -> Bought:
        """Return a reply of the first provider that gives one, each tried as often as makes sense."""
        able = [one for one in only or self._providers if one.pictures or not asked.parcel.picture_url]
        order = in_order(able, self._settings.routing, asked.worst_case)
        last: CloudError = CloudUnavailableError("no provider understands pictures")
        for place, provider in enumerate(order):
            others = order[place + 1 :]
            for attempt in range(self._settings.attempts):
                try:
                    provider.admit()
                    give_up = self._give_up(request.deadline, len(others))
                    return calls.first(asked, provider, give_up, others[0] if others else None)
                except PASSED_ON as error:
                    last = error
                    pause_s = self._pause_s(error, attempt)
                    if calls.spoken or time.monotonic() >= request.deadline:
                        raise
                    left = attempt + 1 < self._settings.attempts
                    if not left or not self._is_worth_waiting(error, pause_s, request.deadline, others=bool(others)):
                        break
                logger.info("asking %s again in %.1f s: %s", provider.name, pause_s, last)
                calls.wait(pause_s, self._pause)
            if others:
                logger.info("asking %s instead: %s", others[0].name, last)
        raise last

    def _give_up(self, deadline: float, others: int) -> float:
        """Return until when one call may take: who is silent leaves time to ask the others."""
        now = time.monotonic()
        if now >= deadline:
            raise SilentError("there was no time left to ask")
        return now + min(self._settings.timeout_s, (deadline - now) / (others + 1))

    def _is_worth_waiting(self, error: CloudError, pause_s: float, deadline: float, *, others: bool) -> bool:
        """Tell whether the same provider is asked again."""
        if not isinstance(error, RETRIED) or isinstance(error, LeftAloneError):
            return False
        if others and (isinstance(error, SilentError) or pause_s > PATIENCE_S):
            return False
        return time.monotonic() + pause_s < deadline

    @staticmethod
    def _pause_s(error: CloudError, attempt: int) -> float:
        """Return what the endpoint asked for, else a doubling pause, jittered so that a fleet does not act as one."""
        if isinstance(error, CloudRateLimitError) and error.retry_after_s is not None:
            return error.retry_after_s
        longest = min(FIRST_PAUSE_S * 2.0**attempt, LONGEST_PAUSE_S)
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
