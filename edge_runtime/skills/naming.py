"""What is this? A name for what the picture shows, among some hundred everyday nouns."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from edge_runtime.decision.confidence import Reply
from edge_runtime.skills.clock_words import plain
from edge_runtime.skills.skill import view
from edge_runtime.skills.wording import indefinite, listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_runtime.decision.scene import LastLook, Scene
    from edge_runtime.types import Image, Question

LIVING = ("dog", "cat", "animal", "bird", "water animal", "reptile", "insect")
ASKED_KINDS: Mapping[str, tuple[str, ...]] = {
    r"dogs?|breed": ("dog",),
    r"birds?": ("bird",),
    r"insects?|bugs?": ("insect",),
    r"animals?|pets?|creatures?": LIVING,
    r"fruits?": ("fruit",),
    r"vegetables?|veg": ("vegetable",),
    r"food|dish|meal|snack": ("food", "fruit", "vegetable", "drink"),
    r"drinks?": ("drink",),
    r"vehicles?|cars?": ("vehicle",),
    r"plants?|flowers?|trees?": ("plant",),
    r"instruments?": ("instrument",),
    r"tools?": ("tool",),
    r"furniture": ("furniture",),
    r"toys?": ("toy",),
}
"""Kinds that a question may ask within: "what kind of bird is that?"."""
KIND_WORDS = {
    "dog": "a dog", "cat": "a cat", "animal": "an animal", "bird": "a bird", "insect": "an insect", "fruit": "a fruit",
    "vegetable": "a vegetable", "food": "something to eat", "drink": "something to drink", "vehicle": "a vehicle",
    "plant": "a plant", "instrument": "a musical instrument", "tool": "a tool", "toy": "a toy", "person": "a person",
    "furniture": "a piece of furniture", "clothing": "a piece of clothing", "electronics": "an electronic device",
    "reptile": "a reptile or an amphibian", "water animal": "an animal of the water",
    "kitchen thing": "something for the kitchen", "landscape": "a landscape", "place": "a place or a building",
}  # fmt: skip
SURE = 0.8
"""A name is told alone from here on; below, its kind, or what else it may be, is told too."""
LEAST = 0.05
HELD = 0.6
"""Share of the picture's sides in which something held up to the camera lies."""
AROUND = 0.1
WITHOUT_ARTICLE = frozenset(
    {
        "grapes", "bread", "pasta", "spaghetti", "noodles", "rice", "soup", "stew", "curry", "cheese", "butter", "ham",
        "bacon", "sushi", "chips", "ice cream", "chocolate", "sweets", "honey", "jam", "cereal", "nuts", "popcorn",
        "garlic", "corn", "broccoli", "lettuce", "spinach", "beans", "peas", "celery", "asparagus", "scissors", "jeans",
        "trousers", "shorts", "glasses", "sunglasses", "pyjamas", "headphones", "skis", "grass", "moss", "hay",
        "firewood", "snow", "ice", "fire", "smoke", "sand", "soap", "shampoo", "toothpaste", "toilet paper", "glue",
        "tape", "matches", "stairs", "high heels", "chopsticks", "playing cards", "dice", "juice", "beer", "red wine",
        "mashed potato", "salad", "perfume", "lipstick", "nail polish", "building bricks", "maracas", "bagpipes",
        "coral", "steak", "roller skates", "ice skates", "espresso",
    }
)  # fmt: skip
_ASKS = re.compile(
    r"^(hey |ok |so |and |please |can you |could you |do you know )*(tell me |say |guess |know )?"
    r"(what|which|identify|name|guess)\b"
)
_THIS = re.compile(
    r"\b(what|identify|name) (is |are )?(this|that|these|those|it)( (thing|object|item|here|there|called))?"
    r"( in (the|this) picture)?$|"
    r"\bwhat( kind of)? (thing|object|item) (is|are) (this|that|it)\b|"
    r"\b(in my hands?|(i|am i|i am|he is|she is) holding)\b|\bwhat am i (holding|showing)\b|"
    r"\bwhat do you call (this|that)\b|\bwhat is the (name of )?(this|that) (thing|object)\b"
)
_KIND = re.compile(
    r"\b(what|which) (kind|sort|type|breed|species|make) (of )?|"
    r"\b(what|which) (?=\w+ (is|are) (this|that|it|these)\b)"
)
_HELD = re.compile(r"\b(hold|holding|my hands?|showing)\b")
_OF_PICTURE = re.compile(r"\b(this|that|it|these|those|here|there|see|picture|photo|image|holding)\b")


class Namer(Protocol):
    """Gives names to pictures."""

    @property
    def kinds(self) -> Mapping[str, str]:
        """Return the kind of each name."""

    def __call__(self, image: Image) -> Mapping[str, float]:
        """Return the probability of each name, summing to 1."""


@dataclass(frozen=True, slots=True)
class Naming:
    """Answers "what is this?", "what am I holding?", "what kind of animal is that?".

    Args:
        namer: names a picture.
        max_age_s: a look older than this says nothing about now.
    """

    namer: Namer
    max_age_s: float = 15.0
    name: ClassVar[str] = "naming"
    about_scene: ClassVar[bool] = True
    sentences: ClassVar[tuple[str, ...]] = (
        "what (is|are) (this|that|these|those) [(thing|object|here|called)]",
        "what (thing|object) is (this|that|it)",
        "what am i (holding|showing [you]) [(here|up|in my hand[s])] [now]",
        "what (is|do i have) in my hand[s]",
        "what do you call (this|that)",
        "(identify|name|recognise|recognize) (this|that|it) [(thing|object)]",
        "(do|can) you (know|recognise|recognize|identify) (what this is|what that is|this|that)",
    )
    spoken: ClassVar[tuple[str, ...]] = ("what is (this|that)", "what am i holding")
    examples: ClassVar[tuple[str, ...]] = (
        "what is this",
        "what is that thing",
        "what am i holding",
        "what do i have in my hand",
        "what kind of animal is that",
        "which breed of dog is this",
        "what sort of fruit is this",
        "can you identify this object",
        "do you recognise what this is",
        "guess what i am showing you",
        "what type of vehicle is that",
    )

    def reads(self, text: str) -> float:
        """Return how surely a question asks for the name of what is shown."""
        said = plain(text)
        if _ASKS.match(said) is None:
            return 0.0
        if _THIS.search(said):
            return 0.93
        return 0.92 if _KIND.search(said) and _kinds(said) and _OF_PICTURE.search(said) else 0.0

    def answer(self, question: Question, scene: Scene, slots: Mapping[str, str]) -> Reply | None:
        """Return the likeliest name with what else it may be; the score is the probability of what is claimed."""
        said = plain(question.text)
        seen = view(question, scene, slots.get("camera"), self.max_age_s)
        if isinstance(seen, Reply):
            return seen
        looks = seen.pictured
        if not looks:
            return None
        look = max(looks, key=lambda one: one.observation.at)
        kinds = _kinds(said) if _KIND.search(said) else ()
        chances = _rolled_up(self.namer(_region(look, said, kinds)), self.namer.kinds)
        return self._among(chances, kinds) if kinds else self._any(chances)

    def _any(self, chances: Mapping[str, float]) -> Reply:
        ordered = sorted(chances, key=lambda name: -chances[name])
        best = ordered[0]
        if chances[best] >= SURE:
            return Reply(f"I think it is {called(best)}.", chances[best])
        whole: defaultdict[str, float] = defaultdict(float)
        for name, chance in chances.items():
            kind = self.namer.kinds[name]
            whole[kind] = chance if name == kind else whole[kind] + chance * (kind not in chances)
        kind = max(whole, key=lambda one: whole[one])
        likely = [name for name in ordered[:3] if chances[name] >= LEAST and called(name) != KIND_WORDS.get(kind)]
        if whole[kind] >= SURE and kind in KIND_WORDS:
            within = [called(name) for name in likely if self.namer.kinds[name] == kind]
            perhaps = f", perhaps {listed(within, 'or')}" if within else ""
            return Reply(f"I think it is {KIND_WORDS[kind]}{perhaps}.", whole[kind])
        others = [called(name) for name in ordered[1:3] if chances[name] >= LEAST]
        maybe = f" It could also be {listed(others, 'or')}." if others else ""
        return Reply(f"I think it is {called(best)}.{maybe}", chances[best])

    def _among(self, chances: Mapping[str, float], kinds: tuple[str, ...]) -> Reply:
        """Return the name within the kinds that were asked for, where the picture shows one of them at all."""
        within = {name: chance for name, chance in chances.items() if self.namer.kinds[name] in kinds}
        whole = sum(chance for name, chance in within.items() if name in kinds or self.namer.kinds[name] not in within)
        # "A dog" is no answer to "what kind of dog?".
        finer = {name: chance for name, chance in within.items() if name not in kinds} if len(kinds) == 1 else within
        best = max(finer, key=lambda name: finer[name])
        others = [called(name) for name in sorted(finer, key=lambda n: -finer[n])[1:3] if finer[name] >= LEAST * whole]
        maybe = f" It could also be {listed(others, 'or')}." if others and finer[best] < SURE * whole else ""
        return Reply(f"I think it is {called(best)}.{maybe}", finer[best] / max(whole, SURE))


def _rolled_up(chances: Mapping[str, float], kinds: Mapping[str, str]) -> dict[str, float]:
    """Return the chances with that of a kind's own name raised to the whole kind's: a poodle is a dog."""
    return {
        name: sum(c for other, c in chances.items() if kinds[other] == name) if kinds[name] == name else chance
        for name, chance in chances.items()
    }


def called(name: str) -> str:
    """Return a name with its article where it takes one."""
    return name if name.replace(" ", "-") in WITHOUT_ARTICLE else indefinite(name)


def _kinds(said: str) -> tuple[str, ...]:
    return next((kinds for words, kinds in ASKED_KINDS.items() if re.search(rf"\b({words})\b", said)), ())


def _region(look: LastLook, said: str, kinds: tuple[str, ...]) -> Image:
    """Return the part of the picture that is meant: what is held up, the animal, or all of it."""
    assert look.frame is not None  # noqa: S101 - looks without a picture were left out
    image = look.frame.image
    height, width = image.shape[:2]
    meant = _BEASTS if kinds == LIVING else kinds
    boxes = [found for found in look.observation.detections if found.label in meant]
    if boxes:
        left, top, right, bottom = max(boxes, key=lambda found: found.score).box
        across, down = AROUND * (right - left), AROUND * (bottom - top)
        left, top, right, bottom = left - across, top - down, right + across, bottom + down
    elif _HELD.search(said):
        left, top, right, bottom = ((1 - HELD) / 2, (1 - HELD) / 2, (1 + HELD) / 2, (1 + HELD) / 2)
    else:
        return image
    rows = slice(max(int(top * height), 0), int(bottom * height) + 1)
    columns = slice(max(int(left * width), 0), int(right * width) + 1)
    part = image[rows, columns]
    return part if min(part.shape[:2]) >= _SMALLEST else image


_BEASTS = frozenset({"bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe"})
_SMALLEST = 16
