"""What works on this box, what does not, and what to do about it."""

from __future__ import annotations

import ipaddress
import os
import shutil
import time
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from edge_runtime.errors import EdgeError
from edge_runtime.sinks.broker import answers
from edge_runtime.sources.opening import open_camera, open_microphone
from edge_runtime.types import Sound
from edge_runtime.wiring.assembly import Models
from edge_runtime.wiring.dictation import make_dictation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edge_runtime.config import MicrophoneSettings, Settings
    from edge_runtime.sections import SpeechSettings
    from edge_runtime.watch_sections import CameraSettings

LEAST_FREE_MB = 200
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_FIRST_YEAR = 2024

Finding = dict[str, Any]


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield {"check", "status": ok|warn|fail, "detail", "advice"} for everything the settings ask for."""
    yield _tried("model", lambda: _model(settings), "reinstall the package, or name another bundle in vision.bundle")
    for camera in settings.cameras:
        advice = "check the cable, the address and the password; try the address in a video player"
        yield _tried(f"camera {camera.name}", _first_frame(camera), advice)
    for microphone in settings.microphones:
        advice = "plug it in, choose another with microphones[].device, or install edge-runtime[mic]"
        yield _tried(f"microphone {microphone.name}", _first_chunk(microphone), advice)
    if settings.voice.dictation.backend != "none":
        yield _tried(
            "dictation", lambda: _dictation(settings), "see docs/dictation.md, or set voice.dictation.backend: none"
        )
    yield from _speech(settings.speech)
    if not settings.cameras and not settings.microphones:
        yield _finding("sources", "warn", "the settings name no camera and no microphone", "add some under cameras:")
    yield from _wyoming(settings)
    yield from _answers(settings)
    yield _broker(settings)
    yield _clock()
    yield _disk(settings.device.data_dir.expanduser())
    yield _cloud(settings)


def _finding(check: str, status: str, detail: str, advice: str = "") -> Finding:
    return {"check": check, "status": status, "detail": detail, "advice": advice}


def _tried(check: str, probe: Callable[[], str], advice: str) -> Finding:
    try:
        return _finding(check, "ok", probe())
    except EdgeError as error:
        return _finding(check, "fail", str(error), advice)


def _model(settings: Settings) -> str:
    models = Models.of(settings)
    began = time.perf_counter()
    provider = models.image.providers[0]
    spent_ms = 1000 * (time.perf_counter() - began)
    return f"{models.manifest.name} {models.manifest.version} is whole; loaded in {spent_ms:.0f} ms by {provider}"


def _dictation(settings: Settings) -> str:
    began = time.perf_counter()
    make_dictation(settings.voice.dictation, settings.device.threads)
    return f"{settings.voice.dictation.folder} is whole; loaded in {time.perf_counter() - began:.1f} s"


def _first_frame(camera: CameraSettings) -> Callable[[], str]:
    def probe() -> str:
        source = open_camera(camera)
        began = time.perf_counter()
        try:
            frame = next(iter(source.frames()))
        finally:
            source.close()
        height, width = frame.image.shape[:2]
        return f"{width}x{height}, first picture after {time.perf_counter() - began:.1f} s"

    return probe


def _first_chunk(microphone: MicrophoneSettings) -> Callable[[], str]:
    def probe() -> str:
        source = open_microphone(microphone)
        try:
            chunk = next(iter(source.chunks()))
        finally:
            source.close()
        return f"delivers; peak {abs(chunk.samples).max():.3f} of full scale"

    return probe


def _speech(speech: SpeechSettings) -> Iterator[Finding]:
    if not speech.enabled:
        yield _finding("speech", "ok", "switched off: nothing is spoken")
        return
    yield _tried("speech", lambda: _voice(speech), "see speech.backend, speech.voice and speech.piper_voice")
    advice = "plug it in, choose another with speech.device, or install edge-runtime[mic]"
    yield _tried("speaker", lambda: _silence(speech.device), advice)


def _voice(speech: SpeechSettings) -> str:
    from edge_runtime.inference.tts import TextToSpeech  # noqa: PLC0415 - few boxes speak

    began = time.perf_counter()
    sound = TextToSpeech(speech).synthesize("It works.")
    spent_s, speech_s = time.perf_counter() - began, len(sound.samples) / sound.rate_hz
    return f"{speech.backend} made {speech_s:.1f} s of speech in {spent_s:.2f} s"


def _silence(device: str) -> str:
    from edge_runtime.sinks.playback import Playback  # noqa: PLC0415 - few boxes speak

    with closing(Playback(device)) as playback:
        playback.play([Sound(np.zeros(4800, np.float32), 48_000)], 0.0, lambda: None)
    return f"{device} plays"


def _wyoming(settings: Settings) -> Iterator[Finding]:
    wyoming = settings.wyoming
    if not wyoming.enabled:
        yield _finding("wyoming", "ok", "switched off: nobody else uses the ears and the mouth")
        return
    networks = [ipaddress.ip_network(text, strict=False) for text in wyoming.allowed_clients]
    listens = f"{wyoming.host}:{wyoming.port} for {', '.join(wyoming.services)}"
    if wyoming.host not in _LOOPBACK and all(network.is_loopback for network in networks):
        advice = "add the address of Home Assistant to wyoming.allowed_clients"
        yield _finding("wyoming", "warn", f"{listens}, but only this machine may connect", advice)
    elif any(network.prefixlen == 0 for network in networks):
        advice = "name Home Assistant alone in wyoming.allowed_clients; Wyoming knows no passwords"
        yield _finding("wyoming", "warn", f"{listens}, and anybody in reach may connect", advice)
    else:
        yield _finding("wyoming", "ok", f"{listens}; may connect: {', '.join(wyoming.allowed_clients)}")
    if wyoming.satellite.enabled:
        yield _tried("satellite", lambda: _satellite(settings), "see docs/wyoming.md")


def _satellite(settings: Settings) -> str:
    from edge_runtime.wiring.doors import satellite_microphone  # noqa: PLC0415 - few boxes are one

    satellite, what = settings.wyoming.satellite, "after a wake word"
    if satellite.always_stream:
        what = "at all times"
    return f"sound of microphone {satellite_microphone(settings)} leaves this box {what}, on port {satellite.port}"


def _answers(settings: Settings) -> Iterator[Finding]:
    """Yield what answers questions besides the skills, and who may ask over HTTP."""
    try:
        yield _gate(settings)
    except EdgeError as error:
        yield _finding("gate", "fail", str(error), "run `edge-runtime gate fit`, or remove the file")
    if settings.mind.bundle is not None:
        yield _tried("mind", lambda: _mind(settings), "see docs/generative.md, or unset mind.bundle")
    if settings.knowledge.paths:
        yield _tried("knowledge", lambda: _knowledge(settings), "correct the file, or take it out of knowledge.paths")
    api = settings.api
    if api.enabled:
        inside = api.host in _LOOPBACK
        advice = "" if inside else "let a proxy with a certificate stand before it, and name it in api.names"
        said = f"{api.host}:{api.port}" + ("" if inside else ", reachable from outside without encryption")
        yield _finding("api", "ok" if inside else "warn", said, advice)


def _gate(settings: Settings) -> Finding:
    from edge_runtime.wiring.gates import status  # noqa: PLC0415 - the doctor says first whether the model is whole

    found = status(settings, Models.of(settings))
    said = f"the box answers from a confidence of {found['threshold']:.2f} on"
    if found["gate"] is None:
        return _finding("gate", "ok", f"{said} ({found['why']}); none was fitted")
    fit = "run `edge-runtime gate fit` on new rows"
    if not found["usable"]:
        return _finding("gate", "warn", f"{found['gate']} was fitted with another text model and is not used", fit)
    if found["drift"]["alarm_since"] is not None:
        return _finding("gate", "warn", f"answers are no longer like those {found['gate']} was fitted to", fit)
    if found["threshold"] > 1:
        return _finding("gate", "warn", f"{found['gate']} lets nothing stay here", "fit it to more rows")
    return _finding("gate", "ok", f"{said} ({found['gate']})")


def _mind(settings: Settings) -> str:
    from edge_runtime.prompts.book import PromptBook  # noqa: PLC0415 - few boxes have one
    from edge_runtime.wiring.mind import make_mind  # noqa: PLC0415

    began = time.perf_counter()
    make_mind(settings, PromptBook(settings.answering.prompts))
    return f"{settings.mind.bundle} is whole; loaded in {time.perf_counter() - began:.1f} s"


def _knowledge(settings: Settings) -> str:
    from edge_runtime.wiring.knowledge import make_library  # noqa: PLC0415 - few boxes have one

    make_library(settings, Models.of(settings))
    return f"{', '.join(str(path) for path in settings.knowledge.paths)} can be read"


def _broker(settings: Settings) -> Finding:
    mqtt = settings.mqtt
    if not mqtt.enabled:
        return _finding("broker", "warn", "switched off: events are not published", "set mqtt.enabled to true")
    if answers(mqtt.host, mqtt.port):
        return _finding("broker", "ok", f"{mqtt.host}:{mqtt.port} accepts connections")
    advice = (
        "start it (Debian: apt install mosquitto), or correct mqtt.host and mqtt.port; events wait on disk meanwhile"
    )
    return _finding("broker", "fail", f"nothing answers at {mqtt.host}:{mqtt.port}", advice)


def _clock() -> Finding:
    now = datetime.now(UTC)
    if now.year < _FIRST_YEAR:
        advice = "let it reach a time server (timedatectl set-ntp true); TLS and daily limits depend on the date"
        return _finding("clock", "fail", f"it is set to {now:%Y-%m-%d}", advice)
    return _finding("clock", "ok", f"{now:%Y-%m-%d %H:%M} UTC")


def _disk(folder: Path) -> Finding:
    there = next(parent for parent in (folder, *folder.resolve().parents) if parent.exists())
    free_mb = shutil.disk_usage(there).free // 2**20
    if not os.access(there, os.W_OK):
        return _finding(
            "disk", "fail", f"{there} is not writable", "choose another device.data_dir, or give access to it"
        )
    status, advice = (
        ("ok", "") if free_mb >= LEAST_FREE_MB else ("fail", "free some space; events need it in an outage")
    )
    return _finding("disk", status, f"{free_mb} MB free at {there}", advice)


def _cloud(settings: Settings) -> Finding:
    if not settings.cloud.enabled:
        return _finding("cloud", "ok", "switched off: nothing leaves this box")
    from edge_runtime.wiring.cloud import key_of  # noqa: PLC0415 - few boxes ask the cloud

    keyless = [one for one in settings.cloud.providers if key_of(settings, one) is None]
    # An address may hold a password.
    hosts = {one.name: urlsplit(one.base_url).netloc.rpartition("@")[2] for one in settings.cloud.providers}
    who = ", ".join(
        f"{one.name} ({one.model} at {hosts[one.name]})" for one in settings.cloud.providers if one not in keyless
    )
    advice = "; ".join(f"set {one.key_env} to the key of {one.name}" for one in keyless)
    if not who:
        return _finding("cloud", "fail", "switched on without a key", advice)
    said = f"{who}; {_money(settings)}; not called by this check"
    return _finding("cloud", "warn" if keyless else "ok", said, advice)


def _money(settings: Settings) -> str:
    """Return the caps, and what is gone of them where something is."""
    from edge_runtime.wiring.cloud import SPENDING, spent_now  # noqa: PLC0415

    budget = settings.cloud.budget
    amounts = (budget.usd_per_minute, budget.usd_per_day, budget.usd_per_month)
    caps = "at most {:g} USD a minute, {:g} a day, {:g} a month".format(*amounts)
    if not (settings.device.data_dir.expanduser() / SPENDING).exists():
        return caps
    try:
        gone = {one.name: one.spent + one.reserved for one in spent_now(settings)}
    except EdgeError as error:
        return f"{caps}; {error}"
    return f"{caps}, of which {gone['day']:.4f} are gone today and {gone['month']:.4f} this month"
