from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from cloud_rig import INPUT_USD, OUTPUT_USD, Rig, asked, worst_usd
from openai_server import Endpoint, Reply, completion, failure, serving, streamed

from edge_runtime.answer_sections import BudgetSettings, EgressSettings, ProviderSettings
from edge_runtime.cloud.providers import MOST_CALLS, REMEMBERED_S, Provider, in_order
from edge_runtime.errors import BudgetExceededError, CloudAuthError, CloudError, CloudUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def first() -> Iterator[Endpoint]:
    with serving() as made:
        yield made


@pytest.fixture
def second() -> Iterator[Endpoint]:
    with serving() as made:
        made.script = [completion("A green ball.")]
        yield made


def both(first: Endpoint, second: Endpoint) -> dict[str, str]:
    return {"first": first.url, "second": second.url}


@pytest.mark.parametrize(
    ("bad", "tries"),
    [
        pytest.param(failure(401), 1, id="a wrong key"),
        pytest.param(failure(404, "model_not_found"), 1, id="no such model"),
        pytest.param(failure(400), 1, id="a refused request"),
        pytest.param(Reply(body=b"<html>"), 1, id="garbage"),
        pytest.param(Reply(hang_s=60), 1, id="silence is not waited for twice"),
        pytest.param(failure(429, Retry_After="5"), 1, id="a rest of some seconds"),
        pytest.param(failure(500), 2, id="a server error, after its tries"),
    ],
)
def test_the_next_provider_is_asked(rig: Rig, first: Endpoint, second: Endpoint, bad: Reply, tries: int) -> None:
    first.script = [bad]
    answer = rig.make(both(first, second), attempts=2, timeout_s=2.0).answer(asked())
    assert (answer.text, answer.model) == ("A green ball.", "second/gpt-4o-mini")
    assert (len(first.requests), len(second.requests)) == (tries, 1)
    destinations = [entry["to"]["provider"] for entry in rig.ledger if entry["kind"] == "send"]
    assert destinations == ["first"] * tries + ["second"]


def test_when_nobody_can_answer_the_last_error_is_told(rig: Rig, first: Endpoint, second: Endpoint) -> None:
    first.script, second.script = [failure(500)], [failure(401)]
    with pytest.raises(CloudAuthError):
        rig.make(both(first, second), attempts=1).answer(asked())


def test_two_silent_providers_share_the_time(rig: Rig, first: Endpoint, second: Endpoint) -> None:
    first.script = second.script = [Reply(hang_s=60)]
    start = time.monotonic()
    with pytest.raises(CloudUnavailableError):
        rig.make(both(first, second), timeout_s=60.0).answer(asked(wait_s=3.0))
    assert time.monotonic() - start < 5
    assert (len(first.requests), len(second.requests)) == (1, 1)


def test_a_provider_too_dear_for_the_cap_is_passed_over(rig: Rig, first: Endpoint, second: Endpoint) -> None:
    rig.budget = BudgetSettings(usd_per_minute=0.001)
    dear = {"first": {"usd_per_million_output": 1000.0}}
    answer = rig.make(both(first, second), per_provider=dear).answer(asked())
    assert answer.model == "second/gpt-4o-mini"
    assert first.requests == []


def test_who_has_no_eyes_is_not_shown_a_picture(rig: Rig, first: Endpoint, second: Endpoint) -> None:
    rig.egress = EgressSettings(default="picture")
    responder = rig.make(both(first, second), per_provider={"first": {"pictures": False}})
    assert responder.answer(asked(picture=True)).model == "second/gpt-4o-mini"
    assert responder.answer(asked()).model == "first/gpt-4o-mini"


@pytest.mark.parametrize(
    ("routing", "prices", "expected"),
    [
        pytest.param("order", (1.0, 0.1), "first", id="as listed"),
        pytest.param("price", (1.0, 0.1), "second", id="the cheapest"),
        pytest.param("price", (0.1, 0.1), "first", id="as listed among equals"),
    ],
)
def test_who_is_asked_first(
    rig: Rig, first: Endpoint, second: Endpoint, routing: str, prices: tuple[float, float], expected: str
) -> None:
    per_provider = {
        name: {"usd_per_million_output": price} for name, price in zip(("first", "second"), prices, strict=True)
    }
    responder = rig.make(both(first, second), routing=routing, per_provider=per_provider)
    assert responder.answer(asked()).model == f"{expected}/gpt-4o-mini"


def test_the_faster_is_asked_first_once_both_are_known(rig: Rig, first: Endpoint, second: Endpoint) -> None:
    first.script = [Reply(body=completion().body, hang_s=0.5)]
    responder = rig.make(both(first, second), routing="latency")
    models = [responder.answer(asked()).model for _ in range(4)]
    assert models == [f"{name}/gpt-4o-mini" for name in ("first", "second", "second", "second")]


class Clock:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def provider(name: str, clock: Clock, **settings: float) -> Provider:
    return Provider(ProviderSettings.model_validate({"name": name, **settings}), None, clock)  # type: ignore[arg-type]


def test_latency_follows_the_newest_answers_and_is_forgotten() -> None:
    clock = Clock()
    one, other = provider("one", clock), provider("other", clock)
    for seconds in (1.0, 1.0, 1.0):
        one.answered(seconds)
        other.answered(2.0)
    assert in_order([other, one], "latency", lambda _: 0) == [one, other]
    for _ in range(8):
        one.answered(5.0)
    assert in_order([other, one], "latency", lambda _: 0) == [other, one]
    other.waited(1.0)
    assert other.latency_s == 2.0, "a wait that was cut short says nothing"
    other.waited(60.0)
    assert other.latency_s > one.latency_s
    clock.at = REMEMBERED_S + 1
    assert (one.latency_s, other.latency_s) == (0.0, 0.0)


def test_a_provider_that_recovers_is_asked_again() -> None:
    clock = Clock()
    one = provider("one", clock)
    for _ in range(5):
        one.admit()
        one.failed(CloudUnavailableError("no"))
    with pytest.raises(CloudUnavailableError, match="kept failing"):
        one.admit()
    clock.at = 61.0
    one.admit()
    with pytest.raises(CloudUnavailableError):
        one.admit()
    one.answered(0.1)
    one.admit()


def test_a_reached_cap_says_nothing_about_a_provider() -> None:
    one = provider("one", Clock())
    for _ in range(10):
        one.failed(BudgetExceededError("no"))
        one.failed(CloudError("the ledger cannot be written"))
    one.admit()


def test_silence_is_hedged(rig: Rig, first: Endpoint, second: Endpoint) -> None:
    first.script = [Reply(hang_s=60)]
    start = time.monotonic()
    answer = rig.make(both(first, second), hedge_after_s=0.1, timeout_s=60.0).answer(asked(wait_s=20.0))
    assert answer.model == "second/gpt-4o-mini"
    assert time.monotonic() - start < 10
    rig.wait_until_settled(4)
    outcomes = {entry["outcome"] for entry in rig.ledger if entry["kind"] == "settle"}
    assert outcomes == {"answered", "given up"}
    worst = worst_usd(first.requests[0])
    assert rig.gone_usd == pytest.approx(worst + 40 * INPUT_USD + 10 * OUTPUT_USD), "the loser may be billed"


def test_a_quick_answer_needs_no_hedge(rig: Rig, first: Endpoint, second: Endpoint) -> None:
    rig.make(both(first, second), hedge_after_s=5.0).answer(asked())
    assert second.requests == []


def test_a_hedge_that_fails_leaves_the_first_its_time(rig: Rig, first: Endpoint, second: Endpoint) -> None:
    first.script = [Reply(body=completion().body, hang_s=1.0)]
    second.script = [failure(401)]
    answer = rig.make(both(first, second), hedge_after_s=0.05).answer(asked())
    assert answer.model == "first/gpt-4o-mini"


def test_of_two_that_stream_one_alone_is_heard(rig: Rig, first: Endpoint, second: Endpoint) -> None:
    body = streamed(["I ", "am ", "the ", "first."], {"prompt_tokens": 1, "completion_tokens": 1})
    first.script = [Reply(stream=body, hang_s=1.0)]
    heard: list[str] = []
    answer = rig.make(both(first, second), hedge_after_s=0.05).answer(asked(on_text=heard.append))
    assert "".join(heard) == answer.text == "A green ball."


def test_calls_that_cannot_be_ended_are_bounded(
    rig: Rig, first: Endpoint, second: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    del first
    free = threading.Event()
    real = second.url.replace("127.0.0.1", "localhost")

    def hangs(*_: object, **__: object) -> list[object]:
        free.wait(60)
        raise OSError("no such host")

    monkeypatch.setattr("socket.getaddrinfo", hangs)
    responder = rig.make(real, timeout_s=0.2, attempts=1)
    before = threading.active_count()
    try:
        for provider in rig.providers:
            monkeypatch.setattr(provider._breaker, "_limit", 10_000)
        with ThreadPoolExecutor(2 * MOST_CALLS) as pool:
            questions = [pool.submit(responder.answer, asked(wait_s=2.0)) for _ in range(2 * MOST_CALLS)]
            errors = [question.exception(timeout=30) for question in questions]
        assert all(isinstance(error, CloudUnavailableError) for error in errors)
        assert threading.active_count() - before <= MOST_CALLS
    finally:
        free.set()
    until = time.monotonic() + 20
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert len(rig.ledger) == 2 * sum(entry["kind"] == "send" for entry in rig.ledger)
    assert rig.gone_usd == 0, "nothing was sent"
