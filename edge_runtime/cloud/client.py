"""The OpenAI wire format: one call, one checked completion, every failure as one of our errors."""

from __future__ import annotations

import math
import ssl
import threading
import time
import weakref
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, cast

import httpx2
import openai

from edge_runtime.cloud.line import Line, Wire
from edge_runtime.cloud.replies import LARGEST_REPLY, Completion, StreamReader, error_code, parse
from edge_runtime.errors import (
    CloudAuthError,
    CloudError,
    CloudProtocolError,
    CloudRateLimitError,
    CloudUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

LARGEST_REFUSAL = 65_536
MOST_BYTES_PER_TOKEN = 4_096
"""What a streamed token may take on the wire, with everything around it."""
IDLE_CONNECTIONS = 4
KEEP_ALIVE_S = 30.0
EVENT_STREAM = "text/event-stream"


class NotSentError(CloudUnavailableError):
    """No connection was made, so nothing can have been billed."""


class SilentError(CloudUnavailableError):
    """Nothing, or not all of it, came in time."""


class RefusedError(CloudProtocolError):
    """The endpoint refused the request before working on it, so nothing can have been billed."""


class MissingModelError(RefusedError):
    """The endpoint has no such model, or is no such endpoint."""


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked of an endpoint.

    Attributes:
        messages: {"role": ..., "content": text or parts} each.
        max_output_tokens: where the reply ends at the latest.
        timeout_s: seconds until it gives up.
        response_format: the OpenAI parameter of that name; the reply then keeps its white space.
    """

    messages: Sequence[Mapping[str, Any]]
    max_output_tokens: int
    timeout_s: float
    response_format: Mapping[str, Any] | None = None


class _Connection:
    """One connection to an endpoint, kept for the next call; what passed the gate for it is never passed on."""

    def __init__(self, base_url: str, api_key: str, trust: ssl.SSLContext, check: Callable[[Any], None]) -> None:
        self.wire = Wire()
        url = httpx2.URL(base_url)
        # In the address a password would be logged with every request.
        self._http = httpx2.Client(
            auth=(url.username, url.password) if url.userinfo else None,
            verify=trust,
            limits=httpx2.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEP_ALIVE_S),
            follow_redirects=False,
            event_hooks={"request": [self._watch], "response": [check]},
        )
        self.openai = openai.OpenAI(
            base_url=_without_password(url), api_key=api_key, max_retries=0, http_client=self._http
        )

    def close(self) -> None:
        self._http.close()
        self.wire.close()

    def _watch(self, request: httpx2.Request) -> None:
        request.extensions["trace"] = self._traced

    def _traced(self, event: str, info: Mapping[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":
            self.wire.connected(info["return_value"].get_extra_info("socket"))


class ChatClient:
    """One endpoint and model; safe across threads.

    Args:
        base_url: for example https://api.openai.com/v1.
        api_key: never shown in an error or in the log.
        model: the model's name there.
        key_env: the environment variable that holds the key, for errors.
        limit: the parameter that bounds the reply; models that reason want max_completion_tokens.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        model: str,
        key_env: str = "EDGE_CLOUD_API_KEY",
        limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens",
    ) -> None:
        self._limit = limit
        self._shown = _without_password(httpx2.URL(base_url))
        self._key_env = key_env
        self._model = model
        trust = httpx2.create_ssl_context()
        self._connect = partial(_Connection, base_url, api_key, trust, self._check)
        self._lock = threading.Lock()
        self._idle: list[_Connection] = []
        weakref.finalize(self, _close_all, self._idle)

    def close(self) -> None:
        """Close the connections that are not in use."""
        with self._lock:
            _close_all(self._idle)

    def complete(
        self, call: Call, on_text: Callable[[str], None] | None = None, line: Line | None = None
    ) -> Completion:
        """Return the reply within `call.timeout_s`, however slowly it drips; no retry.

        Args:
            call: what is asked.
            on_text: gets the reply piece by piece; without it the reply comes in one.
            line: hangs up from another thread.

        Raises:
            CloudError: its class says why.
        """
        give_up = time.monotonic() + call.timeout_s
        with self._taken(line or Line()) as connection:
            try:
                return self._complete(connection.openai, call, give_up, on_text)
            except (openai.APIConnectionError, httpx2.TransportError, OSError) as error:
                raise self._no_connection(error, call.timeout_s) from None
            except (openai.OpenAIError, httpx2.HTTPError, ValueError) as error:
                raise CloudProtocolError(f"{self._shown} cannot be understood ({type(error).__name__})") from None

    def _complete(
        self, client: openai.OpenAI, call: Call, give_up: float, on_text: Callable[[str], None] | None
    ) -> Completion:
        options: dict[str, Any] = {self._limit: call.max_output_tokens}
        if call.response_format is not None:
            options["response_format"] = call.response_format
        if on_text is not None:
            options |= {"stream": True, "stream_options": {"include_usage": True}}
        with client.chat.completions.with_streaming_response.create(
            model=self._model,
            messages=cast("list[Any]", call.messages),
            timeout=call.timeout_s,
            extra_headers={"Accept-Encoding": "identity"},
            **options,
        ) as response:
            streamed = response.headers.get("content-type", "").startswith(EVENT_STREAM)
            body = self._body(response.http_response, give_up, call, streamed=streamed)
            if on_text is not None and streamed:
                return StreamReader(self._shown, call.max_output_tokens, on_text).read(body)
            whole = call.response_format is not None
            completion = parse(b"".join(body), self._shown, call.max_output_tokens, verbatim=whole)
        if on_text is not None:
            on_text(completion.text)
        return completion

    def _body(self, response: httpx2.Response, give_up: float, call: Call, *, streamed: bool) -> Iterator[bytes]:
        """Yield the body as it comes; compressed it would have no bounds, and was not asked for."""
        if response.headers.get("content-encoding", "") not in {"", "identity"}:
            raise CloudProtocolError(f"{self._shown} sent a compressed reply that was not asked for")
        largest = max(LARGEST_REPLY, call.max_output_tokens * MOST_BYTES_PER_TOKEN if streamed else 0)
        size = 0
        for part in response.iter_raw():
            size += len(part)
            if time.monotonic() > give_up:
                raise SilentError(f"{self._shown} did not finish its reply within {call.timeout_s:.1f} s")
            if size > largest:
                raise CloudProtocolError(f"{self._shown} sent more than {largest} bytes")
            yield part

    @contextmanager
    def _taken(self, line: Line) -> Iterator[_Connection]:
        """Lend a connection to one call, and keep it for the next unless the call failed."""
        with self._lock:
            kept = self._idle.pop() if self._idle else None
        connection = kept or self._connect()
        line.over(connection.wire)
        whole = False
        try:
            yield connection
            whole = True
        finally:
            line.ended()
            with self._lock:
                keep = whole and not line.hung_up and len(self._idle) < IDLE_CONNECTIONS
                if keep:
                    self._idle.append(connection)
            if not keep:
                connection.close()

    def _check(self, response: httpx2.Response) -> None:
        """Refuse everything but success, having read a bounded part of the body; raises CloudError."""
        if response.is_success:
            return
        body = bytearray()
        for part in response.iter_raw():
            body += part
            if len(body) > LARGEST_REFUSAL:
                break
        raise self._refusal(response.status_code, error_code(bytes(body[:LARGEST_REFUSAL])), response.headers)

    def _no_connection(self, error: Exception, timeout_s: float) -> CloudError:
        reason = error.__cause__ if isinstance(error, openai.APIConnectionError) and error.__cause__ else error
        if isinstance(reason, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout):
            return NotSentError(f"cannot connect to {self._shown}; {_advice(reason)}")
        if isinstance(reason, httpx2.TimeoutException):
            return SilentError(f"{self._shown} did not answer within {timeout_s:.1f} s")
        return CloudUnavailableError(f"{self._shown} broke the connection off ({type(reason).__name__})")

    def _refusal(self, status: int, code: str | None, headers: Mapping[str, str]) -> CloudError:
        """Map a status to an error; the endpoint's own message is left out, for it may quote the key."""
        said = f"{self._shown} answered HTTP {status}" + (f" ({code})" if code else "")
        if status in {401, 403}:
            return CloudAuthError(f"{said}; check {self._key_env}")
        if status == 402 or (status == 429 and code == "insufficient_quota"):
            return CloudAuthError(f"{said}: the account has no credit left")
        if status == 429 or (status == 503 and "retry-after" in headers):
            return CloudRateLimitError(said, retry_after_s(headers))
        if status >= 500 or status == 408:
            return CloudUnavailableError(said)
        kind = MissingModelError if status == 404 else RefusedError
        return kind(f"{said}; check base_url and model of this provider in cloud.providers")


def _close_all(connections: list[_Connection]) -> None:
    while connections:
        connections.pop().close()


def _without_password(url: httpx2.URL) -> str:
    return str(url.copy_with(username=None, password=None))


def _advice(error: BaseException) -> str:
    """Return what to do about a connection that could not be made."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, ssl.SSLCertVerificationError):
            return f"its certificate is not valid ({inner.verify_message}); check base_url and this box's clock"
        inner = inner.__cause__ or inner.__context__
    return "check the network and base_url of this provider in cloud.providers"


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
