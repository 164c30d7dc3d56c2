from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from cloud_rig import USED_USD, Rig, asked, worst_usd
from openai_server import KEY, Endpoint, Reply, completion, failure

from edge_runtime.answer_sections import BudgetSettings, EgressSettings
from edge_runtime.cloud.client import MissingModelError, RefusedError
from edge_runtime.errors import (
    BudgetExceededError,
    CancelledError,
    CloudAuthError,
    CloudError,
    CloudProtocolError,
    CloudRateLimitError,
    CloudUnavailableError,
    EgressRefusedError,
)
from edge_runtime.types import Origin, Turn

if TYPE_CHECKING:
    from pathlib import Path


def test_success_is_told_as_cloud_and_paid_by_usage(rig: Rig, endpoint: Endpoint) -> None:
    answer = rig.make(endpoint.url).answer(asked(skill="clock"))
    assert (answer.text, answer.origin, answer.confidence) == ("A red ball.", Origin.CLOUD, 0.8)
    assert (answer.model, answer.skill, answer.cached) == ("first/gpt-4o-mini", "clock", False)
    assert answer.prompt == rig.prompts.of("clock").mark
    assert answer.cost_usd == pytest.approx(USED_USD, rel=1e-12)
    assert rig.gone_usd == pytest.approx(answer.cost_usd)


def test_what_is_sent_is_the_prompt_the_turns_and_the_question(rig: Rig, endpoint: Endpoint) -> None:
    history = (Turn("user", "how old is the oldest tree?"), Turn("assistant", "Almost 5000 years."))
    rig.make(endpoint.url).answer(asked("where does it stand?", history=history))
    (sent,) = endpoint.requests
    assert sent["messages"] == rig.prompts.of(None).messages("where does it stand?", history)
    assert sent["model"] == "gpt-4o-mini"
    assert sent["max_tokens"] == 200


def test_without_usage_the_worst_case_is_paid(rig: Rig, endpoint: Endpoint) -> None:
    endpoint.script = [completion(usage=None)]
    answer = rig.make(endpoint.url).answer(asked())
    assert answer.cost_usd == pytest.approx(worst_usd(endpoint.requests[0]))
    assert rig.gone_usd == pytest.approx(answer.cost_usd)


def test_a_cloud_that_does_not_know_abstains_and_is_paid(rig: Rig, endpoint: Endpoint) -> None:
    endpoint.script = [completion("Unsure.")]
    answer = rig.make(endpoint.url).answer(asked())
    assert (answer.origin, answer.confidence) == (Origin.ABSTAINED, 0.0)
    assert answer.cost_usd == pytest.approx(USED_USD)


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(failure(500), id="server error"),
        pytest.param(failure(429, Retry_After="0.04"), id="too many requests"),
        pytest.param(Reply(hang_s=30), id="time-out"),
        pytest.param(Reply(body=b"{", headers={"Content-Length": "9"}), id="connection broken off"),
    ],
)
def test_a_passing_failure_is_retried(rig: Rig, endpoint: Endpoint, bad: Reply) -> None:
    endpoint.script = [bad, completion()]
    start = time.monotonic()
    assert rig.make(endpoint.url, timeout_s=2.0).answer(asked()).origin is Origin.CLOUD
    assert len(endpoint.requests) == 2
    asked_for_s = float(bad.headers.get("Retry-After", 0.25))
    assert time.monotonic() - start >= asked_for_s
    assert max(rig.pauses.made) <= 0.05, "a pause looks up often whether anybody still waits"


@pytest.mark.parametrize(
    ("bad", "error", "tries"),
    [
        pytest.param(failure(401), CloudAuthError, 1, id="a wrong key is not tried again"),
        pytest.param(failure(403), CloudAuthError, 1, id="a forbidden key is not tried again"),
        pytest.param(failure(400), RefusedError, 1, id="a refused request is not tried again"),
        pytest.param(failure(404), MissingModelError, 1, id="a missing model is not tried again"),
        pytest.param(Reply(body=b"<html>"), CloudProtocolError, 1, id="a malformed body is not tried again"),
        pytest.param(Reply(body=b"[]"), CloudProtocolError, 1, id="a wrong shape is not tried again"),
        pytest.param(failure(500), CloudUnavailableError, 3, id="a server error is tried three times"),
        pytest.param(failure(429, Retry_After="0"), CloudRateLimitError, 3, id="a rate limit is tried three times"),
        pytest.param(
            failure(429, Retry_After="3600"), CloudRateLimitError, 1, id="a wait past the deadline is not waited"
        ),
    ],
)
def test_tries(rig: Rig, endpoint: Endpoint, bad: Reply, error: type[CloudError], tries: int) -> None:
    endpoint.script = [bad]
    start = time.monotonic()
    with pytest.raises(error) as caught:
        rig.make(endpoint.url).answer(asked())
    assert len(endpoint.requests) == tries
    assert time.monotonic() - start < 8
    assert KEY not in str(caught.value)


def test_who_asked_for_a_rest_is_not_asked_by_the_next_question_either(rig: Rig, endpoint: Endpoint) -> None:
    endpoint.script = [failure(429, Retry_After="3600"), completion()]
    responder = rig.make(endpoint.url)
    for _ in range(2):
        with pytest.raises(CloudRateLimitError):
            responder.answer(asked())
    assert len(endpoint.requests) == 1


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
    rig: Rig, endpoint: Endpoint, bad: Reply, paid: int
) -> None:
    endpoint.script = [bad]
    with pytest.raises(CloudError):
        rig.make(endpoint.url, attempts=1, timeout_s=2.0).answer(asked())
    rig.wait_until_settled(2)
    assert rig.gone_usd == pytest.approx(paid * worst_usd(endpoint.requests[0]))
    sent, ended = rig.ledger
    assert sent["worst_case_usd"] == pytest.approx(worst_usd(endpoint.requests[0]))
    assert ended["cost_usd"] == pytest.approx(paid * sent["worst_case_usd"])
    assert ended["of"] == sent["id"]
    assert ended["outcome"] not in {"answered", "failed"}


def test_at_the_cap_no_request_is_sent(rig: Rig, endpoint: Endpoint) -> None:
    rig.budget = BudgetSettings(usd_per_minute=0.0001)
    with pytest.raises(BudgetExceededError, match="usd_per_minute"):
        rig.make(endpoint.url).answer(asked())
    assert endpoint.requests == []
    assert rig.ledger == []


def test_retries_stop_at_the_cap(rig: Rig, endpoint: Endpoint) -> None:
    endpoint.script = [failure(500)]
    rig.budget = BudgetSettings(usd_per_day=0.0004)
    with pytest.raises(BudgetExceededError):
        rig.make(endpoint.url).answer(asked())
    assert len(endpoint.requests) == 1


def test_the_deadline_holds_over_all_tries(rig: Rig, endpoint: Endpoint) -> None:
    endpoint.script = [Reply(hang_s=30)]
    start = time.monotonic()
    with pytest.raises(CloudUnavailableError):
        rig.make(endpoint.url, attempts=10).answer(asked(wait_s=0.5))
    assert time.monotonic() - start < 2


def test_an_endpoint_that_keeps_failing_is_left_alone(rig: Rig, endpoint: Endpoint) -> None:
    endpoint.script = [failure(500)]
    responder = rig.make(endpoint.url, attempts=1)
    for _ in range(7):
        with pytest.raises(CloudUnavailableError):
            responder.answer(asked())
    assert len(endpoint.requests) == 5


def test_who_stops_waiting_ends_the_call(rig: Rig, endpoint: Endpoint) -> None:
    endpoint.script = [Reply(body=b"{}" * 1000, gate_at=10)]
    start = time.monotonic()
    with pytest.raises(CancelledError):
        rig.make(endpoint.url).answer(asked(cancelled=lambda: bool(endpoint.requests)))
    assert time.monotonic() - start < 2
    rig.wait_until_settled(2)
    assert rig.ledger[1]["outcome"] == "given up"
    assert rig.gone_usd == pytest.approx(worst_usd(endpoint.requests[0])), "it may be billed all the same"


def test_nothing_leaves_that_cannot_be_written_down(rig: Rig, endpoint: Endpoint, tmp_path: Path) -> None:
    (tmp_path / "ledger").write_text("a file where the folder should be")
    with pytest.raises(CloudError, match="nothing is sent"):
        rig.make(endpoint.url).answer(asked())
    assert endpoint.requests == []
    assert rig.gone_usd == 0


def test_a_source_whose_words_may_not_leave_is_refused(rig: Rig, endpoint: Endpoint) -> None:
    rig.egress = EgressSettings(sources={"console": "nothing"})
    with pytest.raises(EgressRefusedError):
        rig.make(endpoint.url).answer(asked())
    assert endpoint.requests == []


def test_a_picture_goes_small_at_low_detail(rig: Rig, endpoint: Endpoint) -> None:
    endpoint.script = [completion(usage=None)]
    rig.egress = EgressSettings(default="picture")
    rig.make(endpoint.url).answer(asked(picture=True))
    text, picture = endpoint.requests[0]["messages"][-1]["content"]
    assert text == {"type": "text", "text": "what is this thing?"}
    assert picture["image_url"]["detail"] == "low"
    head, _, data = picture["image_url"]["url"].partition(",")
    assert head == "data:image/jpeg;base64"
    shown = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert max(shown.shape[:2]) <= 512
    assert rig.gone_usd == pytest.approx(worst_usd(endpoint.requests[0], picture_tokens=2833))


@pytest.mark.parametrize(
    ("policy", "able", "sees"),
    [
        pytest.param("picture", True, True, id="allowed and understood"),
        pytest.param("text", True, False, id="not allowed"),
        pytest.param("picture", False, False, id="not understood by any provider"),
    ],
)
def test_a_picture_is_sent_where_it_may_be_and_is_understood(
    rig: Rig, endpoint: Endpoint, policy: str, able: bool, sees: bool
) -> None:
    rig.egress = EgressSettings.model_validate({"default": policy})
    responder = rig.make(endpoint.url, per_provider={"first": {"pictures": able}})
    responder.answer(asked(picture=True))
    assert responder.sees("door") is sees
    assert isinstance(endpoint.requests[0]["messages"][-1]["content"], list) is sees


def test_bytes_that_are_no_text_do_not_stop_a_question(rig: Rig, endpoint: Endpoint) -> None:
    rig.make(endpoint.url).answer(asked("what is \udcff this?"))
    assert endpoint.requests[0]["messages"][-1]["content"] == "what is ? this?"


def test_private_things_are_cut_out_of_question_history_and_schema(rig: Rig, endpoint: Endpoint) -> None:
    schema = {"type": "object", "properties": {"name": {"enum": ["ann@example.org", "bob"]}}}
    endpoint.script = [completion('{"name": "bob"}')]
    history = (Turn("user", "write to ann@example.org"),)
    rig.make(endpoint.url).answer(asked("call +49 170 1234567?", history=history, schema=schema))
    (sent,) = endpoint.requests
    assert "ann@example.org" not in str(sent)
    assert "1234567" not in str(sent)
    assert "ann@example.org" not in str(rig.ledger)


def test_a_question_whose_asker_vanished_while_it_waited_is_not_sent(rig: Rig, endpoint: Endpoint) -> None:
    with pytest.raises(CancelledError):
        rig.make(endpoint.url).answer(asked(cancelled=lambda: True))
    assert (endpoint.requests, rig.ledger, rig.gone_usd) == ([], [], 0.0)
