"""A whole cloud path to loopback servers: real gate, ledger, budget, clients and prompts, in a folder of the test."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from openai_server import KEY

from edge_runtime.answer_sections import BudgetSettings, CloudSettings, EgressSettings, ProviderSettings
from edge_runtime.cloud.answer_cache import AnswerCache
from edge_runtime.cloud.attempt import Books
from edge_runtime.cloud.client import ChatClient
from edge_runtime.cloud.egress import EgressGate
from edge_runtime.cloud.ledger import Ledger
from edge_runtime.cloud.providers import Provider
from edge_runtime.cloud.responder import CloudResponder
from edge_runtime.cloud.spending import Spending
from edge_runtime.prompts.book import PromptBook
from edge_runtime.types import Frame, Question, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

RICH = BudgetSettings(usd_per_minute=100, usd_per_day=100, usd_per_month=100)
INPUT_USD, OUTPUT_USD = 0.15e-6, 0.60e-6
USED_USD = 40 * INPUT_USD + 10 * OUTPUT_USD
"""What a scripted completion costs."""
SPENDING = "spending.db"
ANSWERS = "answers.db"


@dataclass
class Pauses:
    """Makes pauses and remembers them."""

    made: list[float] = field(default_factory=list)

    def __call__(self, seconds: float) -> None:
        self.made.append(seconds)
        time.sleep(seconds)


class Rig:
    """Makes responders whose providers are the endpoints of a test, by name: {"first": url, ...}.

    Args:
        folder: where ledger and budget are kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clients: list[ChatClient] = []
        self.providers: list[Provider] = []
        self.budget = RICH
        self.egress = EgressSettings()
        self.pauses = Pauses()
        self.embed: Callable[..., Any] | None = None
        self.prompts = PromptBook()

    @property
    def spending(self) -> Spending:
        return Spending(self.folder / SPENDING, self.budget)

    @property
    def gone_usd(self) -> float:
        """Return what counts as spent today."""
        spending = self.spending
        day = next(one for one in spending.summary() if one.name == "day")
        spending.close()
        return day.spent + day.reserved

    def wait_until_settled(self, entries: int) -> None:
        """Wait for the end of the calls that nobody waited for: each has two entries in the ledger."""
        until = time.monotonic() + 10
        spending = self.spending
        while time.monotonic() < until and (len(self.ledger) < entries or spending.summary()[0].reserved > 0):
            time.sleep(0.01)
        spending.close()
        assert len(self.ledger) == entries

    @property
    def ledger(self) -> list[dict[str, Any]]:
        files = sorted(self.folder.glob("ledger/*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]

    def make(self, urls: str | Mapping[str, str], *, cached: bool = False, **changes: Any) -> CloudResponder:
        """Return a responder; `per_provider` changes single providers, by name."""
        named = {"first": urls} if isinstance(urls, str) else urls
        own = changes.pop("per_provider", {})
        providers = tuple(
            ProviderSettings(**{"name": name, "base_url": url, **own.get(name, {})}) for name, url in named.items()
        )
        settings = CloudSettings(enabled=True, providers=providers, **{"timeout_s": 5.0, **changes})
        self.clients += (made := [ChatClient(one.base_url, KEY, one.model, one.key_env) for one in providers])
        self.providers = [Provider(one, client) for one, client in zip(providers, made, strict=True)]
        gate = EgressGate(self.egress, Ledger(self.folder / "ledger"), lambda _: [])
        cache = AnswerCache(self.folder / ANSWERS, settings.cache, "rig", self.embed) if cached else None
        books = Books(gate, self.spending)
        return CloudResponder(settings, self.providers, self.prompts, books, cache, self.pauses)

    def close(self) -> None:
        for client in self.clients:
            client.close()


def asked(text: str = "what is this thing?", *, wait_s: float = 10.0, picture: bool = False, **more: Any) -> Request:
    """Return a request; what `Question` does not know goes to `Request`."""
    image = np.zeros((600, 1200, 3), np.uint8)
    image[..., 0] = 200
    of_question = {key: more.pop(key) for key in ("history", "schema") if key in more}
    frame = Frame("door", 0.0, image) if picture else None
    question = Question(text, "console", 0.0, frame, **of_question)
    return Request(question, more.pop("skill", None), time.monotonic() + wait_s, **more)


def worst_usd(sent: dict[str, Any], *, picture_tokens: int = 0, max_output_tokens: int = 200) -> float:
    """Return the most that what an endpoint got can cost: no token is shorter than a byte."""
    words = 0
    for message in sent["messages"]:
        content = message["content"]
        text = content if isinstance(content, str) else content[0]["text"]
        words += len(text.encode()) + 16
    return (words + 16 + picture_tokens) * INPUT_USD + max_output_tokens * OUTPUT_USD
