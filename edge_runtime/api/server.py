"""The HTTP server: OpenAI's API for other programs, every error in OpenAI's shape."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from edge_runtime.api.admission import Admission
from edge_runtime.api.audio_routes import audio_routes
from edge_runtime.api.box_routes import box_routes
from edge_runtime.api.camera_routes import camera_routes
from edge_runtime.api.chat_routes import chat_routes
from edge_runtime.api.connections import connection_type
from edge_runtime.api.embedding_routes import embedding_routes
from edge_runtime.api.event_routes import event_routes
from edge_runtime.api.going import ClientGoneError
from edge_runtime.api.limits import HttpLimits
from edge_runtime.api.model_names import ModelNames
from edge_runtime.api.owner_routes import owner_routes
from edge_runtime.api.page_routes import page_routes
from edge_runtime.api.picture_source import PictureSource
from edge_runtime.api.refusal import RequestError, error_body, json_bytes
from edge_runtime.api.remote_pictures import RemotePictures
from edge_runtime.api.staff import Staff
from edge_runtime.api.wrong_bodies import explained
from edge_runtime.errors import BusyError, EdgeError, InputError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.api.capabilities import Capabilities

log = logging.getLogger(__name__)

_TICK_S = 0.1
_BACKLOG = 128
_WHY = {404: "there is no such address here", 405: "this address does not know the method"}


@dataclass(frozen=True, slots=True)
class Entrance:
    """Where the server is found and whom it lets in.

    Attributes:
        host: address to listen on.
        port: 0 takes a free one.
        token: what clients must show.
        names: of this box, besides its addresses.
        remote_pictures: hosts that pictures are fetched from.
        limits: how much of the box clients may take.
    """

    host: str
    port: int
    token: str
    names: tuple[str, ...] = ()
    remote_pictures: tuple[str, ...] = ()
    limits: HttpLimits = field(default_factory=HttpLimits)


class ApiServer:
    """Serves in the thread that calls `serve`.

    Attributes:
        port: where it listens, once it does.
        listening: set while it does.
    """

    def __init__(self, can: Capabilities, entrance: Entrance) -> None:
        self.port = entrance.port
        self.listening = threading.Event()
        self._can = can
        self._entrance = entrance
        self._socket: socket.socket | None = None

    @property
    def url(self) -> str:
        """Return the address that clients are given."""
        host = self._entrance.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/v1"

    def open(self) -> None:
        """Take the port, so that a wrong one is known before anything else begins; `serve` does it otherwise.

        Raises:
            SourceError: the address cannot be listened on.
        """
        host, port = self._entrance.host, self.port
        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
            self._socket = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        except OSError as error:
            where = f"{host}:{port}"
            advice = "choose another api.port or api.host"
            raise SourceError(f"the API cannot listen on {where} ({error.strerror or error}); {advice}") from None
        # asyncio does so by itself, but not for a socket that it is handed: each reply would wait 40 ms for its end.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port = int(self._socket.getsockname()[1])

    def close(self) -> None:
        """Give the port back where `serve` was never called."""
        if self._socket:
            self._socket.close()

    def serve(self, stopping: threading.Event, alive: Callable[[], None]) -> None:
        """Serve until `stopping` is set, calling `alive` several times a second.

        Raises:
            SourceError: the address cannot be listened on.
        """
        asyncio.run(self._serve(stopping, alive))

    async def _serve(self, stopping: threading.Event, alive: Callable[[], None]) -> None:
        if self._socket is None:
            self.open()
        assert self._socket is not None  # noqa: S101 - opened above
        listener, self._socket = self._socket, None
        limits, staff = self._entrance.limits, Staff()
        app = Admission(
            self.app(staff, stopping.is_set),
            self._entrance.token,
            (*self._entrance.names, self._entrance.host),
            limits,
            self._can.metrics,
        )
        # It would log what is wrong with every form that a client sends.
        logging.getLogger("python_multipart").setLevel(logging.ERROR)
        server = uvicorn.Server(_config(app, limits))
        serving = asyncio.create_task(server.serve([listener]))
        try:
            while not stopping.is_set() and not serving.done():
                alive()
                if server.started and not self.listening.is_set():
                    self.listening.set()
                    log.info("http: listening on %s", self.url)
                await asyncio.sleep(_TICK_S)
        finally:
            self.listening.clear()
            server.should_exit = True
            await serving
            await staff.rest(limits.stop_s)

    def app(self, staff: Staff, ending: Callable[[], bool]) -> FastAPI:
        """Return the application behind admission."""
        names = ModelNames(self._can.bundle)
        remote = RemotePictures(self._entrance.remote_pictures, self._entrance.limits.body_bytes)
        pictures = PictureSource(remote, staff.hands)
        # The interactive pages load their programs from the internet.
        app = FastAPI(
            title="edge-runtime", version=self._can.version, docs_url=None, redoc_url=None, redirect_slashes=False
        )
        app.include_router(chat_routes(self._can, names, pictures, staff, ending))
        app.include_router(embedding_routes(self._can, names, pictures, staff.hands))
        app.include_router(audio_routes(self._can, names, staff))
        app.include_router(box_routes(self._can, names))
        if page := self._can.page:
            app.include_router(page_routes())
            app.include_router(camera_routes(page, staff.hands))
            app.include_router(event_routes(page, staff.hands, ending))
            app.include_router(owner_routes(self._can, page, staff.hands))
        _explain_errors(app)
        _describe(app, names)
        return app


def _config(app: Admission, limits: HttpLimits) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=connection_type(limits),
        ws="none",
        lifespan="off",
        loop="asyncio",
        interface="asgi3",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=limits.head_bytes,
        timeout_keep_alive=int(limits.idle_s),
        timeout_graceful_shutdown=int(limits.stop_s),
    )


def _explain_errors(app: FastAPI) -> None:
    """Tell every error in OpenAI's shape."""

    def told(error: RequestError) -> Response:
        return Response(json_bytes(error.body), error.status, error.headers, media_type="application/json")

    def refused(_: Request, error: Exception) -> Response:
        if isinstance(error, RequestError):
            return told(error)
        if isinstance(error, InputError):
            return told(RequestError(str(error)))
        if isinstance(error, BusyError):
            return told(RequestError(str(error), 503, code="busy", retry_after_s=1))
        log.warning("http: %s", error)
        return told(RequestError(str(error), 503))

    def wrong(_: Request, error: Exception) -> Response:
        return told(explained(error) if isinstance(error, RequestValidationError) else RequestError("wrong request"))

    def no_such(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
        why = _WHY.get(error.status_code, str(error.detail))
        body = json_bytes(error_body(why, error.status_code))
        return Response(body, error.status_code, error.headers, media_type="application/json")

    def broken(_: Request, __: Exception) -> Response:
        return told(RequestError("a fault of this program; its log says more", 500))

    app.add_exception_handler(EdgeError, refused)
    app.add_exception_handler(RequestValidationError, wrong)
    app.add_exception_handler(HTTPException, no_such)
    app.add_exception_handler(ClientGoneError, lambda _, __: Response(status_code=499))
    app.add_exception_handler(Exception, broken)


def _describe(app: FastAPI, names: ModelNames) -> None:
    """Mend FastAPI's own description: errors of validation are 400 here, and the token is asked for everywhere."""
    document: dict[str, Any] = app.openapi()
    for operations in document["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
    schemas = document["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    known = {"SpeechBody": names.mouths, "Body_transcribe_v1_audio_transcriptions_post": names.ears}
    for name, schema in schemas.items():
        if "model" in schema["properties"] and "Body" in name:
            schema["properties"]["model"]["enum"] = list(known.get(name, names.listed))
    document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"token": []}]
    app.openapi_schema = document
