from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from edge_runtime.decision.scene import Scene
from edge_runtime.skills.builtin import Means, builtin_skills
from edge_runtime.skills.counting import chances_of_count
from edge_runtime.skills.nouns import Nouns
from edge_runtime.types import Detection, Observation, Question

if TYPE_CHECKING:
    from edge_runtime.decision.confidence import Reply

LABELS = ("person", "car", "bus", "bird", "cat", "dog", "cell phone")
SURE = 0.8
NOW = 10_000.0
CLOCK = datetime(2026, 11, 22, 14, 7, tzinfo=UTC)
Seen = tuple[str, float, dict[str, list[float]], dict[str, float]]


def seen(camera: str, ago: float = 0.0, evidence: dict[str, float] | None = None, **boxes: list[float]) -> Seen:
    named = {label.replace("_", " "): scores for label, scores in boxes.items()}
    best = {label: max(scores) for label, scores in named.items()}
    return camera, ago, named, dict.fromkeys(LABELS, 0.01) | best | (evidence or {})


def scene_of(looks: list[Seen]) -> Scene:
    scene = Scene()
    for camera, ago, boxes, evidence in looks:
        found = [Detection(label, score, (0.0, 0.0, 1.0, 1.0)) for label, scores in boxes.items() for score in scores]
        scene.observe(Observation(camera, NOW - ago, tuple(found)), None, evidence)
    return scene


def reply(
    skill: str, looks: list[Seen], slots: dict[str, str], text: str = "?", clock: datetime = CLOCK
) -> Reply | None:
    skills = {made.name: made for made in builtin_skills(Means(Nouns(LABELS), lambda: clock))}
    return skills[skill].answer(Question(text, "console", NOW), scene_of(looks), slots)


@pytest.mark.parametrize(
    ("looks", "slots", "text", "sure"),
    [
        pytest.param(
            [seen("door", person=[0.95])], {"label": "person"}, "Yes, I see a person.", True, id="a clear person"
        ),
        pytest.param([seen("door")], {"label": "person"}, "No, I do not see a person.", True, id="a clear no"),
        pytest.param([seen("door", person=[0.6])], {"label": "person"}, "Yes, I see a person.", False, id="doubtful"),
        pytest.param(
            [seen("door", person=[0.4])], {"label": "person"}, "No, I do not see a person.", False, id="a weak box"
        ),
        pytest.param(
            [seen("door", evidence={"dog": 0.45})],
            {"label": "dog"},
            "No, I do not see a dog.",
            False,
            id="weak evidence without a box makes no unsure",
        ),
        pytest.param(
            [seen("door", person=[0.95]), seen("garden", dog=[0.9])],
            {"label": "dog"},
            "Yes, I see a dog on the garden camera.",
            True,
            id="the camera is named where there are several",
        ),
        pytest.param(
            [seen("door", dog=[0.95]), seen("garden")],
            {"label": "dog", "camera": "garden"},
            "No, I do not see a dog on the garden camera.",
            True,
            id="only the camera asked for counts",
        ),
        pytest.param(
            [seen("door"), seen("garden", ago=60)],
            {"label": "dog"},
            "No, I do not see a dog. I have no picture on the garden camera now.",
            False,
            id="a silent camera makes no unsure",
        ),
        pytest.param(
            [seen("door", dog=[0.95]), seen("garden", ago=60)],
            {"label": "dog"},
            "Yes, I see a dog on the door camera.",
            True,
            id="a silent camera does not make yes unsure",
        ),
        pytest.param(
            [seen("door", cat=[0.9])], {"label": "animal"}, "Yes, I see a cat.", True, id="a cat is an animal"
        ),
        pytest.param(
            [seen("door")],
            {"label": "animal"},
            "No, I do not see a bird, a cat or a dog.",
            True,
            id="no animal claims only what the detector knows",
        ),
        pytest.param(
            [seen("door", cat=[0.95])],
            {"label": "cat", "other": "dog"},
            "Yes, I see a cat. No, I do not see a dog.",
            True,
            id="two nouns, two answers",
        ),
        pytest.param([seen("door")], {"label": "child"}, "No, I do not see a person.", True, id="no person, no child"),
        pytest.param(
            [seen("door", person=[0.95])],
            {"label": "child"},
            "I see a person, but I cannot tell whether it is a child.",
            False,
            id="a person is not known to be a child",
        ),
        pytest.param(
            [seen("door", car=[0.95])],
            {"label": "car", "detail": "red"},
            "I see a car, but I cannot tell whether it is a red car.",
            False,
            id="a car is not known to be red",
        ),
        pytest.param(
            [seen("front_door-cam"), seen("yard", cell_phone=[0.9, 0.9])],
            {"label": "cell phone"},
            "Yes, I see a cell phone on the yard camera.",
            True,
            id="a label of two words",
        ),
    ],
)
def test_presence(looks: list[Seen], slots: dict[str, str], text: str, *, sure: bool) -> None:
    found = reply("presence", looks, slots)
    assert found is not None
    assert found.text == text
    assert (found.score >= SURE) is sure
    assert not found.blind


@pytest.mark.parametrize(
    ("skill", "looks", "slots", "text"),
    [
        pytest.param("presence", [], {"label": "dog"}, "no picture from any camera yet", id="nothing seen yet"),
        pytest.param("counting", [], {"label": "dog"}, "no picture from any camera yet", id="nothing to count yet"),
        pytest.param("last_seen", [], {"label": "dog"}, "no picture from any camera yet", id="no memory yet"),
        pytest.param(
            "description", [seen("door", ago=40)], {}, "I have had no picture for 40 seconds.", id="camera lost"
        ),
        pytest.param(
            "presence",
            [seen("door"), seen("yard", ago=180)],
            {"label": "dog", "camera": "yard"},
            "I have had no picture on the yard camera for 3 minutes.",
            id="the camera asked for is lost",
        ),
    ],
)
def test_without_a_fresh_picture_the_reply_says_so_and_claims_nothing(
    skill: str, looks: list[Seen], slots: dict[str, str], text: str
) -> None:
    found = reply(skill, looks, slots)
    assert found is not None
    assert text in found.text
    assert (found.blind, found.score) == (True, 0.0)


@pytest.mark.parametrize("skill", ["presence", "counting", "last_seen"])
def test_an_unknown_noun_is_never_answered(skill: str) -> None:
    assert reply(skill, [seen("door")], {"label": "giraffe"}) is None


@pytest.mark.parametrize(
    ("looks", "slots", "text", "sure"),
    [
        pytest.param([seen("door", person=[0.97] * 3)], {"label": "person"}, "I see three people.", True, id="three"),
        pytest.param([seen("door", person=[0.97])], {"label": "person"}, "I see one person.", True, id="one"),
        pytest.param([seen("door")], {"label": "bus"}, "I see no buses.", True, id="none"),
        pytest.param(
            [seen("door", person=[0.97, 0.45])], {"label": "person"}, "I see one person.", False, id="one or two"
        ),
        pytest.param(
            [seen("door", person=[0.97]), seen("yard", person=[0.95, 0.98])],
            {"label": "person"},
            "I see three people: one on the door camera and two on the yard camera.",
            True,
            id="each camera's share",
        ),
        pytest.param(
            [seen("door", cat=[0.97], dog=[0.97])], {"label": "animal"}, "I see two animals.", True, id="a kind"
        ),
        pytest.param(
            [seen("door", person=[0.97] * 2)],
            {"label": "child"},
            "I see two people, but I cannot tell whether that is a child.",
            False,
            id="people are not known to be children",
        ),
        pytest.param(
            [seen("door", person=[0.97]), seen("yard", ago=60)],
            {"label": "person"},
            "I see one person: one on the door camera. I have no picture on the yard camera now.",
            False,
            id="a silent camera makes the count unsure",
        ),
        pytest.param(
            [seen("door", person=[0.99] * 12)], {"label": "person"}, "I see 12 people.", True, id="a number above ten"
        ),
    ],
)
def test_counting(looks: list[Seen], slots: dict[str, str], text: str, *, sure: bool) -> None:
    found = reply("counting", looks, slots)
    assert found is not None
    assert found.text == text
    assert (found.score >= SURE) is sure


@pytest.mark.parametrize(
    ("scores", "chances"),
    [
        pytest.param([], [1.0], id="no boxes"),
        pytest.param([0.5, 0.5], [0.25, 0.5, 0.25], id="two coins"),
        pytest.param([1.0, 0.25], [0.0, 0.75, 0.25], id="one sure and one doubtful"),
    ],
)
def test_chances_of_count(scores: list[float], chances: list[float]) -> None:
    assert chances_of_count(scores) == pytest.approx(chances)


@pytest.mark.parametrize(
    ("looks", "slots", "text", "sure"),
    [
        pytest.param(
            [seen("door", person=[0.97, 0.96], dog=[0.95])],
            {},
            "I see two people and a dog.",
            True,
            id="several things",
        ),
        pytest.param([seen("door")], {}, "I see nothing that I know.", True, id="nothing"),
        pytest.param([seen("door", dog=[0.4])], {}, "I see nothing that I know.", False, id="perhaps a dog"),
        pytest.param(
            [seen("door", cat=[0.95]), seen("yard")],
            {},
            "On the door camera I see a cat. On the yard camera I see nothing that I know.",
            True,
            id="camera by camera",
        ),
        pytest.param(
            [seen("door", cat=[0.95], person=[0.9])],
            {"label": "animal"},
            "I see a cat.",
            True,
            id="only the kind asked for",
        ),
        pytest.param(
            [seen("door", person=[0.9])], {"label": "animal"}, "I see no animals that I know.", True, id="none of it"
        ),
    ],
)
def test_description(looks: list[Seen], slots: dict[str, str], text: str, *, sure: bool) -> None:
    found = reply("description", looks, slots)
    assert found is not None
    assert found.text == text
    assert (found.score >= SURE) is sure


UNSET = datetime(1970, 1, 1, 0, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("looks", "clock", "text"),
    [
        pytest.param(
            [seen("door", 120, dog=[0.9]), seen("door")],
            CLOCK,
            "I last saw a dog 2 minutes ago, at 14:05, on the door camera.",
            id="minutes ago",
        ),
        pytest.param(
            [seen("front_door", 0.5, dog=[0.9])],
            CLOCK,
            "I see a dog right now, on the front door camera.",
            id="still there",
        ),
        pytest.param(
            [seen("door", 120, dog=[0.9])],
            UNSET,
            "I last saw a dog 2 minutes ago, on the door camera.",
            id="no time of day from a clock that is not set",
        ),
        pytest.param(
            [seen("door", 3600)],
            CLOCK,
            "I have not seen a dog since I started watching, at 13:07, 1 hour ago.",
            id="never seen",
        ),
        pytest.param(
            [seen("door", 86_400, dog=[0.9])],
            CLOCK,
            "I last saw a dog 1 day ago, yesterday at 14:07, on the door camera.",
            id="yesterday",
        ),
        pytest.param(
            [seen("door", 3 * 86_400, dog=[0.9])],
            CLOCK,
            "I last saw a dog 3 days ago, on Thursday 19 November at 14:07, on the door camera.",
            id="days ago",
        ),
    ],
)
def test_last_seen(looks: list[Seen], clock: datetime, text: str) -> None:
    found = reply("last_seen", looks, {"label": "dog"}, clock=clock)
    assert found is not None
    assert found.text == text
    assert found.score >= SURE


@pytest.mark.parametrize(
    ("question", "clock", "text", "blind"),
    [
        pytest.param("what time is it?", CLOCK, "It is 14:07.", False, id="time"),
        pytest.param("What day is it today?", CLOCK, "It is Sunday, 22 November 2026.", False, id="day"),
        pytest.param("what's today's date", CLOCK, "It is Sunday, 22 November 2026.", False, id="date"),
        pytest.param("what time is it?", UNSET, "My clock is not set yet, so I cannot tell.", True, id="clock not set"),
    ],
)
def test_clock(question: str, clock: datetime, text: str, *, blind: bool) -> None:
    found = reply("clock", [], {}, question, clock)
    assert found is not None
    assert (found.text, found.blind) == (text, blind)


@pytest.mark.parametrize(
    ("text", "answered"),
    [
        ("how long was the last person here", False),
        ("how long did the person stay", False),
        ("how long ago did you see a person", True),
        ("how long has the person been gone", True),
    ],
)
def test_how_long_somebody_stayed_is_not_when_they_were_seen(text: str, answered: bool) -> None:
    found = reply("last_seen", [seen("door", person=[0.95])], {"label": "person"}, text)
    assert (found is not None) == answered


@pytest.mark.parametrize(
    ("look", "text"),
    [
        (seen("console", dog=[0.95]), "I see a dog in the picture."),
        (seen("console"), "I do not see a dog in the picture."),
    ],
    ids=["there", "not there"],
)
def test_a_picture_that_came_with_the_question_is_no_camera(look: Seen, text: str) -> None:
    found = reply("last_seen", [look], {"label": "dog"}, "where is the dog")
    assert found is not None
    assert found.text == text


def test_what_may_have_been_overlooked_in_a_picture_is_not_denied_surely() -> None:
    found = reply("last_seen", [seen("console", evidence={"dog": 0.4})], {"label": "dog"}, "where is the dog")
    assert found is not None
    assert found.score == pytest.approx(0.6)
