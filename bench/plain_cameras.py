"""The loop that everybody writes first: OpenCV reads each camera, onnxruntime looks at every picture.

python bench/plain_cameras.py SECONDS THREADS URL [URL ...]

One thread a camera, all in one process: `VideoCapture.read`, resize, `session.run` of the very same model file with the
same thread settings (no spinning), the same boxes out of its outputs. Nothing else: no motion gate, no health of the
camera, no picture or event kept, nothing told. It is spared what it need not do: the picture is resized before its
channels are put in order.

OpenCV opens one stream at a time and watches each for five seconds: eight cameras take 48 s, of which a bench that does
not wait for them counts the first ones alone. So streams are opened with the short look that edge-runtime takes too,
and nothing is counted before every camera has delivered.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

import cv2
import psutil

from edge_runtime.bundles.manifest import Manifest, default_bundle
from edge_runtime.bundles.parts import ImagePart
from edge_runtime.inference.detector import ObjectDetector
from edge_runtime.inference.preprocess import input_size
from edge_runtime.wiring.assembly import Models

if TYPE_CHECKING:
    from edge_runtime.types import Image

OPENED_WITHIN_S = 60.0
SETTLE_S = 5.0


def detector_of_bgr(threads: int) -> ObjectDetector:
    """Return the detector for pictures as OpenCV reads them."""
    models = Models(threads=threads)
    part = models.manifest.part(ImagePart)
    other = part.model_copy(update={"order": "bgr" if part.order == "rgb" else "rgb"})
    return ObjectDetector(models.image, models.manifest.model_copy(update={"image": other}))


def watch(url: str, detector: ObjectDetector, done: Counter[str], stop: threading.Event) -> None:
    """Look at every picture of a camera."""
    capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG)
    part = Manifest.load(default_bundle()).part(ImagePart)
    rows, columns = input_size(
        part, round(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)), round(capture.get(cv2.CAP_PROP_FRAME_WIDTH))
    )
    while not stop.is_set():
        usable, picture = capture.read()
        if not usable:
            raise SystemExit(f"{url} gives no picture")
        small: Image = cv2.resize(picture, (columns, rows), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        done["detections"] += len(detector.look(small).detections)
        done["pictures"] += 1
    capture.release()


def measure(urls: list[str], seconds: float, threads_of_a_run: int) -> dict[str, float]:
    """Return what was done in `seconds` after all cameras were there."""
    detector, stop = detector_of_bgr(threads_of_a_run), threading.Event()
    done: list[Counter[str]] = [Counter() for _ in urls]
    threads = [
        threading.Thread(target=watch, args=(url, detector, counts, stop), daemon=True)
        for url, counts in zip(urls, done, strict=True)
    ]
    for thread in threads:
        thread.start()
    give_up_at = time.monotonic() + OPENED_WITHIN_S
    while not all(counts["pictures"] for counts in done):
        if time.monotonic() > give_up_at:
            raise SystemExit("not every camera could be opened")
        time.sleep(0.1)
    time.sleep(SETTLE_S)
    process = psutil.Process()
    before, cpu, began = sum(done, Counter()), sum(process.cpu_times()[:2]), time.monotonic()
    time.sleep(seconds)
    after, spent_s, took_s = sum(done, Counter()), sum(process.cpu_times()[:2]) - cpu, time.monotonic() - began
    memory = process.memory_full_info().pss
    stop.set()
    for thread in threads:
        thread.join()
    counted = {name: after[name] - before[name] for name in ("pictures", "detections")}
    return {**counted, "looks": counted["pictures"], "cpu_s": spent_s, "took_s": took_s, "memory_mb": memory / 1e6}


def main() -> None:
    """Print one JSON line."""
    os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "rtsp_flags;prefer_tcp|fpsprobesize;0|analyzeduration;500000"
    print(json.dumps(measure(sys.argv[3:], float(sys.argv[1]), int(sys.argv[2]))))


if __name__ == "__main__":
    main()
