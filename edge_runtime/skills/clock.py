"""What time and what day is it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, ClassVar

from edge_runtime.decision.confidence import Reply
from edge_runtime.skills.calendar import told
from edge_runtime.skills.wording import clock_is_set

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from edge_runtime.decision.scene import Scene
    from edge_runtime.types import Question


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


DATE_WORDS = frozenset({"day", "date", "month", "year", "weekday", "today", "todays"})
_TIME_WORDS = frozenset({"time", "hour", "clock", "late"})
_FRAME = _words(
    "what which how whats is it its the a an at on of in we are be got have has you your to by do does can could would "
    "will tell give say show me us know happen please thanks thank hey hi hello ok okay so and now right this current "
    "currently local exact exactly moment just still here week calendar u pls plz again teh mate dear love"
)
_NO_TYPOS = _words("there then their days dates months years weekdays times hours clocks weeks")
_KNOWN = sorted(DATE_WORDS | _TIME_WORDS | _FRAME)
"""What asks for the time or the date of now; any other word may ask for another time, place or thing."""


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
        """Return the time, or the date where a word of the question asks for it; None where one is not understood."""
        del scene, slots
        now = self.now()
        if not clock_is_set(now):
            return Reply("My clock is not set yet, so I cannot tell.", 0.0, blind=True)
        reckoned = told(question.text, now)
        if reckoned is not None:
            return Reply(reckoned, 1.0)
        words = re.findall(r"\w+", question.text.lower().replace("'", "").replace("\u2019", ""))
        meant = {_known(word) for word in words}
        if None in meant or meant.isdisjoint(DATE_WORDS | _TIME_WORDS):
            return None
        if not DATE_WORDS.isdisjoint(meant) and "time" in meant:
            return Reply(f"It is {now:%H:%M} on {now:%A}, {now.day} {now:%B} {now.year}.", 1.0)
        if not DATE_WORDS.isdisjoint(meant):
            return Reply(f"It is {now:%A}, {now.day} {now:%B} {now.year}.", 1.0)
        return Reply(f"It is {now:%H:%M}.", 1.0)


def _known(word: str) -> str | None:
    """Return the known word that was meant, mistyped or not; None for any other, and for figures."""
    if word in _KNOWN:
        return word
    typo = len(word) > 2 and word.isalpha() and word not in _NO_TYPOS
    near = get_close_matches(word, _KNOWN, n=1, cutoff=0.82) if typo else []
    return near[0] if near else None
