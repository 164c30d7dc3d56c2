"""The OpenAI wire format: one call, one checked completion, every failure as one of our errors."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast

import httpx2
import openai

from edge_runtime.errors import (
    CloudAuthError,
    CloudError,
    CloudProtocolError,
    CloudRateLimitError,
    CloudUnavailableError,
)

LARGEST_REPLY = 1_000_000
LONGEST_TEXT = 4_000
MOST_TOKENS = 100_000_000

Message = Mapping[str, Any]
"""One entry of `messages`: {"role": ..., "content": text or parts}."""


class NotSentError(CloudUnavailableError):
    """No connection was made, so nothing can have been billed."""


class RefusedError(CloudProtocolError):
    """The endpoint refused the request before working on it, so nothing can have been billed."""


@dataclass(frozen=True, slots=True)
class Completion:
    """A reply; a token count is None where the endpoint did not give it."""

    text: str
    input_tokens: int | None
    output_tokens: int | None


class ChatClient:
    """One endpoint and model; safe across threads.

    Args:
        base_url: for example https://api.openai.com/v1.
        api_key: never shown in an error or in the log.
        model: the model's name there.
    """

    def __init__(self, base_url: str, api_key: str, model: str) -> None:
        self._client = openai.OpenAI(base_url=base_url, api_key=api_key, max_retries=0)
        self._base_url = str(httpx2.URL(base_url).copy_with(username=None, password=None))
        self._model = model

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def complete(self, messages: Sequence[Message], *, max_output_tokens: int, timeout_s: float) -> Completion:
        """Return the reply to `messages` within `timeout_s`, however slowly it drips; raises CloudError, no retry."""
        give_up = time.monotonic() + timeout_s
        try:
            with self._client.chat.completions.with_streaming_response.create(
                model=self._model,
                messages=cast("list[Any]", messages),
                max_tokens=max_output_tokens,
                timeout=timeout_s,
            ) as response:
                body = bytearray()
                for part in response.iter_bytes():
                    body += part
                    if time.monotonic() > give_up:
                        raise CloudUnavailableError(
                            f"{self._base_url} did not finish its reply within {timeout_s:.1f} s"
                        )
                    if len(body) > LARGEST_REPLY:
                        raise CloudProtocolError(f"{self._base_url} sent more than {LARGEST_REPLY} bytes")
        except openai.APIStatusError as error:
            raise self._refusal(error) from None
        except (openai.APIConnectionError, httpx2.TransportError) as error:
            raise self._no_connection(error, timeout_s) from None
        return parse(bytes(body), self._base_url)

    def _no_connection(self, error: Exception, timeout_s: float) -> CloudError:
        reason = error.__cause__ if isinstance(error, openai.APIConnectionError) and error.__cause__ else error
        if isinstance(reason, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout):
            return NotSentError(f"cannot connect to {self._base_url}; check the network and cloud.base_url")
        if isinstance(reason, httpx2.TimeoutException):
            return CloudUnavailableError(f"{self._base_url} did not answer within {timeout_s:.1f} s")
        return CloudUnavailableError(f"{self._base_url} broke the connection off ({type(reason).__name__})")

    def _refusal(self, error: openai.APIStatusError) -> CloudError:
        """Map a status to an error; the endpoint's own message is left out, for it may quote the key."""
        status, code, headers = error.status_code, error.code, error.response.headers
        said = f"{self._base_url} answered HTTP {status}" + (f" ({code})" if code else "")
        if status in {401, 403}:
            return CloudAuthError(f"{said}; check EDGE_CLOUD_API_KEY")
        if status == 429 and code == "insufficient_quota":
            return CloudAuthError(f"{said}: the account has no credit left")
        if status == 429 or (status == 503 and "retry-after" in headers):
            return CloudRateLimitError(said, retry_after_s(headers))
        if status >= 500 or status == 408:
            return CloudUnavailableError(said)
        return RefusedError(f"{said}; check cloud.base_url and cloud.model")


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that Retry-After asks for (RFC 9110, 10.2.3); a date is read by the sender's clock."""
    value = headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            until = parsedate_to_datetime(value)
            sent = parsedate_to_datetime(headers["date"]) if "date" in headers else datetime.now(until.tzinfo)
            seconds = (until - sent).total_seconds()
        except (TypeError, ValueError):
            return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def parse(body: bytes, sender: str) -> Completion:
    """Return the completion in a response body; raises CloudProtocolError where it is not one."""
    try:
        reply = json.loads(body)
        message = reply["choices"][0]["message"]
        text = message["content"] or message["refusal"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise CloudProtocolError(f"{sender} sent a body that is no chat completion ({type(error).__name__})") from None
    # Shown on terminals and published: no control characters, half characters or endless text.
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split()) if isinstance(text, str) else ""
    if not text:
        raise CloudProtocolError(f"{sender} sent a completion without text")
    usage = reply.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    return Completion(
        text[:LONGEST_TEXT], _tokens(counts.get("prompt_tokens")), _tokens(counts.get("completion_tokens"))
    )


def _tokens(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS else None
