from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from edge_runtime.decision.confidence import ConfidenceGate, Reply
from edge_runtime.errors import CancelledError, CloudError, CloudUnavailableError, EgressRefusedError
from edge_runtime.pipelines.answering import Pending
from edge_runtime.pipelines.minds import Minds
from edge_runtime.types import Answer, Frame, Origin, Question, Request

GUESS = Answer("Yes, a dog.", 0.6, Origin.LOCAL, skill="presence")


@dataclass
class Local:
    """A bigger local model that takes its time."""

    reply: Reply | None = field(default_factory=lambda: Reply("Paris.", 0.95))
    takes_s: float = 0.0
    sees: bool = False
    name: str = "smol"
    asked: int = 0
    cancelled: bool = False

    def answer(self, request: Request) -> Reply | None:
        self.asked += 1
        give_up = time.monotonic() + self.takes_s
        while time.monotonic() < give_up:
            if request.cancelled():
                self.cancelled = True
                return None
            time.sleep(0.005)
        return self.reply


@dataclass
class Far:
    """A cloud that takes its time."""

    reply: Answer | CloudError = field(default_factory=lambda: Answer("Paris, I say.", 0.8, Origin.CLOUD, 0.001))
    takes_s: float = 0.0
    asked: int = 0
    done: threading.Event = field(default_factory=threading.Event)

    def close(self) -> None:
        """Nothing is open."""

    def sees(self, source: str) -> bool:
        return bool(source)

    def answer(self, request: Request) -> Answer:
        self.asked += 1
        give_up = time.monotonic() + self.takes_s
        while time.monotonic() < give_up:
            if request.cancelled():
                self.done.set()
                raise CancelledError("nobody waits")
            time.sleep(0.005)
        if isinstance(self.reply, CloudError):
            raise self.reply
        return self.reply


def pending(wait_s: float = 30.0, *, guess: Answer | None = None, scene_bound: bool = False) -> Pending:
    question = Question("what is the capital of France?", "mqtt", 0.0, wait_s=wait_s)
    return Pending(Request(question, None, time.monotonic() + wait_s), guess, scene_bound)


def minds(far: Far | str, local: Local | None = None, race_below_s: float = 0.0) -> Minds:
    return Minds(far, local, ConfidenceGate(0.9), mark=lambda _: "general@1.1:abc", race_below_s=race_below_s)


def test_the_local_model_comes_first_and_saves_the_cloud() -> None:
    far = Far()
    answer = minds(far, Local()).answer(pending())
    assert (answer.text, answer.origin, answer.model) == ("Paris.", Origin.LOCAL, "smol")
    assert (answer.prompt, far.asked) == ("general@1.1:abc", 0)


@pytest.mark.parametrize(
    ("local", "text"),
    [
        pytest.param(Local(Reply("Rome?", 0.3)), "Paris, I say.", id="not sure enough"),
        pytest.param(Local(None), "Paris, I say.", id="it does not know"),
        pytest.param(None, "Paris, I say.", id="there is none"),
    ],
)
def test_else_the_cloud_is_asked(local: Local | None, text: str) -> None:
    assert minds(Far(), local).answer(pending()).text == text


def test_without_a_cloud_the_unsure_model_gives_the_guess() -> None:
    answer = minds("asking the cloud is switched off", Local(Reply("Rome?", 0.3))).answer(pending())
    assert answer.origin is Origin.ABSTAINED
    assert answer.text == "I am not sure, and asking the cloud is switched off. My best guess: Rome?"
    assert answer.confidence == pytest.approx(0.3)


def test_a_model_that_does_not_see_is_not_asked_about_pictures() -> None:
    blind, seeing = Local(), Local(sees=True)
    minds(Far(), blind).answer(pending(guess=GUESS, scene_bound=True))
    minds(Far(), seeing).answer(pending(guess=GUESS, scene_bound=True))
    assert (blind.asked, seeing.asked) == (0, 1)


@pytest.mark.parametrize(
    ("local", "far", "text", "origin"),
    [
        pytest.param(Local(), Far(takes_s=5), "Paris.", Origin.LOCAL, id="the local model is faster"),
        pytest.param(Local(takes_s=5), Far(), "Paris, I say.", Origin.CLOUD, id="the cloud is faster"),
        pytest.param(Local(Reply("Rome?", 0.1)), Far(takes_s=0.1), "Paris, I say.", Origin.CLOUD, id="fast but unsure"),
        pytest.param(Local(takes_s=0.1), Far(CloudUnavailableError("no route")), "Paris.", Origin.LOCAL, id="no cloud"),
    ],
)
def test_in_a_race_the_first_sure_answer_wins_and_the_loser_is_cancelled(
    local: Local, far: Far, text: str, origin: Origin
) -> None:
    start = time.monotonic()
    answer = minds(far, local, race_below_s=10).answer(pending(wait_s=4))
    assert (answer.text, answer.origin) == (text, origin)
    assert time.monotonic() - start < 4
    if far.takes_s >= 5:
        assert far.done.wait(2), "the cloud is told that nobody waits"
    if local.takes_s >= 5:
        give_up = time.monotonic() + 2
        while not local.cancelled and time.monotonic() < give_up:
            time.sleep(0.01)
        assert local.cancelled


def test_a_race_that_nobody_wins_ends_at_the_deadline() -> None:
    start = time.monotonic()
    answer = minds(Far(takes_s=60), Local(takes_s=60), race_below_s=10).answer(pending(wait_s=0.3, guess=GUESS))
    assert answer.origin is Origin.ABSTAINED
    assert "nobody answered in time" in answer.text
    assert answer.text.endswith("Yes, a dog.")
    assert time.monotonic() - start < 2


def test_with_time_enough_there_is_no_race() -> None:
    far = Far()
    minds(far, Local(), race_below_s=2).answer(pending(wait_s=30))
    assert far.asked == 0


def test_what_may_not_leave_is_said() -> None:
    answer = minds(Far(EgressRefusedError("policy"))).answer(pending())
    assert answer.text == "I cannot answer that by myself, and this may not leave the box."


def test_a_picture_that_its_asker_may_not_send_is_not_asked_about() -> None:
    far = Far()
    found = pending(scene_bound=True)
    frame = Frame("door", 0.0, np.zeros((2, 2, 3), np.uint8))
    question = replace(found.request.question, source="", frame=frame)
    answer = minds(far).answer(replace(found, request=replace(found.request, question=question)))
    assert (answer.origin, far.asked) == (Origin.ABSTAINED, 0)
    assert "pictures may not leave this box" in answer.text


def test_an_abstention_does_nothing_besides() -> None:
    answer = minds("there is no cloud").answer(pending(guess=GUESS))
    assert answer.events == ()
    assert (answer.skill, answer.confidence) == ("presence", 0.6)
