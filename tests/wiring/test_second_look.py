from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest
from openai_server import KEY, completion, serving

from edge_runtime.config import Settings
from edge_runtime.errors import BudgetExceededError, CloudUnavailableError
from edge_runtime.prompts.book import PromptBook
from edge_runtime.types import Answer, Event, Frame, Look, Origin, Sight, Step, Trace
from edge_runtime.wiring.assembly import Models
from edge_runtime.wiring.cloud import make_spending
from edge_runtime.wiring.second_look import WAITING, SecondLook, make_second_look

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.types import Request


@dataclass
class Cloud:
    """Says what the test wants."""

    text: str = '{"verdict": "yes"}'
    origin: Origin = Origin.CLOUD
    error: Exception | None = None
    may_see: bool = True
    going: threading.Event = field(default_factory=threading.Event)
    asked: list[Request] = field(default_factory=list)
    closed: bool = False

    def close(self) -> None:
        self.closed = True

    def sees(self, source: str) -> bool:
        return self.may_see and source == "door"

    def answer(self, request: Request) -> Answer:
        self.asked.append(request)
        self.going.wait(5.0)
        if self.error:
            raise self.error
        return Answer(self.text, 0.9, self.origin, 0.001, model="there/small")


def alert(kind: str = "alert", *, seen: bool = True) -> Event:
    frame = Frame("door", 3.0, np.zeros((90, 160, 3), np.uint8))
    sight = Sight(frame, Look((), (), {}), 0.1, moving=True, novelty=())
    data = {"prompt": "a dog on the sofa", "score": 1.0, "where": [0.4, 0.4, 0.6, 0.6], "confirmed": None}
    trace = Trace("words", {}, sight=sight if seen else None)
    return Event(kind, "door", 3.0, data, steps=(Step("change", {}),), trace=trace)


def looked(cloud: Cloud | str, event: Event) -> list[Event]:
    told: list[Event] = []
    second = SecondLook(cloud, told.append, 5.0)
    if isinstance(cloud, Cloud):
        cloud.going.set()
    assert second.take(event)
    second.close()
    assert isinstance(cloud, str) or cloud.closed
    return told


@pytest.mark.parametrize(
    ("cloud", "kind", "confirmed", "why"),
    [
        pytest.param(Cloud(), "alert", True, None, id="yes"),
        pytest.param(Cloud('{"verdict": "no"}'), "alert_denied", False, None, id="no"),
        pytest.param(Cloud('{"verdict": "unsure"}'), "alert", None, "the cloud is not sure either", id="unsure"),
        pytest.param(Cloud("UNSURE", Origin.ABSTAINED), "alert", None, "the cloud is not sure either", id="abstained"),
        pytest.param(
            Cloud(error=CloudUnavailableError("x")), "alert", None, "the cloud cannot be reached", id="no network"
        ),
        pytest.param(
            Cloud(error=BudgetExceededError("x")), "alert", None, "the cloud budget is used up", id="no money left"
        ),
        pytest.param(Cloud(error=RuntimeError("x")), "alert", None, "an error; the log says which", id="a fault"),
        pytest.param(Cloud(may_see=False), "alert", None, "pictures may not leave this box", id="private camera"),
        pytest.param("no key is set", "alert", None, "no key is set", id="nobody to ask"),
    ],
)
def test_an_alert_is_told_whatever_becomes_of_the_second_look(
    cloud: Cloud | str, kind: str, confirmed: bool | None, why: str | None
) -> None:
    event = alert()
    [told] = looked(cloud, event)
    assert (told.kind, told.data["confirmed"], told.id) == (kind, confirmed, event.id)
    assert told.steps[-1].gate == "second look"
    assert told.steps[-1].facts["why"] == why
    assert told.trace is event.trace


def test_the_cloud_sees_the_thing_and_what_is_around_it() -> None:
    cloud, event = Cloud(), alert()
    [told] = looked(cloud, event)
    [request] = cloud.asked
    assert request.subject == pytest.approx((0.3, 0.3, 0.7, 0.7))
    assert '"a dog on the sofa"' in request.question.text
    assert request.question.frame is event.trace.sight.frame  # type: ignore[union-attr]
    assert request.deadline - time.monotonic() < 5.0
    assert told.steps[-1].facts["cost_usd"] == 0.001


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(alert("anomaly"), id="no alert in words"),
        pytest.param(alert("alert_denied"), id="looked at already"),
        pytest.param(replace(alert(), steps=(), trace=None), id="in quiet hours"),
    ],
)
def test_other_events_go_their_way(event: Event) -> None:
    second = SecondLook(Cloud(), lambda _: None, 5.0)
    assert not second.take(event)
    second.close()


def test_the_vision_never_waits_and_a_flood_is_told_at_once() -> None:
    cloud, told = Cloud(), list[Event]()
    second = SecondLook(cloud, told.append, 5.0)
    begun = time.monotonic()
    assert all(second.take(alert()) for _ in range(WAITING + 1))
    assert time.monotonic() - begun < 1.0
    assert [event.steps[-1].facts["why"] for event in told] == ["too many alerts wait already"]
    cloud.going.set()
    second.close()
    assert len(told) == WAITING + 1


def test_the_shipped_prompt_asks_for_a_verdict() -> None:
    prompt = PromptBook().of("alert")
    assert prompt.output is not None
    assert prompt.output["properties"]["verdict"]["enum"] == ["yes", "no", "unsure"]


@pytest.mark.parametrize(
    ("more", "there", "logged"),
    [
        pytest.param({}, False, "", id="off unless wanted"),
        pytest.param({"alerting": {"second_look": True}}, True, "told unconfirmed", id="wanted without a cloud"),
    ],
)
def test_the_settings_decide(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, more: dict[str, object], *, there: bool, logged: str
) -> None:
    settings = Settings.model_validate({"device": {"data_dir": tmp_path}, **more})
    told: list[Event] = []
    second = make_second_look(settings, Models.of(settings), told.append)
    assert (second is not None) is there
    assert logged in caplog.text
    if second:
        second.close()


def test_the_picture_leaves_by_the_gate_within_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_CLOUD_API_KEY", KEY)
    told: list[Event] = []
    with serving() as endpoint:
        endpoint.script = [completion('{"verdict": "no"}')]
        settings = Settings.model_validate(
            {
                "device": {"data_dir": tmp_path},
                "cameras": [{"name": "door", "url": "clip.mp4"}],
                "alerting": {"second_look": True},
                "egress": {"sources": {"door": "redacted_picture"}},
                "cloud": {"enabled": True, "providers": [{"base_url": endpoint.url}]},
            }
        )
        second = make_second_look(settings, Models.of(settings), told.append)
        assert second is not None
        assert second.take(alert())
        second.close()
        assert not [file.path for file in psutil.Process().open_files() if file.path.startswith(str(tmp_path))]
        [request] = endpoint.requests
    assert (told[0].kind, told[0].data["confirmed"]) == ("alert_denied", False)
    assert request["messages"][-1]["content"][1]["type"] == "image_url"
    assert request["response_format"]["type"] == "json_schema"
    ledger = "".join(path.read_text() for path in (tmp_path / "ledger").glob("*.jsonl"))
    assert "a dog on the sofa" in ledger
    assert make_spending(settings).summary()[1].spent > 0
