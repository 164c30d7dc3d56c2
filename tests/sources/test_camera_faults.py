from __future__ import annotations

import os
import socket
import threading
import time

import pytest

from edge_runtime.sources.capture_pictures import Damage, Waiting
from edge_runtime.sources.child import Flag
from edge_runtime.sources.faults import explain, host_of, is_number, knock


@pytest.mark.parametrize(
    ("problem", "meaning"),
    [
        ("cannot be opened: method DESCRIBE failed: 401 Unauthorized", "refuses the login: check the user name"),
        ("cannot be opened: HTTP error 403 Forbidden", "forbids this stream"),
        ("cannot be opened: method DESCRIBE failed: 404 (Not Found)", "has no such stream: check the path"),
        ("cannot be opened: Connection to tcp://10.0.0.2:554?timeout=0 failed: Connection refused", "refuses conn"),
        ("cannot be opened: No route to host", "cannot be reached: is it on the network?"),
        ("cannot be opened: nobody answers at port 554", "cannot be reached"),
        ("cannot be opened: Temporary failure in name resolution", "is not known by that name"),
        ("cannot be opened: method SETUP failed: 461 Unsupported transport", "does not send that way"),
        ("gave nothing for 5 s: error while decoding MB 3 4", "sends data that is no whole picture"),
        ("gave nothing for 5 s", "gave nothing for 5 s"),
    ],
)
def test_a_problem_is_told_with_what_to_do(problem: str, meaning: str) -> None:
    told = explain(problem)
    assert told.startswith(meaning)
    assert "tcp://" not in told, "where it is stands in front of it already"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("rtsp://u:p@10.0.0.2/live", ("10.0.0.2", 554, "rtsp")),
        ("http://camera.local:8080/mjpg", ("camera.local", 8080, "http")),
        ("rtsp://10.0.0.2:99999/", None),
        ("rtsp://[::1]:8554/a", ("::1", 8554, "rtsp")),
        ("udp://239.0.0.1:5000", None),
        ("/dev/video0", None),
        ("libcamerasrc ! appsink", None),
    ],
)
def test_who_can_be_knocked_for(url: str, host: tuple[str, int, str] | None) -> None:
    assert host_of(url) == host


@pytest.mark.parametrize(("host", "number"), [("10.0.0.2", True), ("::1", True), ("camera.local", False)])
def test_a_name_is_no_number(host: str, number: bool) -> None:
    assert is_number(host) is number


def test_a_knock_says_whether_somebody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert knock("127.0.0.1", port) == ""
    assert knock("127.0.0.1", port) == "cannot be opened: Connection refused"


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        pytest.param(b"RTSP/1.0 401 Unauthorized\r\n\r\n", "", id="a camera, whatever it says"),
        pytest.param(b"RT\x80\x13garbage", "what answers at port {} does not speak RTSP", id="garbage"),
        pytest.param(b"", "what listens at port {} hangs up", id="nothing"),
        pytest.param(None, "nobody answers at port {}", id="a frozen one"),
    ],
)
def test_a_camera_that_is_there_must_answer(monkeypatch: pytest.MonkeyPatch, said: bytes | None, problem: str) -> None:
    monkeypatch.setattr("edge_runtime.sources.faults._HELLO_TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def answer() -> None:
            line, _ = server.accept()
            with line:
                line.recv(1000)
                if said is None:
                    time.sleep(0.4)
                else:
                    line.sendall(said)

        camera = threading.Thread(target=answer)
        camera.start()
        assert knock("127.0.0.1", port, "rtsp") == (problem and f"cannot be opened: {problem.format(port)}")
        camera.join(5)


LOST = "RTP: missed 4 packets"


@pytest.mark.parametrize(
    ("pictures", "whole"),
    [
        pytest.param([("", False)] * 3, [True] * 3, id="nothing said"),
        pytest.param([("unable to decode APP fields", False)], [True], id="said about something else"),
        pytest.param([(LOST, False), ("", False), ("", True), ("", False)], [False, False, True, True], id="mended"),
        pytest.param([(LOST, True), ("", False)], [False, False], id="a damaged key frame mends nothing"),
        pytest.param([(LOST, False), *[("", False)] * 4], [False] * 4 + [True], id="no key frames at all"),
    ],
)
def test_what_builds_on_a_damaged_picture_is_damaged(pictures: list[tuple[str, bool]], whole: list[bool]) -> None:
    damage = Damage(0.0)
    found = [damage.whole(said, key_frame=key, at=float(at)) for at, (said, key) in enumerate(pictures)]
    assert found == whole
    assert damage.count == found.count(False)


@pytest.mark.parametrize(
    ("late_s", "missed"),
    [
        pytest.param([0.0] * 5, 0, id="a parent that asks in time"),
        pytest.param([0.2, 0.0, 0.0, 0.0, 0.0], 0, id="late once"),
        pytest.param([9.0] * 3, 3, id="a parent that hangs"),
    ],
)
def test_a_picture_waits_for_a_parent_that_is_late(late_s: list[float], missed: int) -> None:
    waiting = Waiting(time.monotonic() - 5)
    began = time.monotonic()
    for late in late_s:
        wanted = Flag(os.eventfd(0))
        asks = threading.Timer(late, wanted.set)
        asks.start()
        waiting.asked(wanted, time.monotonic())
        asks.cancel()
        os.close(wanted.number)
    assert waiting.missed == missed
    assert time.monotonic() - began < 1.0, "nor does it hold up the stream for long"
