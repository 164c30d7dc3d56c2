"""Who may come in, with how much, how often: before anything of a request is looked at."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import logging
import time
import uuid
from typing import TYPE_CHECKING, Any, TypeAlias

from edge_runtime.api.limits import Buckets
from edge_runtime.api.page_routes import is_page
from edge_runtime.api.refusal import RequestError, json_bytes, shown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, MutableMapping

    from edge_runtime.api.limits import HttpLimits
    from edge_runtime.metrics import Metrics

    Scope: TypeAlias = MutableMapping[str, Any]
    Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
    Asgi: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger(__name__)

OPEN = "/healthz"
_LOOPBACK = {"localhost"}
_PICTURES = ("/picture", "/snapshot")
_GONE = 499
"""Counted where the client went away before it was answered."""
_DISCARD_S = 2.0
_DISCARD_BYTES = 64 * 2**20


class _GoneError(Exception):
    """The client went away before its request was whole."""


class Admission:
    """Lets requests through to `app` that may come in, whole; tells the others why not.

    Args:
        app: gets the request.
        token: what clients must show.
        hosts: names under which the box may be asked, besides its addresses: a web page whose name was bent to this box
            (DNS rebinding) knows none of them.
        limits: how much is let in.
        metrics: counts requests.
    """

    def __init__(self, app: Asgi, token: str, hosts: Collection[str], limits: HttpLimits, metrics: Metrics) -> None:
        self._app = app
        self._token = token.encode()
        self._hosts = {host.lower() for host in hosts} | _LOOPBACK
        self._limits = limits
        self._metrics = metrics
        self._buckets = Buckets(limits.requests_per_minute)
        self._pictures = Buckets(limits.pictures_per_minute)
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        if scope["type"] != "http":
            return
        visit = _Visit(scope, send)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            self._check(scope, headers)
            body = await self._read(headers, receive, visit)
            await self._app(scope, _replayed(body, receive), visit.send)
        except RequestError as error:
            await self._turn_away(error, headers, receive, visit)
        except _GoneError:
            return
        finally:
            self._held -= visit.held
            visit.count(self._metrics)

    def _check(self, scope: Scope, headers: dict[str, str]) -> None:
        self._check_host(headers.get("host", ""))
        if scope["path"] == OPEN:
            return
        kind, _, token = headers.get("authorization", "").partition(" ")
        known = kind.lower() == "bearer" and hmac.compare_digest(token.strip().encode("latin-1"), self._token)
        client = scope["client"][0] if scope.get("client") else ""
        is_open = scope["method"] in {"GET", "HEAD"} and is_page(scope["path"])
        self._take(client, scope, known=known, is_open=is_open)
        if not (known or is_open):
            what = "is not the one of this box" if token else "is missing; send it as Authorization: Bearer TOKEN"
            raise RequestError(f"the token {what}", 401, code="invalid_api_key")

    def _take(self, client: str, scope: Scope, *, known: bool, is_open: bool) -> None:
        """Take a request out of the client's bucket."""
        buckets, most = self._buckets, self._limits.requests_per_minute
        if known and scope["method"] == "GET" and scope["path"].endswith(_PICTURES):
            # Whoever watches asks several times a second, and must be able to ask for other things too.
            buckets, most = self._pictures, self._limits.pictures_per_minute
        # Strangers have a bucket of their own: at the same address, they do not use up the owner's.
        wait_s = buckets.take(f"{client} page" if is_open else client if known else f"{client} stranger")
        if wait_s:
            why = f"more than {most} requests a minute; wait {wait_s} s"
            raise RequestError(why, 429, code="rate_limit_exceeded", retry_after_s=wait_s)

    def _check_host(self, host: str) -> None:
        name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
        try:
            ipaddress.ip_address(name)
        except ValueError:
            if name.lower().rstrip(".") not in self._hosts:
                why = f"host {shown(name)} is no name of this box; use its address, or list the name in api.names"
                raise RequestError(why, 421, code="unknown_host") from None

    async def _read(self, headers: dict[str, str], receive: Receive, visit: _Visit) -> bytes:
        if int(headers.get("content-length", 0)) > self._limits.body_bytes:
            raise self._too_large()
        try:
            async with asyncio.timeout(self._limits.body_s):
                return await self._whole(receive, visit)
        except TimeoutError:
            why = f"the request did not arrive within {self._limits.body_s:g} s"
            raise RequestError(why, 408, code="request_timeout") from None

    async def _whole(self, receive: Receive, visit: _Visit) -> bytes:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _GoneError
            piece = message.get("body", b"")
            body += piece
            if len(body) > self._limits.body_bytes:
                raise self._too_large()
            visit.held += len(piece)
            self._held += len(piece)
            if self._held > self._limits.held_bytes:
                raise RequestError("too many large requests at once; try again later", 503, retry_after_s=1)
            if not message.get("more_body", False):
                return bytes(body)

    def _too_large(self) -> RequestError:
        most_mb = self._limits.body_bytes / 2**20
        return RequestError(f"the request is larger than {most_mb:g} MB", 413, code="request_too_large")

    async def _turn_away(self, error: RequestError, headers: dict[str, str], receive: Receive, visit: _Visit) -> None:
        """Refuse; what is still being sent is thrown away for a moment, so that the client gets to read why."""
        whole = "content-length" not in headers and "transfer-encoding" not in headers
        if not whole and "expect" not in headers and error.status != 408:
            whole = await _discarded(receive)
        await visit.refuse(error, close=not whole)


async def _discarded(receive: Receive) -> bool:
    """Throw away the rest of a request; return whether it came to its end."""
    left = _DISCARD_BYTES
    try:
        async with asyncio.timeout(_DISCARD_S):
            while left > 0:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return False
                left -= len(message.get("body", b""))
                if not message.get("more_body", False):
                    return True
    except TimeoutError:
        pass
    return False


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return what gives the whole body, then whatever comes: that the client goes away."""
    waiting = [body]

    async def replay() -> MutableMapping[str, Any]:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return replay


class _Visit:
    """One request's reply on its way out."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.held = 0
        self._scope = scope
        self._send = send
        self._began_at = time.monotonic()
        self._status = _GONE
        self._id = f"req_{uuid.uuid4().hex}"

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            ours = [(b"x-request-id", self._id.encode()), (b"x-content-type-options", b"nosniff")]
            message = {**message, "headers": [*message.get("headers", []), *ours, (b"cache-control", b"no-store")]}
        await self._send(message)

    async def refuse(self, error: RequestError, *, close: bool) -> None:
        body = json_bytes(error.body)
        headers = {"content-type": "application/json", "content-length": str(len(body)), **error.headers}
        if close:
            headers["connection"] = "close"
        wire = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": error.status, "headers": wire})
        await self.send({"type": "http.response.body", "body": body})

    def count(self, metrics: Metrics) -> None:
        # Only addresses that exist are counted by name: a client could make up any number of others.
        route = getattr(self._scope.get("route"), "path", "other")
        seconds = time.monotonic() - self._began_at
        metrics.http_requests.labels(route, str(self._status)).inc()
        metrics.http_seconds.labels(route).observe(seconds)
        log.debug("http: %s %s %d in %.3f s", self._scope["method"], route, self._status, seconds)
