"""Waits for the calls that answer one question: the first to speak wins, the rest are left, the deadline holds."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from edge_runtime.cloud.attempt import Asked, Attempt, Books, Heard
from edge_runtime.cloud.client import SilentError
from edge_runtime.errors import CancelledError, CloudError, CloudUnavailableError
from edge_runtime.prompts.book import UNSURE

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.cloud.providers import Provider
    from edge_runtime.cloud.replies import Completion
    from edge_runtime.types import Request

POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Bought:
    """A reply, who gave it, and its price in picodollars."""

    completion: Completion
    provider: Provider
    pico_usd: int


def is_unsure(text: str) -> bool:
    """Tell whether a reply says that it does not know."""
    return text.strip(" .!\"'").upper() == UNSURE


class HeldBack:
    """Holds the beginning of a text back until it cannot become UNSURE any more."""

    def __init__(self) -> None:
        self._held: str | None = ""

    def let(self, text: str) -> str:
        """Return what may be shown once `text` has come."""
        if self._held is None:
            return text
        self._held += text
        if UNSURE.startswith(self._held.strip(" .!\"'").upper()):
            return ""
        shown, self._held = self._held, None
        return shown


class Calls:
    """The calls for one question.

    Args:
        request: who waits, until when, and who hears the text as it comes.
        books: where each call is written down.
        hedge_after_s: a second provider is asked after so much silence, None for never.
        streamed: the asker hears the text as it comes.
    """

    def __init__(self, request: Request, books: Books, hedge_after_s: float | None, *, streamed: bool) -> None:
        self._request = request
        self._books = books
        self._hedge_after_s = math.inf if hedge_after_s is None else hedge_after_s
        self._on_text: Callable[[str], None] | None = request.on_text if streamed else None
        self._heard: SimpleQueue[Heard] = SimpleQueue()
        self._running: list[Attempt] = []
        self._speaking: Attempt | None = None
        self.spoken = False

    def first(self, asked: Asked, provider: Provider, give_up: float, backup: Provider | None = None) -> Bought:
        """Return the first reply, of `provider` or of a `backup` that may be asked too.

        Args:
            asked: what is sent.
            provider: who is asked.
            give_up: monotonic seconds until when.
            backup: who is asked too when `provider` is silent.

        Raises:
            CloudError: there is none by then, the asker left, or nobody who was asked can answer.
        """
        self._heard, self._running, self._speaking = SimpleQueue(), [], None
        # Clients that vanished while their questions waited cost nothing.
        self.check_wanted()
        self._take_turn(provider, give_up)
        self._start(asked, provider, give_up)
        try:
            return self._listen(asked, give_up, backup)
        except SilentError:
            for attempt in self._running:
                attempt.provider.failed(SilentError("silent"))
            raise
        finally:
            for attempt in self._running:
                attempt.provider.waited(time.monotonic() - attempt.began)
                attempt.leave()

    def wait(self, seconds: float, pause: Callable[[float], object]) -> None:
        """Wait between two calls; raises CancelledError as soon as nobody waits any more."""
        until = time.monotonic() + seconds
        pause(min(seconds, POLL_S))
        while (left_s := until - time.monotonic()) > 0:
            self.check_wanted()
            pause(min(left_s, POLL_S))

    def check_wanted(self) -> None:
        """Raise CancelledError where nobody waits any more."""
        if self._request.cancelled():
            raise CancelledError("nobody waits for the answer any more")

    def _listen(self, asked: Asked, give_up: float, backup: Provider | None) -> Bought:
        held = HeldBack()
        hedge_at = time.monotonic() + self._hedge_after_s
        while True:
            self.check_wanted()
            now = time.monotonic()
            if now >= give_up:
                names = " and ".join(attempt.provider.name for attempt in self._running)
                raise SilentError(f"{names} did not answer in time")
            if backup is not None and now >= hedge_at and self._speaking is None:
                self._hedge(asked, backup, give_up)
                backup = None
            news = self._next(min(POLL_S, give_up - now))
            if news is None:
                continue
            if news.error is not None:
                self._ended(news.attempt, news.error)
            elif news.text is not None:
                self._show(news.attempt, held.let(news.text))
            elif news.completion is not None:
                self._running.remove(news.attempt)
                news.attempt.provider.answered(time.monotonic() - news.attempt.began)
                return Bought(news.completion, news.attempt.provider, news.pico_usd)

    def _next(self, wait_s: float) -> Heard | None:
        """Return news of an attempt that still counts."""
        try:
            news = self._heard.get(timeout=wait_s)
        except Empty:
            return None
        return news if news.attempt in self._running else None

    def _ended(self, attempt: Attempt, error: CloudError) -> None:
        """Take note that one failed; raises its error where nobody else is being asked."""
        self._running.remove(attempt)
        attempt.provider.failed(error)
        if self.spoken:
            raise CloudUnavailableError(f"{attempt.provider.name} broke off in the middle of its answer") from error
        if not self._running:
            raise error
        self._speaking = None

    def _show(self, attempt: Attempt, text: str) -> None:
        """Hand on what the first to speak says, and leave the others."""
        if self._speaking is None:
            self._speaking = attempt
            for other in [running for running in self._running if running is not attempt]:
                self._running.remove(other)
                other.provider.waited(time.monotonic() - other.began)
                other.leave()
        if text and self._on_text is not None:
            self.spoken = True
            self._on_text(text)

    def _take_turn(self, provider: Provider, give_up: float) -> None:
        """Wait until the provider has fewer calls than it may have."""
        while not provider.calls.acquire(timeout=max(min(POLL_S, give_up - time.monotonic()), 0.0)):
            self.check_wanted()
            if time.monotonic() >= give_up:
                raise SilentError(f"too many calls to {provider.name} are waiting for an answer")

    def _hedge(self, asked: Asked, backup: Provider, give_up: float) -> None:
        try:
            backup.admit()
        except CloudError:
            return
        if backup.calls.acquire(blocking=False):
            self._start(asked, backup, give_up)

    def _start(self, asked: Asked, provider: Provider, give_up: float) -> None:
        attempt = Attempt(provider, asked, self._books, self._heard, streamed=self._on_text is not None)
        self._running.append(attempt)
        attempt.start(max(give_up - time.monotonic(), 0.1))
