"""One paid call in a thread of its own: reserve, write down, send, settle, whether or not somebody still waits."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from edge_runtime.cloud.client import Call, NotSentError, RefusedError
from edge_runtime.cloud.line import Line
from edge_runtime.errors import (
    CancelledError,
    CloudAuthError,
    CloudError,
    CloudRateLimitError,
    CloudUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from queue import SimpleQueue

    from edge_runtime.cloud.egress import EgressGate, Entry, Parcel
    from edge_runtime.cloud.providers import Provider
    from edge_runtime.cloud.replies import Completion
    from edge_runtime.cloud.spending import Spending

logger = logging.getLogger(__name__)


class LeftError(CancelledError):
    """Nobody waits for a call that was not made yet."""


NOT_BILLED = (CloudAuthError, CloudRateLimitError, NotSentError, RefusedError, LeftError)
"""After these nothing can have been billed."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it is sent.

    Attributes:
        parcel: what the egress gate let through; the messages hold nothing else of the question.
        messages: the conversation in OpenAI's format.
        tokens: the most input tokens that its words can be.
        max_output_tokens: where the reply ends.
        response_format: the schema of the reply, if there is one.
    """

    parcel: Parcel
    messages: Sequence[Mapping[str, Any]]
    tokens: int
    max_output_tokens: int
    response_format: Mapping[str, Any] | None = None

    def worst_case(self, provider: Provider) -> int:
        """Return the most that asking a provider can cost, in picodollars."""
        picture = provider.picture_tokens if self.parcel.picture_url else 0
        return provider.price.cost(self.tokens + picture, self.max_output_tokens)


@dataclass(frozen=True, slots=True)
class Books:
    """Where every call is written down: what left, and what it costs."""

    gate: EgressGate
    spending: Spending


@dataclass(frozen=True, slots=True)
class Heard:
    """News of an attempt: a piece of text, or its end with a completion and its price, or with an error."""

    attempt: Attempt
    text: str | None = None
    completion: Completion | None = None
    pico_usd: int = 0
    error: CloudError | None = None


class Attempt:
    """A call that can be left: it ends by itself, and what it may have cost stays reserved.

    Args:
        provider: who is asked, one of whose calls the caller has taken.
        asked: what is sent.
        books: where it is written down.
        heard: gets the news.
        streamed: the text comes piece by piece.
    """

    def __init__(
        self, provider: Provider, asked: Asked, books: Books, heard: SimpleQueue[Heard], *, streamed: bool
    ) -> None:
        self.provider = provider
        self.began = time.monotonic()
        self._asked = asked
        self._books = books
        self._heard = heard
        self._streamed = streamed
        self._line = Line()

    def start(self, timeout_s: float) -> None:
        """Make the call, which has `timeout_s`."""
        asked = self._asked
        call = Call(asked.messages, asked.max_output_tokens, timeout_s, asked.response_format)
        thread = threading.Thread(target=self._run, args=(call,), name=f"cloud-{self.provider.name}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self.provider.calls.release()
            raise CloudUnavailableError(f"no thread for a call to {self.provider.name} ({error})") from error

    def leave(self) -> None:
        """End the call; nobody waits for it any more."""
        self._line.hang_up()

    def _run(self, call: Call) -> None:
        news = Heard(self, error=CloudUnavailableError(f"the call to {self.provider.name} ended without a result"))
        try:
            completion, cost = self._pay(call)
            news = Heard(self, completion=completion, pico_usd=cost)
        except CloudError as error:
            news = Heard(self, error=error)
        finally:
            self.provider.calls.release()
            self._heard.put(news)

    def _pay(self, call: Call) -> tuple[Completion, int]:
        """Reserve the worst case, call, and put the real cost in its place where that is known."""
        provider, spending = self.provider, self._books.spending
        worst_case = self._asked.worst_case(provider)
        reservation = spending.reserve(worst_case)
        cost = 0
        try:
            self._check_wanted()
            entry = self._books.gate.send(self._asked.parcel, provider.destination, worst_case)
            cost, outcome = worst_case, "failed"
            try:
                completion = self._complete(call)
                cost, outcome = self._price(completion, worst_case), "answered"
            except CloudError as error:
                cost = 0 if isinstance(error, NOT_BILLED) else worst_case
                outcome = "given up" if self._line.hung_up else type(error).__name__
                raise
            finally:
                self._settle_entry(entry, cost, outcome)
        finally:
            spending.settle(reservation, cost)
        return completion, cost

    def _complete(self, call: Call) -> Completion:
        self._check_wanted()
        # Reserving and writing down took their time.
        left_s = max(call.timeout_s - (time.monotonic() - self.began), 0.1)
        on_text = (lambda text: self._heard.put(Heard(self, text))) if self._streamed else None
        return self.provider.chat.complete(replace(call, timeout_s=left_s), on_text, self._line)

    def _check_wanted(self) -> None:
        if self._line.hung_up:
            raise LeftError("nobody waits for this call any more")

    def _price(self, completion: Completion, worst_case: int) -> int:
        if completion.input_tokens is None or completion.output_tokens is None:
            return worst_case
        return self.provider.price.cost(completion.input_tokens, completion.output_tokens)

    def _settle_entry(self, entry: Entry, cost: int, outcome: str) -> None:
        try:
            self._books.gate.settle(entry, cost, outcome)
        except CloudError as error:
            logger.warning("the ledger does not say what became of a call to %s: %s", self.provider.name, error)
