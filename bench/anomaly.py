"""How well `edge-runtime anomaly` tells made surfaces with faults from good ones, and what a picture costs.

Beside it stands what is simplest: how far the picture's embedding is from the nearest one of a good picture. The time
is that of whole runs of the command line over files, its start among it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from surfaces import SURFACES, surfaces

from edge_runtime.decision.anomaly_levels import LevelMemory
from edge_runtime.inference.patches import PatchEyes
from edge_runtime.wiring.anomalies import Learning
from edge_runtime.wiring.assembly import Models

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SHOTS = 5
LEARN_BAR_S, SCORE_BAR_MS = 60.0, 60.0


def auroc(good: Sequence[float], bad: Sequence[float]) -> float:
    """Return how probable it is that a bad one scores more than a good one."""
    pairs = np.subtract.outer(np.array(bad), np.array(good))
    return float((pairs > 0).mean() + 0.5 * (pairs == 0).mean())


def judge(kind: str, models: Models, learnt: int, tried: int, seed: int, shots: int) -> dict[str, Any]:
    """Return how well faults of one kind of surface are found; of each piece there are so many shots in other light."""
    eyes = PatchEyes(models.image, models.manifest)
    memory = LevelMemory(eyes.weights)
    learning = Learning(memory)
    every = surfaces(kind, learnt + tried, faulty=False, seed=seed, shots=shots)
    # Of pieces that were taken more than once, some shots are learnt and others tried, as where parts come by lot.
    tested = set(np.random.default_rng(seed).choice(len(every), tried, replace=False).tolist())
    normal = [one for number, one in enumerate(every) if number not in tested]
    for picture in normal:
        learning.add(eyes.cells(picture))
    learning.judge()
    faulty = surfaces(kind, tried, faulty=True, seed=seed + 1, shots=shots)
    tests = [[every[number] for number in sorted(tested)], faulty]
    good, bad = ([memory.score(eyes.cells(one))[0] for one in part] for part in tests)
    vectors = [_vectors(models, part) for part in (normal, *tests)]
    nearest = [1 - (part @ vectors[0].T).max(1) for part in vectors[1:]]
    threshold = memory.threshold()
    return {
        "surface": kind if shots == 1 else f"{kind}, {shots} shots",
        "auroc": round(auroc(good, bad), 4),
        "auroc_one_vector": round(auroc(nearest[0].tolist(), nearest[1].tolist()), 4),
        "false_alarms": round(float(np.mean(np.array(good) > threshold)), 3),
        "found": round(float(np.mean(np.array(bad) > threshold)), 3),
    }


def _vectors(models: Models, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    return np.stack([models.embedder.embed_image(picture) for picture in pictures])


def timed(pictures: int) -> dict[str, float]:
    """Return what learning so many picture files takes and what scoring one costs, by the command line as it is."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "pictures"
        folder.mkdir()
        for number, picture in enumerate(surfaces("ground", 40, faulty=False, seed=5)):
            for copy in range(number, pictures, 40):
                moved = np.roll(picture, (copy * 7, copy * 13), (0, 1))
                cv2.imwrite(str(folder / f"{copy:04}.jpg"), cv2.resize(moved, (300, 360)))
        config = Path(scratch) / "box.yaml"
        config.write_text(f"device: {{data_dir: {scratch}, threads: 2}}\n", encoding="utf-8")
        took = [_run(verb, str(folder), str(config)) for verb in ("learn", "score")]
    (learn_s, learn_cpu_s), (score_s, score_cpu_s) = took
    return {
        "learn_s": round(learn_s, 2),
        "learn_cpu_s": round(learn_cpu_s, 2),
        "score_ms": round(score_s / pictures * 1000, 2),
        "score_cpu_ms": round(score_cpu_s / pictures * 1000, 2),
        "load": round(os.getloadavg()[0], 1),
    }


def _run(verb: str, folder: str, config: str) -> tuple[float, float]:
    """Return the seconds on the clock and those of processors."""
    begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "edge_runtime.cli", "anomaly", verb, "bench", folder, "--config", config, "--json"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    took, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def table(report: dict[str, Any]) -> str:
    """Return the figures as text."""
    lines = [f"{'surface':16} {'AUROC':>7} {'one vector':>11} {'false alarms':>13} {'found':>6}"]
    lines += [
        f"{row['surface']:16} {row['auroc']:7.3f} {row['auroc_one_vector']:11.3f} {row['false_alarms']:13.1%}"
        f" {row['found']:6.0%}"
        for row in (*report["surfaces"], report["mean"])
    ]
    for name, bar in (("learn_s", LEARN_BAR_S), ("score_ms", SCORE_BAR_MS)):
        value = report["time"][name]
        lines.append(f"{name:10} {value:7.2f} of at most {bar:g}: {'pass' if value <= bar else 'FAIL'}")
    spent = report["time"]
    lines.append(
        f"processor time {spent['learn_cpu_s']:.1f} s and {spent['score_cpu_ms']:.1f} ms; load {spent['load']:.1f}"
    )
    return "\n".join(lines)


def main() -> None:
    """Print the figures as a table and as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learnt", type=int, default=100, help="good pictures to learn from")
    parser.add_argument("--tried", type=int, default=60, help="good and bad pictures to try, of each")
    parser.add_argument("--timed", type=int, default=760, help="pictures to learn and to score against the clock")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    models = Models(None, threads=2)
    asked = [(kind, 1) for kind in SURFACES] + [("ground", SHOTS)]
    rows = [judge(kind, models, arguments.learnt, arguments.tried, arguments.seed, shots) for kind, shots in asked]
    figures = [key for key in rows[0] if key != "surface"]
    mean = {"surface": "mean", **{key: round(float(np.mean([row[key] for row in rows])), 4) for key in figures}}
    report = {"surfaces": rows, "mean": mean, "time": timed(arguments.timed)}
    print(table(report))
    print(json.dumps(report))


if __name__ == "__main__":
    main()
