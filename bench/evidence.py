"""Evidence of alerts: is every recorded decision reproduced by another process, what does an alert take on the disk.

python bench/evidence.py [--alerts N] [--unusual M]

Films of the embedded clip, mirrored, darkened, noisy, 360p and 720p, go through the whole program, with random zones
and lines and two prompts, until N alerts are recorded; a camera and a microphone learn what is usual and alarm M times
each. `edge-runtime replay --all` then decides each of them again. The ring's cost per frame is compared with a look of
the model in the same run.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from evidence_unusual import record_unusual

import edge_runtime
from edge_runtime.sinks.clip_ring import ClipRing
from edge_runtime.types import Frame
from edge_runtime.wiring.assembly import Models

if TYPE_CHECKING:
    from edge_runtime.types import Image

CLIP = Path(edge_runtime.__file__).parent / "demo" / "clip.mp4"
A_DAY = 40
MOST_ROUNDS = 40


def pictures(video: Path) -> list[Image]:
    """Return a film's pictures, BGR."""
    capture, found = cv2.VideoCapture(str(video)), []
    while (read := capture.read())[0]:
        found.append(np.asarray(read[1], np.uint8))
    capture.release()
    return found


def film(path: Path, seed: int, height: int) -> Path:
    """Write the embedded clip as another camera may see it: mirrored or not, other light, noise, another size."""
    rng = np.random.default_rng(seed)
    mirrored, light, noise = bool(rng.integers(2)), rng.uniform(0.7, 1.1), rng.uniform(0, 6)
    capture = cv2.VideoCapture(str(CLIP))
    fps = capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    size = (height * 16 // 9 // 2 * 2, height)
    out = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, size)
    for picture in pictures(CLIP):
        seen = cv2.resize(picture[:, ::-1] if mirrored else picture, size).astype(np.float32)
        seen = seen * light + rng.normal(0, noise, seen.shape)
        out.write(np.clip(seen, 0, 255).astype(np.uint8))
    out.release()
    return path


def rules(seed: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return random zones and lines without much rest, so that one film alerts often."""
    rng = np.random.default_rng(seed)
    zones = []
    for number in range(6):
        x, y = rng.uniform(0, 0.6), rng.uniform(0.2, 0.7)
        wide, high = rng.uniform(0.2, 0.5), rng.uniform(0.3, 0.6)
        corners = [[x, y], [min(x + wide, 1), y], [min(x + wide, 1), min(y + high, 1)], [x, min(y + high, 1)]]
        zone = {"name": f"zone-{number}", "polygon": [[float(v) for v in corner] for corner in corners]}
        zones.append({**zone, "dwell_s": float(rng.choice([0, 0.5, 1])), "cooldown_s": float(rng.choice([0, 1]))})
    lines = [
        {"name": f"line-{number}", "start": [float(x), 0.0], "end": [float(x), 1.0]}
        for number, x in enumerate(rng.uniform(0.2, 0.8, 5))
    ]
    return zones, lines


def record(folder: Path, config: Path, seed: int) -> None:
    """Run one film through the whole program."""
    zones, lines = rules(seed)
    video = film(folder / f"film-{seed}.mp4", seed, 720 if seed % 2 else 360)
    camera = {"name": f"camera-{seed}", "url": str(video), "fps": 8, "zones": zones, "lines": lines}
    evidence = {"mb_per_day": 100_000, "mb": 100_000}
    alerts = {"alerts": ["a person", "a cat"], "alerting": {"cooldown_s": 3}}
    config.write_text(
        json.dumps(
            {
                "device": {"data_dir": str(folder / "data")},
                "cameras": [camera],
                "mqtt": {"enabled": False},
                "evidence": evidence,
                **alerts,
            }
        )
    )
    subprocess.run(
        [sys.executable, "-m", "edge_runtime.cli", "run", "--once", "--json", "--config", str(config)],
        check=True,
        capture_output=True,
    )
    video.unlink()


def replay(config: Path) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Decide all alerts once more, in a process of its own."""
    command = [sys.executable, "-m", "edge_runtime.cli", "replay", "--all", "--json", "--config", str(config)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    *alerts, last = (json.loads(line) for line in done.stdout.splitlines())
    return alerts, last["summary"]


def disk(folder: Path) -> dict[str, dict[str, float]]:
    """Return the MB of an alert by its picture's height: of each file, in all, and with what alerts share."""
    sizes: dict[str, dict[str, float]] = {}
    shared: dict[str, float] = {}
    counts: dict[str, int] = {}
    seen: set[int] = set()
    for place in folder.glob("*/*"):
        facts = json.loads((place / "record.json").read_text())
        height = str(facts["sight"]["height"]) if facts["sight"] else "sound"
        counts[height] = counts.get(height, 0) + 1
        for file in place.iterdir():
            info = file.stat()
            one = sizes.setdefault(height, {})
            one[file.name] = one.get(file.name, 0.0) + info.st_size / 1e6
            shared[height] = shared.get(height, 0.0) + (0 if info.st_ino in seen else info.st_size / 1e6)
            seen.add(info.st_ino)
    each = {h: {name: round(mb / counts[h], 3) for name, mb in files.items()} for h, files in sizes.items()}
    return {
        h: {
            **files,
            "alerts": counts[h],
            "alone": round(sum(files.values()), 3),
            "sharing": round(shared[h] / counts[h], 3),
        }
        for h, files in each.items()
    }


def ring_cost() -> dict[str, float]:
    """Return milliseconds of this thread per 720p frame: the ring, moving and still, beside a look of the model."""
    cv2.setNumThreads(1)
    moving = [cv2.cvtColor(cv2.resize(p, (1280, 720)), cv2.COLOR_BGR2RGB).astype(np.uint8) for p in pictures(CLIP)[:60]]
    detector = Models(threads=1).detector
    cost = {}
    for name, images in (("moving", moving), ("still", [moving[0]] * 60)):
        ring = ClipRing(13.0)
        began = time.thread_time()
        for number, image in enumerate(images):
            ring.take(Frame("camera", number / 6, image))
        cost[f"ring_{name}_ms"] = (time.thread_time() - began) / len(images) * 1000
        cost[f"ring_{name}_mb"] = sum(len(one.jpeg) for one in ring.between(float("-inf"), float("inf"))) / 1e6
    began = time.perf_counter()
    for image in moving[:30]:
        detector.look(image)
    cost["look_ms"] = (time.perf_counter() - began) / 30 * 1000
    return {name: round(value, 3) for name, value in cost.items()}


def people(seen: list[Image]) -> list[Image]:
    """Return the parts of some pictures, RGB, in which the model finds a person."""
    detector, found = Models(threads=1).detector, []
    for image in seen[::10]:
        height, width = image.shape[:2]
        for one in detector.look(image).detections:
            left, top, right, bottom = one.box
            part = image[int(top * height) : int(bottom * height), int(left * width) : int(right * width)]
            if one.label == "person" and part.size and right - left < 0.5:
                found.append(part)
    return found


def gather(folder: Path, config: Path, wanted: int, unusual: int) -> int:
    """Record alerts of all kinds and return how many films it took."""
    evidence, films = folder / "data" / "evidence", 0
    while sum(1 for _ in evidence.glob("*/*")) < wanted and films < MOST_ROUNDS:
        record(folder, config, films)
        films += 1
    seen = [
        np.asarray(cv2.cvtColor(cv2.resize(one, (640, 360)), cv2.COLOR_BGR2RGB), np.uint8) for one in pictures(CLIP)
    ]
    record_unusual(folder / "data", seen[0], people(seen), unusual)
    return films


def counted(alerts: list[dict[str, Any]]) -> dict[str, list[int]]:
    """Return of each kind of alert how many were reproduced, and how many there are."""
    counts: dict[str, list[int]] = {}
    for alert in alerts:
        kind = " ".join(str(part) for part in (alert["kind"], alert["data"].get("unusual")) if part)
        before = counts.get(kind, [0, 0])
        counts[kind] = [before[0] + alert["reproduced"], before[1] + 1]
    return counts


def main() -> None:
    """Print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alerts", type=int, default=50, help="of zones, lines and words")
    parser.add_argument("--unusual", type=int, default=12, help="of a camera's and of a microphone's each")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="edge-evidence-"))
    try:
        config = folder / "settings.json"
        films = gather(folder, config, asked.alerts, asked.unusual)
        began = time.perf_counter()
        alerts, summary = replay(config)
        row = {
            **summary,
            "films": films,
            "reproduced_of": counted(alerts),
            "looks_the_same": sum(one["look"] == "same" for one in alerts),
            "replay_s_each": round((time.perf_counter() - began) / max(len(alerts), 1), 2),
            "mb_per_alert": disk(folder / "data" / "evidence"),
            **ring_cost(),
        }
    finally:
        shutil.rmtree(folder)
    row["mb_per_day"] = {h: round(A_DAY * mb["alone"], 1) for h, mb in row["mb_per_alert"].items()}
    print("\n".join(f"{name:>20}  {value}" for name, value in row.items()))
    print(json.dumps({"bench": "evidence", **row}))


if __name__ == "__main__":
    main()
