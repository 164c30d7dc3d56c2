"""How fast the eyes are: detect and embed in one INT8 pass, beside YOLOX-nano and the same graph in FP32.

The rivals take turns in one process with the same threads, and each one's best round counts: whatever else the machine
does only ever adds time.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.bundles.manifest import ImagePart, Manifest, default_bundle
from edge_runtime.inference.detector import ObjectDetector
from edge_runtime.inference.preprocess import input_size
from edge_runtime.inference.session import OnnxSession

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

REPOSITORY = Path(__file__).resolve().parent.parent
FULL_HD = (1080, 1920)


def random_feeds(session: OnnxSession, size: tuple[int, int]) -> Mapping[str, Any]:
    """Return a picture of noise for a model's only input; axes it leaves open get `size`."""
    (name, shape), *_ = session.inputs.items()
    fixed = [a if isinstance(a, int) else b for a, b in zip(shape, (1, 3, *size), strict=True)]
    return {name: np.random.default_rng(0).integers(0, 256, fixed).astype(np.float32)}


def rivals(arguments: argparse.Namespace, manifest: Manifest) -> dict[str, Callable[[], object]]:
    """Return what is timed, by name; models that are not there are left out."""
    height, width = arguments.size
    image = manifest.part(ImagePart)
    size = input_size(image, height, width)
    paths = {
        "omni-nano INT8": manifest.path(image.file),
        "omni-nano FP32": arguments.fp32,
        "yolox-nano FP32": arguments.yolox,
    }
    found: dict[str, Callable[[], object]] = {}
    for name, path in paths.items():
        if not path.is_file():
            print(f"{name}: {path} is not there, skipped")
            continue
        session = OnnxSession(path, threads=arguments.threads)
        found[name] = functools.partial(session.run, random_feeds(session, size))
    eyes = ObjectDetector(OnnxSession(manifest.path(image.file), threads=arguments.threads), manifest)
    frame = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    found["look at a frame, all in"] = lambda: eyes.look(frame)
    return found


def measure(models: Mapping[str, Callable[[], object]], rounds: int, repeats: int) -> dict[str, list[float]]:
    """Return the milliseconds of one run in every round, by name."""
    times: dict[str, list[float]] = {name: [] for name in models}
    for run in models.values():
        run()
    for _ in range(rounds):
        for name, run in models.items():
            start = time.perf_counter()
            for _ in range(repeats):
                run()
            times[name].append((time.perf_counter() - start) / repeats * 1000)
    return times


def ratio(times: Mapping[str, list[float]], one: str, other: str) -> float | None:
    """Return one model's best time over another's, or None where one was not timed."""
    if one not in times or other not in times:
        return None
    return round(min(times[one]) / min(times[other]), 3)


def main() -> None:
    """Print the times and their ratios as a table and as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=default_bundle(), help="bundle to measure")
    parser.add_argument(
        "--yolox", type=Path, default=REPOSITORY.parent / "shared/teachers/yolox_nano.onnx", help="the rival detector"
    )
    parser.add_argument(
        "--fp32", type=Path, default=REPOSITORY / "build/omni-nano/export/image.onnx", help="the graph before INT8"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--size", type=int, nargs=2, default=FULL_HD, metavar=("ROWS", "COLUMNS"), help="of a frame")
    arguments = parser.parse_args()
    manifest = Manifest.load(arguments.bundle)
    times = measure(rivals(arguments, manifest), arguments.rounds, arguments.repeats)
    report: dict[str, Any] = {
        "threads": arguments.threads,
        "frame": list(arguments.size),
        "milliseconds": {name: round(min(values), 2) for name, values in times.items()},
        "milliseconds_median": {name: round(statistics.median(values), 2) for name, values in times.items()},
        "int8_over_yolox": ratio(times, "omni-nano INT8", "yolox-nano FP32"),
        "int8_over_fp32": ratio(times, "omni-nano INT8", "omni-nano FP32"),
        "image_model_bytes": manifest.files[manifest.part(ImagePart).file].bytes,
    }
    for name, value in report["milliseconds"].items():
        print(f"{name:26} {value:8.2f} ms, median {report['milliseconds_median'][name]:8.2f} ms")
    for name, bar in (("int8_over_yolox", 0.5), ("int8_over_fp32", 0.6)):
        if report[name] is not None:
            print(f"{name:26} {report[name]:8.3f}    (bar {bar})")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
