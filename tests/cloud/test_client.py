from __future__ import annotations

import json
import logging
import socket
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from openai_server import KEY, Endpoint, Reply, completion, failure

from edge_runtime.cloud.client import (
    Call,
    ChatClient,
    MissingModelError,
    NotSentError,
    RefusedError,
    SilentError,
    retry_after_s,
)
from edge_runtime.errors import (
    CloudAuthError,
    CloudError,
    CloudProtocolError,
    CloudRateLimitError,
    CloudUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

MESSAGES = [{"role": "user", "content": "what is this?"}]
ASK = Call(MESSAGES, 20, 5.0)
SOON = Call(MESSAGES, 20, 0.3)


@pytest.fixture
def client(endpoint: Endpoint) -> Iterator[ChatClient]:
    made = ChatClient(endpoint.url, KEY, "gpt-4o-mini")
    yield made
    made.close()


def test_a_completion_comes_back_with_its_token_counts(endpoint: Endpoint, client: ChatClient) -> None:
    reply = client.complete(ASK)
    assert (reply.text, reply.input_tokens, reply.output_tokens) == ("A red ball.", 40, 10)
    assert endpoint.requests == [{"model": "gpt-4o-mini", "messages": MESSAGES, "max_tokens": 20}]
    assert endpoint.authorizations == [f"Bearer {KEY}"]


@pytest.mark.parametrize(
    ("reply", "error", "says"),
    [
        pytest.param(failure(401), CloudAuthError, "EDGE_CLOUD_API_KEY", id="wrong key"),
        pytest.param(failure(403), CloudAuthError, "HTTP 403", id="key without the right"),
        pytest.param(failure(429, "insufficient_quota"), CloudAuthError, "no credit", id="no credit is no rate limit"),
        pytest.param(failure(429), CloudRateLimitError, "HTTP 429", id="too many requests"),
        pytest.param(
            failure(503, Retry_After="1"), CloudRateLimitError, "HTTP 503", id="busy with a time to come back"
        ),
        pytest.param(failure(500), CloudUnavailableError, "HTTP 500", id="server error"),
        pytest.param(failure(408), CloudUnavailableError, "HTTP 408", id="server's own time-out"),
        pytest.param(Reply(502, b"<html>bad gateway"), CloudUnavailableError, "HTTP 502", id="a proxy's page"),
        pytest.param(failure(404, "model_not_found"), MissingModelError, "model", id="no such model"),
        pytest.param(failure(400, "bad"), RefusedError, "HTTP 400", id="a request it does not want"),
        pytest.param(failure(402), CloudAuthError, "no credit", id="payment is due"),
        pytest.param(
            Reply(302, headers={"Location": "http://127.0.0.1:1/"}), RefusedError, "HTTP 302", id="sends elsewhere"
        ),
        pytest.param(Reply(500, padding=100_000_000), CloudUnavailableError, "HTTP 500", id="an endless refusal"),
        pytest.param(
            Reply(body=b"{}", headers={"Content-Encoding": "gzip"}), CloudProtocolError, "compressed", id="compressed"
        ),
        pytest.param(Reply(body=b"<html>hello"), CloudProtocolError, "no chat completion", id="not JSON"),
        pytest.param(Reply(body=b""), CloudProtocolError, "no chat completion", id="empty body"),
        pytest.param(Reply(body=b"[]"), CloudProtocolError, "no chat completion", id="JSON of another shape"),
        pytest.param(Reply(body=b"[" * 200_000), CloudProtocolError, "no chat completion", id="endless nesting"),
        pytest.param(completion("\x1b\u200b \n"), CloudProtocolError, "without text", id="nothing to show"),
        pytest.param(completion(choices=[]), CloudProtocolError, "no chat completion", id="no choice"),
        pytest.param(completion(""), CloudProtocolError, "no chat completion", id="no text"),
        pytest.param(Reply(padding=100_000_000), CloudProtocolError, "1000000 bytes", id="a body of 100 MB"),
        pytest.param(
            Reply(body=b"{", headers={"Content-Length": "9"}), CloudUnavailableError, "broke", id="cut off half-way"
        ),
    ],
)
def test_every_bad_reply_is_one_of_our_errors(
    endpoint: Endpoint, client: ChatClient, reply: Reply, error: type[CloudError], says: str
) -> None:
    endpoint.script = [reply]
    with pytest.raises(CloudError, match=says) as caught:
        client.complete(ASK)
    assert type(caught.value) is error
    assert len(endpoint.requests) == 1, "the client itself never retries"
    assert KEY not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("A dog.\n\nIt  sleeps.", "A dog. It sleeps.", id="one line"),
        pytest.param("\x1b[2Jboo\x07", "[2Jboo", id="no control characters reach a terminal"),
        pytest.param("half \ud83d", "half", id="no half characters reach the wire"),
        pytest.param("x" * 10_000, "x" * 4_000, id="no endless text"),
    ],
)
def test_the_text_is_fit_to_show(endpoint: Endpoint, client: ChatClient, text: str, shown: str) -> None:
    endpoint.script = [completion(text)]
    assert client.complete(ASK).text == shown


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(hang_s=30), id="nothing comes"),
        pytest.param(Reply(body=b'{"choices": []}' * 100, drip_s=0.05), id="a byte now and then comes"),
    ],
)
def test_a_slow_endpoint_is_left_in_time(endpoint: Endpoint, client: ChatClient, reply: Reply) -> None:
    endpoint.script = [reply]
    start = time.monotonic()
    with pytest.raises(SilentError, match=r"within 0\.3 s"):
        client.complete(SOON)
    assert time.monotonic() - start < 2


@pytest.mark.parametrize(
    "usage",
    [
        pytest.param(None, id="missing"),
        pytest.param({"prompt_tokens": -1, "completion_tokens": True}, id="nonsense"),
        pytest.param({"prompt_tokens": 10**40, "completion_tokens": 10**40}, id="astronomic"),
        pytest.param("many", id="wrong type"),
        pytest.param({"prompt_tokens": 40.0, "completion_tokens": "10"}, id="numbers of another kind"),
        pytest.param({"prompt_tokens": 0, "completion_tokens": 0}, id="nothing for something"),
    ],
)
def test_unusable_usage_is_unknown_not_zero(endpoint: Endpoint, client: ChatClient, usage: object) -> None:
    endpoint.script = [completion(usage=usage)]
    reply = client.complete(ASK)
    assert (reply.input_tokens, reply.output_tokens) == (None, None)


def test_json_longer_than_was_allowed_is_not_read_on(endpoint: Endpoint, client: ChatClient) -> None:
    endpoint.script = [completion(json.dumps("x" * 5_000))]
    with pytest.raises(CloudProtocolError, match="5002 characters where 4000"):
        client.complete(replace(ASK, response_format={"type": "json_object"}))


def test_a_refused_connection_was_not_sent() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    client = ChatClient(f"http://user:word@127.0.0.1:{port}/v1", KEY, "gpt-4o-mini")
    with closing(client), pytest.raises(NotSentError, match="check the network") as caught:
        client.complete(ASK)
    assert "word" not in str(caught.value)


def test_the_key_stays_out_of_the_log(endpoint: Endpoint, client: ChatClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint.script = [failure(401), completion()]
    with pytest.raises(CloudAuthError):
        client.complete(ASK)
    client.complete(ASK)
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({"retry-after": "7"}, 7.0, id="seconds"),
        pytest.param({"retry-after": "0.5"}, 0.5, id="half a second"),
        pytest.param(
            {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", "date": "Wed, 21 Oct 2026 07:27:00 GMT"},
            60.0,
            id="a date, by the sender's clock",
        ),
        pytest.param({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0, id="a date long past"),
        pytest.param({"retry-after": "-3"}, 0.0, id="negative"),
        pytest.param({"retry-after": "inf"}, None, id="for ever"),
        pytest.param({"retry-after": "soon"}, None, id="words"),
        pytest.param({}, None, id="absent"),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds
