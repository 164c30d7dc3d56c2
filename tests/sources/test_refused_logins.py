"""How often a camera that refuses the password is tried, on a clock of its own."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import cv2
import pytest

from edge_runtime.errors import SourceError
from edge_runtime.sources import camera as camera_module
from edge_runtime.sources.camera import Camera
from edge_runtime.watch_sections import CameraSettings

if TYPE_CHECKING:
    from collections.abc import Callable

PICTURE = {
    "at": 0.0,
    "seen": 1,
    "damaged": 0,
    "missed": 0,
    "media_s": None,
    "shape": (1, 1, 3),
    "conversion": cv2.COLOR_BGR2RGB,
}


class Door:
    """Stands in for capture processes of a camera that refuses the login, or lets in; knows when it was tried."""

    def __init__(self) -> None:
        self.now = 0.0
        self.open = False
        self.tried_at: list[float] = []
        self.said = ""

    def program(self, *_: object, **__: object) -> Door:
        self.tried_at.append(self.now)
        return self

    def answer(self, _: float) -> tuple[dict[str, Any], bytearray]:
        if self.open:
            return PICTURE, bytearray(3)
        raise SourceError("cannot be opened: method DESCRIBE failed: 401 Unauthorized")

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def want(self) -> None:
        """Nothing to do."""

    def stop(self) -> None:
        """Nothing to do."""

    def stand(self, source: Camera, seconds: int) -> list[float]:
        """Let the box try each second, as a worker does; return when it came to the camera's door."""
        self.tried_at = []
        for _ in range(seconds):
            self.now += 1.0
            try:
                next(source.frames())
            except SourceError as error:
                self.said = str(error)
        return self.tried_at


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Door:
    door = Door()
    monkeypatch.setattr(camera_module, "ChildProgram", door.program)
    monkeypatch.setattr(camera_module, "time", SimpleNamespace(monotonic=lambda: door.now, sleep=door.sleep))
    return door


@pytest.fixture
def source() -> Camera:
    return Camera(CameraSettings(name="yard", url="rtsp://user:Wr0ng@yard.example/live"))


def test_a_login_is_tried_soon_for_two_minutes_and_then_ever_more_rarely(door: Door, source: Camera) -> None:
    tried = door.stand(source, 3600)
    gaps = [later - earlier for earlier, later in pairwise(tried)]
    quick = [gap for at, gap in zip(tried, gaps, strict=False) if at < 110]
    assert quick
    assert max(quick) <= 3, "who sets the password anew is let in at once"
    assert len([at for at in tried if at > 130]) <= 14, "a camera that locks out is left alone"
    assert gaps[-1] >= 480
    assert "within 10 min" in door.said
    assert "Wr0ng" not in door.said


def let_in(door: Door, source: Camera) -> None:
    door.open = True
    door.stand(source, 700)
    door.open = False


def keep_out(_: Door, __: Camera) -> None:
    """Nothing changes."""


@pytest.mark.parametrize(
    ("meanwhile", "soon"),
    [
        pytest.param(let_in, True, id="a camera that has let in since is tried soon again"),
        pytest.param(keep_out, False, id="one that has not is not"),
    ],
)
def test_what_was_refused_long_ago(
    door: Door, source: Camera, meanwhile: Callable[[Door, Camera], None], *, soon: bool
) -> None:
    door.stand(source, 1800)
    meanwhile(door, source)
    with suppress(SourceError):
        next(source.frames())
    assert (len(door.stand(source, 30)) >= 10) is soon
    assert ("tried again" not in door.said) is soon
