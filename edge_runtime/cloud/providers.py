"""Who may be asked: each endpoint with its price, its manners of late, and the order in which they are asked."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from edge_runtime.cloud.client import MissingModelError, RefusedError
from edge_runtime.cloud.egress import Destination
from edge_runtime.decision.budget import CircuitBreaker, Price
from edge_runtime.errors import (
    CloudAuthError,
    CloudError,
    CloudProtocolError,
    CloudRateLimitError,
    CloudUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from edge_runtime.answer_sections import ProviderSettings
    from edge_runtime.cloud.client import Call
    from edge_runtime.cloud.line import Line
    from edge_runtime.cloud.replies import Completion

MOST_CALLS = 32
"""Calls at once, for a name lookup that hangs cannot be ended and keeps its thread."""
NEWEST_SHARE = 0.3
TELLING = (CloudAuthError, CloudUnavailableError, CloudProtocolError)
"""What speaks against a provider."""
REMEMBERED_S = 600.0
"""After so long without an answer nobody knows how fast a provider is, so it is tried again."""


class Chat(Protocol):
    """One call to a chat model."""

    def complete(
        self, call: Call, on_text: Callable[[str], None] | None = None, line: Line | None = None
    ) -> Completion:
        """Return the reply; raises CloudError."""

    def close(self) -> None:
        """Close the connections that are not in use; more open when they are needed."""


class Provider:
    """One endpoint and model; safe across threads.

    Args:
        settings: its name, address and prices.
        chat: makes the calls.
        now: monotonic seconds.
    """

    def __init__(self, settings: ProviderSettings, chat: Chat, now: Callable[[], float] = time.monotonic) -> None:
        self.name = settings.name
        self.label = f"{settings.name}/{settings.model}"
        self.pictures = settings.pictures
        self.picture_tokens = settings.picture_tokens
        self.price = Price.per_million(settings.usd_per_million_input, settings.usd_per_million_output)
        self.chat = chat
        self.calls = threading.BoundedSemaphore(MOST_CALLS)
        address = urlsplit(settings.base_url)
        host = address.hostname or ""
        self.destination = Destination(
            settings.name, f"{host}:{address.port}" if address.port else host, settings.model
        )
        self._breaker = CircuitBreaker()
        self._resting_until = 0.0
        self._now = now
        self._lock = threading.Lock()
        self._latency: tuple[float, float] | None = None

    @property
    def latency_s(self) -> float:
        """Return the seconds that it takes to answer of late, 0 where nobody knows."""
        with self._lock:
            if self._latency is None or self._now() - self._latency[1] > REMEMBERED_S:
                return 0.0
            return self._latency[0]

    def admit(self) -> None:
        """Take a turn.

        Raises:
            CloudRateLimitError: it asked for a rest that is not over.
            LeftAloneError: it kept failing.
        """
        at = self._now()
        if at < self._resting_until:
            wait_s = self._resting_until - at
            raise CloudRateLimitError(f"{self.name} asked to be left alone for {wait_s:.1f} s more", wait_s)
        wait_s = self._breaker.wait_s(at)
        if wait_s > 0:
            raise LeftAloneError(f"{self.name} kept failing; it is asked again in {wait_s:.0f} s")

    def answered(self, seconds: float) -> None:
        """Take note of an answer and of how long it took."""
        self._breaker.succeeded()
        self._took(seconds)

    def waited(self, seconds: float) -> None:
        """Take note of a wait in vain, which only says that it takes longer than that."""
        if seconds > self.latency_s:
            self._took(seconds)

    def _took(self, seconds: float) -> None:
        known = self.latency_s
        with self._lock:
            mean = known + NEWEST_SHARE * (seconds - known) if known else seconds
            self._latency = (mean, self._now())

    def failed(self, error: CloudError) -> None:
        """Take note of a failure; one that is the question's own fault says nothing about the provider."""
        if isinstance(error, CloudRateLimitError):
            if error.retry_after_s is not None:
                self._resting_until = max(self._resting_until, self._now() + error.retry_after_s)
        elif isinstance(error, TELLING) and (
            isinstance(error, MissingModelError) or not isinstance(error, RefusedError)
        ):
            self._breaker.failed(self._now())


class LeftAloneError(CloudUnavailableError):
    """Nobody asks this provider for a while."""


def in_order(providers: Iterable[Provider], routing: str, worst_case: Callable[[Provider], int]) -> Sequence[Provider]:
    """Return who is asked first, second and so on; where it makes no difference the order of the settings stays.

    Args:
        providers: who may be asked.
        routing: "order", "price" or "latency".
        worst_case: the most that this question can cost there, in picodollars.
    """
    if routing == "price":
        return sorted(providers, key=worst_case)
    if routing == "latency":
        return sorted(providers, key=lambda provider: provider.latency_s)
    return list(providers)
