"""How fast the eyes are: detect and embed in one INT8 pass, beside YOLOX-nano and the same graph in FP32.

The rivals take turns in one process with the same threads, and each one's best run counts: whatever else the machine
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

from edge_runtime.bundles.manifest import Manifest, default_bundle
from edge_runtime.bundles.parts import ImagePart
from edge_runtime.inference.detector import ObjectDetector
from edge_runtime.inference.preprocess import input_size
from edge_runtime.inference.session import OnnxSession

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

REPOSITORY = Path(__file__).resolve().parent.parent
FULL_HD = (1080, 1920)
BARS = (
    ("detect + embed over yolox-nano FP32", "yolox-nano FP32", 0.5),
    ("INT8 over FP32 of the same graph", "omni-nano FP32", 0.6),
)


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
    """Return the milliseconds of every run, by name; who begins changes from round to round."""
    times: dict[str, list[float]] = {name: [] for name in models}
    order = list(models)
    for number in range(rounds):
        start = number % len(order)
        for name in order[start:] + order[:start]:
            # Its weights are not in the processor's cache yet: that is what the others left behind.
            models[name]()
            for _ in range(repeats):
                begun = time.perf_counter()
                models[name]()
                times[name].append((time.perf_counter() - begun) * 1000)
    return times


def ratio(times: Mapping[str, list[float]], one: str, other: str) -> float | None:
    """Return one model's best time over another's, or None where one was not timed."""
    if one not in times or other not in times:
        return None
    return round(min(times[one]) / min(times[other]), 3)


def rows(times: Mapping[str, list[float]]) -> list[dict[str, Any]]:
    """Return the ratios that have a bar, each with whether it is reached; what was not timed is left out."""
    found = []
    for name, other, bar in BARS:
        value = ratio(times, "omni-nano INT8", other)
        if value is not None:
            found.append({"name": name, "value": value, "bar": bar, "reached": value <= bar})
    return found


def table(report: Mapping[str, Any]) -> str:
    """Return the times, and the ratios beside their bars, as text."""
    lines = [f"{'what':38} {'best ms':>8} {'median ms':>10}"]
    for name, value in report["milliseconds"].items():
        lines.append(f"{name:38} {value:8.2f} {report['milliseconds_median'][name]:10.2f}")
    lines.append(f"{'best run over best run':38} {'ratio':>8} {'bar':>10}")
    for row in report["rows"]:
        bar = f"<= {row['bar']:g}"
        lines.append(f"{row['name']:38} {row['value']:8.3f} {bar:>10} {'pass' if row['reached'] else 'FAIL'}")
    return "\n".join(lines)


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
    parser.add_argument(
        "--output", type=Path, help="write the JSON here too; build/omni-nano/bench/model.json shows it"
    )
    arguments = parser.parse_args()
    manifest = Manifest.load(arguments.bundle)
    times = measure(rivals(arguments, manifest), arguments.rounds, arguments.repeats)
    report: dict[str, Any] = {
        "threads": arguments.threads,
        "frame": list(arguments.size),
        "milliseconds": {name: round(min(values), 2) for name, values in times.items()},
        "milliseconds_median": {name: round(statistics.median(values), 2) for name, values in times.items()},
        "rows": rows(times),
        "image_model_bytes": manifest.files[manifest.part(ImagePart).file].bytes,
    }
    print(table(report))
    print(json.dumps(report))
    if arguments.output is not None:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
