"""Where a capture process takes pictures from: FFmpeg, V4L2 or GStreamer, decoding no more than is asked for."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

import cv2
import numpy as np

from edge_runtime.errors import SourceError
from edge_runtime.sources.faults import MOST_PIXELS, TOO_LARGE

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Room: TypeAlias = Callable[[int], memoryview]
    """Gives so many bytes that pictures go their way in."""

_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
_TRANSPORT = {
    # Over UDP one lost packet smears the picture until the next key frame.
    "auto": "rtsp_flags;prefer_tcp",
    "tcp": "rtsp_transport;tcp",
    "udp": "rtsp_transport;udp",
}
# FFmpeg would watch a camera of 5 pictures a second for 5 s to learn that it sends 5 a second.
_QUICKLY = ("fpsprobesize;0", "analyzeduration;500000")
_SIZE_UNKNOWN = re.compile(r"codec parameters|unspecified size|picture size|not find.*size", re.IGNORECASE)
_JPEG = {"MJPG", "mjpg", "JPEG", "jpeg"}
_KEY_FRAME = ord("I")
_HEADER_BYTES = 256


class Grabber(Protocol):
    """Pictures one after the other; only those asked for are decoded where the format lets one skip."""

    conversion: int
    """OpenCV's code that makes RGB of what `retrieve` returns."""
    packed: bool
    """Whether a picture shows its damage only when it is retrieved."""

    @property
    def opened(self) -> bool:
        """Whether there is something to read."""

    @property
    def key_frame(self) -> bool:
        """Whether the last picture stands on its own."""

    @property
    def media_s(self) -> float | None:
        """The source's own time of the last picture, None where it tells none."""

    def grab(self) -> bool:
        """Wait for the next picture; False when no more will come."""

    def retrieve(self, room: Room) -> NDArray[np.uint8] | None:
        """Return the last picture, in `room` if it can be laid there; None where it cannot be decoded."""


def grabber(request: Mapping[str, Any], problem: Any) -> Grabber:
    """Return what reads `request["url"]`; `problem` tells what FFmpeg said last."""
    # One process a camera keeps the processor busy; sharing out each conversion wakes threads for nothing.
    cv2.setNumThreads(1)
    url: str = request["url"]
    if " ! " in url:
        if cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
            return Capture(cv2.VideoCapture(url, cv2.CAP_GSTREAMER))
        return Launched(url)
    if url.isdecimal():
        return Capture(cv2.VideoCapture(int(url), cv2.CAP_V4L2))
    if url.startswith("/dev/"):
        return Capture(cv2.VideoCapture(url, cv2.CAP_V4L2))
    return _stream(url, request, problem)


class Capture:
    """What OpenCV opens."""

    def __init__(self, capture: cv2.VideoCapture, *, timed: bool = False) -> None:
        """`timed` sources tell a time worth believing."""
        self.conversion = cv2.COLOR_BGR2RGB
        self._capture = capture
        self._timed = timed
        fourcc = int(capture.get(cv2.CAP_PROP_FOURCC)) if capture.isOpened() else 0
        # FFmpeg hands over still packed JPEGs when asked, so that those nobody wants are never decoded.
        name = fourcc.to_bytes(4, "little", signed=False).decode("latin-1") if fourcc > 0 else ""
        self.packed = name in _JPEG and capture.getBackendName() == "FFMPEG" and capture.set(cv2.CAP_PROP_FORMAT, -1)

    @property
    def opened(self) -> bool:
        """Whether there is something to read."""
        return self._capture.isOpened()

    @property
    def key_frame(self) -> bool:
        """Whether the last picture stands on its own."""
        return self.packed or self._capture.get(cv2.CAP_PROP_FRAME_TYPE) in {0, _KEY_FRAME}

    @property
    def media_s(self) -> float | None:
        """The camera's own time of the last picture."""
        return self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000 if self._timed else None

    def grab(self) -> bool:
        """Wait for the next picture; False when no more will come."""
        return self._capture.grab()

    def retrieve(self, room: Room) -> NDArray[np.uint8] | None:
        """Return the last picture in BGR, None where it cannot be decoded.

        Raises:
            SourceError: it is too large.
        """
        if not self.packed:
            return self._unpacked(room)
        usable, picture = self._capture.retrieve()
        if not usable:
            return None
        # A camera that turns its pictures says so in each; FFmpeg would not turn them either.
        how = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        try:
            return cast("NDArray[np.uint8] | None", cv2.imdecode(picture, how))
        except cv2.error as error:
            if "CV_IO_MAX" in error.err:
                raise SourceError(TOO_LARGE) from None
            return None

    def _unpacked(self, room: Room) -> NDArray[np.uint8] | None:
        width, height = (int(self._capture.get(side)) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        if width * height > MOST_PIXELS:
            raise SourceError(TOO_LARGE)
        # OpenCV copies into an array of the right size, and makes another one where it is not.
        place = np.frombuffer(room(width * height * 3), np.uint8).reshape(height, width, 3) if width * height else None
        usable, picture = self._capture.retrieve(place)
        return cast("NDArray[np.uint8]", picture) if usable else None


class Launched:
    """A GStreamer pipeline in a program of its own, for an OpenCV that was built without GStreamer.

    Its pictures come through a pipe as YUV4MPEG2: a line that gives their size, then for each one the line `FRAME` and
    its planes.
    """

    conversion = cv2.COLOR_YUV2RGB_I420
    packed = False
    key_frame = True
    media_s = None

    def __init__(self, description: str) -> None:
        head = re.sub(r"\s*!\s*appsink\b[^!]*$", "", description)
        tail = "! videoconvert ! video/x-raw,format=I420 ! y4menc ! fdsink fd=1 sync=false"
        self.opened = False
        program = [sys.executable, "-P", "-m", "edge_runtime.sources.launch_pipeline"]
        self._process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - our own
        with contextlib.suppress(BrokenPipeError), cast("io.BufferedWriter", self._process.stdin) as description_in:
            description_in.write(f"{head} {tail}".encode())
        self._pipe = cast("io.BufferedReader", self._process.stdout)
        header = self._pipe.readline(_HEADER_BYTES).decode("ascii", "replace")
        size = re.match(r"YUV4MPEG2 .*?W(\d+) H(\d+)", header)
        if size:
            if int(size[1]) * int(size[2]) > MOST_PIXELS:
                raise SourceError(TOO_LARGE)
            self._shape = (int(size[2]) * 3 // 2, int(size[1]))
            self._picture = np.empty(self._shape, np.uint8)
            self.opened = True

    def grab(self) -> bool:
        """Wait for the next picture; False when no more will come."""
        if not self._pipe.readline(_HEADER_BYTES).startswith(b"FRAME"):
            return False
        return self._pipe.readinto(self._picture.data.cast("B")) == self._picture.nbytes

    def retrieve(self, _room: Room) -> NDArray[np.uint8]:
        """Return the last picture's planes, I420."""
        return self._picture


def _stream(url: str, request: Mapping[str, Any], problem: Any) -> Capture:
    live = url.lower().startswith("rtsp")
    own = os.environ.get(_OPTIONS)
    options = [_TRANSPORT[request["transport"]]] if live else []
    capture = _open(url, own or "|".join([*options, *(_QUICKLY if live else ())]), request)
    if not capture.isOpened() and live and own is None and _SIZE_UNKNOWN.search(problem()):
        # A camera whose description leaves the size out shows it with its next key frame.
        capture = _open(url, "|".join(options), request)
    return Capture(capture, timed=live)


def _open(url: str, options: str, request: Mapping[str, Any]) -> cv2.VideoCapture:
    if options:
        os.environ[_OPTIONS] = options
    # More threads would hold back a picture each.
    settings = [cv2.CAP_PROP_N_THREADS, 1]
    # The parent's patience counts, not FFmpeg's.
    settings += [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 3_600_000, cv2.CAP_PROP_READ_TIMEOUT_MSEC, 3_600_000]
    if request["hardware"]:
        settings += [cv2.CAP_PROP_HW_ACCELERATION, cv2.VIDEO_ACCELERATION_ANY]
    return cv2.VideoCapture(url, cv2.CAP_FFMPEG, settings)
