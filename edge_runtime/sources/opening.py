"""Which kind of source an address means."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import cv2

from edge_runtime.errors import InputError
from edge_runtime.sources import launch_pipeline
from edge_runtime.sources.camera import Camera, mask_credentials
from edge_runtime.sources.microphone import Microphone
from edge_runtime.sources.replay import PictureFile, VideoFile, WavFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_runtime.config import MicrophoneSettings
    from edge_runtime.sources.pace import Trouble
    from edge_runtime.types import AudioChunk, Frame
    from edge_runtime.watch_sections import CameraSettings

_STREAM = re.compile(r"(rtsps?|rtmps?|https?|udp|tcp|srt)://.", re.IGNORECASE)
_MOVING = {".gif", ".mjpeg", ".mjpg"}  # they begin like a still picture
_DEVICE = re.compile(r"\d+|/dev/.+")


class FrameSource(Protocol):
    """Where pictures come from; one that is not `live` ends by itself.

    Attributes:
        trouble: what is wrong with pictures that come nevertheless: slow or damaged.
        missed: pictures that this program was too late to take.
    """

    name: str
    live: bool
    trouble: Trouble | None
    missed: int

    def frames(self) -> Iterator[Frame]:
        """Yield pictures; raises SourceError when a live source fails, and may then be called again."""
        ...

    def close(self) -> None:
        """End `frames` soon, from any thread."""
        ...


class ChunkSource(Protocol):
    """Where sound comes from; one that is not `live` ends by itself."""

    name: str
    live: bool

    @property
    def lost(self) -> int:
        """Return how often sound was lost since the beginning."""
        ...

    def chunks(self) -> Iterator[AudioChunk]:
        """Yield sound; raises SourceError when a live source fails, and may then be called again."""
        ...

    def close(self) -> None:
        """End `chunks` soon, from any thread."""
        ...


def open_camera(settings: CameraSettings) -> FrameSource:
    """Return the camera or the file that `settings.url` names; a camera is first contacted by `frames`.

    Raises:
        InputError: the address is of no known kind, or the file cannot be read.
    """
    url = settings.url
    if " ! " in url and not (cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER) or launch_pipeline.is_there()):
        raise InputError(
            f"camera {settings.name}: there is no GStreamer here; install "
            "gstreamer1.0-plugins-good, or use an rtsp:// address or /dev/video0"
        )
    if " ! " in url or _STREAM.match(url) or _DEVICE.fullmatch(url):
        return Camera(settings)
    path = Path(url).expanduser()
    if path.is_file():
        still = path.suffix.lower() not in _MOVING and cv2.haveImageReader(str(path))
        return PictureFile(settings) if still else VideoFile(settings)
    raise InputError(
        f"camera {settings.name}: {mask_credentials(url)!r} is neither a file that exists nor a camera; "
        "use rtsp://..., http://..., /dev/video0, a camera number, or a video or picture file"
    )


def open_microphone(settings: MicrophoneSettings) -> ChunkSource:
    """Return the microphone or the sound file that `settings.device` names; a microphone is opened by `chunks`.

    Raises:
        InputError: the file cannot be read, or microphones are not installed.
    """
    if Path(settings.device).expanduser().is_file():
        return WavFile(settings)
    if importlib.util.find_spec("sounddevice") is None:
        raise InputError(f"microphone {settings.name}: install edge-runtime[mic], or name a sound file")
    return Microphone(settings)
