from __future__ import annotations

import base64
import contextlib
import functools
import http.server
import itertools
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import psutil
import pytest

from edge_runtime.errors import SourceError
from edge_runtime.sources.camera import Camera
from edge_runtime.sources.child import ChildProgram
from edge_runtime.watch_sections import CameraSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_runtime.types import Frame


class CameraServer(http.server.ThreadingHTTPServer):
    """A real HTTP camera (Motion JPEG, 25 pictures a second) whose faults are paths; picture n has brightness n."""

    daemon_threads = True
    sent = 0

    def stream(self, out: http.server.BaseHTTPRequestHandler, path: str) -> None:
        for index in range(10_000):
            if path == "/ends" and index == 20:
                return
            if path == "/freezes" and index == 20:
                time.sleep(60)
            picture = cv2.imencode(".jpg", np.full((48, 64, 3), index % 250, np.uint8))[1].tobytes()
            if path == "/torn" and index > 20:
                picture = picture[: len(picture) * 3 // 4]
            if path == "/huge" and index > 20:
                picture = picture.replace(b"\x08\x00\x30\x00\x40\x03", b"\x08\x3e\x80\x3e\x80\x03")
            out.wfile.write(b"--b\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(picture))
            out.wfile.write(picture + b"\r\n")
            self.sent = index
            if path != "/burst" or index > 100:
                time.sleep(0.04)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, CameraServer)
        if self.path == "/silent":
            time.sleep(60)
        wanted = "Basic " + base64.b64encode(b"user:right").decode()
        if self.path == "/locked" and self.headers.get("Authorization") != wanted:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()
        elif self.path == "/none":
            self.send_error(404)
        else:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=b")
            self.end_headers()
            with contextlib.suppress(OSError):
                server.stream(self, self.path)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[CameraServer]:
    with CameraServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(autouse=True)
def nothing_is_left_behind(server: CameraServer) -> Iterator[None]:
    before = open_files()
    yield
    assert psutil.Process().children(recursive=True) == []
    assert open_files() <= before, "a pipe of the capture process is still open"
    assert server.socket.fileno() > 0


def open_files() -> set[str]:
    """Pipes and shared memory, but not the sockets of the test's own server, nor a library's event counters."""
    links: list[str] = []
    for number in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            links.append(str(number.readlink()))
    return {link for link in links if not link.startswith(("socket:", "anon_inode:"))}


def camera(url: str, *, fps: float = 10, open_timeout_s: float = 5, read_timeout_s: float = 0.6) -> Camera:
    return Camera(
        CameraSettings(name="door", url=url, fps=fps, open_timeout_s=open_timeout_s, read_timeout_s=read_timeout_s)
    )


def at(server: CameraServer, path: str, login: str = "") -> str:
    return f"http://{login}127.0.0.1:{server.server_port}{path}"


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def child_of(camera: Camera) -> psutil.Process:
    assert camera._child is not None
    return psutil.Process(camera._child._process.pid)


@pytest.mark.parametrize(
    ("path", "pictures", "message"),
    [
        pytest.param("/none", False, "cannot be opened: HTTP error 404 Not Found", id="no such stream"),
        pytest.param("/locked", False, "cannot be opened: HTTP error 401 Unauthorized", id="wrong password"),
        pytest.param("/silent", False, "gave nothing for 1 s", id="accepts and never answers"),
        pytest.param("/freezes", True, "gave nothing for 0.6 s", id="freezes with the connection open"),
        pytest.param("/ends", True, "stopped sending pictures", id="hangs up"),
        pytest.param("/torn", True, "sends data that is no whole picture", id="sends halves of pictures"),
        pytest.param("/huge", True, "of more than 36 megapixels: choose", id="says that its pictures are 16,000 wide"),
    ],
)
def test_a_fault_is_a_source_error_without_the_password(
    server: CameraServer, capfd: pytest.CaptureFixture[str], path: str, pictures: bool, message: str
) -> None:
    url = at(server, path, "user:S3cret@")
    started = time.monotonic()
    seen: list[Frame] = []
    with (
        camera(url, open_timeout_s=5 if pictures else 1) as source,
        pytest.raises(SourceError, match=message) as caught,
    ):
        seen.extend(source.frames())
    assert bool(seen) is pictures
    assert str(caught.value).startswith(f"camera door at http://user:***@127.0.0.1:{server.server_port}{path} ")
    assert "S3cret" not in str(caught.value)
    assert time.monotonic() - started < 4
    assert capfd.readouterr() == ("", "")


def test_the_right_password_opens_and_no_command_line_shows_it(server: CameraServer) -> None:
    with camera(at(server, "/locked", "user:right@")) as source:
        frames = source.frames()
        frame = next(frames)
        assert "right" not in " ".join(child_of(source).cmdline())
    assert frame.image.shape == (48, 64, 3)
    assert frame.source == "door"
    assert source.live


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("rtsp://user:S3cret@127.0.0.1:{port}/live", id="RTSP refused"),
        pytest.param("http://user:S3cret@127.0.0.1:{port}/live", id="HTTP refused"),
        pytest.param("/dev/video99", id="no such device"),
    ],
)
def test_no_camera_there(url: str) -> None:
    source = camera(url.format(port=closed_port()))
    with pytest.raises(SourceError, match="cannot be opened") as caught:
        next(source.frames())
    assert "S3cret" not in str(caught.value)


def test_pictures_come_at_the_asked_rate_with_rising_times(server: CameraServer) -> None:
    with camera(at(server, "/ok"), fps=10) as source:
        frames = [frame for _, frame in zip(range(11), source.frames(), strict=False)]
    times = [frame.at for frame in frames]
    assert times[-1] - times[0] == pytest.approx(1.0, abs=0.15)
    assert all(later > earlier for earlier, later in itertools.pairwise(times))
    assert 0 <= time.monotonic() - times[-1] < 0.3


@pytest.mark.parametrize(
    ("path", "slowness_s"),
    [
        pytest.param("/ok", 0.4, id="a slow reader gets the newest picture, not the next one"),
        pytest.param("/burst", 0.2, id="a hundred pictures at once in the beginning delay nothing"),
    ],
)
def test_no_backlog(server: CameraServer, path: str, slowness_s: float) -> None:
    with camera(at(server, path), fps=25, read_timeout_s=3) as source:
        for count, frame in enumerate(source.frames()):
            behind = server.sent % 250 - int(frame.image.mean())
            if count == 4:
                break
            time.sleep(slowness_s)
    assert behind <= 4, "pictures of 40 ms"


def test_it_comes_back_after_every_fault(server: CameraServer) -> None:
    source = camera(at(server, "/ok"), read_timeout_s=3)
    for fault in (signal.SIGKILL, signal.SIGSEGV, signal.SIGKILL):
        frames = source.frames()
        next(frames)
        child_of(source).send_signal(fault)
        with pytest.raises(SourceError, match=rf"lost its child process \(status -{fault.value}\)"):
            list(frames)
    assert next(source.frames()).source == "door"
    source.close()


def test_a_wedged_capture_process_is_killed(server: CameraServer) -> None:
    source = camera(at(server, "/ok"))
    frames = source.frames()
    next(frames)
    child_of(source).send_signal(signal.SIGSTOP)
    started = time.monotonic()
    with pytest.raises(SourceError, match=r"gave nothing for 0\.6 s"):
        list(frames)
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("path", [pytest.param("/ok", id="while sending"), pytest.param("/silent", id="while opening")])
def test_close_from_another_thread_ends_it_within_a_second(server: CameraServer, path: str) -> None:
    source = camera(at(server, path), open_timeout_s=30)
    threading.Timer(0.7, source.close).start()
    started = time.monotonic()
    for _ in source.frames():
        pass
    assert time.monotonic() - started < 1.7
    assert list(source.frames()) == []


def test_a_small_stream_of_huge_pictures_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    clip = tmp_path / "huge.png"
    clip.write_bytes(cv2.imencode(".png", np.zeros((6000, 6500), np.uint8), (cv2.IMWRITE_PNG_BILEVEL, 1))[1].tobytes())
    assert clip.stat().st_size < 50_000
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as files:
        threading.Thread(target=files.serve_forever, args=(0.05,), daemon=True).start()
        with (
            camera(f"http://127.0.0.1:{files.server_port}/huge.png") as source,
            pytest.raises(SourceError, match="of more than 36 megapixels"),
        ):
            next(source.frames())
        files.shutdown()


PIPELINE = "videotestsrc is-live=true {} ! video/x-raw,width=64,height=48,framerate=20/1{}"


needs_gstreamer = pytest.mark.skipif(
    shutil.which("gst-inspect-1.0") is None
    or subprocess.run(["gst-inspect-1.0", "--exists", "y4menc"], check=False).returncode != 0,
    reason="gstreamer1.0-plugins-good is not installed",
)


@needs_gstreamer
def test_no_command_line_shows_a_pipelines_password() -> None:
    url = PIPELINE.format("name=S3cret", "")
    with camera(url) as source:
        frames = source.frames()
        next(frames)
        lines = [" ".join(each.cmdline()) for each in child_of(source).children(recursive=True)]
    assert any("launch_pipeline" in line for line in lines)
    assert "S3cret" not in "".join(lines)


@needs_gstreamer
@pytest.mark.parametrize(
    ("pipeline", "pictures", "message"),
    [
        pytest.param(PIPELINE.format("num-buffers=20", ""), True, "stopped sending pictures", id="ends"),
        pytest.param(PIPELINE.format("num-buffers=20", " ! appsink"), True, "stopped sending", id="written for OpenCV"),
        pytest.param("nosuchelement ! videoconvert", False, 'no element "nosuchelement"', id="no such element"),
        pytest.param(PIPELINE.format("", " ! valve drop=true"), False, "gave nothing for 2 s", id="gives nothing"),
    ],
)
def test_a_pipeline_runs_without_opencvs_gstreamer(pipeline: str, pictures: bool, message: str) -> None:
    seen: list[Frame] = []
    with (
        camera(pipeline, open_timeout_s=5 if pictures else 2, read_timeout_s=2) as source,
        pytest.raises(SourceError, match=message),
    ):
        seen.extend(source.frames())
    assert bool(seen) is pictures
    assert all(frame.image.shape == (48, 64, 3) for frame in seen)
    # The first bar of the test picture is white, the second yellow.
    assert all(frame.image[4, 12, 0] > 150 and frame.image[4, 12, 2] < 100 for frame in seen)


PARENT = """
import sys
from edge_runtime.watch_sections import CameraSettings
from edge_runtime.sources.camera import Camera
from edge_runtime.sources.child import ChildProgram
camera = Camera(CameraSettings(name="door", url=sys.argv[1], open_timeout_s=60))
for frame in camera.frames():
    print(camera._child._process.pid, flush=True)
"""


def test_the_capture_process_dies_with_its_parent(server: CameraServer) -> None:
    url = at(server, "/ok")
    with subprocess.Popen([sys.executable, "-c", PARENT, url], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    give_up_at = time.monotonic() + 2
    # An orphan that nobody reaps, as in a container without an init, stays a zombie.
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < give_up_at
        time.sleep(0.02)


@pytest.fixture
def pushed(monkeypatch: pytest.MonkeyPatch) -> tuple[str, list[str]]:
    """An RTSP address on which the capture process listens, and the ffmpeg command that pushes to it over TCP."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    monkeypatch.setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_flags;listen|listen_timeout;10|rtsp_transport;tcp")
    url = f"rtsp://127.0.0.1:{closed_port()}/live"
    push = ["ffmpeg", "-v", "quiet", "-re", "-f", "lavfi", "-i", "testsrc=s=320x240:r=25", "-c:v", "mpeg4"]
    return url, [*push, "-g", "10", "-f", "rtsp", "-rtsp_transport", "tcp", url]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        pytest.param(signal.SIGKILL, "stopped sending pictures", id="sender killed"),
        pytest.param(signal.SIGSTOP, "gave nothing for 0.6 s", id="sender frozen"),
    ],
)
def test_rtsp(pushed: tuple[str, list[str]], fault: signal.Signals, message: str) -> None:
    url, push = pushed
    source = camera(url, open_timeout_s=15)
    frames = source.frames()
    listening = threading.Timer(1.0, lambda: senders.append(subprocess.Popen(push)))
    senders: list[subprocess.Popen[bytes]] = []
    listening.start()
    try:
        seen = [next(frames) for _ in range(3)]
        senders[0].send_signal(fault)
        with pytest.raises(SourceError, match=message):
            list(frames)
    finally:
        listening.join()
        for sender in senders:
            sender.kill()
            sender.wait()
    assert seen[0].image.shape == (240, 320, 3)


def test_a_capture_process_that_breaks_says_of_what() -> None:
    child = ChildProgram("edge_runtime.sources.capture_pictures", {"url": "/dev/none"})
    with pytest.raises(SourceError, match=r"\(status 1\): KeyError: 'knock'"):
        child.answer(10)
    child.stop()
