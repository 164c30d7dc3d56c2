"""A box that serves its HTTP API on loopback: the whole of it, or a simple one that does what the test tells it to."""

from __future__ import annotations

import base64
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from openai import AsyncOpenAI, OpenAI
from pydantic import SecretStr

from edge_runtime.api.capabilities import Capabilities, Health
from edge_runtime.api.limits import HttpLimits
from edge_runtime.api.server import ApiServer, Entrance
from edge_runtime.app import App
from edge_runtime.config import Secrets, Settings
from edge_runtime.metrics import Metrics
from edge_runtime.sources.resampling import Resampler
from edge_runtime.types import Answer, Origin, Sound

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from edge_runtime.types import Question

TOKEN = "a-token-for-tests-0123456789"  # noqa: S105
PATIENCE_S = 60.0


@dataclass
class Api:
    """A running API."""

    port: int
    server: ApiServer
    app: App | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def client(self, **changes: Any) -> OpenAI:
        return OpenAI(**{"base_url": self.url, "api_key": TOKEN, "max_retries": 0, "timeout": PATIENCE_S, **changes})

    def async_client(self, **changes: Any) -> AsyncOpenAI:
        given = {"base_url": self.url, "api_key": TOKEN, "max_retries": 0, "timeout": PATIENCE_S, **changes}
        return AsyncOpenAI(**given)


class Voice:
    """Says a tone as long as the text."""

    def __init__(self, stopped: threading.Event | None = None) -> None:
        self.stopped = stopped or threading.Event()

    def check(self, text: str, voice: str | None) -> None:
        assert text
        assert voice is None or voice

    def pieces(self, text: str, voice: str | None, speed: float) -> Generator[Sound]:  # noqa: ARG002 - as the real one
        try:
            for _ in text.split():
                yield Sound(np.full(round(2205 / speed), 0.25, np.float32), 22_050)
        finally:
            self.stopped.set()


@dataclass
class Mind:
    """Answers in a thread of its own, as the house does; what it is asked is kept."""

    reply: Callable[..., Answer] = lambda question, *_: Answer(f"You said {question.text}.", 0.9, Origin.LOCAL)
    asked: list[Question] = field(default_factory=list)
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(64, "mind"))

    def submit(
        self,
        question: Question,
        on_text: Callable[[str], None] | None = None,
        cancelled: Callable[[], bool] = bool,
    ) -> Future[Answer]:
        self.asked.append(question)
        return self.pool.submit(self.reply, question, on_text, cancelled)


def simple(mind: Mind | None = None, **chosen: Any) -> Capabilities:
    """Everything, by the simplest real thing that does it."""
    offered: dict[str, Any] = {
        "version": "1.2.3",
        "bundle": "omni-nano",
        "submit": (mind or Mind()).submit,
        "embed_text": lambda texts: np.asarray([[len(text), 1.0] for text in texts], np.float32),
        "embed_image": lambda image: np.asarray(image.shape[:2], np.float32),
        "transcribe": lambda chunk: f"{len(chunk.samples) / 16_000:.2f} seconds",
        "speech": Voice(),
        "check_schema": lambda _: None,
        "resampler": Resampler,
        "health": lambda: Health(ready=True, states={"camera": "online"}),
        "metrics": Metrics(),
    }
    return Capabilities(**{**offered, **chosen})


@contextmanager
def open_api(can: Capabilities | None = None, limits: HttpLimits | None = None, **entrance: Any) -> Iterator[Api]:
    """Serve a simple box; fails if the server does not end when it is told to."""
    where = {"host": "127.0.0.1", "port": 0, "token": TOKEN, "limits": limits or HttpLimits(requests_per_minute=10_000)}
    server = ApiServer(can or simple(), Entrance(**{**where, **entrance}))
    stopping = threading.Event()
    thread = threading.Thread(target=server.serve, args=(stopping, lambda: None), name="server")
    thread.start()
    assert server.listening.wait(PATIENCE_S)
    try:
        yield Api(server.port, server)
    finally:
        stopping.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), "the server stops when it is told to"


@contextmanager
def open_box(folder: Path, **sections: Any) -> Iterator[Api]:
    """Run a whole box without a camera or a microphone."""
    api = {"enabled": True, "port": 0, "requests_per_minute": 100_000, **sections.pop("api", {})}
    given = {"device": {"data_dir": folder, "threads": 1}, "mqtt": {"enabled": False}, "api": api, **sections}
    secrets = Secrets(api_token=SecretStr(TOKEN), cloud_api_key=SecretStr("a-key"))
    app = App(Settings.model_validate({**given, "secrets": secrets}), once=False)
    assert app.api
    thread = threading.Thread(target=app.runtime.run, name="box")
    thread.start()
    assert app.api.listening.wait(PATIENCE_S)
    try:
        yield Api(app.api.port, app.api, app)
    finally:
        app.runtime.stop()
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), "the box ends when it is told to"


def until(true: Callable[[], bool], seconds: float = PATIENCE_S) -> bool:
    """Wait until something is true; return whether it came to be."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def written(image: np.ndarray[Any, Any], kind: str = ".png") -> bytes:
    """Return a picture as a file."""
    _, data = cv2.imencode(kind, image)
    return data.tobytes()


def data_url(data: bytes, kind: str = "png") -> str:
    """Return a file as a data URL."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
