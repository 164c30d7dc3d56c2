"""The addresses of events: what happened, what happens, the evidence of it, and what its owner says to it."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import StringConstraints

from edge_runtime.api.json_reply import JsonReply
from edge_runtime.api.page_bodies import EVENT_ID, EventsReply, FeedbackBody, FeedbackReply
from edge_runtime.api.page_services import EventFilter, Kept
from edge_runtime.api.refusal import RequestError, able, json_bytes
from edge_runtime.api.replies import documented
from edge_runtime.api.streaming import Streaming
from edge_runtime.errors import BusyError

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator, Callable, Mapping

    from edge_runtime.api.hands import Hands
    from edge_runtime.api.page_services import PageServices, ToldEvent

MOST_FOLLOWERS = 20
WAITING = 200
"""Events that wait for a slow client at most; the oldest go."""
ALIVE_S = 10.0
_TICK_S = 0.5
MOST_BYTES = 256 * 2**20
_FILMS = {".mp4": "video/mp4", ".avi": "video/x-msvideo", ".mkv": "video/x-matroska", ".webm": "video/webm"}
_PICTURES = {".jpg": "image/jpeg", ".png": "image/png"}
_ID = Annotated[str, Path(pattern=EVENT_ID, description="Id of the event.")]
_WORD = Annotated[str, StringConstraints(min_length=1, max_length=64)]
_STREAM = {
    "type": "object",
    "required": ["data"],
    "properties": {
        "id": {"type": "string"},
        "event": {"type": "string", "const": "event"},
        "data": {"type": "string", "description": "An event as JSON."},
    },
}


def event_routes(page: PageServices, hands: Hands, ending: Callable[[], bool]) -> APIRouter:
    """Return the addresses of events; streams end when `ending`."""
    router = APIRouter()
    _past(router, page, hands)
    _stream(router, page, ending)
    _evidence(router, page, hands)
    _feedback(router, page, hands)
    return router


def _past(router: APIRouter, page: PageServices, hands: Hands) -> None:
    @router.get(
        "/v1/events",
        responses={**documented(), 200: {"model": EventsReply}},
        summary="Tell what happened, the newest first",
    )
    async def events(
        kind: Annotated[list[_WORD], Query(default_factory=list, max_length=20, description="Of these kinds alone.")],
        source: Annotated[list[_WORD], Query(default_factory=list, max_length=50, description="Of these sources.")],
        since: Annotated[float, Query(ge=0, le=1e11, description="Unix time of the oldest.")] = 0.0,
        before: Annotated[float | None, Query(ge=0, le=1e11, description="Unix time; older ones alone.")] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> Response:
        until = float("inf") if before is None else before
        wanted = EventFilter(frozenset(kind), frozenset(source), since, until, limit)

        def read() -> list[dict[str, Any]]:
            found, evidence = page.events.recent(wanted), page.evidence
            kept = Kept() if isinstance(evidence, str) else evidence.kept({event.id for event in found})
            return [told(event, kept) for event in found]

        return JsonReply({"object": "list", "data": await hands.do(read)})


def told(event: ToldEvent, kept: Kept) -> dict[str, Any]:
    """Return an event as clients get it."""
    return {
        "id": event.id,
        "kind": event.kind,
        "source": event.source,
        "at": round(event.at, 3),
        "label": event.label,
        "score": event.score,
        "data": dict(event.data),
        "alert": event.alert,
        "snapshot": event.id in kept.snapshots,
        "clip": event.id in kept.clips,
    }


def _stream(router: APIRouter, page: PageServices, ending: Callable[[], bool]) -> None:
    followers: set[_Follower] = set()

    @router.get(
        "/v1/events/stream",
        responses={
            **documented(),
            200: {"description": "Events as they come", "content": {"text/event-stream": {"schema": _STREAM}}},
        },
        response_class=Response,
        summary="Tell what happens as it happens, until the client goes",
    )
    async def stream() -> Response:
        if len(followers) >= MOST_FOLLOWERS:
            raise BusyError(f"{MOST_FOLLOWERS} clients follow the events already; close one")
        follower = _Follower(page, ending)
        followers.add(follower)

        def leave() -> None:
            followers.discard(follower)
            follower.leave()

        return Streaming(follower.pieces(), leave, "text/event-stream")


class _Follower:
    """A client that hears of each event."""

    def __init__(self, page: PageServices, ending: Callable[[], bool]) -> None:
        self._ending = ending
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Queue[ToldEvent] = asyncio.Queue(WAITING)
        self.leave = page.events.follow(self._take)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield server-sent events (WHATWG HTML, 9.2); a comment now and then keeps the connection open."""
        yield b": following\n\n"
        said_at = time.monotonic()
        while not self._ending():
            try:
                event = await asyncio.wait_for(self._waiting.get(), _TICK_S)
            except TimeoutError:
                if time.monotonic() - said_at < ALIVE_S:
                    continue
                piece = b": alive\n\n"
            else:
                piece = b"id: %b\nevent: event\ndata: %b\n\n" % (event.id.encode("ascii", "replace"), _line(event))
            said_at = time.monotonic()
            yield piece

    def _take(self, event: ToldEvent) -> None:
        # The loop ends with the server, whoever still tells.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._put, event)

    def _put(self, event: ToldEvent) -> None:
        if self._waiting.full():
            self._waiting.get_nowait()
        self._waiting.put_nowait(event)


def _line(event: ToldEvent) -> bytes:
    return json_bytes(told(event, Kept()))


def _evidence(router: APIRouter, page: PageServices, hands: Hands) -> None:
    async def reply(path: pathlib.Path | None, event: str, what: str, kinds: Mapping[str, str]) -> Response:
        data = await hands.do(_read, path, event, what)
        return Response(data, media_type=kinds.get(path.suffix if path else "", "application/octet-stream"))

    @router.get(
        "/v1/events/{event}/snapshot",
        responses={**documented(), 200: {"description": "The picture", "content": _files(_PICTURES)}},
        response_class=Response,
        summary="Show the picture that was kept of an alert",
    )
    async def snapshot(
        event: _ID,
        boxes: Annotated[bool, Query(description="With what was found drawn in.")] = True,  # noqa: FBT002 - a query
    ) -> Response:
        path = await hands.do(able(page.evidence, "evidence").snapshot, event, boxes=boxes)
        return await reply(path, event, "picture", _PICTURES)

    @router.get(
        "/v1/events/{event}/clip",
        responses={**documented(), 200: {"description": "The film", "content": _files(_FILMS)}},
        response_class=Response,
        summary="Show the film that was kept of an alert",
    )
    async def clip(event: _ID) -> Response:
        path = await hands.do(able(page.evidence, "evidence").clip, event)
        return await reply(path, event, "film", _FILMS)


def _files(kinds: Mapping[str, str]) -> dict[str, Any]:
    return {media: {"schema": {"type": "string", "format": "binary"}} for media in kinds.values()}


def _read(path: pathlib.Path | None, event: str, what: str) -> bytes:
    """Return a file that is kept of an event."""
    missing = RequestError(f"no {what} is kept of event {event}", 404, param="event", code="no_evidence")
    if path is None:
        raise missing
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES)
    except FileNotFoundError:
        # What is too old is removed at any time.
        raise missing from None


def _feedback(router: APIRouter, page: PageServices, hands: Hands) -> None:
    @router.post(
        "/v1/events/{event}/feedback",
        responses={**documented(), 200: {"model": FeedbackReply}},
        summary="Say that an alert was fine and needs no alert, or was right",
    )
    async def feedback(event: _ID, body: FeedbackBody) -> Response:
        await hands.do(able(page.give_feedback, "feedback"), event, body.verdict)
        return JsonReply({"event": event, "verdict": body.verdict})
