"""The newest picture of each camera for whoever watches: encoded when somebody asks, once for all who do."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING

from edge_runtime.api.page_services import CameraNow, LivePicture
from edge_runtime.errors import InputError
from edge_runtime.sinks.encoding import jpeg, narrowed
from edge_runtime.sinks.snapshot import annotate
from edge_runtime.types import Frame, Observation
from edge_runtime.wiring.hours import wall_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edge_runtime.decision.scene import Scene
    from edge_runtime.pipelines.vision import VisionPipeline

STARTING = "starting"
WIDTHS = (320, 480, 640, 960, 1280, 1920)
"""A few sizes alone, so that viewers with different screens share them."""
QUALITY = 78
FITS_S = 0.7
"""A look that is at most so much older than the newest picture is shown with its own picture, so that the boxes fit."""


class LivePictures:
    """Remembers the newest frame of each camera and shows it.

    Args:
        cameras: their names.
        views: what looks at each camera's pictures.
        scene: remembers the last look at each.
        states: tells how each source is, empty before it is known.
    """

    def __init__(
        self,
        cameras: Sequence[str],
        views: Mapping[str, VisionPipeline],
        scene: Scene,
        states: Callable[[], Mapping[str, str]],
    ) -> None:
        self._cameras = tuple(cameras)
        self._views = views
        self._scene = scene
        self._states = states
        self._newest: dict[str, Frame] = {}
        self._locks = {name: threading.Lock() for name in self._cameras}
        self._encoded: dict[str, dict[tuple[int, bool], LivePicture]] = {name: {} for name in self._cameras}

    def look_on(self, frame: Frame) -> None:
        """Remember a frame; it is not copied, for nobody changes it."""
        self._newest[frame.source] = frame

    def now(self) -> Sequence[CameraNow]:
        """Return how each camera is."""
        states = self._states()
        return [self._now(name, states.get(name) or STARTING) for name in self._cameras]

    def picture(self, camera: str, width: int, known: str | None = None, *, boxes: bool = False) -> LivePicture | None:
        """Return the newest picture, None before the first and where `known` is its tag.

        Raises:
            InputError: there is no such camera.
        """
        if camera not in self._locks:
            raise InputError(f"there is no camera {camera}")
        shown = self._shown(camera)
        if shown is None:
            return None
        frame, look = shown
        tag = f"{frame.at:.6f}-{look.at:.6f}" if look else f"{frame.at:.6f}"
        if tag == known:
            return None
        wide = next((size for size in WIDTHS if size >= width), WIDTHS[-1])
        encoded = self._encoded[camera]
        # One encodes, the others wait for it: they want the very same picture.
        with self._locks[camera]:
            made = encoded.get((wide, boxes))
            if made is None or made.tag != tag:
                made = encoded[wide, boxes] = _made(frame, look, tag, wide, boxes=boxes)
        return made

    def _now(self, name: str, state: str) -> CameraNow:
        frame = self._newest.get(name)
        if frame is None:
            return CameraNow(name, state, self._views[name].enabled, None, None)
        height, width = frame.image.shape[:2]
        return CameraNow(name, state, self._views[name].enabled, (width, height), wall_time(frame.at))

    def _shown(self, camera: str) -> tuple[Frame, Observation | None] | None:
        """Return the frame to show and the look whose boxes belong to it."""
        newest = self._newest.get(camera)
        if newest is None:
            return None
        if not self._views[camera].enabled:
            return newest, None
        looks = self._scene.looks(newest.at, math.inf, camera)
        if not looks:
            return newest, None
        look = looks[0]
        if look.frame is not None and 0 <= newest.at - look.observation.at <= FITS_S:
            return look.frame, look.observation
        return newest, look.observation


def _made(frame: Frame, look: Observation | None, tag: str, width: int, *, boxes: bool) -> LivePicture:
    """Return a picture no wider than `width`, as JPEG."""
    image = narrowed(frame.image, width)
    if boxes and look is not None:
        image = annotate(Frame(frame.source, frame.at, image), look)
    return LivePicture(tag, jpeg(image, QUALITY), wall_time(frame.at), look.detections if look else ())
