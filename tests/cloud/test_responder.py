from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from openai_server import KEY, Endpoint, Reply, completion, failure, serving

from edge_runtime.cloud.client import ChatClient, RefusedError
from edge_runtime.cloud.responder import CloudResponder
from edge_runtime.cloud.spending import Spending
from edge_runtime.config import CloudSettings
from edge_runtime.errors import (
    BudgetExceededError,
    CloudAuthError,
    CloudError,
    CloudProtocolError,
    CloudRateLimitError,
    CloudUnavailableError,
)
from edge_runtime.types import Frame, Origin, Question

if TYPE_CHECKING:
    from pathlib import Path

Make = Callable[..., CloudResponder]
USED_USD = 40 * 0.15e-6 + 10 * 0.60e-6


class Clockless:
    """Remembers the pauses instead of making them."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.pauses.append(seconds)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serving() as made:
        yield made


@pytest.fixture
def pause() -> Clockless:
    return Clockless()


@pytest.fixture
def spending(tmp_path: Path) -> Spending:
    return Spending(tmp_path / "spending.db", 0.10)


@pytest.fixture
def make(endpoint: Endpoint, spending: Spending, pause: Clockless) -> Iterator[Make]:
    chat = ChatClient(endpoint.url, KEY, "gpt-4o-mini")

    def responder(**changes: Any) -> CloudResponder:
        settings = CloudSettings(enabled=True, base_url=endpoint.url, **{"timeout_s": 5.0, **changes})
        return CloudResponder(settings, chat, spending, pause)

    yield responder
    chat.close()


def asked(text: str = "what is this?", *, picture: bool = False) -> Question:
    image = np.zeros((600, 1200, 3), np.uint8)
    image[..., 0] = 200
    return Question(text, "console", 0.0, Frame("door", 0.0, image) if picture else None)


def worst_usd(endpoint: Endpoint, *, picture_tokens: int = 0) -> float:
    text = sum(len(str(message["content"]).encode()) for message in endpoint.requests[0]["messages"])
    return (text + 32 + picture_tokens) * 0.15e-6 + 200 * 0.60e-6


def test_success_is_told_as_cloud_and_paid_by_usage(make: Make, spending: Spending) -> None:
    answer = make().answer(asked())
    assert (answer.text, answer.origin, answer.confidence) == ("A red ball.", Origin.CLOUD, 0.8)
    assert answer.cost_usd == pytest.approx(USED_USD, rel=1e-12)
    assert spending.today_usd() == answer.cost_usd


def test_without_usage_the_worst_case_is_paid(make: Make, endpoint: Endpoint, spending: Spending) -> None:
    endpoint.script = [completion(usage=None)]
    answer = make().answer(asked())
    assert answer.cost_usd == pytest.approx(worst_usd(endpoint))
    assert spending.today_usd() == answer.cost_usd


def test_a_cloud_that_does_not_know_abstains_and_is_paid(make: Make, endpoint: Endpoint) -> None:
    endpoint.script = [completion("Unsure.")]
    answer = make().answer(asked())
    assert (answer.origin, answer.confidence) == (Origin.ABSTAINED, 0.0)
    assert answer.cost_usd > 0


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(failure(500), id="server error"),
        pytest.param(failure(429, Retry_After="0.25"), id="too many requests"),
        pytest.param(Reply(hang_s=30), id="time-out"),
        pytest.param(Reply(body=b"{", headers={"Content-Length": "9"}), id="connection broken off"),
    ],
)
def test_a_passing_failure_is_retried(make: Make, endpoint: Endpoint, pause: Clockless, bad: Reply) -> None:
    endpoint.script = [bad, completion()]
    assert make(timeout_s=0.5).answer(asked()).origin is Origin.CLOUD
    assert len(endpoint.requests) == 2
    assert pause.pauses == [0.25] if bad.headers.get("Retry-After") else 0.25 <= pause.pauses[0] <= 0.5


@pytest.mark.parametrize(
    ("bad", "error", "tries"),
    [
        pytest.param(failure(401), CloudAuthError, 1, id="a wrong key is not tried again"),
        pytest.param(failure(403), CloudAuthError, 1, id="a forbidden key is not tried again"),
        pytest.param(failure(404), RefusedError, 1, id="a refused request is not tried again"),
        pytest.param(Reply(body=b"<html>"), CloudProtocolError, 1, id="a malformed body is not tried again"),
        pytest.param(Reply(body=b"[]"), CloudProtocolError, 1, id="a wrong shape is not tried again"),
        pytest.param(failure(500), CloudUnavailableError, 3, id="a server error is tried three times"),
        pytest.param(failure(429), CloudRateLimitError, 3, id="a rate limit is tried three times"),
        pytest.param(
            failure(429, Retry_After="3600"), CloudRateLimitError, 1, id="a wait past the deadline is not waited"
        ),
    ],
)
def test_tries(make: Make, endpoint: Endpoint, bad: Reply, error: type[CloudError], tries: int) -> None:
    endpoint.script = [bad]
    with pytest.raises(error):
        make().answer(asked())
    assert len(endpoint.requests) == tries


@pytest.mark.parametrize(
    ("bad", "paid"),
    [
        pytest.param(failure(401), 0, id="a wrong key costs nothing"),
        pytest.param(failure(429), 0, id="a rate limit costs nothing"),
        pytest.param(failure(400), 0, id="a refused request costs nothing"),
        pytest.param(failure(500), 1, id="a server error may have been billed"),
        pytest.param(Reply(body=b"<html>"), 1, id="a malformed body may have been billed"),
        pytest.param(Reply(hang_s=30), 1, id="a time-out may have been billed"),
    ],
)
def test_a_failure_counts_against_the_cap_unless_it_cannot_have_cost(
    make: Make, endpoint: Endpoint, spending: Spending, bad: Reply, paid: int
) -> None:
    endpoint.script = [bad]
    with pytest.raises(CloudError):
        make(attempts=1, timeout_s=0.3).answer(asked())
    assert spending.today_usd() == pytest.approx(paid * worst_usd(endpoint))


def test_at_the_cap_no_request_is_sent(make: Make, endpoint: Endpoint, tmp_path: Path) -> None:
    responder = make()
    responder._spending = Spending(tmp_path / "small.db", 0.0001)
    with pytest.raises(BudgetExceededError):
        responder.answer(asked())
    assert endpoint.requests == []


def test_retries_stop_at_the_cap(make: Make, endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.script = [failure(500)]
    responder = make()
    responder._spending = Spending(tmp_path / "small.db", 0.0003)
    with pytest.raises(BudgetExceededError):
        responder.answer(asked())
    assert len(endpoint.requests) == 1


def test_the_deadline_holds_over_all_tries(make: Make, endpoint: Endpoint) -> None:
    endpoint.script = [Reply(hang_s=30)]
    start = time.monotonic()
    with pytest.raises(CloudUnavailableError):
        make(attempts=10).answer(asked(), deadline=start + 0.5)
    assert time.monotonic() - start < 2


def test_an_endpoint_that_keeps_failing_is_left_alone(make: Make, endpoint: Endpoint) -> None:
    endpoint.script = [failure(500)]
    responder = make()
    for _ in range(4):
        with pytest.raises(CloudUnavailableError):
            responder.answer(asked())
    assert len(endpoint.requests) == 5


def test_a_picture_goes_small_at_low_detail_without_metadata(
    make: Make, endpoint: Endpoint, spending: Spending
) -> None:
    endpoint.script = [completion(usage=None)]
    make(send_pictures=True).answer(asked(picture=True))
    text, picture = endpoint.requests[0]["messages"][1]["content"]
    assert text == {"type": "text", "text": "what is this?"}
    assert picture["type"] == "image_url"
    assert picture["image_url"]["detail"] == "low"
    head, _, data = picture["image_url"]["url"].partition(",")
    jpeg = base64.b64decode(data)
    assert head == "data:image/jpeg;base64"
    assert b"Exif" not in jpeg
    shown = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert shown.shape == (256, 512, 3)
    assert int(shown[100, 100, 2]) > 190, "red stays red"
    assert spending.today_usd() > 2833 * 0.15e-6


def test_no_picture_leaves_without_permission(make: Make, endpoint: Endpoint) -> None:
    make().answer(asked(picture=True))
    assert endpoint.requests[0]["messages"][1] == {"role": "user", "content": "what is this?"}


def test_bytes_that_are_no_text_do_not_stop_a_question(make: Make, endpoint: Endpoint) -> None:
    make().answer(asked("what is \udcff this?"))
    assert endpoint.requests[0]["messages"][1]["content"] == "what is ? this?"


def test_private_things_are_cut_out_of_the_question(make: Make, endpoint: Endpoint) -> None:
    make().answer(asked("who is ann@example.org on +49 170 1234567?"))
    assert endpoint.requests[0]["messages"][1]["content"] == "who is [email] on [phone]?"
