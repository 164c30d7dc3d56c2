"""The address on which questions are asked: /v1/chat/completions."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response

from edge_runtime.api.bodies import ChatBody, PicturePart, RefusalPart, SoundPart, TextPart
from edge_runtime.api.chat import Completion, Said, headers_of, question_of
from edge_runtime.api.cutting import tokens
from edge_runtime.api.going import unless_gone
from edge_runtime.api.pictures import decoded
from edge_runtime.api.refusal import RequestError, error_body, json_bytes
from edge_runtime.api.replies import ChatReply, documented
from edge_runtime.api.sound_files import recording
from edge_runtime.api.streaming import Streaming
from edge_runtime.errors import EdgeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from edge_runtime.api.bodies import Message, Part
    from edge_runtime.api.capabilities import Capabilities
    from edge_runtime.api.model_names import ModelNames
    from edge_runtime.api.picture_source import PictureSource
    from edge_runtime.api.staff import Staff
    from edge_runtime.types import Answer, Question

MOST_SOUNDS = 4
_EVENT = {
    "type": "object",
    "required": ["data"],
    "properties": {"data": {"type": "string", "description": "A chat.completion.chunk as JSON; [DONE] at the end."}},
}
_CLIENT_PATIENCE = "x-stainless-read-timeout"
"""OpenAI's own clients tell how long they wait."""


def chat_routes(
    can: Capabilities, names: ModelNames, pictures: PictureSource, staff: Staff, ending: Callable[[], bool]
) -> APIRouter:
    """Return the address on which questions are asked; those that are not answered yet are given up when `ending`."""
    router = APIRouter()
    desk = _Desk(can, pictures, staff, ending)
    described: dict[int | str, dict[str, Any]] = {
        200: {
            "model": ChatReply,
            "description": "The answer; a stream of chat.completion.chunk events where `stream` is true",
            "content": {"text/event-stream": {"schema": _EVENT}},
        }
    }

    @router.post("/v1/chat/completions", responses={**documented(), **described}, summary="Ask a question")
    async def chat(body: ChatBody, request: Request) -> Response:
        names.check(body.model)
        question = await desk.question(body, request)
        return await (desk.stream if body.stream else desk.whole)(body, question, request)

    return router


class _Desk:
    """Takes questions and hands out answers."""

    def __init__(self, can: Capabilities, pictures: PictureSource, staff: Staff, ending: Callable[[], bool]) -> None:
        self._can = can
        self._ending = ending
        self._pictures = pictures
        self._staff = staff

    async def question(self, body: ChatBody, request: Request) -> Question:
        """Return what is asked, its sounds written down and its pictures decoded."""
        parts = [part for message in body.messages for part in _parts(message)]
        if sum(isinstance(part, SoundPart) for part in parts) > MOST_SOUNDS:
            raise RequestError(
                f"more than {MOST_SOUNDS} recordings; send fewer", param="messages", code="too_many_sounds"
            )
        shown = [_pictures(message, f"messages[{at}].content") for at, message in enumerate(body.messages)]
        # Only the newest counts; hundreds of small files would be gigabytes once decoded.
        newest = max((at for at, count in enumerate(shown) if count), default=None)
        said = [
            await self._said(message, f"messages[{at}]", look=at == newest) for at, message in enumerate(body.messages)
        ]
        question = question_of(body, said, _patience(request))
        if question.schema is not None:
            await self._staff.hands.do(self._can.check_schema, question.schema)
        return question

    async def whole(self, body: ChatBody, question: Question, request: Request) -> Response:
        """Return the answer in one piece."""
        gone = threading.Event()
        future = asyncio.wrap_future(self._can.submit(question, None, lambda: gone.is_set() or self._ending()))
        try:
            answer = await unless_gone(request.receive, future)
        finally:
            _let_be(future, gone)
        reply = json_bytes(Completion(body, _asked(question)).whole(answer))
        return Response(reply, headers=headers_of(answer), media_type="application/json")

    async def stream(self, body: ChatBody, question: Question, request: Request) -> Response:
        """Return the answer piece by piece; the headers wait for the first, so that an early error has its status."""
        loop, gone = asyncio.get_running_loop(), threading.Event()
        pieces: asyncio.Queue[str | None] = asyncio.Queue()

        def on_text(piece: str) -> None:
            # The loop ends with the server, whoever still writes.
            if not gone.is_set():
                with suppress(RuntimeError):
                    loop.call_soon_threadsafe(pieces.put_nowait, piece)

        future = asyncio.wrap_future(self._can.submit(question, on_text, lambda: gone.is_set() or self._ending()))
        future.add_done_callback(lambda _: pieces.put_nowait(None))
        begun = False
        try:
            first = await unless_gone(request.receive, pieces.get())
            headers = headers_of(await future) if first is None else {}
            begun = True
        finally:
            if not begun:
                _let_be(future, gone)
        events = _events(Completion(body, _asked(question)), first, pieces, future)
        return Streaming(events, lambda: _let_be(future, gone), "text/event-stream", headers)

    async def _said(self, message: Message, where: str, *, look: bool) -> Said:
        words, pictures = [], []
        for at, part in enumerate(_parts(message)):
            param = f"{where}.content[{at}]"
            if isinstance(part, PicturePart):
                if look:
                    pictures.append(await self._pictures.of(part.image_url.url, f"{param}.image_url.url"))
            elif isinstance(part, SoundPart):
                words.append(await self._words(part, f"{param}.input_audio.data"))
            else:
                words.append(part.refusal if isinstance(part, RefusalPart) else part.text)
        return Said(message.role, "\n".join(word for word in words if word), tuple(pictures))

    async def _words(self, part: SoundPart, param: str) -> str:
        transcribe = self._can.transcribe
        if isinstance(transcribe, str):
            raise RequestError(f"this box cannot write down speech: {transcribe}", param=param, code="not_available")

        def write() -> str:
            return transcribe(recording(decoded(part.input_audio.data, param), self._can.resampler, param))

        return await self._staff.ears.do(write)


def _parts(message: Message) -> list[Part]:
    if isinstance(message.content, str):
        return [TextPart(type="text", text=message.content)]
    return message.content or []


def _pictures(message: Message, param: str) -> int:
    """Return how many pictures a message has, 0 or 1."""
    count = sum(isinstance(part, PicturePart) for part in _parts(message))
    if count > 1:
        why = f"a message has {count} pictures; one can be looked at"
        raise RequestError(why, param=param, code="too_many_images")
    return count


def _asked(question: Question) -> int:
    return tokens(question.text) + sum(tokens(turn.text) for turn in question.history)


def _patience(request: Request) -> float | None:
    """Return how long the client waits, where it says so, less a moment for the way back."""
    try:
        wait_s = float(request.headers.get(_CLIENT_PATIENCE, ""))
    except ValueError:
        return None
    return max(0.9 * wait_s, 0.5) if 0 < wait_s < 86_400 else None


def _let_be(future: asyncio.Future[Answer], gone: threading.Event) -> None:
    """Tell whoever still answers that nobody waits, and overlook what came of it."""
    gone.set()
    if not future.cancel() and not future.cancelled():
        future.exception()


async def _events(
    completion: Completion,
    first: str | None,
    pieces: asyncio.Queue[str | None],
    future: asyncio.Future[Answer],
) -> AsyncIterator[bytes]:
    try:
        yield _event(completion.first())
        piece = first
        while piece is not None:
            for chunk in completion.piece(piece):
                yield _event(chunk)
            piece = await pieces.get()
        chunks = completion.rest(await future)
        if chunks is None:
            yield _event(error_body("the answer broke off; what came so far is not whole", 503, code="stream_broken"))
            return
        for chunk in chunks:
            yield _event(chunk)
        yield b"data: [DONE]\n\n"
    except EdgeError as error:
        yield _event(error_body(str(error), 503))


def _event(body: object) -> bytes:
    return b"data: " + json_bytes(body) + b"\n\n"
