from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hassil.intents import Intents
from hassil.sample import sample_intents
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.decision.intents import IntentMatcher
from edge_runtime.skills.builtin import Means, builtin_skills
from edge_runtime.skills.lessons import Memory
from edge_runtime.skills.nouns import Nouns
from edge_runtime.skills.phrasing import normal
from edge_runtime.skills.routing import EmbedText, Router
from edge_runtime.skills.sentences import camera_names, question_sentences, spoken_questions
from edge_runtime.wiring.assembly import Models

LABELS = ("person", "bicycle", "car", "motorcycle", "bus", "cat", "dog", "couch", "potted plant", "tv", "cell phone")
NOUNS = Nouns(LABELS)
SURE = 0.8


def router(cameras: tuple[str, ...] = (), embed_text: EmbedText | None = None, memory: Memory | None = None) -> Router:
    skills = builtin_skills(Means(NOUNS, lambda: datetime(2026, 1, 1, tzinfo=UTC)))
    matcher = IntentMatcher([question_sentences(skills, NOUNS, cameras)])
    return Router(skills, NOUNS, matcher.match, cameras, embed_text, memory)


ONE = router(("door",))
THREE = router(("front_door", "garden-cam", "kitchen"))


@pytest.mark.parametrize(
    ("text", "skill", "slots"),
    [
        ("is there a person?", "presence", {"label": "person"}),
        ("Is there a person in the picture", "presence", {"label": "person"}),
        ("IS ANYONE THERE?!", "presence", {"label": "person"}),
        ("is anybody here", "presence", {"label": "person"}),
        ("do you see a dog?", "presence", {"label": "dog"}),
        ("do u see any dogs", "presence", {"label": "dog"}),
        ("Can you see someone?", "presence", {"label": "person"}),
        ("can you tell me if there is a dog here please", "presence", {"label": "dog"}),
        ("are there any people", "presence", {"label": "person"}),
        ("any motorbikes outside?", "presence", {"label": "motorcycle"}),
        ("Is there a cat or a dog?", "presence", {"label": "cat", "other": "dog"}),
        ("is there a sofa", "presence", {"label": "couch"}),
        ("Is there a television in the image?", "presence", {"label": "tv"}),
        ("do you see a mobile phone", "presence", {"label": "cell phone"}),
        ("is there a plant in the photo?", "presence", {"label": "potted plant"}),
        ("is this a cat", "presence", {"label": "cat"}),
        ("does the image contain a bicycle?", "presence", {"label": "bicycle"}),
        ("is there an animal?", "presence", {"label": "animal"}),
        ("are there vehicles", "presence", {"label": "vehicle"}),
        ("is there a child", "presence", {"label": "child"}),
        ("is there a person at the door camera", "presence", {"label": "person", "camera": "door"}),
        ("anyone at the door?", "presence", {"label": "person"}),
        ("are there any red cars?", "presence", {"label": "car", "detail": "red"}),
        ("how many people are there?", "counting", {"label": "person"}),
        ("How many persons do you see?", "counting", {"label": "person"}),
        ("how many dogs and cats are there?", "counting", {"label": "dog", "other": "cat"}),
        ("count the cars", "counting", {"label": "car"}),
        ("how many buses", "counting", {"label": "bus"}),
        ("number of bikes in the picture", "counting", {"label": "bicycle"}),
        ("what do you see?", "description", {}),
        ("What's in the picture?", "description", {}),
        ("what\u2019s there", "description", {}),
        ("describe the scene", "description", {}),
        ("tell me what you see", "description", {}),
        ("is there anything there", "description", {}),
        ("which animals are in the picture?", "description", {"label": "animal"}),
        ("what can you see on the door camera", "description", {"camera": "door"}),
        ("when did you last see a dog?", "last_seen", {"label": "dog"}),
        ("when was the cat last seen", "last_seen", {"label": "cat"}),
        ("have you seen the dog today?", "last_seen", {"label": "dog"}),
        ("did anyone come by?", "last_seen", {"label": "person"}),
        ("where is the cat?", "last_seen", {"label": "cat"}),
        ("was there a person at the door?", "last_seen", {"label": "person"}),
        ("when was the last time you saw somebody", "last_seen", {"label": "person"}),
        ("what time is it?", "clock", {}),
        ("What day is it today?", "clock", {}),
        ("what's the time", "clock", {}),
        ("what's today's date?", "clock", {}),
        ("can you tell me what time it is", "clock", {}),
        ("do you know what time it is", "clock", {}),
    ],
)
def test_understood(text: str, skill: str, slots: dict[str, str]) -> None:
    routed = ONE(text)
    assert routed is not None
    assert (routed.skill.name, dict(routed.slots)) == (skill, slots)
    assert routed.confidence >= SURE


@settings(deadline=None)
@given(st.text())
def test_any_text_is_survived(text: str) -> None:
    ONE(text)


@pytest.mark.parametrize("cameras", [(), ("door",), ("front_door", "garden-cam", "kitchen")])
def test_every_spoken_question_reaches_its_skill(cameras: tuple[str, ...]) -> None:
    skills, made = builtin_skills(Means(NOUNS, lambda: datetime(2026, 1, 1, tzinfo=UTC))), router(cameras)
    samples = list(sample_intents(Intents.from_dict(spoken_questions(skills, NOUNS, cameras))))
    assert {intent for intent, _ in samples} == {f"question.{skill.name}" for skill in skills if skill.spoken}
    for intent, sentence in samples:
        routed = made(sentence)
        assert routed is not None, sentence
        assert f"question.{routed.skill.name}" == intent, sentence
        assert routed.confidence >= SURE, sentence


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("is there a giraffe?", id="a thing the detector does not know"),
        pytest.param("how many zebras are there", id="counting what it does not know"),
        pytest.param("what is the capital of France?", id="general knowledge"),
        pytest.param("turn on the kitchen light", id="a command"),
        pytest.param("do dogs bite?", id="about dogs, not about a dog here"),
        pytest.param("who is there?", id="people are not told apart"),
        pytest.param("is nobody there?", id="turned round"),
        pytest.param("", id="nothing"),
        pytest.param("?!", id="only marks"),
        pytest.param("\u4f60\u597d", id="another script"),
    ],
)
def test_not_for_a_skill(text: str) -> None:
    assert ONE(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "is there a person who walked on the moon?",
        "how many legs does a dog have?",
        "is the person a doctor?",
        "is there a phone on the table?",
        "is there a person near a car?",
        "what is a dog?",
        "is a dog an animal?",
        "are you a person?",
        "can dogs see colours?",
        "how much is a car?",
        "when is the bus?",
        "is the cat in the bathroom?",
        "where is the bus stop?",
    ],
)
def test_half_understood_is_not_sure(text: str) -> None:
    routed = ONE(text)
    assert routed is None or routed.confidence < SURE


@pytest.mark.parametrize(
    ("text", "camera"),
    [
        pytest.param("is the cat in the kitchen?", "kitchen", id="a room with a camera"),
        pytest.param("anyone at the door?", "front_door", id="the last word of a name"),
        pytest.param("is there a person on the front door camera", "front_door", id="the whole name"),
        pytest.param("how many people do you see in the garden?", "garden-cam", id="a name that says camera"),
        pytest.param("was there a dog at the front door yesterday night", "front_door", id="free words"),
    ],
)
def test_cameras_are_known_by_name(text: str, camera: str) -> None:
    routed = THREE(text)
    assert routed is not None
    assert routed.slots.get("camera") == camera


def test_with_several_cameras_a_place_without_one_is_not_sure() -> None:
    routed = THREE("any motorbikes on the street?")
    assert routed is not None
    assert routed.confidence < SURE


def test_two_cameras_with_the_same_last_word_are_only_known_by_their_whole_names() -> None:
    assert [name for name, _ in camera_names(("front_door", "back_door", "yard"))] == [
        "front door",
        "back door",
        "yard",
    ]


def test_a_detector_with_other_labels_brings_other_words() -> None:
    nouns = Nouns(["giraffe"])
    assert nouns.get("giraffe") is not None
    assert nouns.get("person") is None
    assert nouns.get("child") is None


@pytest.fixture(scope="module")
def meant(tmp_path_factory: pytest.TempPathFactory) -> Router:
    memory = Memory(tmp_path_factory.mktemp("data") / "router.npz", "this bundle")
    return router(("door",), Models().embedder.embed_text, memory)


@pytest.mark.parametrize(
    ("text", "skill", "slots"),
    [
        pytest.param("is anybody home", "presence", {"label": "person"}, id="no place that a template knows"),
        pytest.param("has a dog turned up", "presence", {"label": "dog"}, id="another verb"),
        pytest.param("what do things look like over there", "description", {}, id="no noun"),
        pytest.param("I wonder how late it is by now", "clock", {}, id="no word of time"),
        pytest.param("did a cat get into view recently", "last_seen", {"label": "cat"}, id="free words"),
    ],
)
def test_meaning_finds_what_no_template_has(meant: Router, text: str, skill: str, slots: dict[str, str]) -> None:
    routed = meant(text)
    assert routed is not None
    assert (routed.skill.name, routed.slots) == (skill, slots)
    assert routed.confidence < 1.0


@pytest.mark.parametrize(
    "text", ["the stock market", "what is the capital of France?", "do dogs bite?", "who let the dogs out at the fair"]
)
def test_meaning_leaves_what_is_for_nobody(meant: Router, text: str) -> None:
    routed = meant(text)
    assert routed is None or routed.confidence < SURE


def test_candidates_come_surest_first_and_each_once(meant: Router) -> None:
    routed, names, sure = meant("might a dog have been around"), [], 1.0
    while routed is not None:
        assert routed.confidence <= sure
        names.append(routed.skill.name)
        sure, routed = routed.confidence, routed.then
    assert names
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("typed", "plain"),
    [
        ("What's in the pic?", "what is in the picture"),
        ("  HEY, is there   a dog?? ", "is there a dog"),
        ("who\u2019s there", "who is there"),
        ("What's today's date", "what is todays date"),
        ("Could you please tell me what time it is?", "tell me what time it is"),
    ],
)
def test_normal(typed: str, plain: str) -> None:
    assert normal(typed) == plain
