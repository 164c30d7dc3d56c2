"""Eight cameras on one box: from picture to MQTT, and what it costs beside a plain OpenCV and onnxruntime loop.

python bench/cameras.py [--clip VIDEO] [--cameras 8] [--still 11] [--cycles 1] [--rounds 1] [--threads 1]
                        [--only plain every]

A real RTSP server sends 720p at 5 pictures a second, encoded beforehand: the clip (the embedded one of 14 s if none is
given) and then, for --still seconds, its first picture with a sensor's noise, as most cameras look at most of the time;
over and over. Server, broker (Mosquitto) and subscriber run in processes of their own whose CPU time is not counted.

Contenders take turns, in the other order every second round. Each is measured from when all its cameras have delivered
for 5 s, and for whole cycles of what is sent: so all get the very same pictures, and the table says if one missed any.

* plain: `plain_cameras.py`, the same detections on each picture.
* every: this program with the motion gate open, so that it does the same detections.
* watched: this program with its motion gate, still without anomaly, evidence and Home Assistant.
* shipped: this program with its default settings, but for its servers (API, Wyoming) and --threads.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests" / "sources"), str(ROOT / "tests" / "sinks")]

from brokers import Listener, Mosquitto  # noqa: E402 - after their folders are known
from rtsp_camera import RtspCamera  # noqa: E402

from edge_runtime.app import App  # noqa: E402
from edge_runtime.config import Settings  # noqa: E402

PLAIN = Path(__file__).with_name("plain_cameras.py")
DEMO = ROOT / "edge_runtime" / "demo" / "clip.mp4"
FPS = 5
SIZE = (1280, 720)
FRAMES = "edge_frames_total"
LOST = ("edge_frames_dropped", "edge_frames_missed_total")
OPENED_WITHIN_S = 60.0
SETTLE_S = 5.0
BARE = "anomaly: {enabled: false}\nevidence: {enabled: false}\nhomeassistant: {enabled: false}\n"
EXTRA = {"every": BARE + "vision: {motion_area: 0, confirm_frames: 3}\n", "watched": BARE, "shipped": ""}


def encode(clip: Path, still_s: float, path: Path) -> float:
    """Write what the cameras send, raw H.264, 1280x720, 5 pictures a second; return the seconds it takes."""
    command = f"ffmpeg -v error -y -f rawvideo -pix_fmt bgr24 -s {SIZE[0]}x{SIZE[1]} -r {FPS} -i - -c:v libx264"
    command += " -preset veryfast -tune zerolatency -b:v 1000k -maxrate 1000k -bufsize 1000k"
    command += " -x264-params keyint=10:scenecut=0:aud=1 -pix_fmt yuv420p -f h264"
    chance = np.random.default_rng(1)
    pictures = thinned(clip)
    pictures += [pictures[0]] * round(still_s * FPS)
    with subprocess.Popen([*command.split(), str(path)], stdin=subprocess.PIPE) as encoder:
        assert encoder.stdin is not None
        for picture in pictures:
            noise = chance.normal(0, 2, (SIZE[1], SIZE[0], 1)).round().astype(np.int16)
            encoder.stdin.write(np.clip(picture + noise, 0, 255).astype(np.uint8).tobytes())
    assert encoder.returncode == 0
    return len(pictures) / FPS


def thinned(clip: Path) -> list[Any]:
    """Return a clip's pictures, five a second, at the cameras' size."""
    capture = cv2.VideoCapture(str(clip))
    rate = capture.get(cv2.CAP_PROP_FPS)
    pictures, due = [], 0.0
    for number in range(100_000):
        if not capture.grab():
            break
        if number / rate >= due:
            pictures.append(cv2.resize(capture.retrieve()[1], SIZE, interpolation=cv2.INTER_AREA))
            due += 1 / FPS
    capture.release()
    return pictures


def box(settings_file: Path, seconds: float) -> dict[str, Any]:
    """Run this program on the cameras; return what it did in `seconds` after all were there."""
    settings = Settings.load(settings_file)
    app = App(settings, once=False)
    running = threading.Thread(target=app.runtime.run)
    running.start()
    try:
        wait_for_cameras(app, [camera.name for camera in settings.cameras])
        found = measured(app, [camera.name for camera in settings.cameras], seconds)
    finally:
        app.runtime.stop()
        running.join(20)
    return found


def wait_for_cameras(app: App, names: list[str]) -> None:
    """Wait until every camera has delivered for a while."""
    give_up_at = time.monotonic() + OPENED_WITHIN_S
    while not all(app.metrics.registry.get_sample_value(FRAMES, {"source": name}) for name in names):
        if time.monotonic() > give_up_at:
            raise SystemExit("not every camera could be opened")
        time.sleep(0.1)
    time.sleep(SETTLE_S)


def measured(app: App, names: list[str], seconds: float) -> dict[str, Any]:
    """Return what a running box does in `seconds`."""
    here = psutil.Process()

    def count() -> np.ndarray[Any, np.dtype[np.float64]]:
        value = app.metrics.registry.get_sample_value
        frames = sum(value(FRAMES, {"source": name}) or 0.0 for name in names)
        children = sum(sum(child.cpu_times()[:2]) for child in here.children(recursive=True))
        counts = app.house.counts
        dropped = sum(value(kind, {"source": name}) or 0.0 for kind in LOST for name in names)
        own = sum(here.cpu_times()[:2])
        return np.array([frames, counts["looks"], counts["detections"], dropped, own + children, children])

    before, began, wall = count(), time.monotonic(), time.time()
    app.house.latencies_s.clear()
    time.sleep(seconds)
    pictures, looks, detections, dropped, cpu_s, children_s = (count() - before).tolist()
    memory = sum(each.memory_full_info().pss for each in [here, *here.children(recursive=True)])
    return {
        "pictures": round(pictures),
        "looks": round(looks),
        "detections": round(detections),
        "dropped": round(dropped),
        "cpu_s": cpu_s,
        "capturing_s": children_s,
        "took_s": time.monotonic() - began,
        "memory_mb": memory / 1e6,
        "analysed_p95_ms": float(np.percentile(app.house.latencies_s, 95)) * 1000,
        "wall": (wall, time.time()),
    }


def apart(*command: str) -> dict[str, Any]:
    """Run one contender in a process of its own."""
    done = subprocess.run([sys.executable, *command], stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def with_listener(settings_file: Path, seconds: float, broker: Mosquitto) -> dict[str, Any]:
    """Run this program; return what it did, and how long pictures took until a subscriber had their events."""
    listener = Listener(broker.port, "edge/+/events")
    heard: list[tuple[float, float]] = []

    def hear(_client: Any, _data: Any, message: Any) -> None:
        at = time.time()
        body = json.loads(message.payload)
        if body["kind"] in {"motion", "object"}:
            heard.append((at, (at - datetime.fromisoformat(body["time"]).timestamp()) * 1000))

    listener.client.on_message = hear
    try:
        found = apart(__file__, "--box", str(settings_file), "--seconds", f"{seconds:g}")
    finally:
        listener.close()
    begin, end = found.pop("wall")
    return {**found, "to_mqtt_ms": [took for at, took in heard if begin <= at <= end]}


def settings_of(urls: list[str], port: int, folder: Path, extra: str, threads: int) -> Path:
    """Write the settings of a box with these cameras."""
    cameras = ", ".join(f"{{name: camera{number}, url: '{url}', fps: 5}}" for number, url in enumerate(urls))
    data = tempfile.mkdtemp(dir=folder)
    path = folder / "edge.yaml"
    path.write_text(
        f"device: {{data_dir: {data}, threads: {threads}}}\ncameras: [{cameras}]\nmqtt: {{port: {port}}}\n"
        f"api: {{enabled: false}}\nwyoming: {{enabled: false}}\n{extra}"
    )
    return path


def row(name: str, found: dict[str, Any], cameras: int) -> dict[str, Any]:
    """Return one contender's figures of one round."""
    pictures, spent_ms = max(1, found["pictures"]), found["cpu_s"] * 1000
    mqtt_ms = found.get("to_mqtt_ms", [])
    return {
        "what": name,
        "pictures": found["pictures"],
        "sent": round(found["took_s"] * FPS * cameras),
        "looks": found["looks"],
        "still_share": round(1 - found["looks"] / pictures, 3),
        "detections": found["detections"],
        "dropped": found.get("dropped"),
        "cpu_ms_per_picture": round(spent_ms / pictures, 2),
        "capturing_ms_per_picture": round(found.get("capturing_s", math.nan) * 1000 / pictures, 2),
        "cpu_percent_per_camera": round(spent_ms / 10 / found["took_s"] / cameras, 2),
        "memory_mb": round(found["memory_mb"]),
        "analysed_p95_ms": round(found.get("analysed_p95_ms", math.nan), 1),
        "to_mqtt_p50_ms": round(float(np.percentile(mqtt_ms, 50)), 1) if mqtt_ms else None,
        "to_mqtt_p95_ms": round(float(np.percentile(mqtt_ms, 95)), 1) if mqtt_ms else None,
        "events": len(mqtt_ms),
    }


def compare(asked: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """Run the contenders in turns."""
    clip = folder / "clip.h264"
    seconds = asked.cycles * encode(asked.clip, asked.still, clip)
    broker = Mosquitto(folder)
    broker.start()
    rows = []
    with RtspCamera(clip, fps=FPS) as server:
        urls = [server.url(f"/{letter}") for letter in "abcdefgh"[: asked.cameras]]
        for number in range(asked.rounds):
            for name in asked.only[:: -1 if number % 2 else 1]:
                if name == "plain":
                    found = apart(str(PLAIN), f"{seconds:g}", str(asked.threads), *urls)
                else:
                    settings = settings_of(urls, broker.port, folder, EXTRA[name], asked.threads)
                    found = with_listener(settings, seconds, broker)
                rows.append(row(name, found, len(urls)))
                print(json.dumps(rows[-1]), flush=True)
    broker.kill()
    return rows


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the middle of each figure over the rounds, and what this program costs over the plain loop."""
    names = dict.fromkeys(row["what"] for row in rows)
    cost = {name: np.median([row["cpu_ms_per_picture"] for row in rows if row["what"] == name]) for name in names}
    over = {name: round(float(cost[name] / cost["plain"]), 3) for name in names if "plain" in cost}
    return {"cpu_ms_per_picture": {name: float(value) for name, value in cost.items()}, "over_plain": over}


def main() -> None:
    """Print a JSON line for each run, and one that sums them up."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--clip", type=Path, default=DEMO)
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--still", type=float, default=11.0, help="seconds without motion in each cycle")
    parser.add_argument("--cycles", type=int, default=1, help="how many of them are measured")
    parser.add_argument("--rounds", type=int, default=1, help="how often the contenders take turns")
    parser.add_argument("--threads", type=int, default=1, help="processor threads of one run of the model, for all")
    parser.add_argument("--only", nargs="+", choices=["plain", *EXTRA], default=["plain", *EXTRA])
    parser.add_argument("--box", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.box:
        print(json.dumps(box(asked.box, asked.seconds)))
        return
    with tempfile.TemporaryDirectory() as folder:
        rows = compare(asked, Path(folder))
    print(json.dumps({"bench": "cameras", **summary(rows), "rows": rows}))


if __name__ == "__main__":
    main()
