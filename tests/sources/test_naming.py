from __future__ import annotations

import pytest

from edge_runtime.sources.naming import name_of


@pytest.mark.parametrize(
    ("source", "name"),
    [
        pytest.param("films/front.mp4", "front", id="file"),
        pytest.param("my clip é.mp4", "my-clip", id="signs-that-no-topic-has"),
        pytest.param("/dev/video0", "video0", id="device"),
        pytest.param("0", "0", id="camera-number"),
        pytest.param("rtsp://user:hunter2@cam/stream2", "stream2", id="stream"),
        pytest.param("rtsp://user:hunter2@cam/", "cam", id="host"),
        pytest.param("rtsp://user:hunter2@192.168.1.20", "192-168-1-20", id="address"),
        pytest.param("rtsp://user:hunter2@[fe80::1]:554/", "fe80--1", id="ipv6"),
        pytest.param("http://cam/video.mjpg?user=me&password=hunter2", "video", id="password-in-the-query"),
        pytest.param("rtsp://user:hun/hunter2@cam/a", "camera", id="slash-in-the-password"),
        pytest.param("rtsp://user:hun#hunter2@cam/a", "camera", id="hash-in-the-password"),
        pytest.param("rtsp://user:hunter2@cam@home/a", "a", id="at-in-the-password"),
        pytest.param("rtsp://[hunter2", "camera", id="no-address"),
        pytest.param("rtspsrc location=rtsp://me:hunter2@cam/a ! videoconvert", "camera", id="pipeline"),
        pytest.param("door.mp4", "door-2", id="name-that-is-taken"),
        pytest.param("x" * 99 + ".mp4", "x" * 56, id="long"),
        pytest.param("é.mp4", "camera", id="nothing-left"),
    ],
)
def test_a_source_is_named_after_its_address_without_secrets(source: str, name: str) -> None:
    assert name_of(source, {"door"}) == name
