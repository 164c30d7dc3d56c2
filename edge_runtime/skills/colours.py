"""What colour is it? Read from the pixels of the box around it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from edge_runtime.decision.confidence import Reply
from edge_runtime.skills.clock_words import plain
from edge_runtime.skills.hues import colours_of, prior_of
from edge_runtime.skills.nouns import Claim
from edge_runtime.skills.skill import asked, view
from edge_runtime.skills.wording import indefinite, listed, on_camera

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_runtime.decision.scene import LastLook, Scene
    from edge_runtime.skills.nouns import Noun, Nouns
    from edge_runtime.types import Box, Detection, Image, Question

GARMENTS: Mapping[str, tuple[float, float]] = {
    "jacket": (0.2, 0.55), "coat": (0.2, 0.6), "shirt": (0.2, 0.5), "t-shirt": (0.2, 0.5), "tshirt": (0.2, 0.5),
    "top": (0.2, 0.5), "sweater": (0.2, 0.5), "pullover": (0.2, 0.5), "jumper": (0.2, 0.5), "hoodie": (0.2, 0.5),
    "blouse": (0.2, 0.5), "vest": (0.2, 0.5), "dress": (0.25, 0.7), "uniform": (0.2, 0.7), "clothes": (0.2, 0.8),
    "trousers": (0.55, 0.9), "pants": (0.55, 0.9), "jeans": (0.55, 0.9), "shorts": (0.5, 0.7), "skirt": (0.5, 0.75),
    "hair": (0.0, 0.09), "hat": (0.0, 0.09), "cap": (0.0, 0.09), "shoes": (0.92, 1.0), "wearing": (0.2, 0.5),
}  # fmt: skip
"""Where a standing person wears what: from and to, as fractions of the box's height."""
WHOLE_PERSON = 1.5
"""A box must be this much higher than wide to show a person from head to foot."""
DOUBTFUL_PART = 0.6
"""What a garment is read from is a guess: people bend, sit and carry things."""
SMALLEST = 12
"""A box with fewer pixels on a side has no colour to speak of."""
_GARMENT = re.compile(rf"\b({'|'.join(GARMENTS)})\b")
_COLOUR = re.compile(r"\bcolou?rs?\b")
_ONE = 0.6
"""Share of the pixels from which one colour is all there is to say."""


@dataclass(frozen=True, slots=True)
class Colours:
    """Answers "what colour is the car?", "what colour is her jacket?"."""

    nouns: Nouns
    max_age_s: float = 15.0
    name: ClassVar[str] = "colours"
    about_scene: ClassVar[bool] = True
    sentences: ClassVar[tuple[str, ...]] = (
        "(what|which) (colour|color) (is|are|was|has) [<some>] {label} [<place>]",
        "(what|which) (colour|color) {label} (is|are) (there|it|this|that) [<place>]",
        "(what|which) (colour|color) does [<some>] {label} have",
        "what is the (colour|color) of [<some>] {label} [<place>]",
        "(what|which) is [<some>] {label} (colour|color)",
    )
    spoken: ClassVar[tuple[str, ...]] = ("what colour is the {one:label} [<place>]",)
    examples: ClassVar[tuple[str, ...]] = (
        "what colour is the thing",
        "which color does the thing have",
        "tell me the colour of the thing",
        "what is the color of that thing",
        "what colour is her jacket",
        "what color are his trousers",
        "what colour is the shirt of the person",
        "what colour are her clothes",
    )

    def reads(self, text: str) -> float:
        """Return how surely a question asks for the colour of something that is seen."""
        said = plain(text)
        if _COLOUR.search(said) is None or not re.search(r"\b(what|which|tell|name)\b", said):
            return 0.0
        if re.search(r"\b(favou?rite|colou?r(s)? (blind|do|of the rainbow)|mix|make|usually|normally)\b", said):
            return 0.0
        known = self.nouns.spot(said.split()) is not None or _GARMENT.search(said)
        return 0.92 if known and re.search(r"\b(the|this|that|his|her|their|my|is|are|its)\b", said) else 0.0

    def answer(self, question: Question, scene: Scene, slots: Mapping[str, str]) -> Reply | None:
        """Return the colour of the likeliest box; the score is that of the box times how clear its colour is."""
        said = plain(question.text)
        garment = _GARMENT.search(said)
        noun = self._noun(said, slots, worn=garment is not None)
        if noun is None:
            return None
        seen = view(question, scene, slots.get("camera"), self.max_age_s)
        if isinstance(seen, Reply):
            return seen
        found = [
            (look, box)
            for look in seen.looks
            for box in look.observation.detections
            if box.label in noun.labels and box.score >= 0.5 and look.frame is not None
        ]
        if not found:
            things = listed([indefinite(label) for label in noun.labels], "or")
            return Reply(f"I do not see {things}, so I cannot tell its colour.{seen.caveat()}", 0.5 * seen.absent(noun))
        return _told(found, garment[1] if garment and noun.labels == ("person",) else None, many=seen.many)

    def _noun(self, said: str, slots: Mapping[str, str], *, worn: bool) -> Noun | None:
        named = asked(self.nouns, slots)
        if named:
            return named[0]
        spotted = self.nouns.spot(said.split())
        if spotted is not None and not (worn and spotted[0].claim is Claim.KIND):
            return spotted[0]
        return self.nouns.get("person") if worn else None


def _told(found: list[tuple[LastLook, Detection]], garment: str | None, *, many: bool) -> Reply:
    """Return the colour of each of the few boxes, the largest first."""
    ordered = sorted(found, key=lambda pair: -_area(pair[1].box))
    answers = [_one(look, box, garment, many=many) for look, box in ordered[:3]]
    if len(answers) == 1:
        return answers[0]
    texts = [reply.text for reply in answers]
    if len(set(texts)) == 1:
        return Reply(texts[0], min(reply.score for reply in answers))
    score = math.prod(reply.score for reply in answers) * (1.0 if len(ordered) <= 3 else 0.5)
    told = " ".join(
        f"{which} one: {text}" for which, text in zip(("The largest", "Another", "Another"), texts, strict=False)
    )
    return Reply(told, score)


def _one(look: LastLook, box: Detection, garment: str | None, *, many: bool) -> Reply:
    where = f" {on_camera(look.source)}" if many else ""
    thing = f"The {box.label}{where}"
    assert look.frame is not None  # noqa: S101 - looks without a picture were left out
    part = _part(look.frame.image, box.box, garment)
    if min(part[2] - part[0], part[3] - part[1]) < SMALLEST:
        return Reply(f"{thing} is too small in the picture for me to tell its colour.", 0.0)
    colours = colours_of(look.frame.image, part, prior_of(box.label if garment is None else garment))
    first, share, clear = colours[0]
    if garment is None:
        subject = f"{thing} is"
    else:
        subject = f"What the person{where} wears there looks" if garment == "wearing" else f"The {garment}{where} looks"
    sure = box.score * clear * (1.0 if garment is None else DOUBTFUL_PART)
    if share >= _ONE or len(colours) == 1:
        return Reply(f"{subject} {first}.", sure)
    return Reply(f"{subject} mostly {first}, with some {colours[1][0]}.", sure)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _part(image: Image, box: Box, garment: str | None) -> tuple[float, float, float, float]:
    """Return the part of the picture, in pixels, that the box takes, or a garment in it."""
    height, width = image.shape[:2]
    left, top, right, bottom = box[0] * width, box[1] * height, box[2] * width, box[3] * height
    if garment is not None:
        low, high = GARMENTS[garment]
        tall = bottom - top >= WHOLE_PERSON * (right - left)
        # A person cut off at the waist: what is worn above fills the rest of the box.
        low, high = (low, high) if tall else (min(low * 2, 0.8), min(high * 2, 1.0))
        top, bottom = top + low * (bottom - top), top + high * (bottom - top)
        middle, half = (left + right) / 2, (right - left) / 4
        left, right = middle - half, middle + half
    return max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height))
