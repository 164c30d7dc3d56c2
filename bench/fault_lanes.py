"""Cameras to which one fault after the other happens, and the one beside them of which no picture may be lost."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "sources"))

from rtsp_camera import RtspCamera, number_of, wait_for

from edge_runtime.sources.camera import Camera
from edge_runtime.types import Look
from edge_runtime.watch_sections import CameraSettings

if TYPE_CHECKING:
    from edge_runtime.types import Event, Frame, Image

PASSWORD = "S3cret"  # noqa: S105 - of a server on loopback
LOGIN = f"user:{PASSWORD}"


class Blind:
    """Eyes that see nothing: the walk of a picture is measured elsewhere."""

    def look(self, _image: Image, *, features: bool = False) -> Look:  # noqa: ARG002 - as eyes are called
        """See nothing."""
        return Look((), (), {})


class Heard:
    """A sink that keeps what was told of each camera, and when."""

    name = "heard"
    durable = True

    def __init__(self) -> None:
        self.told: dict[str, list[tuple[float, str, str]]] = defaultdict(list)

    def publish(self, event: Event) -> None:
        """Keep it."""
        if event.kind == "source_status":
            status, reason = str(event.data["status"]), str(event.data.get("reason", ""))
            self.told[event.source].append((time.monotonic(), status, reason))

    def close(self, timeout_s: float) -> None:
        """Do nothing: nothing is open."""

    def state(self, camera: str) -> str:
        """Return what was told of a camera last."""
        return self.told[camera][-1][1] if self.told[camera] else ""


class Seen(NamedTuple):
    """One picture of the steady camera: its number and what its capture process had counted by then."""

    at: float
    number: int
    seen: int
    damaged: int
    missed: int


class Steady:
    """Watches the camera that nothing happens to: which pictures are missing, and who did not hand them on."""

    def __init__(self, camera: Camera, count: int) -> None:
        """`count` pictures are in its clip."""
        self.pictures = 0
        self.lost: list[dict[str, Any]] = []
        self._camera = camera
        self._count = count
        self._last: Seen | None = None

    def __call__(self, frame: Frame) -> None:
        """Look at a picture's number."""
        if frame.source != self._camera.name or self._camera.arrival is None:
            return
        counted = self._camera.arrival
        now = Seen(frame.at, number_of(frame.image), counted.seen, counted.damaged, self._camera.missed)
        if self._last is not None:
            gone = (now.number - self._last.number - 1) % self._count
            if gone:
                self.lost.append({"pictures": gone, "by": _culprit(gone, self._last, now), "after": self._last})
        self._last = now
        self.pictures += 1


def _culprit(gone: int, before: Seen, now: Seen) -> str:
    """Return who did not hand on the pictures between two that came."""
    arrived = now.seen - before.seen - 1
    if arrived < 0:
        return "the capture process was started anew"
    if arrived < gone:
        return "the server or the network: they never arrived"
    if now.damaged > before.damaged:
        return "damage on the way"
    return (
        "this program was late to take them" if now.missed > before.missed else "the capture process passed them over"
    )


class Lane:
    """One camera and its server, to which one fault after the other happens."""

    def __init__(self, name: str, clip: Path, heard: Heard) -> None:
        self.server = RtspCamera(clip, login=LOGIN)
        self.server.start()
        self.camera = Camera(CameraSettings(name=name, url=self.server.url(login=LOGIN), fps=5))
        self.rows: list[dict[str, Any]] = []
        self._heard = heard

    def hurt(self, kind: str, outage_s: float) -> None:
        """Let one fault happen and end; note when it was told and when it was over."""
        name, told = self.camera.name, self._heard.told[self.camera.name]
        wait_for(lambda: self._heard.state(name) == "online", 30)
        time.sleep(1)
        known, began = len(told), time.monotonic()
        self._begin(kind)
        # A server with another password was away for a moment first, which is told too.
        wanted = "refuses the login" if kind == "password" else ""

        def said() -> tuple[float, str, str] | None:
            return next((each for each in told[known:] if each[1] != "online" and wanted in each[2]), None)

        wait_for(said, 20)
        heard = said()
        time.sleep(max(0.5, outage_s - (time.monotonic() - began)))
        self._end(kind)
        over = time.monotonic()
        # A capture process that was killed may be back before its fault ends.
        wait_for(lambda: self._heard.state(name) == "online", 20)
        at = told[-1][0] if self._heard.state(name) == "online" else float("inf")
        self.rows.append(
            {
                "fault": kind,
                "told_s": heard[0] - began if heard else float("inf"),
                "back_s": max(0.0, at - over),
                "status": heard[1] if heard else "",
                "reason": heard[2] if heard else "",
                "load": round(os.getloadavg()[0], 1),
            }
        )
        print(name, self.rows[-1], file=sys.stderr, flush=True)

    def _begin(self, kind: str) -> None:
        server = self.server
        if kind == "kill":
            server.kill()
        elif kind == "freeze":
            server.signal(signal.SIGSTOP)
        elif kind == "password":
            server.kill()
            server.login = "user:another"
            server.start()
        elif kind.startswith("child"):
            program = self.camera._child  # noqa: SLF001 - nobody else may know it
            assert program is not None
            pid = program._process.pid  # noqa: SLF001
            os.kill(pid, signal.SIGKILL if kind == "child killed" else signal.SIGSTOP)
        else:
            server.mood(kind)

    def _end(self, kind: str) -> None:
        server = self.server
        if kind == "freeze":
            server.signal(signal.SIGCONT)
        elif kind in {"kill", "password"}:
            server.kill()
            server.login = LOGIN
            server.start()
        elif not kind.startswith("child"):
            server.mood("well")


def held() -> dict[str, Any]:
    """Return what this program holds; threads by their names, those of libraries as `native`."""
    process = psutil.Process()
    children = process.children(recursive=True)
    named = Counter(thread.name for thread in threading.enumerate())
    known = {thread.native_id for thread in threading.enumerate()}
    named["native"] = sum(thread.id not in known for thread in process.threads())
    return {
        "processes": len(children),
        "zombies": sum(child.status() == psutil.STATUS_ZOMBIE for child in children),
        "file descriptors": process.num_fds(),
        "threads": process.num_threads(),
        "memory MB": round(process.memory_info().rss / 2**20),
        "thread names": dict(sorted(named.items())),
    }
