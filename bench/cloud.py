"""What asking the cloud costs the box in time: a cached answer, money reserved and settled, local answers meanwhile."""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.answer_sections import BudgetSettings, CloudSettings, EgressSettings, ProviderSettings
from edge_runtime.cloud.answer_cache import AnswerCache
from edge_runtime.cloud.attempt import Books
from edge_runtime.cloud.client import ChatClient
from edge_runtime.cloud.egress import EgressGate
from edge_runtime.cloud.ledger import Ledger
from edge_runtime.cloud.providers import Provider
from edge_runtime.cloud.responder import CloudResponder
from edge_runtime.cloud.spending import Spending
from edge_runtime.decision.confidence import ConfidenceGate
from edge_runtime.decision.intents import IntentMatcher
from edge_runtime.decision.scene import Scene
from edge_runtime.errors import CloudError
from edge_runtime.pipelines.answering import Answerer
from edge_runtime.pipelines.minds import Minds
from edge_runtime.prompts.book import PromptBook
from edge_runtime.skills.builtin import Means, builtin_skills
from edge_runtime.skills.nouns import Nouns
from edge_runtime.skills.routing import Router
from edge_runtime.skills.sentences import question_sentences
from edge_runtime.types import Question, Request
from edge_runtime.wiring.assembly import Models

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RICH = BudgetSettings(usd_per_minute=1e6, usd_per_day=1e6, usd_per_month=1e6)
REPLY = json.dumps(
    {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 40, "completion_tokens": 2, "total_tokens": 42},
    }
).encode()
PLACES = ("Peru", "Chad", "Oman", "Fiji", "Cuba", "Mali", "Togo", "Laos", "Iran", "Iraq")


@contextmanager
def endpoint(hang_s: float = 0.0) -> Iterator[str]:
    """Serve completions on loopback, each after `hang_s`; gives the address."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            over.wait(hang_s)
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(REPLY)}\r\n\r\n"
            self.wfile.write(head.encode() + REPLY)

        def log_message(self, *_: object) -> None: ...

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *_: object) -> None:
            """A caller that goes away is part of the bench."""

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        over.set()
        server.shutdown()


def responder(folder: Path, url: str, models: Models | None) -> CloudResponder:
    """Return a responder as the box makes it, with a cache where `models` embed its questions."""
    provider = ProviderSettings(base_url=url)
    settings = CloudSettings(enabled=True, providers=(provider,))
    client = ChatClient(url, "no-key", provider.model)
    books = Books(
        EgressGate(EgressSettings(), Ledger(folder / "ledger"), lambda _: []), Spending(folder / "spending.db", RICH)
    )
    cache = AnswerCache(folder / "answers.db", settings.cache, "bench", models.embedder.embed_text) if models else None
    return CloudResponder(settings, [Provider(provider, client)], PromptBook(), books, cache)


def asked(text: str, wait_s: float = 30.0) -> Request:
    """Return a question that has some time."""
    return Request(Question(text, "bench", 0.0), None, time.monotonic() + wait_s)


def timed(work: Callable[[int], object], count: int) -> dict[str, float]:
    """Return how long a piece of work takes, in milliseconds."""
    return shares(costs_of(work, count))


def costs_of(work: Callable[[int], object], count: int) -> list[float]:
    """Return the milliseconds that each piece of work takes."""
    costs = []
    for number in range(count):
        start = time.perf_counter()
        work(number)
        costs.append(1e3 * (time.perf_counter() - start))
    return costs


def shares(costs: list[float]) -> dict[str, float]:
    """Return median, 95th percentile and worst of some milliseconds."""
    costs = sorted(costs)
    places = {"p50_ms": len(costs) // 2, "p95_ms": len(costs) * 95 // 100, "max_ms": len(costs) - 1}
    return {name: round(costs[place], 3) for name, place in places.items()}


def measure_cache(folder: Path, count: int, kept: int) -> dict[str, dict[str, float]]:
    """Measure answers that are bought, and the same again: in the same words, and in nearly the same."""
    models = Models(threads=1)
    with endpoint() as url:
        cloud = responder(folder, url, models)
        cloud.answer(asked("what is the highest mountain of Cuba"))
        texts = [f"what is the history of {PLACES[n % 10]} in {n} sentences" for n in range(kept)]
        figures = {"bought": timed(lambda n: cloud.answer(asked(texts[n])), kept)}

        def again(text: str) -> None:
            assert cloud.answer(asked(text)).cached

        figures["cached, same words"] = timed(lambda n: again(texts[n % kept]), count)
        figures["cached, other words"] = timed(lambda n: again(texts[n % kept].replace("what is", "what's")), count)
    return figures


def measure_money(folder: Path, count: int, threads: int) -> dict[str, dict[str, float]]:
    """Measure one reservation with its settlement, alone and with many threads at once."""
    spending = Spending(folder / "spending.db", RICH)
    costs: list[float] = []

    def once(_: int) -> None:
        start = time.perf_counter()
        spending.settle(spending.reserve(10**8), 10**7)
        costs.append(1e3 * (time.perf_counter() - start))

    alone = timed(once, count)
    costs.clear()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(once, range(count)))
    return {"reserve and settle": alone, f"reserve and settle, {threads} threads": shares(costs)}


def measure_local(folder: Path, count: int, waiting: int) -> dict[str, dict[str, float]]:
    """Measure what the box answers by itself: idle, and while `waiting` questions hang in a silent cloud."""
    nouns, scene = Nouns(("person", "dog")), Scene()
    skills = builtin_skills(Means(nouns, lambda: datetime.now(UTC)))
    router = Router(skills, nouns, IntentMatcher([question_sentences(skills, nouns, ())]).match, ())
    answerer = Answerer(router, scene, ConfidenceGate(0.8), lambda _: scene, Minds("there is no cloud"))

    def local(_: int) -> None:
        answerer.answer(Question("what time is it?", "bench", 0.0))

    timed(local, count)
    idle: list[float] = []
    meanwhile: list[float] = []
    with endpoint(hang_s=600.0) as url:
        # In turns, so that what else the machine does falls on both.
        for turn in range(10):
            (folder / str(turn)).mkdir()
            with hanging(responder(folder / str(turn), url, None), waiting):
                meanwhile += costs_of(local, count // 10)
            idle += costs_of(local, count // 10)
    return {"local, idle": shares(idle), f"local, {waiting} questions hang": shares(meanwhile)}


@contextmanager
def hanging(cloud: CloudResponder, waiting: int) -> Iterator[None]:
    """Let some questions wait for a silent cloud."""
    over = threading.Event()

    def hang() -> None:
        request = Request(Question("hello", "bench", 0.0), None, time.monotonic() + 600.0, cancelled=over.is_set)
        with suppress(CloudError):
            cloud.answer(request)

    askers = [threading.Thread(target=hang) for _ in range(waiting)]
    for asker in askers:
        asker.start()
    time.sleep(1.0)
    yield
    over.set()
    # The calls that were left write down that they were.
    for thread in [*askers, *(one for one in threading.enumerate() if one.name.startswith("cloud-"))]:
        thread.join()


def main() -> None:
    """Print a table and the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=1000)
    parser.add_argument("--kept", type=int, default=500, help="answers in the cache")
    parser.add_argument("--threads", type=int, default=100)
    parser.add_argument("--folder", type=Path, default=None, help="a folder on the disk to measure")
    options = parser.parse_args()
    figures: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        measures: tuple[Callable[[Path], dict[str, dict[str, float]]], ...] = (
            lambda folder: measure_cache(folder, options.repeat, options.kept),
            lambda folder: measure_money(folder, options.repeat, options.threads),
            lambda folder: measure_local(folder, options.repeat, 20),
        )
        for number, measure in enumerate(measures):
            folder = Path(name) / str(number)
            folder.mkdir()
            figures |= measure(folder)
    for case, numbers in figures.items():
        print(f"{case:36}", "  ".join(f"{key} {value:8.3f}" for key, value in numbers.items()))
    idle, meanwhile = (figures[case]["p95_ms"] for case in list(figures)[-2:])
    print(f"local p95 while the cloud hangs: {meanwhile / idle:.2f} times its idle figure")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
