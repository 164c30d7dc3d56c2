"""Eight cameras on one box: from picture to MQTT, and what it costs beside a plain OpenCV and onnxruntime loop.

python bench/cameras.py [--clip VIDEO] [--cameras 8] [--seconds 60] [--still 46]

A real RTSP server sends 720p at 5 pictures a second, encoded beforehand: the clip (the embedded one if none is given)
and then, for --still seconds, its first picture with a sensor's noise, as most cameras look at most of the time.
Server, broker (Mosquitto) and subscriber run in processes of their own whose CPU time is not counted.

* plain: one thread a camera, `VideoCapture.read`, and the same detector on each picture, in one process.
* every picture: this program with the motion gate open, so that it does the same detections.
* as watched: this program with its motion gate, still without anomaly, evidence and the rest.
* as shipped: this program with its default settings.
"""

from __future__ import annotations

import argparse
import json
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
from edge_runtime.wiring.assembly import Models  # noqa: E402

DEMO = ROOT / "edge_runtime" / "demo" / "clip.mp4"
FPS = 5
SIZE = (1280, 720)
DROPPED = "edge_frames_dropped"
WARM_UP_S = 12.0
BARE = "anomaly: {enabled: false}\nevidence: {enabled: false}\nhomeassistant: {enabled: false}\n"
EVERY = BARE + "vision: {motion_area: 0, confirm_frames: 3}\n"


def encode(clip: Path, still_s: float, path: Path) -> Path:
    """Write what the cameras send: raw H.264, 1280x720, 5 pictures a second."""
    command = f"ffmpeg -v error -y -f rawvideo -pix_fmt bgr24 -s {SIZE[0]}x{SIZE[1]} -r {FPS} -i - -c:v libx264"
    command += " -preset veryfast -tune zerolatency -b:v 1000k -maxrate 1000k -bufsize 1000k"
    command += " -x264-params keyint=10:scenecut=0:aud=1 -pix_fmt yuv420p -f h264"
    chance = np.random.default_rng(1)
    with subprocess.Popen([*command.split(), str(path)], stdin=subprocess.PIPE) as encoder:
        assert encoder.stdin is not None
        pictures = thinned(clip)
        for picture in [*pictures, *[pictures[0]] * round(still_s * FPS)]:
            noise = chance.normal(0, 2, (SIZE[1], SIZE[0], 1)).round().astype(np.int16)
            encoder.stdin.write(np.clip(picture + noise, 0, 255).astype(np.uint8).tobytes())
    assert encoder.returncode == 0
    return path


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


def spent_s() -> float:
    """Return the CPU time of this process and its children, seconds."""
    whole = [psutil.Process(), *psutil.Process().children(recursive=True)]
    return sum(sum(process.cpu_times()[:2]) for process in whole)


def box(settings_file: Path, seconds: float) -> dict[str, Any]:
    """Run this program on the cameras; return what it did in `seconds` after it has warmed up."""
    app = App(Settings.load(settings_file), once=False)
    running = threading.Thread(target=app.runtime.run)
    running.start()
    time.sleep(WARM_UP_S)
    house = app.house
    before, cpu, began = dict(house.counts), spent_s(), time.monotonic()
    house.latencies_s.clear()
    time.sleep(seconds)
    cpu, took = spent_s() - cpu, time.monotonic() - began
    after, dropped = dict(house.counts), app.metrics.registry.get_sample_value(DROPPED)
    latency_ms = np.asarray(house.latencies_s) * 1000
    app.runtime.stop()
    running.join(20)
    looks, frames = (after[key] - before.get(key, 0) for key in ("looks", "frames"))
    return {
        "pictures": frames,
        "detections": looks,
        "cpu_s": cpu,
        "took_s": took,
        "dropped": dropped,
        "waited_p95_ms": float(np.percentile(latency_ms, 95)),
    }


def plain(urls: list[str], seconds: float) -> dict[str, Any]:
    """Do the same detections in the loop that everybody writes first."""
    detector = Models(threads=2).detector
    done, stop = [0] * len(urls), threading.Event()

    def watch(number: int, url: str) -> None:
        capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG)
        while not stop.is_set():
            usable, picture = capture.read()
            if usable:
                detector.look(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))  # type: ignore[arg-type]  # cv2's own type
                done[number] += 1
        capture.release()

    threads = [threading.Thread(target=watch, args=each) for each in enumerate(urls)]
    for thread in threads:
        thread.start()
    time.sleep(WARM_UP_S)
    before, cpu, began = sum(done), spent_s(), time.monotonic()
    time.sleep(seconds)
    cpu, took, count = spent_s() - cpu, time.monotonic() - began, sum(done) - before
    stop.set()
    for thread in threads:
        thread.join()
    return {"pictures": count, "detections": count, "cpu_s": cpu, "took_s": took}


def apart(*arguments: str) -> dict[str, Any]:
    """Run one contender in a process of its own."""
    done = subprocess.run([sys.executable, __file__, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def to_mqtt_ms(settings_file: Path, seconds: float, broker: Mosquitto) -> tuple[dict[str, Any], list[float]]:
    """Run this program; return what it did, and how long pictures took until a subscriber had their events."""
    listener = Listener(broker.port, "edge/+/events")
    took: list[float] = []
    take = listener.client.on_message

    def heard(client: Any, data: Any, message: Any) -> None:
        at = time.time()
        body = json.loads(message.payload)
        if body["kind"] in {"motion", "object"}:
            took.append((at - datetime.fromisoformat(body["time"]).timestamp()) * 1000)
        if take:
            take(client, data, message)

    listener.client.on_message = heard
    try:
        return apart("--box", str(settings_file), "--seconds", f"{seconds:g}"), took
    finally:
        listener.close()


def settings_of(urls: list[str], port: int, folder: Path, extra: str) -> Path:
    """Write the settings of a box with these cameras."""
    cameras = ", ".join(f"{{name: camera{number}, url: '{url}', fps: 5}}" for number, url in enumerate(urls))
    path = folder / "edge.yaml"
    path.write_text(
        f"device: {{data_dir: {folder / 'data'}}}\ncameras: [{cameras}]\nmqtt: {{port: {port}}}\n"
        f"api: {{enabled: false}}\nwyoming: {{enabled: false}}\n{extra}"
    )
    return path


def row(name: str, found: dict[str, Any], cameras: int, mqtt_ms: list[float] | None = None) -> dict[str, Any]:
    """Return one contender's figures."""
    return {
        "what": name,
        "cameras": cameras,
        "pictures": found["pictures"],
        "sent": round(found["took_s"] * FPS * cameras),
        "detections": found["detections"],
        "dropped": found.get("dropped"),
        "cpu_ms_per_detection": round(found["cpu_s"] * 1000 / max(1, found["detections"]), 1),
        "cpu_percent_per_camera": round(found["cpu_s"] * 100 / found["took_s"] / cameras, 1),
        "waited_p95_ms": round(found["waited_p95_ms"], 1) if "waited_p95_ms" in found else None,
        "to_mqtt_p50_ms": round(float(np.percentile(mqtt_ms, 50)), 1) if mqtt_ms else None,
        "to_mqtt_p95_ms": round(float(np.percentile(mqtt_ms, 95)), 1) if mqtt_ms else None,
        "events": len(mqtt_ms) if mqtt_ms else 0,
        "load": round(psutil.getloadavg()[0], 1),
    }


def compare(asked: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """Run the contenders one after the other, those that are compared by the picture in turns."""
    clip = encode(asked.clip, asked.still, folder / "clip.h264")
    broker = Mosquitto(folder)
    broker.start()
    rows = []
    with RtspCamera(clip, fps=FPS) as server:
        urls = [server.url(f"/{letter}") for letter in "abcdefgh"[: asked.cameras]]
        few = urls[: asked.compared]
        for _ in range(asked.rounds):
            rows.append(row("plain", apart("--plain", *few, "--seconds", f"{asked.seconds:g}"), len(few)))
            settings = settings_of(few, broker.port, folder, EVERY)
            rows.append(row("every picture", *_both(to_mqtt_ms(settings, asked.seconds, broker), len(few))))
        for name, extra in (("as watched", BARE), ("as shipped", "")):
            settings = settings_of(urls, broker.port, folder, extra)
            rows.append(row(name, *_both(to_mqtt_ms(settings, asked.seconds, broker), len(urls))))
    broker.kill()
    return rows


def _both(measured: tuple[dict[str, Any], list[float]], cameras: int) -> tuple[dict[str, Any], int, list[float]]:
    return measured[0], cameras, measured[1]


def main() -> None:
    """Print a table and one JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--clip", type=Path, default=DEMO)
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--compared", type=int, default=4, help="cameras where every picture is looked at")
    parser.add_argument("--rounds", type=int, default=2, help="how often the compared ones take turns")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--still", type=float, default=46.0)
    parser.add_argument("--box", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--plain", nargs="+", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.box or asked.plain:
        print(json.dumps(box(asked.box, asked.seconds) if asked.box else plain(asked.plain, asked.seconds)))
        return
    with tempfile.TemporaryDirectory() as folder:
        rows = compare(asked, Path(folder))
    for each in rows:
        print("\n".join(f"{name:>22}  {value}" for name, value in each.items()), end="\n\n")
    cost = {name: [r["cpu_ms_per_detection"] for r in rows if r["what"] == name] for name in ("plain", "every picture")}
    ratio = round(float(np.mean(cost["every picture"]) / np.mean(cost["plain"])), 3)
    print(f"CPU time per detection, this program over the plain loop: {ratio}")
    print(json.dumps({"bench": "cameras", "ratio": ratio, "rows": rows}))


if __name__ == "__main__":
    main()
