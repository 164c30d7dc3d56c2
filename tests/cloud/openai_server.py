"""A real HTTP server on loopback that speaks the OpenAI wire format and says what the test tells it to."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "test-key-that-must-not-show-0123456789"


@dataclass(frozen=True)
class Reply:
    """One scripted reply; `drip_s` waits before each byte of the body, `hang_s` before the status line."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    hang_s: float = 0.0
    drip_s: float = 0.0


def completion(text: str | None = "A red ball.", **changes: Any) -> Reply:
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o-mini",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 40, "completion_tokens": 10, "total_tokens": 50},
    }
    return Reply(body=json.dumps(body | changes).encode(), headers={"Content-Type": "application/json"})


def failure(status: int, code: str | None = None, **headers: str) -> Reply:
    body = {"error": {"message": f"no, and your key was {KEY}", "type": "error", "param": None, "code": code}}
    sent = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return Reply(status, json.dumps(body).encode(), sent)


class Endpoint:
    """Serves its script one reply a request, the last one for ever."""

    def __init__(self) -> None:
        self.script: list[Reply] = [completion()]
        self.requests: list[dict[str, Any]] = []
        self.authorizations: list[str | None] = []
        self.stop = threading.Event()
        self._lock = threading.Lock()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                endpoint.handle(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def handle(self, http: BaseHTTPRequestHandler) -> None:
        sent = json.loads(http.rfile.read(int(http.headers["Content-Length"])))
        with self._lock:
            self.requests.append(sent)
            self.authorizations.append(http.headers["Authorization"])
            reply = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if self.stop.wait(reply.hang_s):
            return
        try:
            http.send_response_only(reply.status)
            for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                http.send_header(name, value)
            http.end_headers()
            step = 1 if reply.drip_s else max(len(reply.body), 1)
            for at in range(0, len(reply.body), step):
                if self.stop.wait(reply.drip_s):
                    return
                http.wfile.write(reply.body[at : at + step])
        except (BrokenPipeError, ConnectionResetError):
            return


@contextmanager
def serving() -> Iterator[Endpoint]:
    endpoint = Endpoint()
    thread = threading.Thread(target=endpoint.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield endpoint
    finally:
        endpoint.stop.set()
        endpoint.server.shutdown()
        endpoint.server.server_close()
        thread.join(5)
