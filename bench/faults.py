"""What becomes of cameras whose network, power and passwords fail: how soon it is told, how soon they are back.

python bench/faults.py [--faults 200] [--lanes 4]

Real RTSP servers on loopback, one for each lane, are killed, frozen, slowed, made to send garbage or torn pictures,
given another password, and our own capture processes killed and frozen; one server stays away for a minute. Beside them
runs a camera that nothing happens to: each of its pictures carries its number, so that one that is lost shows.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "sources"))

from rtsp_camera import RtspCamera, number_of, numbered_clip, wait_for  # noqa: E402 - after its folder is known

from edge_runtime.decision.motion import MotionGate  # noqa: E402
from edge_runtime.decision.scene import Scene  # noqa: E402
from edge_runtime.house import House  # noqa: E402
from edge_runtime.metrics import Metrics  # noqa: E402
from edge_runtime.pipelines.vision import VisionPipeline  # noqa: E402
from edge_runtime.runtime import Runtime  # noqa: E402
from edge_runtime.sinks.fanout import FanOut  # noqa: E402
from edge_runtime.sources.camera import Camera  # noqa: E402
from edge_runtime.types import Look  # noqa: E402
from edge_runtime.watch_sections import CameraSettings  # noqa: E402

if TYPE_CHECKING:
    from edge_runtime.types import Event, Frame, Image

PASSWORD = "S3cret"  # noqa: S105 - of a server on loopback
LOGIN = f"user:{PASSWORD}"
KINDS = ("kill", "freeze", "stall", "slow", "garbage", "torn", "password", "child killed", "child frozen")
LONG_OUTAGE_S = 60.0
TOLD_WITHIN_S, BACK_WITHIN_S = 10.0, 5.0


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


class Steady:
    """Watches the camera that nothing happens to: which pictures are missing."""

    def __init__(self, name: str) -> None:
        self.pictures = self.lost = 0
        self._name = name
        self._last: int | None = None

    def __call__(self, frame: Frame) -> None:
        """Look at a picture's number."""
        if frame.source != self._name:
            return
        number = number_of(frame.image)
        if self._last is not None:
            self.lost += (number - self._last - 1) % 100
        self._last = number
        self.pictures += 1


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


def counts() -> dict[str, int]:
    """Return what this program holds."""
    process = psutil.Process()
    children = process.children(recursive=True)
    zombies = sum(child.status() == psutil.STATUS_ZOMBIE for child in children)
    return {
        "processes": len(children),
        "zombies": zombies,
        "file descriptors": process.num_fds(),
        "threads": process.num_threads(),
        "memory MB": round(process.memory_info().rss / 2**20),
    }


def rows_of(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each kind of fault, worst and median."""
    table = []
    for kind in dict.fromkeys(row["fault"] for row in rows):
        these = [row for row in rows if row["fault"] == kind]
        told, back = (sorted(row[key] for row in these) for key in ("told_s", "back_s"))
        table.append(
            {
                "fault": kind,
                "times": len(these),
                "told_median_s": round(told[len(told) // 2], 1),
                "told_worst_s": round(told[-1], 1),
                "back_median_s": round(back[len(back) // 2], 1),
                "back_worst_s": round(back[-1], 1),
                "reason": max({row["reason"] for row in these}, key=[row["reason"] for row in these].count),
            }
        )
    return table


def run(faults: int, lanes: int, clip: Path, outage_s: float) -> dict[str, Any]:
    """Let the faults happen and return what was measured."""
    heard, steady = Heard(), Steady("steady")
    house = House(FanOut([heard]), None, Metrics())  # type: ignore[arg-type]  # nobody asks anything here
    house.watch_along(steady)
    with RtspCamera(clip) as server:
        hurt = [Lane(f"lane{number}", clip, heard) for number in range(lanes)]
        cameras = [Camera(CameraSettings(name="steady", url=server.url(), fps=10)), *(lane.camera for lane in hurt)]
        for camera in cameras:
            house.add_camera(camera, VisionPipeline(Blind(), MotionGate(1.0, 3600), [], Scene()), paced=True)
        runtime = Runtime(house.stages(), once=False, close=lambda: None)
        running = threading.Thread(target=runtime.run)
        running.start()
        wait_for(lambda: all(heard.state(camera.name) == "online" for camera in cameras), 30)
        time.sleep(8)
        before, lost_before, began = counts(), steady.lost, time.monotonic()
        share = [(lane, faults // lanes, number, outage_s) for number, lane in enumerate(hurt)]
        threads = [threading.Thread(target=endure, args=each) for each in share]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wait_for(lambda: all(heard.state(camera.name) == "online" for camera in cameras), 30)
        time.sleep(2)
        after = counts()
        runtime.stop()
        for camera in cameras:
            camera.close()
        running.join(15)
        for lane in hurt:
            lane.server.kill()
    rows = [row for lane in hurt for row in lane.rows]
    reasons = " ".join(reason for told in heard.told.values() for _, _, reason in told)
    return {
        "faults": len(rows),
        "minutes": round((time.monotonic() - began) / 60, 1),
        "rows": rows_of(rows),
        "told_in_time": sum(row["told_s"] <= TOLD_WITHIN_S for row in rows),
        "back_in_time": sum(row["back_s"] <= BACK_WITHIN_S for row in rows),
        "late": [row for row in rows if row["told_s"] > TOLD_WITHIN_S or row["back_s"] > BACK_WITHIN_S],
        "other_camera": {
            "pictures": steady.pictures,
            "lost": steady.lost - lost_before,
            "told": [told[1:] for told in heard.told["steady"]],
        },
        "password_shown": PASSWORD in reasons,
        "before": before,
        "after": after,
    }


def endure(lane: Lane, faults: int, offset: int, outage_s: float) -> None:
    """Let the faults happen to one lane; its first one lasts `outage_s`."""
    for number in range(faults):
        kind = "kill" if number == 0 else KINDS[(number + 2 + 3 * offset) % len(KINDS)]
        lane.hurt(kind, outage_s if number == 0 else 0.0)


def main() -> None:
    """Print a table and one JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--lanes", type=int, default=4)
    parser.add_argument("--outage", type=float, default=LONG_OUTAGE_S, help="seconds of each lane's first fault")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = run(asked.faults, asked.lanes, numbered_clip(Path(folder) / "clip.h264"), asked.outage)
    print(f"{'fault':>13} {'times':>6} {'told: median':>13} {'worst':>6} {'back: median':>13} {'worst':>6}  reason")
    for row in found["rows"]:
        print(
            f"{row['fault']:>13} {row['times']:>6} {row['told_median_s']:>11} s {row['told_worst_s']:>4} s "
            f"{row['back_median_s']:>11} s {row['back_worst_s']:>4} s  {row['reason'][:140]}"
        )
    for key in (
        "faults",
        "minutes",
        "told_in_time",
        "back_in_time",
        "other_camera",
        "password_shown",
        "before",
        "after",
    ):
        print(f"{key:>16}  {found[key]}")
    for row in found["late"]:
        print("late:", row)
    print(json.dumps({"bench": "faults", **found}))


if __name__ == "__main__":
    main()
