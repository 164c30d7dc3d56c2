"""When was it last seen, and where."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from edge_runtime.decision.confidence import Reply
from edge_runtime.decision.scene import either
from edge_runtime.errors import SinkError
from edge_runtime.skills.skill import narrow
from edge_runtime.skills.visits import visits
from edge_runtime.skills.wording import clock_is_set, duration, indefinite, listed, moment, on_camera

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edge_runtime.decision.scene import Scene, Sighting
    from edge_runtime.skills.nouns import Noun, Nouns
    from edge_runtime.skills.visits import Past
    from edge_runtime.types import Question

_STAY = re.compile(r"\bhow long (?:was|were|did|does|do|is|are)\b(?!.* (?:ago|last seen|gone|away)\b)")
"""How long somebody stayed is not when they were seen."""
NOW_S = 3.0
NEVER = 0.9
"""Score of "not seen since": what the record says is sure, that nothing was overlooked is not."""


@dataclass(frozen=True, slots=True)
class LastSeen:
    """Answers "when did you last see a dog?", "have you seen the cat?", "where is the cat?".

    Args:
        now: gives the wall clock's time, with its time zone.
        past: the record of events, which reaches back further than this run's memory.
    """

    nouns: Nouns
    now: Callable[[], datetime]
    past: Past | None = None
    name: ClassVar[str] = "last_seen"
    about_scene: ClassVar[bool] = False
    sentences: ClassVar[tuple[str, ...]] = (
        "when did you [(last|most recently)] (see|saw|notice|spot) [<some>] {label} [last] [<place>]",
        "when have you [last] seen [<some>] {label} [last] [<place>]",
        "when (was|were) [<some>] {label} [(last|most recently)] (seen|here|there) [last] [<place>]",
        "when (was|is) the last time [that] [you] (saw|you saw|you have seen|you noticed) [<some>] {label} [<place>]",
        "when was the last time [that] [<some>] {label} was (seen|here|there) [<place>]",
        "where did you [last] (see|saw) [<some>] {label} [last]",
        "where (is|are|was|were) [<some>] {label} [last seen]",
        "(have|has|did) you [(ever|recently)] (seen|see|notice|noticed) [<some>] {label} <lately> [<place>]",
        "(has|have) [<some>] {label} been [seen] <place> <lately>",
        "(was|were) there [<some>] {label} [<place>] <lately>",
        "how long ago did you [last] see [<some>] {label} [<place>]",
        "(have|has) there been [<some>] {label} <lately> [<place>]",
        "did [<some>] {label} (come|pass|walk|drive|show up|turn up) [(by|past|in|over|around)] [<place>] <lately>",
        "how long has [<some>] {label} been (gone|away)",
        "last time you saw [<some>] {label} [<place>]",
    )
    spoken: ClassVar[tuple[str, ...]] = ("when did you last see ({one:label}|{who:label}) [<place>]",)
    examples: ClassVar[tuple[str, ...]] = (
        "when did you last see a thing",
        "when was the thing last here",
        "how long has the thing been gone",
        "have you seen the thing lately",
        "where did the thing go",
    )

    def answer(self, question: Question, scene: Scene, slots: Mapping[str, str]) -> Reply | None:
        """Return how long ago, at what time and where; or since when it has not been seen."""
        noun = self.nouns.get(slots.get("label", ""))
        if noun is None or _STAY.search(question.text.lower()):
            return None
        camera = slots.get("camera")
        found = [sighting for label in noun.labels if (sighting := scene.last_seen(label, camera)) is not None]
        if not found:
            earlier = self._earlier(noun, slots)
            return self._never(question, scene, noun, camera) if earlier is None else earlier
        last = max(found, key=lambda sighting: sighting.at)
        text = self._told(question, last)
        if finer := narrow(noun, slots):
            return Reply(f"{text[:-1]}, but I cannot tell whether it was {finer}.", 0.0)
        return Reply(text, last.score)

    def _earlier(self, noun: Noun, slots: Mapping[str, str]) -> Reply | None:
        """Return what the record knows from before this run, None where it has nothing or the clock is not set."""
        now, camera = self.now(), slots.get("camera")
        if self.past is None or not clock_is_set(now):
            return None
        try:
            found = visits(self.past, 0.0, now.timestamp(), noun.labels)
        except SinkError:
            return None
        found = [visit for visit in found if camera in {None, visit.source}]
        if not found:
            return None
        last = max(found, key=lambda visit: visit.end or visit.start)
        at = datetime.fromtimestamp(last.end or last.start, now.tzinfo)
        ago = duration(max((now - at).total_seconds(), 1.0))
        text = f"I last saw {indefinite(last.label)} {ago} ago, {moment(at, now)}, {on_camera(last.source)}."
        if finer := narrow(noun, slots):
            return Reply(f"{text[:-1]}, but I cannot tell whether it was {finer}.", 0.0)
        return Reply(text, last.chance)

    def _told(self, question: Question, last: Sighting) -> str:
        thing, place, age_s = indefinite(last.label), on_camera(last.source), question.at - last.at
        if last.source == question.source:
            return f"I see {thing} in the picture."
        if age_s <= NOW_S:
            return f"I see {thing} right now, {place}."
        return f"I last saw {thing} {duration(age_s)} ago, {self._moment(age_s)}{place}."

    def _never(self, question: Question, scene: Scene, noun: Noun, camera: str | None) -> Reply:
        if scene.since is None:
            return Reply("I have had no picture from any camera yet.", 0.0, blind=True)
        age_s = max(question.at - scene.since, 0.0)
        things = listed([indefinite(label) for label in noun.labels], "or")
        if scene.sources == (question.source,):
            looks = scene.looks(question.at, age_s + 1.0)
            missed = either(look.presence(label) for look in looks for label in noun.labels)
            return Reply(f"I do not see {things} in the picture.", min(NEVER, 1.0 - missed))
        place = f" {on_camera(camera)}" if camera else ""
        since = f"{self._moment(age_s)}{duration(age_s)} ago"
        return Reply(f"I have not seen {things}{place} since I started watching, {since}.", NEVER)

    def _moment(self, age_s: float) -> str:
        now = self.now()
        return f"{moment(now - timedelta(seconds=age_s), now)}, " if clock_is_set(now) else ""
