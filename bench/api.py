"""What HTTP adds to an answer that the box gives by itself, and what an idle API costs; both ways in one run."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from edge_runtime.app import App
from edge_runtime.config import Settings
from edge_runtime.types import Origin, Question

if TYPE_CHECKING:
    from collections.abc import Iterator

QUESTIONS = ("What time is it?", "What is 12 * 7?", "Is there a person at the door?", "How many people are there?")
TOKEN = "a-token-of-the-bench-01"  # noqa: S105 - of a server on loopback
IDLE_S = 5.0


def app_of(folder: Path, *, api: bool) -> App:
    """Return a box without cameras and microphones."""
    os.environ["EDGE_API_TOKEN"] = TOKEN
    sections: dict[str, Any] = {
        "device": {"data_dir": folder, "threads": 1},
        "mqtt": {"enabled": False},
        "api": {"enabled": api, "port": 0, "requests_per_minute": 1_000_000},
    }
    return App(Settings.model_validate(sections), once=False)


@contextmanager
def running(app: App) -> Iterator[None]:
    """Run a box in a thread of its own."""
    thread = threading.Thread(target=app.runtime.run)
    thread.start()
    try:
        yield
    finally:
        app.runtime.stop()
        thread.join()


def bare(app: App, text: str) -> float:
    """Return the seconds of a question that comes from within."""
    start = time.perf_counter()
    answer = app.house.questions.submit(Question(text, "http", time.monotonic())).result(30)
    assert answer.origin in {Origin.LOCAL, Origin.ABSTAINED}
    return time.perf_counter() - start


def over_http(wire: http.client.HTTPConnection, text: str, *, stream: bool) -> float:
    """Return the seconds of the same question over a connection that is kept open."""
    body = json.dumps({"model": "edge", "stream": stream, "messages": [{"role": "user", "content": text}]})
    start = time.perf_counter()
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    wire.request("POST", "/v1/chat/completions", body, headers)
    reply = wire.getresponse()
    said = reply.read()
    took = time.perf_counter() - start
    assert reply.status == 200, said
    return took


def measure(folder: Path, times: int) -> dict[str, float]:
    """Ask every way in turn, so that whatever else the machine does hits all of them."""
    app = app_of(folder, api=True)
    took: dict[str, list[float]] = {"bare": [], "http": [], "stream": []}
    with running(app):
        assert app.api
        app.api.listening.wait(60)
        with closing(http.client.HTTPConnection("127.0.0.1", app.api.port, timeout=30)) as wire:
            for number in range(times + len(QUESTIONS)):
                text = QUESTIONS[number % len(QUESTIONS)]
                one = {
                    "bare": bare(app, text),
                    "http": over_http(wire, text, stream=False),
                    "stream": over_http(wire, text, stream=True),
                }
                # The first of each loads what it needs.
                if number >= len(QUESTIONS):
                    for way, seconds in one.items():
                        took[way].append(seconds)
    found = {f"{way}_{name}_ms": 1000 * float(np.percentile(seconds, share))
             for way, seconds in took.items() for name, share in (("p50", 50), ("p95", 95))}  # fmt: skip
    added = [there - here for there, here in zip(took["http"], took["bare"], strict=True)]
    found["added_p50_ms"] = 1000 * float(np.median(added))
    found["ratio_p50"] = found["http_p50_ms"] / found["bare_p50_ms"]
    return found


def idle(folder: Path, *, api: bool) -> tuple[float, float]:
    """Return the MB of a box of its own process that nobody asks anything, and its share of one core."""
    command = [sys.executable, __file__, "--child", "api" if api else "bare", "--folder", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        assert child.stdout
        assert child.stdout.readline() == "ready\n"
        process = psutil.Process(child.pid)
        time.sleep(1)
        before = process.cpu_times()
        time.sleep(IDLE_S)
        after = process.cpu_times()
        memory_mb = process.memory_info().rss / 2**20
        child.terminate()
    return memory_mb, (after.user + after.system - before.user - before.system) / IDLE_S


def be_idle(folder: Path, *, api: bool) -> None:
    """Be the box that nobody asks anything, until terminated."""
    app = app_of(folder, api=api)
    with running(app):
        if app.api:
            app.api.listening.wait(60)
        print("ready", flush=True)
        threading.Event().wait()


def main() -> None:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=400)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", choices=("api", "bare"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        be_idle(given.folder, api=given.child == "api")
        return
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), given.times)
        for name, api in (("without", False), ("with", True)):
            found[f"idle_{name}_mb"], found[f"idle_{name}_cpu"] = idle(Path(folder), api=api)
    if given.json:
        print(json.dumps({key: round(value, 4) for key, value in found.items()}))
        return
    for way in ("bare", "http", "stream"):
        print(f"{way:>7}: median {found[f'{way}_p50_ms']:6.2f} ms, 95th percentile {found[f'{way}_p95_ms']:6.2f} ms")
    print(f"HTTP adds {found['added_p50_ms']:.2f} ms, times {found['ratio_p50']:.2f}")
    for name in ("without", "with"):
        print(f"idle {name} the API: {found[f'idle_{name}_mb']:.0f} MB, {found[f'idle_{name}_cpu']:.2%} of a core")


if __name__ == "__main__":
    main()
