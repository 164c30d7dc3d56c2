from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from alerting import clip_pictures, picture

from edge_runtime.sinks import clip_ring
from edge_runtime.sinks.clip_file import FPS, clip_bytes
from edge_runtime.sinks.clip_ring import ClipRing, Picture, shrunk
from edge_runtime.types import Frame

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.types import Image


def fill(ring: ClipRing, seconds: float, fps: float, *, still: bool = False, begin: float = 0.0) -> None:
    for number in range(round(seconds * fps)):
        ring.take(Frame("door", begin + number / fps, picture(0 if still else number)))


@pytest.mark.parametrize(
    ("fps", "still", "kept"),
    [
        (30.0, False, 51),  # five a second of a fast camera
        (6.0, False, 50),  # five of six
        (5.0, False, 50),
        (2.0, False, 20),  # all of a slow one
        (6.0, True, 10),  # one a second while nothing changes
    ],
)
def test_a_ring_keeps_few_pictures(fps: float, still: bool, kept: int) -> None:
    ring = ClipRing(60.0)
    fill(ring, 10.0, fps, still=still)
    assert abs(len(ring.between(-1.0, 11.0)) - kept) <= 1


def test_a_ring_forgets_what_is_old_unless_it_is_held() -> None:
    ring = ClipRing(2.0)
    fill(ring, 10.0, 5.0)
    assert ring.between(0.0, 10.0)[0].at == pytest.approx(7.8)
    ring.hold(8.0)
    fill(ring, 5.0, 5.0, begin=10.0)
    assert ring.between(0.0, 15.0)[0].at == pytest.approx(8.0)
    ring.hold(float("inf"))
    fill(ring, 1.0, 5.0, begin=15.0)
    assert ring.between(0.0, 16.0)[0].at == pytest.approx(13.8)


def test_a_ring_never_grows_beyond_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_ring, "MOST_BYTES", 20_000)
    ring = ClipRing(1000.0)
    ring.hold(0.0)
    fill(ring, 60.0, 5.0)
    kept = ring.between(-1.0, 61.0)
    assert 0 < sum(len(one.jpeg) for one in kept) <= 20_000
    assert kept[-1].at > 59.0


def test_what_is_cut_begins_with_the_view_of_its_first_moment() -> None:
    ring = ClipRing(60.0)
    fill(ring, 10.0, 1.0)
    assert [one.at for one in ring.between(3.5, 6.0)] == [3.0, 4.0, 5.0, 6.0]


def test_a_ring_is_read_while_it_is_filled() -> None:
    ring = ClipRing(1.0)
    filling = threading.Thread(target=fill, args=(ring, 60.0, 5.0))
    filling.start()
    while filling.is_alive():
        times = [one.at for one in ring.between(0.0, 60.0)]
        assert times == sorted(times)
    filling.join()


@pytest.mark.parametrize(
    ("size", "expected"), [((720, 1280), (640, 360)), ((1080, 1920), (640, 360)), ((33, 45), (44, 32))]
)
def test_pictures_of_a_clip_are_small_and_even(size: tuple[int, int], expected: tuple[int, int]) -> None:
    small = shrunk(picture(0, size), 1.0)
    decoded = cv2.imdecode(np.frombuffer(small.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert (small.width, small.height) == expected == (decoded.shape[1], decoded.shape[0])


def plain(colour: tuple[int, int, int], at: float, size: tuple[int, int] = (48, 64)) -> Picture:
    image: Image = np.full((*size, 3), colour, np.uint8)
    return shrunk(image, at)


COLOURS = [(250, 10, 10), (10, 250, 10), (10, 10, 250), (240, 240, 10)]


def test_a_clip_plays_in_opencv_at_the_right_time(tmp_path: Path) -> None:
    pictures = [plain(colour, 100.0 + 0.8 * number) for number, colour in enumerate(COLOURS)]
    path = tmp_path / "clip.avi"
    path.write_bytes(clip_bytes(pictures, 99.0, 103.2))
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    assert capture.get(cv2.CAP_PROP_FPS) == FPS
    shown = []
    while (read := capture.read())[0]:
        assert read[1].shape == (48, 64, 3)
        shown.append((round(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000, 1), int(np.argmax(read[1].mean((0, 1))[::-1]))))
    capture.release()
    new = [moment for moment, before in zip(shown, [(0.0, -1), *shown], strict=False) if moment[1] != before[1]]
    assert new[:3] == [(0.0, 0), (0.8, 1), (1.6, 2)]


def test_a_clip_is_read_back_byte_for_byte(tmp_path: Path) -> None:
    pictures = [plain(colour, number) for number, colour in enumerate(COLOURS)]
    (tmp_path / "clip.avi").write_bytes(clip_bytes(pictures, 0.0, 3.5))
    assert list(clip_pictures(tmp_path / "clip.avi")) == [(float(one.at), one.jpeg) for one in pictures]


def test_a_camera_that_changes_its_size_does_not_break_a_clip(tmp_path: Path) -> None:
    pictures = [plain(COLOURS[0], 0.0), plain(COLOURS[1], 1.0, (96, 128)), plain(COLOURS[2], 2.0)]
    (tmp_path / "clip.avi").write_bytes(clip_bytes(pictures, 0.0, 2.0))
    assert [at for at, _ in clip_pictures(tmp_path / "clip.avi")] == [0.0, 2.0]
