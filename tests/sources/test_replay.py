from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
import soundfile

from edge_runtime.config import MicrophoneSettings
from edge_runtime.errors import InputError
from edge_runtime.sources.replay import PictureFile, VideoFile, WavFile
from edge_runtime.types import SAMPLE_RATE_HZ
from edge_runtime.watch_sections import CameraSettings

if TYPE_CHECKING:
    from pathlib import Path


def video(path: Path, codec: str, fps: float, seconds: float) -> Path:
    """Write a film whose green rises by four with every picture."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), fps, (64, 48))
    assert writer.isOpened()
    for index in range(round(fps * seconds)):
        writer.write(np.full((48, 64, 3), (0, 4 * index, 0), np.uint8))
    writer.release()
    return path


def camera(path: Path | str, *, fps: float = 6, realtime: bool = False) -> CameraSettings:
    return CameraSettings(name="film", url=str(path), fps=fps, realtime=realtime)


@pytest.mark.parametrize(
    ("name", "codec", "film_fps", "fps", "count"),
    [
        pytest.param("a.mp4", "mp4v", 12, 6, 12, id="half of the pictures"),
        pytest.param("a.mp4", "mp4v", 12, 12, 24, id="all of them, whatever the container's rounding"),
        pytest.param("a.mp4", "mp4v", 12, 60, 24, id="never more than there are"),
        pytest.param("a.mkv", "mp4v", 30, 7, 14, id="a rate that does not divide"),
        pytest.param("a.avi", "MJPG", 25, 5, 10, id="Motion JPEG in AVI"),
        pytest.param("a:b.avi", "MJPG", 25, 1, 2, id="a name FFmpeg could take for a protocol"),
    ],
)
def test_a_film_is_thinned_out(tmp_path: Path, name: str, codec: str, film_fps: float, fps: float, count: int) -> None:
    path = video(tmp_path / name, codec, film_fps, 2)
    with VideoFile(camera(path, fps=fps)) as film:
        frames = list(film.frames())
        again = list(film.frames())
    assert len(frames) == len(again) == count
    times = np.array([frame.at for frame in frames])
    shown = np.array([frame.image[..., 1].mean() for frame in frames]) / 4 / film_fps
    assert times - times[0] == pytest.approx(shown - shown[0], abs=0.06)
    assert frames[0].image.shape == (48, 64, 3)
    assert not film.live


def test_realtime_keeps_the_films_own_speed(tmp_path: Path) -> None:
    film = VideoFile(camera(video(tmp_path / "a.mp4", "mp4v", 10, 0.6), fps=10, realtime=True))
    late = [time.monotonic() - frame.at for frame in film.frames()]
    assert len(late) == 6
    assert min(late) >= 0
    assert max(late) < 0.1


def test_close_ends_a_realtime_film_at_once(tmp_path: Path) -> None:
    film = VideoFile(camera(video(tmp_path / "a.mp4", "mp4v", 1, 20), fps=1, realtime=True))
    frames = film.frames()
    next(frames)
    threading.Timer(0.1, film.close).start()
    started = time.monotonic()
    assert list(frames) == []
    assert time.monotonic() - started < 0.5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "not a video OpenCV can read", id="zero bytes"),
        pytest.param(b"hello" * 100, "not a video OpenCV can read", id="text"),
        pytest.param(None, "no such file", id="missing"),
    ],
)
def test_a_bad_film_is_one_line_and_nothing_on_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], content: bytes | None, message: str
) -> None:
    path = tmp_path / "bad.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        VideoFile(camera(path))
    assert str(caught.value).startswith(str(path))
    assert capfd.readouterr() == ("", "")


def test_a_film_cut_off_is_refused(tmp_path: Path) -> None:
    path = video(tmp_path / "a.mp4", "mp4v", 10, 2)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputError, match="not a video"):
        VideoFile(camera(path))


def test_a_picture_is_a_film_of_one_frame(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "red.png"), np.full((4, 6, 3), (0, 0, 255), np.uint8))
    with PictureFile(camera(tmp_path / "red.png")) as picture:
        (frame,) = picture.frames()
    assert frame.image.tolist() == [[[255, 0, 0]] * 6] * 4


def sound(path: Path, seconds: float, rate_hz: int = SAMPLE_RATE_HZ) -> MicrophoneSettings:
    soundfile.write(path, np.full(round(seconds * rate_hz), 0.5, np.float32), rate_hz, subtype="FLOAT")
    return MicrophoneSettings(name="tape", device=str(path))


@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
def test_sound_comes_in_chunks_and_ends_in_silence(tmp_path: Path, rate_hz: int) -> None:
    with WavFile(sound(tmp_path / "a.wav", 1.01, rate_hz), trailing_silence_s=0.5) as tape:
        chunks = list(tape.chunks())
    assert {len(chunk.samples) for chunk in chunks} == {512}
    assert np.diff([chunk.at for chunk in chunks]) == pytest.approx(0.032, abs=1e-6)
    heard = np.concatenate([chunk.samples for chunk in chunks])
    assert np.count_nonzero(heard > 0.25) == pytest.approx(1.01 * SAMPLE_RATE_HZ, abs=2)
    assert 0.5 <= len(heard) / SAMPLE_RATE_HZ - 1.01 < 0.5 + 2 * 0.032
    assert not heard[-8000:].any()


def test_realtime_sound_comes_when_its_last_sample_is_heard(tmp_path: Path) -> None:
    settings = sound(tmp_path / "a.wav", 0.2).model_copy(update={"realtime": True})
    late = [time.monotonic() - chunk.at for chunk in WavFile(settings, trailing_silence_s=0.1).chunks()]
    assert min(late) >= 0.032
    assert np.median(late) < 0.06


def test_no_sound_is_noticed_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        WavFile(MicrophoneSettings(name="tape", device=str(tmp_path / "none.wav")))
