"""What time and what day is it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from edge_runtime.decision.confidence import Reply
from edge_runtime.skills.calendar import told
from edge_runtime.skills.wording import clock_is_set

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from edge_runtime.decision.scene import Scene
    from edge_runtime.types import Question

DATE_WORDS = frozenset({"day", "date", "month", "year", "weekday", "today"})


@dataclass(frozen=True, slots=True)
class Clock:
    """Answers "what time is it?", "what day is it?".

    Args:
        now: gives the wall clock's time, with its time zone.
    """

    now: Callable[[], datetime]
    name: ClassVar[str] = "clock"
    about_scene: ClassVar[bool] = False
    sentences: ClassVar[tuple[str, ...]] = (
        "(what|which) time is it [(now|right now|please)]",
        "what is the [(current|local|exact)] time [(now|right now)]",
        "[tell me] [the] time [please]",
        "[tell me] what (time|day) it is",
        "do you (have|know) the time",
        "(what|which) (day|date|month|year|weekday) is (it|today) [today]",
        "what is the [current] (date|day|month|year) [today]",
        "do you know (what time it is|the time|what day it is|the date)",
        "what day of the week is (it|today) [today]",
        "what is today [date]",
        "what is todays date",
        "tell me the date",
    )
    spoken: ClassVar[tuple[str, ...]] = (
        "what time is it",
        "what day is it",
    )
    examples: ClassVar[tuple[str, ...]] = (
        "what time is it",
        "do you know what time it is",
        "what day is it today",
        "what is the date",
        "what day was it yesterday",
        "how many days until christmas",
        "how long is it until friday",
        "what is the date in two weeks",
        "what week is it",
        "is it a leap year",
        "what time is it in tokyo",
    )

    def reads(self, text: str) -> float:
        """Return 1 where the question is about dates to be reckoned with, or about the time elsewhere, else 0."""
        return 1.0 if told(text, self.now()) else 0.0

    def answer(self, question: Question, scene: Scene, slots: Mapping[str, str]) -> Reply | None:
        """Return the time, or the date where a word of the question asks for it."""
        del scene, slots
        now = self.now()
        if not clock_is_set(now):
            return Reply("My clock is not set yet, so I cannot tell.", 0.0, blind=True)
        reckoned = told(question.text, now)
        if reckoned is not None:
            return Reply(reckoned, 1.0)
        words = question.text.lower().replace("'", "").strip(" ?!.").split()
        if not DATE_WORDS.isdisjoint(words) or "todays" in words:
            return Reply(f"It is {now:%A}, {now.day} {now:%B} {now.year}.", 1.0)
        return Reply(f"It is {now:%H:%M}.", 1.0)
