"""A real HTTP server on loopback that speaks the OpenAI wire format and says what the test tells it to."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Sequence

KEY = "test-key-that-must-not-show-0123456789"
PIECE = b"x" * 65_536


@dataclass(frozen=True)
class Reply:
    """One scripted reply.

    Attributes:
        drip_s: waits before each byte of the body, `hang_s` before the status line.
        stream: body sent instead, as server-sent events, to who asks for a stream.
        gate_at: waits for `Endpoint.go` before this byte of the body.
        padding: so many more bytes follow the body.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    hang_s: float = 0.0
    drip_s: float = 0.0
    stream: bytes | None = None
    gate_at: int | None = None
    padding: int = 0


def completion(text: str | None = "A red ball.", **changes: Any) -> Reply:
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o-mini",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 40, "completion_tokens": 10, "total_tokens": 50},
    }
    words = [f"{word} " for word in (text or "").split(" ")]
    usage = changes.get("usage", body["usage"])
    headers = {"Content-Type": "application/json"}
    return Reply(body=json.dumps(body | changes).encode(), headers=headers, stream=streamed(words, usage))


def streamed(pieces: Sequence[str], usage: Any = None, *, done: bool = True) -> bytes:
    """Return the body of a stream; the last piece loses its closing space."""
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini"}
    texts = [*pieces[:-1], *(piece.rstrip(" ") for piece in pieces[-1:])]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}, *({"content": text} for text in texts)]
    chunks = [chunk | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    if done:
        chunks.append(chunk | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    if usage is not None:
        chunks.append(chunk | {"choices": [], "usage": usage})
    events = [f"data: {json.dumps(one)}\n\n" for one in chunks]
    return "".join([*events, *(["data: [DONE]\n\n"] if done else [])]).encode()


def failure(status: int, code: str | None = None, **headers: str) -> Reply:
    body = {"error": {"message": f"no, and your key was {KEY}", "type": "error", "param": None, "code": code}}
    sent = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return Reply(status, json.dumps(body).encode(), sent)


class Endpoint:
    """Serves its script one reply a request, the last one for ever."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.script: list[Reply] = [completion()]
        self.requests: list[dict[str, Any]] = []
        self.authorizations: list[str | None] = []
        self.stop = threading.Event()
        self.go = threading.Event()
        self.broken = threading.Event()
        """Set once a client went away in the middle of a reply."""
        self._lock = threading.Lock()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                endpoint.handle(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = _Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        scheme = "http" if tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self.server.server_port}/v1"

    def handle(self, http: BaseHTTPRequestHandler) -> None:
        sent = json.loads(http.rfile.read(int(http.headers["Content-Length"])))
        with self._lock:
            self.requests.append(sent)
            self.authorizations.append(http.headers["Authorization"])
            reply = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if sent.get("stream") and reply.stream is not None:
            reply = replace(reply, body=reply.stream, headers={**reply.headers, "Content-Type": "text/event-stream"})
        if self.stop.wait(reply.hang_s):
            return
        try:
            self._send(http, reply)
        except (BrokenPipeError, ConnectionResetError):
            self.broken.set()

    def _send(self, http: BaseHTTPRequestHandler, reply: Reply) -> None:
        http.send_response_only(reply.status)
        for name, value in {"Content-Length": str(len(reply.body) + reply.padding), **reply.headers}.items():
            http.send_header(name, value)
        http.end_headers()
        step = 1 if reply.drip_s else max(len(reply.body), 1) if reply.gate_at is None else max(reply.gate_at, 1)
        for at in range(0, len(reply.body), step):
            if at and reply.gate_at is not None:
                self.go.wait(30)
            if self.stop.wait(reply.drip_s):
                return
            http.wfile.write(reply.body[at : at + step])
        for at in range(0, reply.padding, len(PIECE)):
            http.wfile.write(PIECE[: reply.padding - at])


class _Server(ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is what some tests are about."""


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Endpoint]:
    endpoint = Endpoint(tls)
    thread = threading.Thread(target=endpoint.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield endpoint
    finally:
        endpoint.stop.set()
        endpoint.go.set()
        endpoint.server.shutdown()
        endpoint.server.server_close()
        thread.join(5)
