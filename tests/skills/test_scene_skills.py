from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.decision.scene import Scene
from edge_runtime.decision.usual import EVERY_S
from edge_runtime.errors import ConfigError
from edge_runtime.skills.colours import Colours
from edge_runtime.skills.hues import colours_of, prior_of
from edge_runtime.skills.naming import Naming
from edge_runtime.skills.nouns import Nouns
from edge_runtime.skills.reading import Reading, line_chance
from edge_runtime.skills.unusual import Unusual
from edge_runtime.types import Detection, Frame, Observation, Question

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_runtime.decision.confidence import Reply
    from edge_runtime.types import Box, Image

NOUNS = Nouns(("person", "car", "dog", "cat", "umbrella"))
NOW = 10_000.0
GRASS = (70, 130, 50)
RNG = np.random.default_rng(4)
PAINTS = {
    "red": (190, 30, 35),
    "orange": (240, 130, 30),
    "yellow": (240, 205, 40),
    "green": (40, 120, 50),
    "blue": (40, 80, 180),
    "purple": (110, 50, 140),
    "pink": (245, 150, 180),
    "brown": (110, 70, 40),
    "black": (18, 18, 20),
    "white": (245, 245, 243),
    "grey": (128, 128, 130),
    "beige": (222, 203, 170),
}
KINDS = {
    "dog": "dog",
    "poodle": "dog",
    "beagle": "dog",
    "cat": "cat",
    "fork": "kitchen thing",
    "spoon": "kitchen thing",
}


def painted(
    colour: tuple[int, int, int], around: tuple[int, int, int] = (150, 155, 160), box: Box = (0.3, 0.3, 0.7, 0.8)
) -> Image:
    image = np.empty((200, 240, 3), np.uint8)
    image[:] = around
    image[int(box[1] * 200) : int(box[3] * 200), int(box[0] * 240) : int(box[2] * 240)] = colour
    return np.clip(image + RNG.normal(0, 6, image.shape), 0, 255).astype(np.uint8)


def scene_of(image: Image | None, *found: Detection, camera: str = "door", at: float = NOW) -> Scene:
    scene = Scene()
    frame = None if image is None else Frame(camera, at, image)
    scene.observe(Observation(camera, at, found), frame, {one.label: one.score for one in found})
    return scene


def ask(
    skill: Colours | Naming | Reading | Unusual, text: str, scene: Scene, slots: Mapping[str, str] | None = None
) -> Reply:
    reply = skill.answer(Question(text, "terminal", NOW), scene, slots or {})
    assert reply is not None
    return reply


@pytest.mark.parametrize("word", PAINTS)
def test_colour_words(word: str) -> None:
    found = colours_of(painted(PAINTS[word]), (72.0, 60.0, 168.0, 160.0), prior_of("umbrella"))
    assert found[0][0] == word


@pytest.mark.parametrize("light", [pytest.param(0.6, id="in the dusk"), pytest.param(1.15, id="in glaring light")])
@pytest.mark.parametrize("word", ["red", "blue", "green", "yellow"])
def test_colour_words_in_another_light(word: str, light: float) -> None:
    image = np.clip(painted(PAINTS[word]) * light, 0, 255).astype(np.uint8)
    assert colours_of(image, (72.0, 60.0, 168.0, 160.0), prior_of("car"))[0][0] == word


@pytest.mark.parametrize(
    ("text", "colour", "label", "slots", "answer"),
    [
        pytest.param("what colour is the car?", "red", "car", {"label": "car"}, "The car is red.", id="a car"),
        pytest.param("what color is the dog", "brown", "dog", {}, "The dog is brown.", id="on grass, not green"),
        pytest.param(
            "what colour is it, the sedan car", "white", "car", {}, "The car is white.", id="spotted in the text"
        ),
        pytest.param(
            "what colour is her jacket?", "blue", "person", {}, "The jacket looks blue.", id="what a person wears"
        ),
        pytest.param(
            "what colour is the cat?",
            "red",
            "car",
            {"label": "cat"},
            "I do not see a cat, so I cannot tell its colour.",
            id="not there",
        ),
    ],
)
def test_colours(text: str, colour: str, label: str, slots: dict[str, str], answer: str) -> None:
    box = (0.3, 0.3, 0.7, 0.8)
    scene = scene_of(painted(PAINTS[colour], GRASS, box), Detection(label, 0.95, box))
    assert ask(Colours(NOUNS), text, scene, slots).text == answer


def test_what_a_person_wears_is_less_sure_than_what_colour_a_car_is() -> None:
    box = (0.3, 0.1, 0.5, 0.9)
    car = scene_of(painted(PAINTS["red"], GRASS, box), Detection("car", 0.95, box))
    person = scene_of(painted(PAINTS["red"], GRASS, box), Detection("person", 0.95, box))
    sure = ask(Colours(NOUNS), "what colour is the car", car).score
    assert sure > 0.8
    assert ask(Colours(NOUNS), "what colour is his shirt", person).score < 0.7 * sure


def test_a_thing_of_few_pixels_has_no_colour() -> None:
    scene = scene_of(painted(PAINTS["red"]), Detection("car", 0.9, (0.1, 0.1, 0.12, 0.12)))
    assert ask(Colours(NOUNS), "what colour is the car", scene).score == 0.0


def test_two_things_have_their_own_colours() -> None:
    image = painted(PAINTS["blue"], box=(0.05, 0.2, 0.45, 0.9))
    image[40:120, 150:220] = PAINTS["yellow"]
    boxes = [Detection("car", 0.9, (0.05, 0.2, 0.45, 0.9)), Detection("car", 0.9, (0.63, 0.2, 0.91, 0.6))]
    text = ask(Colours(NOUNS), "what colour are the cars", scene_of(image, *boxes)).text
    assert text == "The largest one: The car is blue. Another one: The car is yellow."


@dataclass
class Names:
    chances: Mapping[str, float]
    kinds: Mapping[str, str] = field(default_factory=lambda: KINDS)
    shown: tuple[int, ...] = ()

    def __call__(self, image: Image) -> Mapping[str, float]:
        self.shown = image.shape
        return dict.fromkeys(self.kinds, 0.0) | dict(self.chances)


@pytest.mark.parametrize(
    ("text", "chances", "answer", "score"),
    [
        pytest.param("what is this?", {"fork": 0.9, "spoon": 0.1}, "I think it is a fork.", 0.9, id="clear"),
        pytest.param(
            "what is this?",
            {"fork": 0.5, "cat": 0.3, "spoon": 0.2},
            "I think it is a fork. It could also be a cat or a spoon.",
            0.5,
            id="unsure: what else it may be",
        ),
        pytest.param(
            "what is this?",
            {"fork": 0.5, "spoon": 0.45, "cat": 0.05},
            "I think it is something for the kitchen, perhaps a fork or a spoon.",
            0.95,
            id="only the kind is sure",
        ),
        pytest.param(
            "what is this?",
            {"dog": 0.3, "poodle": 0.4, "beagle": 0.25, "cat": 0.05},
            "I think it is a dog.",
            0.95,
            id="a poodle is a dog",
        ),
        pytest.param(
            "what breed of dog is this?",
            {"dog": 0.3, "poodle": 0.6, "beagle": 0.05, "cat": 0.05},
            "I think it is a poodle. It could also be a beagle.",
            0.6 / 0.95,
            id="a dog is no breed",
        ),
        pytest.param(
            "what kind of animal is that?",
            {"dog": 0.2, "fork": 0.8},
            "I think it is a dog.",
            0.25,
            id="perhaps none at all",
        ),
    ],
)
def test_naming(text: str, chances: dict[str, float], answer: str, score: float) -> None:
    reply = ask(Naming(Names(chances)), text, scene_of(painted(PAINTS["grey"])))
    assert reply.text == answer
    assert reply.score == pytest.approx(score)


@pytest.mark.parametrize(
    ("text", "found", "shape"),
    [
        pytest.param("what is this?", (), (200, 240, 3), id="all of it"),
        pytest.param("what am I holding?", (), (121, 145, 3), id="its middle"),
        pytest.param(
            "what kind of animal is that?",
            (Detection("dog", 0.9, (0.5, 0.5, 1.0, 1.0)),),
            (110, 132, 3),
            id="the animal",
        ),
    ],
)
def test_what_is_meant_is_looked_at(text: str, found: tuple[Detection, ...], shape: tuple[int, ...]) -> None:
    names = Names({"dog": 1.0})
    ask(Naming(names), text, scene_of(painted(PAINTS["grey"]), *found))
    assert names.shown == shape


@dataclass(frozen=True)
class Line:
    text: str
    score: float


@pytest.mark.parametrize(
    ("lines", "answer", "least", "most"),
    [
        pytest.param([Line("Exit", 0.99)], "It says: Exit", 0.98, 1.0, id="one line"),
        pytest.param([Line("Wet", 0.99), Line("floor", 0.98)], "It says: Wet / floor", 0.95, 0.98, id="two lines"),
        pytest.param([Line("m1ght b3", 0.6)], "It says: m1ght b3", 0.5, 0.7, id="doubtful letters"),
        pytest.param([Line("x" * 60, 0.97)], "It says: " + "x" * 60, 0.8, 0.9, id="long lines err more"),
        pytest.param([], "I see nothing that I can read.", 0.6, 0.8, id="nothing is written"),
    ],
)
def test_reading(lines: Sequence[Line], answer: str, least: float, most: float) -> None:
    reply = ask(Reading(lambda _: lines), "what does it say?", scene_of(painted(PAINTS["white"])))
    assert reply.text == answer
    assert least <= reply.score <= most


def test_without_the_reader_somebody_else_may_read() -> None:
    def read(_: Image) -> Sequence[Line]:
        raise ConfigError("reading needs the extra [ocr]; pip install 'edge-runtime[ocr]'")

    reply = ask(Reading(read), "read what it says", scene_of(painted(PAINTS["white"])))
    assert (reply.score, reply.blind) == (0.0, False)
    assert "[ocr]" in reply.text


def test_a_line_is_never_surer_than_its_letters() -> None:
    assert line_chance(Line("ab", 0.9)) == 0.9
    assert line_chance(Line("a" * 24, 0.9)) == pytest.approx(0.81)


def test_a_short_watch_knows_nothing_usual() -> None:
    reply = ask(Unusual(), "does anything look unusual?", scene_of(None))
    assert reply.text == "I have watched for only a moment, which is too short to know what is usual."
    assert reply.score == 0.0


@pytest.mark.parametrize(
    ("usually", "now", "answer", "sure"),
    [
        pytest.param(("car",), ("car",), "Everything looks as usual.", True, id="as always"),
        pytest.param((), ("dog",), "Yes: I see a dog, which I rarely see.", True, id="a dog where there is never one"),
        pytest.param(("car",), (), "Yes: I do not see a car, which I nearly always see.", True, id="the car is gone"),
    ],
)
def test_unusual(usually: tuple[str, ...], now: tuple[str, ...], answer: str, *, sure: bool) -> None:
    scene = Scene()

    def look(at: float, labels: tuple[str, ...]) -> None:
        found = tuple(Detection(label, 0.97, (0.0, 0.0, 1.0, 1.0)) for label in labels)
        scene.observe(Observation("door", at, found), None, {"car": 0.02, "dog": 0.02} | dict.fromkeys(labels, 0.97))

    for number in range(100):
        look(NOW - 600 - (100 - number) * EVERY_S, usually)
    look(NOW, now)
    reply = ask(Unusual(), "is everything as usual?", scene)
    assert reply.text == answer
    assert (reply.score >= 0.9) is sure


@pytest.mark.parametrize(
    ("skill", "text", "reads"),
    [
        (Colours(NOUNS), "what colour is the car", True),
        (Colours(NOUNS), "which color are his trousers?", True),
        (Colours(NOUNS), "what colour do you get when you mix red and blue", False),
        (Colours(NOUNS), "what is your favourite colour", False),
        (Naming(Names({})), "what am I holding?", True),
        (Naming(Names({})), "which kind of bird is that", True),
        (Naming(Names({})), "what kind of music do you like", False),
        (Naming(Names({})), "what is the capital of France", False),
        (Naming(Names({})), "what is this song called that goes la la", False),
        (Reading(lambda _: []), "what does the sign say", True),
        (Reading(lambda _: []), "read this letter to me please", True),
        (Reading(lambda _: []), "what does the bible say about love", False),
        (Reading(lambda _: []), "are you ready", False),
        (Unusual(), "does anything look strange?", True),
        (Unusual(), "is everything ok outside", True),
        (Unusual(), "what is the normal temperature of a human", False),
    ],
)
def test_what_is_for_whom(skill: Colours | Naming | Reading | Unusual, text: str, *, reads: bool) -> None:
    assert (skill.reads(text) >= 0.8) is reads
