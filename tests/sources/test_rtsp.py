from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING

import psutil
import pytest
from rtsp_camera import RtspCamera, missing, number_of, numbered_clip, wait_for

from edge_runtime.errors import SourceError
from edge_runtime.metrics import Metrics
from edge_runtime.runtime import Worker
from edge_runtime.sources.camera import Camera
from edge_runtime.watch_sections import CameraSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOGIN = "user:S3cret"

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "here")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return numbered_clip(tmp_path_factory.mktemp("rtsp") / "clip.h264")


@pytest.fixture(scope="module")
def steady(clip: Path) -> Iterator[RtspCamera]:
    with RtspCamera(clip) as server:
        yield server


def camera(server: RtspCamera, login: str = "", **settings: object) -> Camera:
    url = server.url(login=login)
    given = {"fps": 10, "read_timeout_s": 1.5, **settings}
    return Camera(CameraSettings(name="door", url=url, **given))  # type: ignore[arg-type]  # a row of the table


@pytest.mark.parametrize("transport", ["auto", "tcp", "udp"])
def test_every_picture_arrives_whole_and_in_order(steady: RtspCamera, transport: str) -> None:
    with camera(steady, transport=transport) as source:
        frames = source.frames()
        numbers = [number_of(next(frames).image) for _ in range(10)]
    # The first second comes at once, of which the newest counts.
    assert numbers[4:] == [(numbers[4] + step) % 100 for step in range(6)]


class Watching:
    """One camera in a worker, as the box runs it: what was told of it and which pictures came."""

    def __init__(self, source: Camera) -> None:
        self.told: list[tuple[str, str]] = []
        self.numbers: list[int] = []
        self._source = source
        self._worker = Worker(source.name, self._watch, Metrics(), lambda *told: self.told.append(told))
        self._worker.start()

    def _watch(self, worker: Worker) -> None:
        for frame in self._source.frames():
            worker.healthy(*(self._source.trouble or ()))
            self.numbers.append(number_of(frame.image))

    @property
    def state(self) -> str:
        return self.told[-1][0] if self.told else ""

    def close(self) -> None:
        self._worker.stopping.set()
        self._source.close()
        assert wait_for(lambda: self._worker.done, 5) < 5


def open_things() -> tuple[int, int, int]:
    process = psutil.Process()
    return len(process.children(recursive=True)), process.num_fds(), threading.active_count()


@pytest.mark.parametrize(
    ("fault", "heal", "reason"),
    [
        pytest.param("kill", "start", "stopped sending pictures", id="power cut"),
        pytest.param(signal.SIGSTOP, signal.SIGCONT, "gave nothing for 1.5 s", id="server frozen"),
        pytest.param("garbage", "well", "sends data that is no whole picture", id="garbage"),
        pytest.param("slow", "well", "gave nothing for 1.5 s", id="rarer than its time-out allows"),
    ],
)
def test_a_fault_is_told_and_healed_and_another_camera_sees_nothing_of_it(
    clip: Path, steady: RtspCamera, fault: str | signal.Signals, heal: str | signal.Signals, reason: str
) -> None:
    def happen(what: str | signal.Signals) -> None:
        if isinstance(what, signal.Signals):
            server.signal(what)
        elif what in {"kill", "start"}:
            getattr(server, what)()
        else:
            server.mood(what)

    with RtspCamera(clip) as server:
        watched, other = Watching(camera(server)), Watching(camera(steady))
        assert wait_for(lambda: watched.state == other.state == "online", 10) < 10
        wait_for(lambda: len(other.numbers) > 6, 5)
        before, known = open_things(), len(other.numbers)
        happen(fault)
        assert wait_for(lambda: watched.state == "lost", 10) < 10
        assert reason in watched.told[-1][1]
        happen(heal)
        assert wait_for(lambda: watched.state == "online", 5) < 5
        # What tests before this one left to the garbage collector may end meanwhile.
        assert all(now <= then for now, then in zip(open_things(), before, strict=True)), "something is left of it"
        watched.close()
        other.close()
    seen = other.numbers[known:]
    assert seen == [(seen[0] + step) % 100 for step in range(len(seen))], "no picture is missing"
    assert [state for state, _ in other.told] == ["online"]


def test_a_wrong_password_is_told_as_such_and_never_shown(clip: Path) -> None:
    with RtspCamera(clip, login=LOGIN) as server:
        with camera(server, "user:Wr0ng") as source, pytest.raises(SourceError, match="refuses the login") as caught:
            next(source.frames())
        assert "401" in str(caught.value)
        assert "check the user name and the password" in str(caught.value)
        assert "Wr0ng" not in str(caught.value)
        with camera(server, LOGIN) as source:
            assert next(source.frames()).image.shape == (240, 320, 3)


def test_a_login_that_was_refused_is_not_tried_again_at_once(clip: Path) -> None:
    with RtspCamera(clip, login=LOGIN) as server, camera(server, "user:Wr0ng", login_retry_s=1.6) as source:
        tried = []
        for _ in range(5):
            began = time.monotonic()
            with pytest.raises(SourceError, match="refuses the login"):
                next(source.frames())
            tried.append(time.monotonic() - began > 0.02)
            time.sleep(0.3)
    assert tried[0]
    assert tried[1] is False, "the answer is known"
    assert any(tried[2:]), "but not for ever"
