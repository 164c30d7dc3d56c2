"""How fast events are accepted onto the disk, what each costs the SD card, and how soon the broker has them."""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.config import MqttSettings
from edge_runtime.sinks.fanout import FanOut
from edge_runtime.sinks.mqtt import MqttSink
from edge_runtime.sinks.spool import Spool
from edge_runtime.types import Event

if TYPE_CHECKING:
    from collections.abc import Iterator


def make_event(number: int) -> Event:
    """Return an event as large as a tracked object's."""
    seen = {"label": "person", "score": 0.87, "box": [0.1, 0.2, 0.3, 0.9], "track": number}
    return Event(
        "object", "door", time.monotonic(), {"type": "update", "label": "person", "before": seen, "after": seen}
    )


def written_bytes() -> int:
    """Return the bytes this process has had written to storage so far."""
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


@contextlib.contextmanager
def mosquitto(folder: Path) -> Iterator[int | None]:
    """Run a broker on loopback and give its port, or None where Mosquitto is not installed."""
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if program is None:
        yield None
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n", encoding="ascii")
    broker = subprocess.Popen([program, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield port
    finally:
        broker.kill()
        broker.wait()


def measure(folder: Path, port: int | None, count: int, pause_s: float) -> dict[str, float | None]:
    """Publish `count` events, `pause_s` apart, to the broker at `port` (None: to the disk alone)."""
    spool = Spool(folder / f"spool-{time.monotonic_ns()}.db", 1_000_000, 1000)
    sink = MqttSink(MqttSettings(port=port or 1), "bench", spool)
    fanout = FanOut([sink])
    if port is not None:
        sink.start()
        assert sink.flush(10.0)
    costs, before, started = [], written_bytes(), time.perf_counter()
    for number in range(count):
        asked = time.perf_counter()
        assert fanout.publish(make_event(number))
        costs.append(time.perf_counter() - asked)
        time.sleep(pause_s)
    if port is not None:
        assert sink.flush(60.0)
    elapsed, written, stats = time.perf_counter() - started, written_bytes() - before, sink.stats
    fanout.close(5.0)
    costs.sort()
    return {
        "events": count,
        "events_per_s": round(count / elapsed, 1),
        "publish_p50_ms": round(1e3 * costs[count // 2], 3),
        "publish_p99_ms": round(1e3 * costs[count * 99 // 100], 3),
        "written_bytes_per_event": round(written / count),
        "puback_p50_ms": None if stats.puback_p50_s is None else round(1e3 * stats.puback_p50_s, 2),
        "puback_p99_ms": None if stats.puback_p99_s is None else round(1e3 * stats.puback_p99_s, 2),
    }


def main() -> None:
    """Print a table and the same as JSON."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=2000)
    arguments.add_argument("--folder", type=Path, default=None, help="a folder on the disk to measure")
    options = arguments.parse_args()
    results: dict[str, dict[str, float | None]] = {}
    with tempfile.TemporaryDirectory(dir=options.folder) as name, mosquitto(Path(name)) as port:
        results["no broker, flat out"] = measure(Path(name), None, options.events, 0.0)
        if port is not None:
            results["broker, flat out"] = measure(Path(name), port, options.events, 0.0)
            results["broker, 50 events a second"] = measure(Path(name), port, 200, 0.02)
    for case, numbers in results.items():
        print(f"{case}:", ", ".join(f"{key} {value}" for key, value in numbers.items()))
    print(json.dumps(results))


if __name__ == "__main__":
    main()
