"""How fast the box answers by itself while the cloud hangs: the same questions with and without, in one run."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from edge_runtime.config import Settings
from edge_runtime.decision.scene import Scene
from edge_runtime.metrics import Metrics
from edge_runtime.questions import Questions
from edge_runtime.runtime import Worker
from edge_runtime.types import Origin, Question
from edge_runtime.wiring.answers import make_answerer
from edge_runtime.wiring.assembly import Models

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "cloud"))
from openai_server import Endpoint, Reply, serving

LOCAL = ("what time is it?", "what day is it today?", "what is twelve times seven?", "do you know the time")
FAR = 20
HANG_S = 120.0


def settings_for(endpoint: Endpoint, folder: Path) -> Settings:
    """Return settings whose cloud is a loopback server that never answers."""
    os.environ["EDGE_CLOUD_API_KEY"] = "bench"
    cloud = {
        "enabled": True,
        "providers": [{"base_url": endpoint.url}],
        "budget": {"usd_per_minute": 10, "usd_per_day": 10},
    }
    device = {"data_dir": folder, "threads": 1}
    return Settings.model_validate({"cloud": cloud, "device": device, "mqtt": {"enabled": False}})


def ask_locally(questions: Questions, times: int) -> list[float]:
    """Return the seconds that each of `times` local questions took."""
    took = []
    for number in range(times):
        start = time.perf_counter()
        answer = questions.submit(Question(LOCAL[number % len(LOCAL)], "bench", time.monotonic())).result(10)
        took.append(time.perf_counter() - start)
        assert answer.origin is Origin.LOCAL, answer
        time.sleep(0.002)
    return took


def measure(times: int, rounds: int) -> dict[str, float]:
    """Ask in alternating rounds, idle and with the cloud hanging, and return both 95th percentiles."""
    idle: list[float] = []
    busy: list[float] = []
    over = threading.Event()
    with serving() as endpoint, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        endpoint.script = [Reply(hang_s=HANG_S)]
        settings = settings_for(endpoint, Path(folder))
        answerer, _ = make_answerer(settings, Models.of(settings), Scene())
        metrics = Metrics()
        questions = Questions(answerer, None, metrics, lambda _: None, lambda *_: None, lambda: True)
        worker = Worker("answering", questions.answer, metrics)
        worker.start()
        ask_locally(questions, 40)
        for _ in range(rounds):
            idle += ask_locally(questions, times)
            over.clear()
            texts = (f"who won the cup in {year}?" for year in range(1960, 1960 + FAR))
            far = [questions.submit(Question(text, "bench", time.monotonic()), cancelled=over.is_set) for text in texts]
            time.sleep(1.0)
            busy += ask_locally(questions, times)
            waiting = sum(not reply.done() for reply in far)
            assert waiting == FAR, f"{FAR - waiting} questions did not hang"
            over.set()
            for reply in far:
                reply.result(40)
        questions.close()
    return {f"{name}_ms": 1000 * float(np.percentile(took, 95)) for name, took in (("idle", idle), ("busy", busy))}


def main() -> None:
    """Print the table and a JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=200, help="local questions a round")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    p95 = measure(arguments.times, arguments.rounds)
    ratio = p95["busy_ms"] / p95["idle_ms"]
    print(f"local answers, p95, idle                      {p95['idle_ms']:8.2f} ms")
    print(f"the same while {FAR} questions hang in the cloud  {p95['busy_ms']:8.2f} ms")
    print(f"ratio                                         {ratio:8.2f}")
    print(json.dumps({"bench": "questions", **p95, "ratio": ratio}))


if __name__ == "__main__":
    main()
