from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
import soundfile

from edge_runtime.config import MicrophoneSettings
from edge_runtime.errors import InputError
from edge_runtime.sources.camera import Camera, mask_credentials
from edge_runtime.sources.microphone import Microphone
from edge_runtime.sources.opening import open_camera, open_microphone
from edge_runtime.sources.replay import PictureFile, VideoFile, WavFile
from edge_runtime.watch_sections import CameraSettings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    picture = np.zeros((48, 64, 3), np.uint8)
    for name in ("a.png", "b.jpg", "0.png"):
        cv2.imwrite(str(tmp_path / name), picture)
    writer = cv2.VideoWriter(str(tmp_path / "a.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for _ in range(3):
        writer.write(picture)
    writer.release()
    (tmp_path / "raw.mjpeg").write_bytes(cv2.imencode(".jpg", picture)[1].tobytes() * 5)
    (tmp_path / "b.jpg").rename(tmp_path / "no suffix")
    soundfile.write(tmp_path / "a.wav", np.zeros(100), 16_000)
    return tmp_path


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("rtsp://user:pw@10.0.0.2/live", Camera),
        ("RTSPS://10.0.0.2", Camera),
        ("http://10.0.0.2/mjpg", Camera),
        ("0", Camera),
        ("/dev/video0", Camera),
        ("a.avi", VideoFile),
        ("raw.mjpeg", VideoFile),
        ("a.png", PictureFile),
        ("no suffix", PictureFile),
    ],
)
def test_the_address_says_what_a_camera_is(folder: Path, monkeypatch: pytest.MonkeyPatch, url: str, kind: type) -> None:
    monkeypatch.chdir(folder)
    source = open_camera(CameraSettings(name="door", url=url))
    assert isinstance(source, kind)
    assert source.name == "door"
    assert source.live is (kind is Camera)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        pytest.param("none.mp4", "'none.mp4' is neither a file that exists nor a camera", id="no such file"),
        pytest.param(".", "neither a file that exists", id="a folder"),
        pytest.param("", "neither a file that exists", id="nothing"),
        pytest.param("rtsp:", "use rtsp://", id="half an address"),
        pytest.param("ftp://u:secret@host/x", r"ftp://u:\*\*\*@host/x", id="unknown scheme, password masked"),
    ],
)
def test_a_bad_address_says_what_is_accepted(url: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_camera(CameraSettings(name="door", url=url))


def test_a_pipeline_needs_gstreamer(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = CameraSettings(name="door", url="libcamerasrc ! appsink")
    monkeypatch.setattr("ctypes.util.find_library", lambda _: None)
    with pytest.raises(InputError, match=r"install gstreamer1\.0-plugins-good"):
        open_camera(settings)
    monkeypatch.setattr("ctypes.util.find_library", lambda _: "libgstreamer-1.0.so.0")
    assert isinstance(open_camera(settings), Camera)


def test_a_microphone_is_a_device_or_a_file(folder: Path) -> None:
    assert isinstance(open_microphone(MicrophoneSettings(name="hall", device=str(folder / "a.wav"))), WavFile)
    assert isinstance(open_microphone(MicrophoneSettings(name="hall")), Microphone)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("rtsp://user:pw@10.0.0.2:554/live", "rtsp://user:***@10.0.0.2:554/live"),
        ("rtsp://user:p@ss/w:rd@cam/live", "rtsp://user:***@cam/live"),
        ("rtsp://user:p w@cam", "rtsp://user:***@cam"),
        ("rtsp://:pw@cam", "rtsp://:***@cam"),
        ("http://cam/v.cgi?user=me&password=pw&ch=1", "http://cam/v.cgi?user=me&password=***&ch=1"),
        ("http://cam/v?loginuse=me&loginpas=pw", "http://cam/v?loginuse=me&loginpas=***"),
        ("rtsp://cam/user=me_password=pw_channel=1", "rtsp://cam/user=me_password=***"),
        ("rtspsrc location=rtsp://cam user-pw=pw ! appsink", "rtspsrc location=rtsp://cam user-pw=*** ! appsink"),
        ("http://cam/v?Token=abc", "http://cam/v?Token=***"),
        ("http://cam/v?user=me&pw=pw&apikey=1&sig=2", "http://cam/v?user=me&pw=***&apikey=***&sig=***"),
        ('rtspsrc user-pw="two \\"words" ! appsink', "rtspsrc user-pw=*** ! appsink"),
        ("rtspsrc user-pw='two words' ! appsink", "rtspsrc user-pw=*** ! appsink"),
        ('souphttpsrc extra-headers="a,Authorization=Basic\\ x" ! a', "souphttpsrc extra-headers=*** ! a"),
        ("x264enc key-int-max=30 ! a", "x264enc key-int-max=30 ! a"),
        (
            "camera door at rtsp://u:pw@cam failed: tcp://cam:554",
            "camera door at rtsp://u:***@cam failed: tcp://cam:554",
        ),
        ("rtsp://10.0.0.2:554/live", "rtsp://10.0.0.2:554/live"),
        ("/dev/video0", "/dev/video0"),
    ],
)
def test_passwords_are_masked(text: str, masked: str) -> None:
    assert mask_credentials(text) == masked
