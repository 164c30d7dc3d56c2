"""The walk of a frame as a whole: start-up, speed against the clip's own time, memory.

python bench/walk.py [VIDEO...]    (the embedded demo clip when none is given)
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2

import edge_runtime

CLIP = Path(edge_runtime.__file__).parent / "demo" / "clip.mp4"
SETTINGS = "mqtt: {enabled: false}\n"


def media_seconds(video: Path) -> float:
    """Return how long a video plays."""
    capture = cv2.VideoCapture(str(video))
    try:
        return float(capture.get(cv2.CAP_PROP_FRAME_COUNT) / capture.get(cv2.CAP_PROP_FPS))
    finally:
        capture.release()


def walk(video: Path, settings: Path) -> dict[str, Any]:
    """Run a video through the program once and return its figures."""
    command = [
        sys.executable,
        "-m",
        "edge_runtime.cli",
        "run",
        "--json",
        "--once",
        "--config",
        str(settings),
        str(video),
    ]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    wall_s = time.perf_counter() - began
    *events, last = (json.loads(line) for line in done.stdout.splitlines())
    summary = last["summary"]
    played_s = media_seconds(video)
    return {
        "video": video.name,
        "media_s": round(played_s, 1),
        "wall_s": round(wall_s, 1),
        "times_real_time": round(played_s / summary["seconds"], 1),
        "looks": summary["looks"],
        "frames": summary["frames"],
        "new_tracks": sum(event["kind"] == "object" and event["type"] == "new" for event in events),
        "frame_p50_ms": summary["frame_latency_ms"]["p50"],
        "frame_p99_ms": summary["frame_latency_ms"]["p99"],
        "first_detection_s": summary["first_detection_s"],
        "memory_mb": summary["memory_mb"],
    }


def main() -> None:
    """Print a table and one JSON line."""
    settings = Path("build") / "bench-walk.yaml"
    settings.parent.mkdir(exist_ok=True)
    settings.write_text(SETTINGS)
    rows = [walk(Path(name), settings) for name in sys.argv[1:] or [str(CLIP)]]
    for row in rows:
        print("\n".join(f"{name:>20}  {value}" for name, value in row.items()), end="\n\n")
    print(json.dumps({"bench": "walk", "rows": rows}))


if __name__ == "__main__":
    main()
