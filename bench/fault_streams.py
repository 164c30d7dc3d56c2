"""How soon a stream that still comes is told to be bad: at several rates, key intervals, over TCP and UDP, just begun.

python bench/fault_streams.py [--fps 2 5 10 25] [--key 1 10] [--begun 2 15]

Each real RTSP server has eight cameras: slow, still (one picture, encoded again and again), garbage and torn pictures,
each over TCP and UDP. The fault begins so many seconds after a camera's first picture, and ends 15 s later.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fault_lanes import Blind, Heard
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

if TYPE_CHECKING:
    from collections.abc import Iterator

MOODS = ("slow", "still", "garbage", "torn")
TRANSPORTS = ("tcp", "udp")
LASTS_S, BACK_S = 15.0, 12.0


class Case(NamedTuple):
    """One camera of a server and what happens to it."""

    path: str
    mood: str
    transport: str

    @property
    def name(self) -> str:
        """Return how the camera is called."""
        return f"{self.mood}-{self.transport}"


CASES = [Case(f"/{path}", *each) for path, each in zip("abcdefgh", itertools.product(MOODS, TRANSPORTS), strict=True)]


def server_of(folder: Path, fps: float, key_s: float) -> RtspCamera:
    """Return a server of two clips, whose pictures move or do not."""
    name, key_every = f"{fps:g}-{key_s:g}", max(1, round(fps * key_s))
    count = max(100, 2 * key_every)
    clips = [
        numbered_clip(folder / f"{name}-{still}.h264", count=count, key_every=key_every, still=still)
        for still in (False, True)
    ]
    return RtspCamera(clips[0], fps=fps, still=clips[1])


def measure(folder: Path, fps: float, key_s: float, begun_s: float) -> Iterator[dict[str, Any]]:
    """Yield what was told of each camera of one server."""
    heard = Heard()
    with server_of(folder, fps, key_s) as server:
        house = House(FanOut([heard]), None, Metrics())  # type: ignore[arg-type]  # nobody asks anything here
        cameras = [
            Camera(CameraSettings(name=case.name, url=server.url(case.path), transport=case.transport))  # type: ignore[arg-type]
            for case in CASES
        ]
        for camera in cameras:
            house.add_camera(camera, VisionPipeline(Blind(), MotionGate(1.0, 3600), [], Scene()), paced=True)
        runtime = Runtime(house.stages(), once=False, close=lambda: None)
        running = threading.Thread(target=runtime.run)
        running.start()
        with ThreadPoolExecutor(len(CASES)) as pool:
            rows = list(pool.map(lambda case: endure(server, heard, case, begun_s), CASES))
        runtime.stop()
        for camera in cameras:
            camera.close()
        running.join(15)
    for row in rows:
        print(row, file=sys.stderr, flush=True)
        yield {"fps": fps, "key_s": key_s, "begun_s": begun_s, **row}


def endure(server: RtspCamera, heard: Heard, case: Case, begun_s: float) -> dict[str, Any]:
    """Let the fault happen to one camera and return when it was told, and when it was over."""
    told = heard.told[case.name]
    wait_for(lambda: heard.state(case.name) == "online", 30)
    time.sleep(max(0.0, told[-1][0] + begun_s - time.monotonic()))
    known, began = len(told), time.monotonic()
    server.mood(case.mood, case.path)
    time.sleep(LASTS_S)
    server.mood("well", case.path)
    first = told[known] if len(told) > known else (float("inf"), "", "")
    back = wait_for(lambda: heard.state(case.name) == "online", BACK_S)
    row = {"fault": case.mood, "transport": case.transport, "told_s": round(first[0] - began, 1)}
    return {**row, "status": first[1], "back_s": round(back, 1), "reason": first[2]}


def main() -> None:
    """Print a table and one JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fps", type=float, nargs="+", default=[2, 5, 10, 25])
    parser.add_argument("--key", type=float, nargs="+", default=[1, 10], help="seconds from key frame to key frame")
    parser.add_argument("--begun", type=float, nargs="+", default=[2, 15], help="seconds before the fault")
    asked = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for fps, key_s, begun_s in itertools.product(asked.fps, asked.key, asked.begun):
            rows += measure(Path(folder), fps, key_s, begun_s)
    print(
        "   fps  keys  begun  " + "  ".join(f"{case.name:>11}" for case in CASES) + "   (told after s / back after s)"
    )
    for (fps, key_s, begun_s), group in itertools.groupby(rows, lambda row: (row["fps"], row["key_s"], row["begun_s"])):
        cells = "  ".join(f"{row['told_s']:>5}/{row['back_s']:>5}" for row in group)
        print(f"{fps:>6g} {key_s:>4g} s {begun_s:>4g} s  {cells}")
    in_time = sum(row["told_s"] <= 10 for row in rows)
    print(f"told within 10 s: {in_time} of {len(rows)}, worst {max(row['told_s'] for row in rows)} s")
    print(json.dumps({"bench": "fault_streams", "told_in_time": in_time, "rows": rows}))


if __name__ == "__main__":
    main()
