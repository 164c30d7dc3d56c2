"""Who came, what happened, when did the last one leave: answers from the record of events."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from edge_runtime.decision.confidence import Reply
from edge_runtime.decision.scene import either
from edge_runtime.errors import SinkError
from edge_runtime.skills.chronicle import UNREADABLE, caveat, happenings, told
from edge_runtime.skills.clock_words import plain
from edge_runtime.skills.skill import asked, narrow
from edge_runtime.skills.visits import Coverage, Visit, coverage, visits
from edge_runtime.skills.when import Span, says_when, when
from edge_runtime.skills.wording import (
    clock_is_set,
    duration,
    indefinite,
    listed,
    moment,
    on_camera,
    spoken_name,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edge_runtime.decision.scene import Scene
    from edge_runtime.skills.nouns import Noun, Nouns
    from edge_runtime.skills.visits import Past
    from edge_runtime.types import Question

NOTHING_MISSED = 0.9
"""Chance that what came was seen, where the camera watched all the time."""
UNWATCHED = 0.5
"""What is left of a claim that nothing or no more came where nobody watched at all."""
TOO_LITTLE = 0.02
ANYBODY = frozenset({"visitor", "guest"})
"""Words that mean no more than that somebody came."""

_WHO = re.compile(r"\bwho\b")
_COUNT = re.compile(r"\bhow (many|often)\b|\bcount\b|\bnumber of\b")
_LAST = re.compile(r"\bwhen\b.*\blast\b|\blast time\b|\bhow long ago\b|\bhow long has\b")
_FIRST = re.compile(r"\bwhen\b.*\bfirst\b")
_WHEN = re.compile(r"\bwhen\b(?! (i|we)\b)|\b(at )?what time\b|\bwhat times\b")
_EMPTY = re.compile(r"\b(empty|vacant|deserted|unoccupied)\b")
_HAPPENED = re.compile(
    r"\bwhat\b.*\b(happen\w*|went on|gone on|been going on|was going on|did (you|i|we) (see|notice|spot|miss)|"
    r"have (you|i|we) (seen|noticed|missed)|was (seen|noticed)|came)\b|\banything\b.*(happen|miss)|"
    r"\b(summar\w+|recap)\b|"
    r"\bdid (i|we) miss (anything|something)\b|\b(any|what) (events|activity|news)\b|"
    r"\b(was|has) there (been )?(any activity|anything)\b"
)
_CAME = (
    r"(came|come|comes|coming|visit\w*|pass\w*|walk\w*|drove|drive|went|go|gone|leave|left|leaving|arriv\w*|enter\w*|"
    r"stop\w* by|show\w* up|turn\w* up|appear\w*|drop\w* (by|in|off)|deliver\w*|seen|see|saw|"
    r"notice\w*|spot\w*|detect\w*|rang|knock\w*|been (here|there|around|outside|at|in|on)|"
    r"(was|were|are) (here|there|around|outside|at|in|on)|"
    r"(was|were|been|being) there|(was|were) (any|some|no)\w*|have been|has been)"
)
_VERB = re.compile(rf"\b{_CAME}\b|\b(was|were) [a-z ]+ (at|in|on|near|outside|by) ")
_ASKS = re.compile(
    r"^(hey |ok |so |and |please |tell me |can you tell me |do you know |give me )*(if |whether )?(a |the )?"
    r"(who|what|when|how|at|did|do|was|were|has|have|is|any|anyone|anybody|count|list|show|which|in|on|summary|recap)\b"
)
_PRESENT = re.compile(r"\b(is|whats|are) (happening|going on)\b|\bright now\b|\bat the moment\b|\bcurrently\b")
_LEFT = re.compile(r"\b(leave|left|leaving|go|went|gone|drove (off|away)|drive (off|away)|depart\w*|disappear\w*)\b")
_NEW = re.compile(r"\b(came|come|comes|coming|arriv\w*|visit\w*|appear\w*|show\w* up|turn\w* up|enter\w*)\b")


@dataclass(frozen=True, slots=True)
class _Asked:
    """What one question wants to know; `noun` is None where it is about everything."""

    said: str
    noun: Noun | None
    span: Span
    camera: str | None
    now: datetime
    cameras: tuple[str, ...]

    @property
    def start(self) -> float:
        return self.span.start.timestamp()

    @property
    def end(self) -> float:
        return self.span.end.timestamp()

    @property
    def where(self) -> str:
        return f" {on_camera(self.camera)}" if self.camera else ""


@dataclass(frozen=True, slots=True)
class History:
    """Answers "who came since lunch?", "what happened this morning?", "when did the last car leave?".

    Args:
        nouns: what the detector knows.
        now: gives the wall clock's time, with its time zone.
        past: the record of events.
    """

    nouns: Nouns
    now: Callable[[], datetime]
    past: Past
    name: ClassVar[str] = "history"
    about_scene: ClassVar[bool] = False
    sentences: ClassVar[tuple[str, ...]] = (
        "who (came|has come|was here|has been here|visited|came by|stopped by|walked past) [today]",
        "what (happened|has happened|did i miss|have i missed|did you see today|have you seen today) [today]",
        "(did|have) (i|we) (miss|missed) (anything|something) [today]",
        "how many {label} (came|have come|were here|passed|walked past|drove past|did you see|have you seen) today",
        "when did the (last|first) {label} (leave|go|come|arrive|drive (off|away|past)|walk past|pass) [<place>]",
    )
    spoken: ClassVar[tuple[str, ...]] = (
        "what happened (today|this morning|this afternoon|this evening|last night|yesterday)",
        "who came (today|this morning|this afternoon|this evening|last night|yesterday)",
    )
    examples: ClassVar[tuple[str, ...]] = (
        "who came since lunch",
        "who came by this morning",
        "who was at the door last night",
        "has anybody visited us since noon",
        "what happened today",
        "what happened while i was away",
        "what went on yesterday evening",
        "did i miss anything this afternoon",
        "give me a summary of the last hour",
        "how many things came today",
        "how often did a thing pass by this week",
        "was there a thing here last night",
        "did the thing go out this afternoon",
        "when did the last thing leave",
        "when did the first thing arrive today",
        "at what time did the thing come home",
        "when was the door last empty",
        "what did you notice between two and four",
    )

    def reads(self, text: str) -> float:
        """Return how surely a question is about the past: it says when, or asks what came or went."""
        said = plain(text)
        if _ASKS.match(said) is None or _PRESENT.search(said):
            return 0.0
        if _HAPPENED.search(said):
            return 0.95 if says_when(text, self.now()) or "happen" in said or "miss" in said else 0.5
        known = _WHO.search(said) or self.nouns.spot(said.split())
        if _EMPTY.search(said) and (_LAST.search(said) or _WHEN.search(said)):
            return 0.92
        if not known or _VERB.search(said) is None:
            return 0.0
        if says_when(text, self.now()):
            return 0.95
        return 0.92 if _FIRST.search(said) or (_LAST.search(said) and _LEFT.search(said)) else 0.0

    def answer(self, question: Question, scene: Scene, slots: Mapping[str, str]) -> Reply | None:
        """Return what the record says; the score is the probability that it is so, and that nothing was missed."""
        now = self.now()
        if not clock_is_set(now):
            return Reply("My clock is not set yet, so I cannot tell what was when.", 0.0, blind=True)
        said = plain(question.text)
        noun = self._noun(said, slots)
        if noun is None and not (_HAPPENED.search(said) or _EMPTY.search(said)):
            return None
        try:
            wanted = self._wanted(question.text, noun, scene, slots, now)
            return self._told(wanted, slots)
        except SinkError:
            return UNREADABLE

    def _noun(self, said: str, slots: Mapping[str, str]) -> Noun | None:
        named, spotted = asked(self.nouns, slots), self.nouns.spot(said.split())
        noun = named[0] if named else spotted[0] if spotted else None
        if noun is not None and noun.key not in ANYBODY:
            return noun
        return self.nouns.get("person") if noun or _WHO.search(said) or _EMPTY.search(said) else None

    def _wanted(self, text: str, noun: Noun | None, scene: Scene, slots: Mapping[str, str], now: datetime) -> _Asked:
        said = plain(text)
        span = when(text, now)
        open_ended = _LAST.search(said) or _FIRST.search(said) or _EMPTY.search(said)
        if span is None:
            today = when("ever" if open_ended else "today", now)
            span = today or Span(now, now, "now")
        cameras = tuple(dict.fromkeys([*scene.sources, *self.past.sources("object")]))
        spoken = next((name for name in cameras if re.search(rf"\b{re.escape(spoken_name(name))}\b", said)), None)
        return _Asked(said, noun, span, slots.get("camera") or spoken, now, cameras)

    def _told(self, wanted: _Asked, slots: Mapping[str, str]) -> Reply:
        cover = coverage(self.past, wanted.start, wanted.end, (wanted.camera,) if wanted.camera else wanted.cameras)
        noun, labels = wanted.noun, wanted.noun.labels if wanted.noun else ()
        found = visits(self.past, wanted.start, wanted.end, labels)
        found = [visit for visit in found if wanted.camera in {None, visit.source}]
        if noun is None:
            return happenings(self.past, found, cover, wanted.span, wanted.now)
        if _NEW.search(wanted.said) and not _LAST.search(wanted.said):
            found = [visit for visit in found if visit.start >= wanted.start]
        if not found:
            return _none(noun, wanted, cover)
        if _EMPTY.search(wanted.said):
            return _empty(found, wanted)
        if finer := narrow(noun, slots):
            return Reply(
                f"{told(found, wanted.span, wanted.now, wanted.cameras)} I cannot tell whether it was {finer}.", 0.0
            )
        if _LAST.search(wanted.said) or _FIRST.search(wanted.said):
            return _one(found, wanted)
        return _all(found, wanted, cover)


def _all(found: Sequence[Visit], wanted: _Asked, cover: Coverage) -> Reply:
    said = wanted.said
    text = told(found, wanted.span, wanted.now, wanted.cameras) + caveat(cover, wanted.span, wanted.now)
    if _COUNT.search(said):
        again = " One that came twice counts twice." if len(found) > 1 and "many" in said else ""
        watched = UNWATCHED + (1.0 - UNWATCHED) * cover.share
        return Reply(text + again, math.prod(visit.chance for visit in found) * watched)
    if _WHO.search(said) or _WHEN.search(said):
        return Reply(text, math.prod(visit.chance for visit in found))
    return Reply(f"Yes. {text}", either(visit.chance for visit in found))


def _none(noun: Noun, wanted: _Asked, cover: Coverage) -> Reply:
    phrase = wanted.span.phrase
    if cover.share < TOO_LITTLE:
        if cover.since is None:
            return Reply(f"I was not watching {phrase}, so I cannot tell.", 0.0, blind=True)
        watched = duration(cover.share * wanted.span.seconds)
        return Reply(f"I was watching for only {watched} {phrase}, so I cannot tell.", 0.0, blind=True)
    things = "nobody" if noun.key == "person" else f"no {listed([*noun.labels], 'and no')}"
    seen = f"{phrase[0].upper()}{phrase[1:]} I saw {things}{wanted.where}.{caveat(cover, wanted.span, wanted.now)}"
    return Reply(seen, NOTHING_MISSED * (UNWATCHED + (1.0 - UNWATCHED) * cover.share))


def _one(found: Sequence[Visit], wanted: _Asked) -> Reply:
    """Return when the first or the last one came, or left."""
    first = _FIRST.search(wanted.said) is not None
    leaving = _LEFT.search(wanted.said) is not None
    visit = found[0] if first else max(found, key=lambda one: (one.end is None, one.end or one.start))
    thing, place = indefinite(visit.label), f" {on_camera(visit.source)}" if len(wanted.cameras) > 1 else ""
    others = found if first else [one for one in found if one is not visit]
    score = visit.chance * math.prod(one.chance for one in others if first and one.start < visit.start)
    if leaving and visit.end is None:
        since = moment(datetime.fromtimestamp(visit.start, wanted.now.tzinfo), wanted.now)
        return Reply(f"The last {visit.label} has not left yet{place}; it came {since}.", score * NOTHING_MISSED)
    at = visit.end if leaving and visit.end is not None else visit.start
    then = moment(datetime.fromtimestamp(at, wanted.now.tzinfo), wanted.now)
    if first:
        return Reply(f"The first {visit.label} came {then}{place}.", score * NOTHING_MISSED)
    if leaving:
        return Reply(f"The last {visit.label} left {then}{place}.", score * NOTHING_MISSED)
    return Reply(f"I last saw {thing} {then}{place}.", score)


def _empty(found: Sequence[Visit], wanted: _Asked) -> Reply:
    """Return since when nobody has been there, or until when nobody was."""
    here = [visit for visit in found if visit.end is None]
    where = wanted.where or " there"
    if here:
        begun = min(here, key=lambda visit: visit.start)
        then = moment(datetime.fromtimestamp(begun.start, wanted.now.tzinfo), wanted.now)
        return Reply(f"There was nobody{where} until {then.removeprefix('at ')}.", begun.chance)
    last = max(found, key=lambda visit: visit.end or 0.0)
    then = moment(datetime.fromtimestamp(last.end or last.start, wanted.now.tzinfo), wanted.now)
    return Reply(f"Nobody has been{where} since {then.removeprefix('at ')}.", last.chance * NOTHING_MISSED)
