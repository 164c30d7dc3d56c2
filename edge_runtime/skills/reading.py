"""Read aloud what is written in the picture."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from edge_runtime.decision.confidence import Reply
from edge_runtime.errors import ConfigError
from edge_runtime.skills.clock_words import plain
from edge_runtime.skills.skill import view
from edge_runtime.skills.wording import on_camera

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edge_runtime.decision.scene import LastLook, Scene
    from edge_runtime.types import Image, Question

NOTHING = 0.7
"""Score of "nothing is written there": small, slanted and faint writing is overlooked."""
MOST_LETTERS = 600
SURE_LETTERS = 12
"""A line of so many letters is as likely to be right as the mean of its letters says; a longer one less so."""

_WRITTEN = re.compile(
    r"\b(read\w*|written|writing|says?|text|words?|letters?|printed|label says|number ?plate|licen[cs]e plate|headline|"
    r"title)\b"
)
_ASKS = re.compile(
    r"\b(what|which|read|how does)\b.*\b(says?|written|writing|text|printed|number ?plate|licen[cs]e plate|headline|"
    r"title of)\b|^(please |can you |could you )*read\b(?!y)|\bread (it|this|that|the|what|aloud|out)\b"
)
_SHOWN = re.compile(
    r"\b(it|this|that|there|here|sign|label|picture|image|photo|screen|page|letter|note|board|display|poster|paper|box|"
    r"bottle|book|plate|shirt|door|wall|menu|receipt|ticket|text|aloud)\b"
)
_NOT_SHOWN = re.compile(r"\b(weather|forecast|bible|law|doctor|news|he|she|they|people|experts?|book of)\b")


class Line(Protocol):
    """One line of text."""

    @property
    def text(self) -> str:
        """Return what is written."""

    @property
    def score(self) -> float:
        """Return the mean confidence in its letters."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Answers "read what it says", "what does the sign say?".

    Args:
        read: reads a picture; raises ConfigError where that is not installed.
        max_age_s: a look older than this says nothing about now.
    """

    read: Callable[[Image], Sequence[Line]]
    max_age_s: float = 15.0
    name: ClassVar[str] = "reading"
    about_scene: ClassVar[bool] = True
    sentences: ClassVar[tuple[str, ...]] = (
        "read (it|this|that|what (it|this|that) says|the (text|sign|label|letter|note|page)) [<place>]",
        "read (out|aloud) (it|this|that|what it says|the (text|sign|label|letter|note|page))",
        "what does (it|this|that) say [<place>]",
        "what does (the|this|that) (sign|label|text|letter|note|page|screen|display|poster|box|bottle) say",
        "what is written [(on|in)] [(the|this|that)] [(sign|label|note|page|screen|picture|paper|wall|board)]",
        "what is written (here|there|on it)",
        "(can|could) you read (it|this|that) [(for me|to me|aloud)]",
    )
    spoken: ClassVar[tuple[str, ...]] = ("what does it say", "read what it says")
    examples: ClassVar[tuple[str, ...]] = (
        "read what it says",
        "what does the sign say",
        "what is written there",
        "read this letter to me",
        "can you read the label",
        "what does it say on the box",
        "read the text in the picture",
        "what is the number plate of the car",
        "what does the screen show in words",
        "read this aloud",
    )

    def reads(self, text: str) -> float:
        """Return how surely a question asks for what is written."""
        said = plain(text)
        if _NOT_SHOWN.search(said) or not (_ASKS.search(said) and _WRITTEN.search(said)):
            return 0.0
        return 0.93 if _SHOWN.search(said) else 0.5

    def answer(self, question: Question, scene: Scene, slots: Mapping[str, str]) -> Reply | None:
        """Return the text, word for word; the score is the probability that every line is right."""
        seen = view(question, scene, slots.get("camera"), self.max_age_s)
        if isinstance(seen, Reply):
            return seen
        looks = seen.pictured
        if not looks:
            return None
        try:
            return self._told(looks, many=seen.many)
        except ConfigError as error:
            # Somebody else may read the picture, where that is allowed.
            return Reply(f"I cannot read yet: {error}.", 0.0)

    def _told(self, looks: Sequence[LastLook], *, many: bool) -> Reply:
        parts: list[str] = []
        chance = 1.0
        for look in looks:
            assert look.frame is not None  # noqa: S101 - looks without a picture were left out
            lines = self.read(look.frame.image)
            if lines:
                where = f"{on_camera(look.source).capitalize()}: " if many else ""
                parts.append(where + said_lines(lines))
                chance *= math.prod(line_chance(line) for line in lines)
        if not parts:
            return Reply("I see nothing that I can read.", NOTHING)
        text = " ".join(parts)
        return Reply(
            f"{'' if many else 'It says: '}{text[:MOST_LETTERS]}", chance if len(text) <= MOST_LETTERS else chance / 2
        )


def said_lines(lines: Sequence[Line]) -> str:
    """Return lines as one text."""
    return " / ".join(line.text for line in lines)


def line_chance(line: Line) -> float:
    """Return the probability that a line is right in every letter, from the mean confidence in its letters."""
    return float(min(max(line.score, 0.0), 1.0) ** max(len(line.text) / SURE_LETTERS, 1.0))
