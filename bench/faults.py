"""What becomes of cameras whose network, power and passwords fail: how soon it is told, how soon they are back.

python bench/faults.py [--faults 200] [--lanes 4] [--model]

Real RTSP servers on loopback, one for each lane, are killed, frozen, slowed, made to send garbage or torn pictures,
given another password, and our own capture processes killed and frozen; the first fault of each lane lasts a minute.
Beside them runs a camera that nothing happens to: each of its pictures carries its number, so that one that is lost
shows, and what its capture process counts tells by whom. With `--model` the model looks at what moves, as on a running
box.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from fault_lanes import PASSWORD, Blind, Heard, Lane, Steady, held
from rtsp_camera import RtspCamera, numbered_clip, wait_for

from edge_runtime.decision.motion import MotionGate
from edge_runtime.decision.scene import Scene
from edge_runtime.house import House
from edge_runtime.metrics import Metrics
from edge_runtime.pipelines.vision import VisionPipeline
from edge_runtime.runtime import Runtime
from edge_runtime.sinks.fanout import FanOut
from edge_runtime.sources.camera import Camera
from edge_runtime.watch_sections import CameraSettings
from edge_runtime.wiring.assembly import Models

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = ("kill", "freeze", "stall", "slow", "garbage", "torn", "password", "child killed", "child frozen")
LONG_KINDS = ("kill", "freeze", "password", "stall", "garbage")
LONG_OUTAGE_S = 60.0
TOLD_WITHIN_S, BACK_WITHIN_S = 10.0, 5.0
PICTURES = 100
TOLD_KEYS = (
    "faults",
    "minutes",
    "load",
    "told_in_time",
    "back_in_time",
    "other_camera",
    "password_shown",
    "before",
    "after",
)


class Box:
    """The steady camera and those of the lanes in one running program."""

    def __init__(self, clip: Path, lanes: int, steady_url: str, *, model: bool) -> None:
        self.heard, self.metrics, self.dropped_before = Heard(), Metrics(), 0.0
        camera = Camera(CameraSettings(name="steady", url=steady_url, fps=10))
        self.steady = Steady(camera, PICTURES)
        self.lanes = [Lane(f"lane{number}", clip, self.heard) for number in range(lanes)]
        self.cameras = [camera, *(lane.camera for lane in self.lanes)]
        house = House(FanOut([self.heard]), None, self.metrics)  # type: ignore[arg-type]  # nobody asks anything here
        house.watch_along(self.steady)
        eyes, moved = (Models(threads=1).detector, 0.002) if model else (Blind(), 1.0)
        for each in self.cameras:
            house.add_camera(each, VisionPipeline(eyes, MotionGate(moved, 3600), [], Scene()), paced=True)
        self._runtime = Runtime(house.stages(), once=False, close=lambda: None)
        self._running = threading.Thread(target=self._runtime.run, name="runtime")

    @contextmanager
    def runs(self) -> Iterator[None]:
        """Let it run, all cameras online at the beginning."""
        self._running.start()
        self.all_online()
        yield
        self._runtime.stop()
        for camera in self.cameras:
            camera.close()
        self._running.join(15)
        for lane in self.lanes:
            lane.server.kill()

    def dropped(self, camera: str) -> float:
        """Return how many of a camera's pictures were overtaken before they were looked at."""
        return self.metrics.registry.get_sample_value("edge_frames_dropped", {"source": camera}) or 0.0

    def settle(self) -> None:
        """Begin to count: what comes at once when a camera is opened is over, libraries have the threads they want."""
        time.sleep(8)
        # OpenCV starts its own with the first big picture.
        cv2.warpAffine(np.zeros((720, 1280, 3), np.uint8), np.eye(2, 3), (1280, 720))
        self.steady.lost.clear()
        self.steady.pictures = 0
        self.dropped_before = self.dropped("steady")

    def all_online(self) -> None:
        """Wait until they are."""
        wait_for(lambda: all(self.heard.state(camera.name) == "online" for camera in self.cameras), 30)


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


def run(faults: int, lanes: int, clip: Path, outage_s: float, *, model: bool) -> dict[str, Any]:
    """Let the faults happen and return what was measured."""
    with RtspCamera(clip) as server:
        box = Box(clip, lanes, server.url(), model=model)
        with box.runs():
            box.settle()
            before, began = held(), time.monotonic()
            shares = [(lane, faults // lanes, number, outage_s) for number, lane in enumerate(box.lanes)]
            threads = [threading.Thread(target=endure, args=share) for share in shares]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            box.all_online()
            time.sleep(2)
            after = held()
    return {**measured(box), "minutes": round((time.monotonic() - began) / 60, 1), "before": before, "after": after}


def measured(box: Box) -> dict[str, Any]:
    """Return what became of the faults and of the camera beside them."""
    rows = [row for lane in box.lanes for row in lane.rows]
    reasons = " ".join(reason for told in box.heard.told.values() for _, _, reason in told)
    return {
        "faults": len(rows),
        "load": round(sum(row["load"] for row in rows) / max(len(rows), 1), 1),
        "rows": rows_of(rows),
        "told_in_time": sum(row["told_s"] <= TOLD_WITHIN_S for row in rows),
        "back_in_time": sum(row["back_s"] <= BACK_WITHIN_S for row in rows),
        "late": [row for row in rows if row["told_s"] > TOLD_WITHIN_S or row["back_s"] > BACK_WITHIN_S],
        "other_camera": {
            "pictures": box.steady.pictures,
            "lost": box.steady.lost,
            "dropped": box.dropped("steady") - box.dropped_before,
            "told": [told[1:] for told in box.heard.told["steady"]],
        },
        "password_shown": PASSWORD in reasons,
    }


def endure(lane: Lane, faults: int, offset: int, outage_s: float) -> None:
    """Let the faults happen to one lane; its first one, with each lane another, lasts `outage_s`."""
    for number in range(faults):
        kind = LONG_KINDS[offset % len(LONG_KINDS)] if number == 0 else KINDS[(number + 2 + 3 * offset) % len(KINDS)]
        lane.hurt(kind, outage_s if number == 0 else 0.0)


def main() -> None:
    """Print a table and one JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--lanes", type=int, default=4)
    parser.add_argument("--outage", type=float, default=LONG_OUTAGE_S, help="seconds of each lane's first fault")
    parser.add_argument("--model", action="store_true", help="let the model look at what moves")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clip = numbered_clip(Path(folder) / "clip.h264", count=PICTURES)
        found = run(asked.faults, asked.lanes, clip, asked.outage, model=asked.model)
    show(found)
    print(json.dumps({"bench": "faults", **found}))


def show(found: dict[str, Any]) -> None:
    """Print what was measured as a table."""
    print(f"{'fault':>13} {'times':>6} {'told: median':>13} {'worst':>6} {'back: median':>13} {'worst':>6}  reason")
    for row in found["rows"]:
        print(
            f"{row['fault']:>13} {row['times']:>6} {row['told_median_s']:>11} s {row['told_worst_s']:>4} s "
            f"{row['back_median_s']:>11} s {row['back_worst_s']:>4} s  {row['reason'][:140]}"
        )
    for key in TOLD_KEYS:
        print(f"{key:>16}  {found[key]}")
    for row in found["late"]:
        print("late:", row)


if __name__ == "__main__":
    main()
