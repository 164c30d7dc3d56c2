"""Who gets in and who does not, on the wire."""

from __future__ import annotations

import io
import json
import logging
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import openai
import pytest
import soundfile
from http_box import TOKEN, Mind, Voice, open_api, simple, until
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.api.bodies import ChatBody
from edge_runtime.api.capabilities import Health
from edge_runtime.api.chat import Said, question_of
from edge_runtime.api.limits import Buckets, HttpLimits
from edge_runtime.api.refusal import RequestError
from edge_runtime.errors import BusyError, SpeechError
from edge_runtime.types import Answer, Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from http_box import Api

    from edge_runtime.types import Question, Sound

BEARER = f"Authorization: Bearer {TOKEN}"


@pytest.fixture(scope="module", name="api")
def simple_api() -> Iterator[Api]:
    with open_api() as api:
        yield api


@contextmanager
def connection(api: Api) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", api.port), timeout=30) as wire:
        yield wire


def rest(wire: socket.socket) -> bytes:
    """Read until the server hangs up."""
    received = bytearray()
    try:
        while data := wire.recv(65536):
            received += data
    except ConnectionResetError:
        pass
    return bytes(received)


def head(line: str, *headers: str, host: str = "127.0.0.1") -> bytes:
    return "\r\n".join([f"{line} HTTP/1.1", f"Host: {host}", *headers, "", ""]).encode()


def exchange(api: Api, request: bytes) -> tuple[int, dict[str, str], Any]:
    """Send a request that asks for the connection to be closed; return status, headers and JSON."""
    with connection(api) as wire:
        wire.sendall(request)
        reply = rest(wire)
    top, _, body = reply.partition(b"\r\n\r\n")
    status, *lines = top.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(status.split()[1]), headers, json.loads(body)


CLOSE = "Connection: close"
JSON = "Content-Type: application/json"
ROWS: dict[str, tuple[bytes, int, str | None]] = {
    "no token": (head("GET /v1/models", CLOSE), 401, "invalid_api_key"),
    "another token": (head("GET /v1/models", CLOSE, "Authorization: Bearer nope"), 401, "invalid_api_key"),
    "a token longer than the right one": (head("GET /v1/models", CLOSE, BEARER + "x"), 401, "invalid_api_key"),
    "another kind of token": (head("GET /v1/models", CLOSE, f"Authorization: Basic {TOKEN}"), 401, "invalid_api_key"),
    "a token beyond ASCII": (head("GET /v1/models", CLOSE, "Authorization: Bearer \u00fc"), 401, "invalid_api_key"),
    "figures without a token": (head("GET /metrics", CLOSE), 401, "invalid_api_key"),
    "the description without a token": (head("GET /openapi.json", CLOSE), 401, "invalid_api_key"),
    "a name bent to this box": (head("GET /healthz", CLOSE, host="evil.example"), 421, "unknown_host"),
    "a name with a port": (head("GET /healthz", CLOSE, host="evil.example:8471"), 421, "unknown_host"),
    "no name": (head("GET /healthz", CLOSE, host=""), 421, "unknown_host"),
    "an address that is not there": (head("GET /v2", CLOSE, BEARER), 404, None),
    "a method that is not there": (head("DELETE /v1/models", CLOSE, BEARER), 405, None),
    "no JSON": (head("POST /v1/embeddings", CLOSE, BEARER, JSON, "Content-Length: 1") + b"{", 400, "invalid_json"),
    "JSON as text": (
        head("POST /v1/embeddings", CLOSE, BEARER, "Content-Type: text/plain", "Content-Length: 2") + b"{}", 400, None,
    ),
    "JSON that is very deep": (
        head("POST /v1/embeddings", CLOSE, BEARER, JSON, "Content-Length: 200000") + b"[" * 200_000, 400, None,
    ),
    "a body that is said to be too large": (
        head("POST /v1/embeddings", BEARER, "Expect: 100-continue", f"Content-Length: {2**40}"),
        413, "request_too_large",
    ),
    "no HTTP": (b"hello\r\n\r\n", 400, None),
    "a header without an end": (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 70_000, 400, None),
    "two lengths": (head("POST /v1/embeddings", BEARER, "Content-Length: 1", "Content-Length: 2"), 400, None),
}  # fmt: skip


@pytest.mark.parametrize("case", ROWS)
def test_every_refusal_has_its_status_and_openais_shape(api: Api, case: str) -> None:
    request, status, code = ROWS[case]
    got, headers, body = exchange(api, request)
    assert got == status
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert code in {None, body["error"]["code"]}
    assert headers["content-type"] == "application/json"
    assert ("www-authenticate" in headers) == (status == 401)
    assert ("allow" in headers) == (status == 405)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:99", "127.0.0.1", "[::1]:8471", "192.168.1.7", "box.lan"])
def test_the_box_answers_to_its_names_and_to_addresses(host: str) -> None:
    with open_api(names=("Box.lan",)) as api:
        assert exchange(api, head("GET /healthz", CLOSE, host=host))[0] == 200


def test_no_page_of_another_site_may_read_an_answer(api: Api) -> None:
    _, headers, _ = exchange(api, head("GET /v1/models", CLOSE, BEARER, "Origin: https://evil.example"))
    assert not [name for name in headers if name.startswith("access-control")]
    assert exchange(api, head("OPTIONS /v1/models", CLOSE, BEARER, "Origin: https://evil.example"))[0] == 405


@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "in chunks"])
def test_a_large_body_is_refused_while_it_is_read_and_the_client_reads_why(chunked: bool) -> None:
    pieces = [b"x" * 65536] * 64
    with open_api(limits=HttpLimits(body_bytes=2**20)) as api, api.client() as client:
        content: Any = iter(pieces) if chunked else b"".join(pieces)
        sent = {"Authorization": f"Bearer {TOKEN}"}
        reply = client._client.post(f"{api.url}/embeddings", content=content, headers=sent)
    assert reply.status_code == 413
    assert reply.json()["error"]["code"] == "request_too_large"


def test_requests_beyond_the_rate_wait_as_long_as_they_are_told(api: Api) -> None:
    with open_api(limits=HttpLimits(requests_per_minute=3)) as slow, slow.client() as client:
        for _ in range(3):
            client.models.list()
        with pytest.raises(openai.RateLimitError) as caught:
            client.models.list()
        assert 1 <= int(caught.value.response.headers["retry-after"]) <= 20
        assert exchange(slow, head("GET /healthz", CLOSE))[0] == 200, "whoever watches the box is not counted"
    with api.client() as client:
        client.models.list()


def test_strangers_are_slowed_down_and_do_not_use_up_what_the_owner_has() -> None:
    with open_api(limits=HttpLimits(requests_per_minute=3)) as api:
        statuses = [exchange(api, head("GET /v1/models", CLOSE, "Authorization: Bearer guess"))[0] for _ in range(5)]
        assert statuses == [401, 401, 401, 429, 429]
        with api.client() as client:
            client.models.list()


@given(st.lists(st.tuples(st.floats(0, 30), st.sampled_from("abc")), max_size=80), st.integers(1, 20))
def test_a_bucket_never_gives_more_than_its_size_and_what_flowed_in(steps: list[tuple[float, str]], rate: int) -> None:
    now, given_out = 0.0, dict.fromkeys("abc", 0)
    buckets = Buckets(rate, clock=lambda: now)
    for wait_s, client in steps:
        now += wait_s
        told = buckets.take(client)
        given_out[client] += not told
        assert given_out[client] <= rate + now * rate / 60 + 1e-6
        if told:
            now += told
            assert buckets.take(client) == 0, "whoever waits as long as told gets in"
            given_out[client] += 1


def test_many_clients_do_not_fill_the_memory() -> None:
    buckets = Buckets(5, clients=10)
    for number in range(1000):
        assert buckets.take(str(number)) == 0
    assert len(buckets._buckets) == 10


SLOW = HttpLimits(head_s=0.3, body_s=0.3, idle_s=1, requests_per_minute=1000)


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET /v1/mod", head("POST /v1/embeddings", BEARER, "Content-Length: 100")[:-2]],
    ids=["nothing", "half a line", "headers without an end"],
)
def test_a_client_that_dawdles_over_its_headers_is_hung_up_on(sent: bytes) -> None:
    with open_api(limits=SLOW) as api, connection(api) as wire:
        wire.sendall(sent)
        assert rest(wire) == b""


def test_a_client_that_trickles_is_hung_up_on_all_the_same() -> None:
    with open_api(limits=SLOW) as api, connection(api) as wire:
        gone = threading.Event()

        def trickle() -> None:
            while not gone.wait(0.02):
                try:
                    wire.sendall(b"a")
                except OSError:
                    return

        thread = threading.Thread(target=trickle)
        thread.start()
        assert rest(wire) == b""
        gone.set()
        thread.join(10)


def test_a_body_that_does_not_come_is_a_timeout() -> None:
    with open_api(limits=SLOW) as api:
        status, _, body = exchange(api, head("POST /v1/embeddings", BEARER, "Content-Length: 100") + b"{")
    assert (status, body["error"]["code"]) == (408, "request_timeout")


def test_an_idle_connection_is_closed_and_a_busy_one_kept() -> None:
    with open_api(limits=SLOW) as api, connection(api) as wire:
        for _ in range(3):
            wire.sendall(head("GET /healthz"))
            reply = b""
            while not reply.endswith(b"}}"):
                reply += wire.recv(65536)
            assert reply.startswith(b"HTTP/1.1 200")
        began = time.monotonic()
        assert rest(wire) == b""
        assert time.monotonic() - began < 20


def test_one_connection_too_many_is_told_so() -> None:
    with open_api(limits=HttpLimits(connections=3)) as api, ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(connection(api)).sendall(b"GET ")
        refused: list[bytes] = []

        def full() -> bool:
            with connection(api) as wire:
                refused.append(rest(wire) if len(refused) else wire.recv(65536))
            return refused[-1].startswith(b"HTTP/1.1 503")

        assert until(full)
        assert json.loads(refused[-1].partition(b"\r\n\r\n")[2])["error"]["type"] == "server_error"


def test_one_address_does_not_take_all_connections() -> None:
    limits = HttpLimits(connections=10, connections_of_one=3)
    with open_api(limits=limits) as api, ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(connection(api)).sendall(b"GET ")

        def served(address: str) -> bytes:
            # Who is refused before it has asked may find the connection reset.
            with suppress(ConnectionError), socket.create_connection(("127.0.0.1", api.port), 10, (address, 0)) as wire:
                wire.sendall(head("GET /healthz"))
                return wire.recv(65536)
            return b""

        assert until(lambda: b"3 connections of yours are open already" in served("127.0.0.1"))
        assert served("127.0.0.2").startswith(b"HTTP/1.1 200")


def test_a_client_that_does_not_read_is_hung_up_on() -> None:
    stopped = threading.Event()

    class Endless(Voice):
        def pieces(self, text: str, voice: str | None, speed: float) -> Generator[Sound]:
            try:
                for _ in range(300):
                    yield from super().pieces(text * 10, voice, speed)
            finally:
                stopped.set()

    body = json.dumps({"model": "edge", "input": "hello ", "response_format": "pcm"}).encode()
    with open_api(simple(speech=Endless()), HttpLimits(send_s=0.3)) as api, connection(api) as wire:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sent = ("Content-Type: application/json", f"Content-Length: {len(body)}")
        wire.sendall(head("POST /v1/audio/speech", BEARER, *sent) + body)
        assert stopped.wait(30), "the speech ends when nobody takes it"


def chat(text: str = "hello", **changes: Any) -> bytes:
    body = json.dumps({"model": "edge", "messages": [{"role": "user", "content": text}], **changes}).encode()
    return (
        head("POST /v1/chat/completions", BEARER, "Content-Type: application/json", f"Content-Length: {len(body)}")
        + body
    )


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("begun", [False, True], ids=["before a word came", "in the middle"])
def test_a_client_that_goes_away_ends_the_work(stream: bool, begun: bool) -> None:
    told, started = threading.Event(), threading.Event()

    def reply(_: Question, on_text: Callable[[str], None] | None, cancelled: Callable[[], bool]) -> Answer:
        if on_text and begun:
            on_text("Once upon ")
        started.set()
        if until(cancelled, 30):
            told.set()
        return Answer("Once upon a time.", 0.9, Origin.CLOUD)

    with open_api(simple(Mind(reply))) as api:
        with connection(api) as wire:
            wire.sendall(chat(stream=stream))
            assert started.wait(30)
            if stream and begun:
                assert wire.recv(100)
        assert told.wait(30)


HELLO: dict[str, Any] = {"role": "user", "content": "hello"}


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"messages": None}, "messages"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [HELLO, {"role": "tool"}]}, "messages[1].role"),
        ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "messages[0].content[0].image_url.url",
        ),
        ({"response_format": {"type": "xml"}}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a"}}},
            "response_format.json_schema.schema",
        ),
        ({"temperature": "hot"}, "temperature"),
        ({"stop": [1]}, "stop[0]"),
        ({"stream_options": {"include_usage": "yes"}}, "stream_options.include_usage"),
        ({"tool_choice": "required"}, "tool_choice"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_refusal_names_the_field_that_is_wrong(api: Api, changes: dict[str, Any], param: str) -> None:
    body = {"model": "edge", "messages": [HELLO], **changes}
    with api.client() as client, pytest.raises(openai.BadRequestError) as caught:
        client.post("/chat/completions", body=body, cast_to=dict[str, Any])
    assert caught.value.param == param
    assert param in caught.value.message


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
def test_a_schema_with_a_number_that_json_does_not_know_is_refused_before_money_is_set_aside(number: str) -> None:
    wanted = {
        "type": "json_schema",
        "json_schema": {"name": "a", "schema": {"anyOf": [{"minimum": json.loads(number)}]}},
    }
    body = ChatBody.model_validate({"model": "edge", "messages": [HELLO], "response_format": wanted})
    with pytest.raises(RequestError, match="a number that JSON does not know"):
        question_of(body, [Said("user", "who was Bach?")])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_whoever_waits_as_the_server_ends_is_told_in_time(stream: bool) -> None:
    started, said = threading.Event(), bytearray()

    def reply(_: Question, __: object, cancelled: Callable[[], bool]) -> Answer:
        started.set()
        assert until(cancelled, 30)
        return Answer("I had to stop.", 0.0, Origin.ABSTAINED)

    with ExitStack() as stack:
        with open_api(simple(Mind(reply))) as api:
            wire = stack.enter_context(connection(api))
            wire.sendall(chat(stream=stream))
            assert started.wait(30)
        said += rest(wire)
    assert b"I had to stop." in said


def streamed(*pieces: str, end: Answer | Exception) -> Callable[..., Answer]:
    def reply(_: Question, on_text: Callable[[str], None], __: Callable[[], bool]) -> Answer:
        for piece in pieces:
            on_text(piece)
        if isinstance(end, Exception):
            raise end
        return end

    return reply


CLOUD = Answer("The sea is wide.", 0.8, Origin.CLOUD, 0.001, model="openai/gpt-4o-mini")


@pytest.mark.parametrize(
    ("pieces", "end", "text"),
    [
        (["The sea ", "is wide."], CLOUD, "The sea is wide."),
        (["The sea "], CLOUD, "The sea is wide."),
        ([], CLOUD, "The sea is wide."),
        (["The sea "], Answer("I am not sure.", 0.0, Origin.ABSTAINED), None),
        (["The lake "], CLOUD, None),
        (["The sea "], SpeechError("out of words"), None),
    ],
    ids=["all of it", "the rest comes at the end", "nothing before the end", "it broke", "another text", "an error"],
)
def test_a_stream_is_whole_or_ends_with_an_error(pieces: list[str], end: Any, text: str | None) -> None:
    with open_api(simple(Mind(streamed(*pieces, end=end)))) as api, api.client() as client:
        stream = client.chat.completions.create(
            model="edge", messages=[{"role": "user", "content": "hello"}], stream=True
        )
        said: list[str] = []
        if text is None:
            with pytest.raises(openai.APIError):
                said.extend(chunk.choices[0].delta.content or "" for chunk in stream)
        else:
            said.extend(chunk.choices[0].delta.content or "" for chunk in stream)
            assert "".join(said) == text


@pytest.mark.parametrize(
    ("error", "status"),
    [(BusyError("too many wait"), 503), (SpeechError("it hung"), 503), (ZeroDivisionError("!"), 500)],
    ids=["busy", "a failure", "a fault"],
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_failure_before_the_first_word_has_its_status(
    error: Exception, status: int, stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "uvicorn.error")
    message: Any = {"role": "user", "content": "hi"}
    with (
        open_api(simple(Mind(streamed(end=error)))) as api,
        api.client() as client,
        pytest.raises(openai.InternalServerError) as caught,
    ):
        client.chat.completions.create(model="edge", messages=[message], stream=stream)
    assert caught.value.status_code == status
    assert "!" not in str(caught.value.body)


def test_slow_answers_do_not_hold_up_others() -> None:
    release = threading.Event()

    def reply(question: Question, *_: object) -> Answer:
        if question.text == "slow":
            release.wait(30)
        return Answer(question.text, 0.9, Origin.LOCAL)

    with open_api(simple(Mind(reply))) as api, ExitStack() as stack:
        for _ in range(30):
            stack.enter_context(connection(api)).sendall(chat("slow"))
        with api.client() as client:
            for _ in range(20):
                client.chat.completions.create(
                    model="edge", messages=[{"role": "user", "content": "quick"}], timeout=20
                )
        release.set()


def test_speech_that_is_written_down_slowly_does_not_hold_up_what_is_quick() -> None:
    release, working = threading.Event(), threading.Event()

    def slow(_: object) -> str:
        working.set()
        release.wait(30)
        return "at last"

    with (
        open_api(simple(transcribe=slow)) as api,
        api.client(timeout=20) as client,
        ThreadPoolExecutor(4) as pool,
    ):
        sound = io.BytesIO()
        soundfile.write(sound, np.zeros(1600, np.float32), 16_000, format="WAV")
        heard = [
            pool.submit(client.audio.transcriptions.create, model="whisper-1", file=("a.wav", sound.getvalue()))
            for _ in range(4)
        ]
        assert working.wait(20)
        client.embeddings.create(model="edge", input="hello")
        client.audio.speech.create(model="tts-1", voice="alloy", input="hello").read()
        release.set()
        assert [one.result(30).text for one in heard] == ["at last"] * 4


def test_many_speeches_wait_for_each_other_and_all_are_spoken() -> None:
    with open_api() as api, api.client() as client, ThreadPoolExecutor(12) as pool:
        say = partial(client.audio.speech.create, model="tts-1", voice="alloy", input="one two", response_format="pcm")
        sizes = {len(one.result(60).read()) for one in [pool.submit(say) for _ in range(12)]}
    assert len(sizes) == 1


@pytest.mark.parametrize(
    ("health", "status", "word"),
    [
        (Health(ready=True, states={"door": "online"}), 200, "ok"),
        (Health(ready=True, states={"door": "lost"}), 200, "degraded"),
        (Health(ready=False, states={}), 503, "unavailable"),
    ],
    ids=["well", "a camera is lost", "not ready"],
)
def test_health_needs_no_token_and_tells_no_secret(health: Health, status: int, word: str) -> None:
    with open_api(simple(health=lambda: health)) as api:
        got, _, body = exchange(api, head("GET /healthz", CLOSE))
    assert (got, body["status"]) == (status, word)
    assert set(body) == {"status", "parts"}


def test_figures_count_addresses_and_not_what_clients_make_up(api: Api) -> None:
    for path in ("/v1/models", "/made-up-1", "/made-up-2"):
        exchange(api, head(f"GET {path}", CLOSE, BEARER))
    with connection(api) as wire:
        wire.sendall(head("GET /metrics", CLOSE, BEARER))
        page = rest(wire).decode()
    assert re.search(r'edge_http_requests_total\{route="/v1/models",status="200"\} \d', page)
    assert "made-up" not in page


def test_nothing_that_clients_say_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with open_api() as api, api.client() as client:
        client.chat.completions.create(model="edge", messages=[{"role": "user", "content": "my-secret-word"}])
        exchange(api, head("GET /v1/models?my-secret-word", CLOSE, "Authorization: Bearer my-secret-word"))
    ours = [record.getMessage() for record in caplog.records if record.name.startswith(("edge_runtime", "uvicorn"))]
    assert ours
    assert not [line for line in ours if "my-secret-word" in line or TOKEN in line]
