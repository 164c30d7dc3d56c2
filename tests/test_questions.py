"""Questions: what the box knows by itself never waits behind what it must ask others."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from edge_runtime import questions as module
from edge_runtime.decision.confidence import ConfidenceGate, Reply
from edge_runtime.decision.scene import Scene
from edge_runtime.errors import BusyError, EdgeError
from edge_runtime.metrics import Metrics
from edge_runtime.pipelines.answering import Answerer
from edge_runtime.pipelines.minds import Minds
from edge_runtime.questions import PONDERED_KEPT, QUESTIONS_KEPT, Questions
from edge_runtime.runtime import Worker
from edge_runtime.types import Answer, Event, Origin, Question, Request, Turn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Parrot:
    """A skill that knows everything that begins with "known"."""

    name = "parrot"
    about_scene = False

    def answer(self, question: Question, scene: Scene, slots: Mapping[str, str]) -> Reply | None:
        assert not slots
        assert not scene.sources
        done = Event("parroted", question.source, question.at, {})
        return Reply(f"{question.text}!", 0.99, events=(done,)) if question.text.startswith("known") else None


class Chosen:
    skill = Parrot()
    slots: Mapping[str, str] = {}
    confidence = 1.0
    then = None


class SlowCloud:
    """A cloud that hangs until it is released, cancelled, or out of time."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.cancelled = 0
        self.fault: Exception | None = None

    def close(self) -> None:
        """Nothing is open."""

    def sees(self, source: str) -> bool:
        return not source

    def answer(self, request: Request) -> Answer:
        if self.fault:
            raise self.fault
        while not self.release.wait(0.01):
            if request.cancelled():
                self.cancelled += 1
                return Answer("UNSURE", 0.0, Origin.ABSTAINED)
        if request.on_text:
            request.on_text("from ")
            request.on_text("afar")
        return Answer("from afar", 0.8, Origin.CLOUD, 0.001)


class Desk:
    """Questions with their worker."""

    def __init__(self) -> None:
        self.cloud = SlowCloud()
        self.events: list[Event] = []
        self.hurried = False
        gate = ConfidenceGate(0.9)
        answerer = Answerer(lambda _: Chosen(), Scene(), gate, lambda _: Scene(), Minds(self.cloud))
        metrics = Metrics()
        self.questions = Questions(
            answerer, None, metrics, self.events.append, lambda *_: None, lambda: self.hurried
        )  # fmt: skip
        self.worker = Worker("answering", self.questions.answer, metrics)
        self.worker.start()

    def close(self) -> None:
        self.questions.close()
        give_up = time.monotonic() + 10
        while not self.worker.done and time.monotonic() < give_up:
            time.sleep(0.01)
        assert self.worker.done
        assert not self.worker.crashed


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.hurried = True
    if not made.worker.done:
        made.close()


def ask(text: str) -> Question:
    return Question(text, "mqtt", 0.0)


def test_local_answers_pass_those_that_hang_in_the_cloud(desk: Desk) -> None:
    hanging = [desk.questions.submit(ask(f"far {number}")) for number in range(20)]
    near = [desk.questions.submit(ask(f"known {number}")) for number in range(40)]
    assert [reply.result(5).text for reply in near] == [f"known {number}!" for number in range(40)]
    assert not any(reply.done() for reply in hanging)
    desk.cloud.release.set()
    assert {reply.result(5).origin for reply in hanging} == {Origin.CLOUD}


def test_what_an_answer_does_is_told_before_it(desk: Desk) -> None:
    desk.questions.submit(ask("known")).result(5)
    assert [event.kind for event in desk.events] == ["parroted", "answered"]
    assert desk.events[1].data["skill"] == "parrot"


def test_more_than_fits_abstains_at_once_and_says_why(desk: Desk) -> None:
    replies = [desk.questions.submit(ask("far")) for _ in range(PONDERED_KEPT + 1)]
    refused = replies[-1].result(5)
    assert refused.origin is Origin.ABSTAINED
    assert "too many questions wait" in refused.text
    assert not any(reply.done() for reply in replies[:-1])


def test_beyond_the_queue_questions_are_refused_not_kept() -> None:
    nobody = Questions(None, None, Metrics(), lambda _: None, lambda *_: None)  # type: ignore[arg-type]  # never asked
    for _ in range(QUESTIONS_KEPT):
        nobody.submit(ask("?"))
    with pytest.raises(BusyError, match="64 questions are waiting already; ask again later"):
        nobody.submit(ask("?"))


def test_text_comes_piece_by_piece(desk: Desk) -> None:
    pieces: list[str] = []
    desk.cloud.release.set()
    assert desk.questions.submit(ask("far"), pieces.append).result(5).text == "".join(pieces) == "from afar"


def test_whoever_goes_away_frees_a_mind(desk: Desk) -> None:
    gone = threading.Event()
    reply = desk.questions.submit(ask("far"), cancelled=gone.is_set)
    gone.set()
    assert reply.result(5).origin is Origin.ABSTAINED
    assert desk.cloud.cancelled == 1


def test_a_fault_in_a_mind_is_told_and_the_next_question_is_answered(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.cloud.fault = ZeroDivisionError("boom")
    with pytest.raises(EdgeError, match="the log says why"):
        desk.questions.submit(ask("far")).result(5)
    assert "boom" in caplog.text
    assert desk.questions.submit(ask("known")).result(5).text == "known!"


@pytest.mark.parametrize(
    ("hurried", "texts"),
    [
        pytest.param(False, "from afar", id="at the end of a recording everything is still answered"),
        pytest.param(True, "not sure either", id="told to stop, the box gives up and says so"),
    ],
)
def test_the_end(desk: Desk, monkeypatch: pytest.MonkeyPatch, *, hurried: bool, texts: str) -> None:
    monkeypatch.setattr(module, "LAST_WORDS_S", 0.2)
    reply = desk.questions.submit(ask("far"))
    while not desk.questions._pondered:
        time.sleep(0.01)
    desk.hurried = hurried
    if not hurried:
        threading.Timer(0.3, desk.cloud.release.set).start()
    desk.close()
    assert texts in reply.result(1).text


def test_half_characters_of_broken_clients_never_reach_what_keeps_or_sends_answers(desk: Desk) -> None:
    asked = Question("known \ud800 one", "http", 0.0, history=(Turn("user", "and \udfff two"),))
    answer = desk.questions.submit(asked).result(10)
    assert answer.text == "known ? one!"
    assert [event.data["question"] for event in desk.events if event.kind == "answered"] == ["known ? one"]
