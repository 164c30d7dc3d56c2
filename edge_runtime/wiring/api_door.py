"""What the rooms can do, as the HTTP API wants it, and the token that its clients show."""

from __future__ import annotations

import logging
import os
import re
import secrets
import socket
import stat
import subprocess
import threading
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from edge_runtime import __version__
from edge_runtime.api.audio_routes import VOICES
from edge_runtime.api.capabilities import Capabilities, Health
from edge_runtime.api.limits import HttpLimits
from edge_runtime.api.server import ApiServer, Entrance
from edge_runtime.errors import CloudProtocolError, ConfigError, InputError
from edge_runtime.inference.tts import TextToSpeech
from edge_runtime.sources.resampling import Resampler
from edge_runtime.wiring.doors import transcriber
from edge_runtime.wiring.ears import make_voice

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from pathlib import Path

    from edge_runtime.api.capabilities import Asks, Speaks
    from edge_runtime.api.page_services import PageServices
    from edge_runtime.config import Settings
    from edge_runtime.metrics import Metrics
    from edge_runtime.pipelines.dictation import Dictation
    from edge_runtime.pipelines.voice import VoicePipeline
    from edge_runtime.runtime import Runtime
    from edge_runtime.sections import SpeechSettings
    from edge_runtime.sentences import Source
    from edge_runtime.types import AudioChunk, Sound
    from edge_runtime.wiring.assembly import Models

log = logging.getLogger(__name__)

TOKEN_FILE = "api-token"  # noqa: S105 - a file's name
_TOKEN_VARIABLE = "EDGE_API_TOKEN"  # noqa: S105
_TOKEN_BYTES = 32
_SHORTEST_TOKEN = 16
PICTURES_PER_REQUEST = 10
"""So many small live pictures count as one request."""
_SLOWEST, _FASTEST = 0.5, 2.5
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_VARIANT = re.compile(r"[mf][1-8]|croak|whisper")


@dataclass(frozen=True, slots=True)
class Parts:
    """What the API is made of.

    Attributes:
        models: embed texts and pictures.
        submit: takes questions.
        metrics: of the box.
        runtime: returns what runs the box, None before it does.
        voice: makes a pipeline of the home's recogniser; made when it is first needed where the box has none.
        questions: sentences that it is to know besides those of the home.
        dictation: writes down what the recogniser does not know.
        page: what the page shows and does.
    """

    models: Models
    submit: Asks
    metrics: Metrics
    runtime: Callable[[], Runtime | None]
    voice: Callable[[], VoicePipeline] | None
    questions: Source | None
    dictation: Dictation | None
    page: PageServices | None = None


def api_server(settings: Settings, parts: Parts) -> ApiServer:
    """Return the HTTP server of a box.

    Raises:
        ConfigError: its token cannot be kept, or is too short.
    """
    api, manifest = settings.api, parts.models.manifest
    can = Capabilities(
        __version__,
        manifest.name,
        parts.submit,
        parts.models.embedder.embed_text if manifest.text else f"bundle {manifest.name} has no model for it",
        parts.models.embedder.embed_image if manifest.image else f"bundle {manifest.name} has no model for it",
        Ears(settings, parts).transcribe,
        _speech(settings.speech),
        check_schema,
        Resampler,
        lambda: _health(parts.runtime()),
        parts.metrics,
        parts.page,
    )
    limits = HttpLimits(
        body_bytes=round(api.max_body_mb * 2**20),
        held_bytes=round(4 * api.max_body_mb * 2**20),
        requests_per_minute=api.requests_per_minute,
        pictures_per_minute=PICTURES_PER_REQUEST * api.requests_per_minute,
    )
    if api.host not in _LOOPBACK:
        log.warning(
            "http: the API listens on %s without encryption; let a proxy with a certificate stand before it", api.host
        )
    host = socket.gethostname()
    names = (*api.names, host, f"{host.partition('.')[0]}.local")
    token, _ = token_of(settings)
    return ApiServer(can, Entrance(api.host, api.port, token, names, api.remote_pictures, limits))


def token_of(settings: Settings) -> tuple[str, str]:
    """Return the token that clients show, and where its owner finds it; it is made when there is none.

    Raises:
        ConfigError: it is too short, or cannot be read or kept.
    """
    given = settings.secrets.api_token
    if given is not None:
        return _long_enough(given.get_secret_value(), _TOKEN_VARIABLE), f"in {_TOKEN_VARIABLE}"
    path = settings.device.data_dir.expanduser() / TOKEN_FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        try:
            _make(path, token)
        except FileExistsError:
            return _long_enough(_read(path), str(path)), f"in {path}"
    except (OSError, UnicodeDecodeError) as error:
        advice = f"mend it, or set {_TOKEN_VARIABLE}"
        raise ConfigError(f"the API's token cannot be kept in {path} ({error}); {advice}") from None
    return token, f"in {path}, made just now"


def _make(path: Path, token: str) -> None:
    """Write the token's file, which is whole as soon as it is there, whatever is cut off or begun at the same time."""
    if os.path.lexists(path):
        raise FileExistsError
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as stream:
            stream.write(f"{token}\n")
            stream.flush()
            os.fsync(stream.fileno())
        # Unlike a renaming, a link never replaces the token of somebody who was faster.
        os.link(draft, path)
    except PermissionError:
        # A memory card's own file system knows no links.
        draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)


def _read(path: Path) -> str:
    # A link might lead to anything, and what others can write is no secret.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), encoding="ascii") as stream:
        if stat.S_IMODE(os.fstat(stream.fileno()).st_mode) & 0o077:
            os.fchmod(stream.fileno(), 0o600)
        return stream.read(4096).strip()


def _long_enough(token: str, where: str) -> str:
    token = token.strip()
    if len(token) < _SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        what = f"at least {_SHORTEST_TOKEN} letters, digits and signs of ASCII, without spaces"
        raise ConfigError(f"the API's token in {where} is no good; it needs {what}")
    return token


def _health(runtime: Runtime | None) -> Health:
    return Health(runtime.well, runtime.states()) if runtime else Health(ready=False, states={})


def check_schema(schema: Mapping[str, object]) -> None:
    """Refuse a JSON schema that answers cannot be held against, before anybody is asked.

    Raises:
        InputError: saying why.
    """
    from edge_runtime.cloud.answer_format import AnswerFormat  # noqa: PLC0415 - few clients want one

    try:
        AnswerFormat(schema)
    except CloudProtocolError as error:
        raise InputError(str(error)) from None


class Ears:
    """Write down speech; the home's recogniser is loaded when it is first needed, for few clients speak."""

    def __init__(self, settings: Settings, parts: Parts) -> None:
        self._settings = settings
        self._parts = parts
        self._loading = threading.Lock()

    def transcribe(self, chunk: AudioChunk) -> str:
        """Return the words in an utterance, empty where none were understood."""
        with self._loading:
            write = self._write
        return write(chunk)

    @cached_property
    def _write(self) -> Callable[[AudioChunk], str]:
        settings, parts = self._settings, self._parts
        voice = parts.voice or make_voice(settings, parts.models, parts.questions)
        return transcriber(voice(), settings.voice.min_confidence, parts.dictation)


def _speech(settings: SpeechSettings) -> Speaks | str:
    try:
        TextToSpeech(settings).close()
    except ConfigError as error:
        return str(error)
    return Tongue(settings)


class Tongue:
    """Speaks for clients, each text by a synthesiser of its own, so that "stop" silences the box alone."""

    def __init__(self, settings: SpeechSettings) -> None:
        self._settings = settings
        self._checking = TextToSpeech(settings)

    def check(self, text: str, voice: str | None) -> None:
        """Refuse what cannot be said, and voices that there are not.

        Raises:
            InputError: saying why.
        """
        self._checking.check(text)
        if self._settings.backend == "piper":
            known = voice in VOICES.values()
        else:
            name, _, variant = (voice or self._settings.voice).partition("+")
            known = name.lower() in self._voices and (not variant or _VARIANT.fullmatch(variant) is not None)
        if voice is not None and not known:
            raise InputError(f"there is no voice {voice!r}; choose one of {', '.join(VOICES)}")

    def pieces(self, text: str, voice: str | None, speed: float) -> Generator[Sound]:
        """Yield the speech piece by piece; raises SpeechError where the synthesiser fails."""
        changed: dict[str, object] = {"rate": min(max(self._settings.rate * speed, _SLOWEST), _FASTEST)}
        if voice is not None and self._settings.backend != "piper":
            changed["voice"] = voice
        speaking = TextToSpeech(self._settings.model_copy(update=changed))
        try:
            yield from speaking.pieces(text)
        finally:
            speaking.close()

    @cached_property
    def _voices(self) -> frozenset[str]:
        listed = subprocess.run(
            ["espeak-ng", "--voices"],  # noqa: S607 - found as the synthesiser finds it
            capture_output=True, text=True, timeout=self._settings.timeout_s, check=False,
        )  # fmt: skip
        return frozenset(line.split()[1].lower() for line in listed.stdout.splitlines()[1:] if len(line.split()) > 1)
