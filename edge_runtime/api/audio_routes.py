"""The addresses of ears and mouth: /v1/audio/transcriptions and /v1/audio/speech."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, File, Form, Request, Response, UploadFile

from edge_runtime.api.bodies import SpeechBody  # noqa: TC001 - FastAPI reads the annotations
from edge_runtime.api.going import unless_gone
from edge_runtime.api.json_reply import JsonReply
from edge_runtime.api.refusal import RequestError
from edge_runtime.api.replies import TranscriptReply, documented
from edge_runtime.api.sound_files import CONTAINERS, Encoding, recording
from edge_runtime.api.streaming import Streaming
from edge_runtime.types import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator

    from edge_runtime.api.capabilities import Capabilities
    from edge_runtime.api.model_names import ModelNames
    from edge_runtime.api.staff import Staff
    from edge_runtime.types import Sound

# OpenAI's voices have no other likeness here than that they differ.
VOICES = {
    "default": None, "alloy": "en-us", "ash": "en-us+m3", "ballad": "en-gb", "cedar": "en-us+m7", "coral": "en-us+f3",
    "echo": "en-us+m1", "fable": "en-gb+m2", "marin": "en-us+f4", "nova": "en-us+f2", "onyx": "en-us+m5",
    "sage": "en-gb+f1", "shimmer": "en-us+f1", "verse": "en-us+m4",
}  # fmt: skip
_FORMS = Literal["json", "text", "verbose_json", "srt", "vtt"]
_TIMELESS = {"srt", "vtt"}


def audio_routes(can: Capabilities, names: ModelNames, staff: Staff) -> APIRouter:
    """Return the addresses of ears and mouth."""
    router = APIRouter()
    _ears(router, can, names, staff)
    _mouth(router, can, names, staff)
    return router


def _ears(router: APIRouter, can: Capabilities, names: ModelNames, staff: Staff) -> None:
    @router.post(
        "/v1/audio/transcriptions",
        responses={
            **documented(),
            200: {
                "model": TranscriptReply,
                "description": "What was said; plain text where `response_format` is text",
                "content": {"text/plain": {"schema": {"type": "string"}}},
            },
        },
        summary="Write down speech",
    )
    async def transcribe(
        request: Request,
        file: Annotated[UploadFile, File(description="A WAV, MP3, FLAC or Ogg file of at most ten minutes.")],
        model: Annotated[str, Form(min_length=1)],
        response_format: Annotated[_FORMS, Form()] = "json",
        language: Annotated[str | None, Form(description="Accepted; the settings decide.")] = None,  # noqa: ARG001
    ) -> Response:
        names.check_ears(model)
        if response_format in _TIMELESS:
            why = f"{response_format} is not written here, for the times of words are not known; ask for json or text"
            raise RequestError(why, param="response_format", code="unsupported_value")
        write = can.transcribe
        if isinstance(write, str):
            raise RequestError(
                f"this box cannot write down speech: {write}", 404, param="model", code="model_not_found"
            )
        chunk = await staff.ears.do(recording, await file.read(), can.resampler, "file")
        text = await unless_gone(request.receive, staff.ears.do(write, chunk))
        if response_format == "text":
            return Response(text + "\n", media_type="text/plain")
        seconds = len(chunk.samples) / SAMPLE_RATE_HZ
        return JsonReply(_told(text, seconds, response_format))


def _mouth(router: APIRouter, can: Capabilities, names: ModelNames, staff: Staff) -> None:
    @router.post(
        "/v1/audio/speech",
        responses={
            **documented(),
            200: {
                "description": "The speech",
                "content": {
                    kind.media: {"schema": {"type": "string", "format": "binary"}} for kind in CONTAINERS.values()
                },
            },
        },
        response_class=Response,
        summary="Speak a text",
    )
    async def speak(body: SpeechBody, request: Request) -> Response:
        names.check_mouth(body.model)
        speech = can.speech
        if isinstance(speech, str):
            raise RequestError(f"this box cannot speak: {speech}", 404, param="model", code="model_not_found")
        voice = VOICES.get(body.voice, body.voice)
        speech.check(body.input, voice)
        container = CONTAINERS[body.response_format or "mp3"]
        spoken = _Spoken(speech.pieces(body.input, voice, body.speed or 1.0), Encoding(container, can.resampler), staff)
        first = await spoken.first(request)
        return Streaming(spoken.all(first), spoken.stop, container.media)


def _told(text: str, seconds: float, form: str) -> dict[str, Any]:
    if form == "json":
        return {"text": text}
    return {"task": "transcribe", "language": "english", "duration": round(seconds, 3), "text": text, "segments": []}


class _Spoken:
    """Speech on its way to a client."""

    def __init__(self, pieces: Generator[Sound], encoding: Encoding, staff: Staff) -> None:
        self._pieces = pieces
        self._encoding = encoding
        self._staff = staff
        self._speaking = self._over = self._unwanted = False
        self._turn = threading.Lock()

    async def first(self, request: Request) -> bytes:
        """Return the first bytes; raises what the synthesiser does, so that it has its status."""
        begun = False
        await unless_gone(request.receive, self._staff.speeches.acquire())
        self._speaking = True
        try:
            ready = await unless_gone(request.receive, self._next())
            begun = True
            return ready
        finally:
            if not begun:
                self.stop()

    async def all(self, first: bytes) -> AsyncIterator[bytes]:
        """Yield the bytes."""
        while first:
            yield first
            first = await self._next()

    def stop(self) -> None:
        """End the speech, which may be over."""
        if self._speaking:
            self._staff.speeches.release()
        self._speaking, self._unwanted = False, True
        # A step that is going on sees it at its end.
        if self._turn.acquire(blocking=False):
            self._pieces.close()
            self._turn.release()

    async def _next(self) -> bytes:
        ready = b""
        while not ready and not self._over:
            ready = await self._staff.mouth.do(self._step)
        return ready

    def _step(self) -> bytes:
        with self._turn:
            piece = None if self._unwanted else next(self._pieces, None)
            if self._unwanted:
                self._pieces.close()
                return b""
            if piece is not None:
                return self._encoding.feed(piece)
            self._over = True
            return self._encoding.end()
