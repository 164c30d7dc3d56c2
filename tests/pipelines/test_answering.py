from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.decision.confidence import Calibration, ConfidenceGate, Reply
from edge_runtime.decision.intents import IntentMatcher
from edge_runtime.decision.scene import Scene
from edge_runtime.errors import (
    BudgetExceededError,
    CloudAuthError,
    CloudError,
    CloudProtocolError,
    CloudRateLimitError,
    CloudUnavailableError,
    EdgeError,
)
from edge_runtime.pipelines.answering import Answerer
from edge_runtime.pipelines.minds import Cloud, Minds
from edge_runtime.skills.builtin import Means, builtin_skills
from edge_runtime.skills.nouns import Nouns
from edge_runtime.skills.routing import Router
from edge_runtime.skills.sentences import question_sentences
from edge_runtime.types import Answer, Detection, Event, Frame, Observation, Origin, Question, Request

if TYPE_CHECKING:
    from collections.abc import Mapping

LABELS = ("person", "cat", "dog")
NOW = 100.0
NO_KEY = "the cloud is not set up (no key)"


@dataclass
class FakeCloud:
    """Answers what the test says and keeps what it was asked."""

    reply: Answer | CloudError = field(default_factory=lambda: Answer("A giraffe.", 0.8, Origin.CLOUD, 0.0005))
    seeing: bool = True
    asked: list[Question] = field(default_factory=list)

    def close(self) -> None:
        """Nothing is open."""

    def sees(self, source: str) -> bool:
        return self.seeing and bool(source)

    def answer(self, request: Request) -> Answer:
        self.asked.append(request.question)
        if isinstance(self.reply, CloudError):
            raise self.reply
        return self.reply


def router(cameras: tuple[str, ...] = ("door",)) -> Router:
    nouns = Nouns(LABELS)
    skills = builtin_skills(Means(nouns, lambda: datetime(2026, 11, 22, 14, 7, tzinfo=UTC)))
    return Router(skills, nouns, IntentMatcher([question_sentences(skills, nouns, cameras)]).match, cameras)


ROUTE = router()


def frame(source: str = "door", at: float = NOW) -> Frame:
    return Frame(source, at, np.zeros((4, 4, 3), np.uint8))


def looked(score: float, label: str = "person", source: str = "door", at: float = NOW) -> Scene:
    scene = Scene()
    box = Detection(label, score, (0.0, 0.0, 1.0, 1.0))
    evidence = dict.fromkeys(LABELS, 0.01) | {label: score}
    scene.observe(Observation(source, at, (box,)), frame(source, at), evidence)
    return scene


def never_look(_: Frame) -> Scene:
    raise AssertionError


def answerer(scene: Scene, cloud: Cloud | str = NO_KEY, gate: ConfidenceGate | None = None) -> Answerer:
    return Answerer(ROUTE, scene, gate or ConfidenceGate(0.8), never_look, Minds(cloud))


def ask(text: str, at: float = NOW) -> Question:
    return Question(text, "console", at)


def test_a_sure_answer_stays_local() -> None:
    cloud = FakeCloud()
    answer = answerer(looked(0.95), cloud).answer(ask("is there a person?"))
    assert (answer.text, answer.origin, answer.cost_usd) == ("Yes, I see a person.", Origin.LOCAL, 0.0)
    assert answer.confidence == pytest.approx(0.95)
    assert 0 < answer.elapsed_s < 5
    assert cloud.asked == []


def test_an_unsure_answer_goes_to_the_cloud_with_the_picture() -> None:
    cloud = FakeCloud()
    answer = answerer(looked(0.6), cloud).answer(ask("is there a person?"))
    assert (answer.text, answer.origin, answer.cost_usd) == ("A giraffe.", Origin.CLOUD, 0.0005)
    assert cloud.asked[0].frame is not None


@pytest.mark.parametrize("bundle", ["omni-nano", "whiskers"])
def test_an_answer_names_the_bundle_that_gave_it(bundle: str) -> None:
    made = Answerer(ROUTE, looked(0.95), ConfidenceGate(0.8), never_look, Minds(NO_KEY), bundle)
    assert made.answer(ask("is there a person?")).model == bundle


def test_calibration_decides_not_the_raw_score() -> None:
    modest = ConfidenceGate(0.8, {"presence": Calibration(0.5, 0.0)})
    answer = answerer(looked(0.9), NO_KEY, modest).answer(ask("is there a person?"))
    assert answer.origin is Origin.ABSTAINED
    assert answer.confidence == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("cloud", "why"),
    [
        pytest.param(NO_KEY, "the cloud is not set up (no key)", id="no key"),
        pytest.param(FakeCloud(CloudAuthError("401")), "the cloud refused the key", id="wrong key"),
        pytest.param(FakeCloud(CloudUnavailableError("no route")), "the cloud cannot be reached", id="no network"),
        pytest.param(FakeCloud(CloudRateLimitError("429")), "the cloud is too busy", id="rate limit"),
        pytest.param(FakeCloud(CloudProtocolError("html")), "cannot be understood", id="malformed reply"),
        pytest.param(FakeCloud(BudgetExceededError("cap")), "the cloud budget is used up", id="money cap"),
        pytest.param(FakeCloud(CloudError("disk")), "the record of what the cloud costs", id="broken record"),
        pytest.param(FakeCloud(seeing=False), "pictures may not leave this box", id="pictures not allowed"),
        pytest.param(
            FakeCloud(Answer("UNSURE", 0.0, Origin.ABSTAINED, 0.0005)),
            "the cloud is not sure either",
            id="cloud unsure",
        ),
    ],
)
def test_an_abstention_says_why_and_what_it_guesses(cloud: FakeCloud | str, why: str) -> None:
    answer = answerer(looked(0.6), cloud).answer(ask("is there a person?"))
    assert answer.origin is Origin.ABSTAINED
    assert answer.text.startswith("I am not sure, and ")
    assert why in answer.text
    assert answer.text.endswith("My best guess: Yes, I see a person.")
    assert answer.confidence == pytest.approx(0.6)


def test_a_question_no_skill_knows_abstains_without_a_guess() -> None:
    answer = answerer(looked(0.95)).answer(ask("is there a giraffe?"))
    assert answer.origin is Origin.ABSTAINED
    assert answer.text == "I cannot answer that by myself, and the cloud is not set up (no key)."
    assert answer.confidence == 0.0


def test_what_an_unsure_cloud_cost_is_told() -> None:
    cloud = FakeCloud(Answer("UNSURE", 0.0, Origin.ABSTAINED, 0.0005))
    assert answerer(looked(0.6), cloud).answer(ask("is there a person?")).cost_usd == 0.0005


def test_a_lost_camera_is_told_and_nobody_else_is_asked() -> None:
    cloud = FakeCloud()
    answer = answerer(looked(0.95), cloud).answer(ask("is there a person?", NOW + 60))
    assert answer.origin is Origin.ABSTAINED
    assert answer.text == "I have had no picture for 1 minute."
    assert cloud.asked == []


@pytest.mark.parametrize(
    ("text", "with_picture"),
    [
        pytest.param("what is the capital of France?", False, id="general knowledge"),
        pytest.param("tell me a joke", False, id="small talk"),
        pytest.param("is there a giraffe?", True, id="about what the camera sees"),
        pytest.param("what is the woman wearing?", True, id="about the picture's contents"),
    ],
)
def test_a_picture_goes_to_the_cloud_only_with_a_question_about_it(text: str, *, with_picture: bool) -> None:
    cloud = FakeCloud()
    answerer(looked(0.95), cloud).answer(ask(text))
    assert (cloud.asked[0].frame is not None) is with_picture


def test_the_picture_is_of_the_camera_asked_for() -> None:
    cloud, scene = FakeCloud(), looked(0.6)
    scene.observe(Observation("yard", NOW + 1, ()), frame("yard", NOW + 1), dict.fromkeys(LABELS, 0.01))
    both = Answerer(router(("door", "yard")), scene, ConfidenceGate(0.8), never_look, Minds(cloud))
    both.answer(ask("is there a person on the door camera?", NOW + 2))
    picture = cloud.asked[0].frame
    assert picture is not None
    assert picture.source == "door"


def test_an_old_picture_does_not_go_to_the_cloud() -> None:
    cloud = FakeCloud()
    answerer(looked(0.95), cloud).answer(ask("is there a giraffe?", NOW + 60))
    assert cloud.asked[0].frame is None


def test_a_picture_of_its_own_is_looked_at_alone() -> None:
    looks: list[Frame] = []

    def look(picture: Frame) -> Scene:
        looks.append(picture)
        return looked(0.95, "cat", picture.source, picture.at)

    made = Answerer(ROUTE, looked(0.95, "dog"), ConfidenceGate(0.8), look, Minds(NO_KEY))
    own = frame("photo.jpg", at=3.0)
    question = Question("what do you see?", "console", NOW, own)
    assert made.answer(question).text == "I see a cat."
    assert looks == [own]


def test_a_picture_that_came_with_the_question_goes_with_it_to_the_cloud() -> None:
    cloud, own = FakeCloud(), frame("photo.jpg")
    made = Answerer(ROUTE, looked(0.95), ConfidenceGate(0.8), lambda _: looked(0.95, "cat", "photo.jpg"), Minds(cloud))
    made.answer(Question("which country?", "console", NOW, own))
    assert cloud.asked[0].frame is own


def test_a_picture_of_a_watched_camera_is_not_looked_at_again() -> None:
    question = Question("is there a person?", "voice", NOW, frame("door"))
    assert answerer(looked(0.95)).answer(question).origin is Origin.LOCAL


def test_the_time_needs_no_camera() -> None:
    answer = answerer(Scene()).answer(ask("what time is it?"))
    assert (answer.text, answer.origin, answer.confidence) == ("It is 14:07.", Origin.LOCAL, 1.0)


@dataclass
class Switch:
    """A skill that does something."""

    fault: EdgeError | None = None
    score: float = 1.0
    done: int = 0
    name: str = "switch"
    about_scene: bool = False
    slots: dict[str, str] = field(default_factory=dict)
    confidence: float = 1.0
    then: None = None

    @property
    def skill(self) -> Switch:
        return self

    def answer(self, question: Question, scene: Scene, slots: Mapping[str, str]) -> Reply | None:
        assert not scene.sources
        assert slots == self.slots
        return Reply("Done.", self.score, events=(Event("switched", question.source, 0.0, {}),), then=self._act)

    def _act(self) -> None:
        self.done += 1
        if self.fault:
            raise self.fault


@pytest.mark.parametrize(
    ("switch", "schema", "origin", "text", "done"),
    [
        pytest.param(Switch(), None, Origin.LOCAL, "Done.", 1, id="what is said is done"),
        pytest.param(Switch(score=0.5), None, Origin.ABSTAINED, "Done.", 0, id="a guess does nothing"),
        pytest.param(Switch(), {"type": "object"}, Origin.ABSTAINED, "Done.", 0, id="nor does a text nobody wanted"),
        pytest.param(
            Switch(EdgeError("the disk is full")), None, Origin.ABSTAINED, "could not do that: the disk is full", 1,
            id="what fails is said",
        ),
    ],
)  # fmt: skip
def test_an_answer_does_what_it_says_only_if_it_is_kept(
    switch: Switch, schema: dict[str, object] | None, origin: Origin, text: str, done: int
) -> None:
    made = Answerer(lambda _: switch, Scene(), ConfidenceGate(0.8), never_look, Minds(NO_KEY))
    answer = made.answer(Question("switch it on", "mqtt", NOW, schema=schema))
    assert answer.origin is origin
    assert text in answer.text
    assert switch.done == done
    assert bool(answer.events) is (origin is Origin.LOCAL)
