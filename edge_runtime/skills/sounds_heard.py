"""What was heard, from the record of sounds: a bark, the doorbell, breaking glass."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from edge_runtime.decision.confidence import Reply
from edge_runtime.decision.scene import either
from edge_runtime.errors import SinkError
from edge_runtime.skills.chronicle import UNREADABLE, caveat, heard, named_sound
from edge_runtime.skills.clock_words import plain
from edge_runtime.skills.visits import Coverage, coverage
from edge_runtime.skills.when import Span, says_when, when
from edge_runtime.skills.wording import clock_is_set, listed, moment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edge_runtime.decision.scene import Scene
    from edge_runtime.skills.visits import Past, Record
    from edge_runtime.types import Question

NOT_OVERLOOKED = 0.85
"""Chance that a sound which was there was told, where the microphone listened all the time."""
UNHEARD = 0.5
TOO_LITTLE = 0.02

WORDS: Mapping[str, str] = {
    "dog": r"bark\w*|woof|dogs?|growl\w*",
    "cat": r"meow\w*|miaow\w*|cats?|purr\w*",
    "baby crying": r"baby|cry\w*|cried|babies",
    "glass breaking": r"glass|window (break|broke|smash)\w*|smash\w*|shatter\w*",
    "smoke or fire alarm": r"alarms?|smoke (alarm|detector)|fire alarm",
    "alarm clock": r"alarm clock",
    "siren": r"sirens?|ambulance|police",
    "car horn": r"horns?|honk\w*|hoot\w*",
    "doorbell": r"door ?bell|bell|rang|rung|ring|ringing",
    "telephone": r"(tele)?phone|phone (ring|rang)\w*",
    "knock": r"knock\w*",
    "door": r"door (slam|shut|close|open)\w*|slam\w*|creak\w*",
    "footsteps": r"footsteps?|steps|somebody walking",
    "cough": r"cough\w*",
    "sneeze": r"sneez\w*",
    "snoring": r"snor\w*",
    "music": r"music|song|radio",
    "water": r"water|tap|shower",
    "rain": r"rain\w*",
    "thunder": r"thunder\w*",
    "gunshot or bang": r"gun ?shots?|shots?|bangs?|explosion|loud noise",
    "vacuum cleaner": r"vacuum\w*|hoover\w*",
    "applause": r"applau\w+|clap\w*",
    "laughter": r"laugh\w*",
    "scream": r"scream\w*|shout\w*|yell\w*",
    "bird": r"birds?|chirp\w*|birdsong",
    "typing": r"typ(ing|ed)|keyboard",
    "engine": r"engines?|motor\w*",
    "speech": r"speech|talk\w*|speak\w*|spoke|voices?|somebody say\w*|anyone say\w*",
}
"""How people ask for each sound; a sound with no entry, such as a taught one, is asked for by its name."""
ONLY_HEARD = (
    r"bark\w*|meow\w*|miaow\w*|crying|cried|smash\w*|shatter\w*|honk\w*|knock\w*|rang|rung|ring|ringing|slam\w*|cough\w*|"
    r"sneez\w*|snor\w*|thunder\w*|scream\w*|chirp\w*|laugh\w*|applaud\w*|clapp\w*|siren\w*|alarm\w*|door ?bell|"
    r"glass break\w*|glass broke\w*|break glass|gun ?shots?|bangs?|noises?|sounds?"
)
_HEARD = re.compile(r"\b(hear|heard|hearing|listen\w*|noises?|sounds?|audible|loud)\b")
_ONLY_HEARD = re.compile(rf"\b({ONLY_HEARD})\b")
_ASKS = re.compile(
    r"^(hey |ok |so |and |please |tell me |can you tell me |do you know )*(if |whether )?"
    r"(what|did|do|does|can|has|have|had|was|were|is|are|when|how|any|anyone|anybody|who|which)\b"
)
_WHEN = re.compile(r"\bwhen\b(?! (i|we)\b)|\bwhat time\b|\blast time\b")
_PRESENT = re.compile(r"\b(now|is|are|can|do|does)\b")
_BREAK = re.compile(r"\bglass\b.*\bbr[eo]\w+|\bbr[eo]\w+ .*\bglass\b")
_NOW_MINUTES = 5


@dataclass(frozen=True, slots=True)
class SoundsHeard:
    """Answers "what did you hear just now?", "did the dog bark?", "has anyone rung in the last hour?".

    Args:
        now: gives the wall clock's time, with its time zone.
        past: the record of events.
        known: the sounds that the box listens for; none where it has no microphone.
    """

    now: Callable[[], datetime]
    past: Past
    known: tuple[str, ...] = ()
    name: ClassVar[str] = "sounds_heard"
    about_scene: ClassVar[bool] = False
    sentences: ClassVar[tuple[str, ...]] = (
        "what (did|can|do) you hear [(now|right now|just now)]",
        "what have you heard [(today|recently|lately|just now)]",
        "(what|which) (was|is) that (sound|noise)",
        "did you hear (anything|something|that|a noise)",
        "do you hear (anything|something)",
    )
    spoken: ClassVar[tuple[str, ...]] = ("what did you hear [just now]", "did you hear (anything|something)")
    examples: ClassVar[tuple[str, ...]] = (
        "what did you hear just now",
        "what was that noise",
        "did the dog bark while i was out",
        "has anyone rung the doorbell",
        "did somebody knock at the door this morning",
        "was there an alarm in the last hour",
        "did you hear glass break last night",
        "any sounds in the last ten minutes",
        "was the baby crying",
        "when did you last hear a siren",
        "how often did the phone ring today",
        "is it noisy in there",
        "do you hear anything",
    )

    def reads(self, text: str) -> float:
        """Return how surely a question is about what was heard."""
        said = plain(text)
        if _ASKS.match(said) is None:
            return 0.0
        if _BREAK.search(said):
            return 0.95
        hears, heard_only = _HEARD.search(said), _ONLY_HEARD.search(said)
        if hears and (self._labels(said) or says_when(text, self.now()) or _WHEN.search(said)):
            return 0.95
        if heard_only and (says_when(text, self.now()) or re.match(r"(did|has|have|was|were|when|is|are|who)\b", said)):
            return 0.93 if self._labels(said) or hears else 0.5
        return 0.0

    def answer(self, question: Question, scene: Scene, slots: Mapping[str, str]) -> Reply | None:
        """Return which sounds were told and when; the score is the probability that they were what they are called."""
        del slots, scene
        now = self.now()
        if not clock_is_set(now):
            return Reply("My clock is not set yet, so I cannot tell what I heard when.", 0.0, blind=True)
        said = plain(question.text)
        labels = self._labels(said)
        open_ended = _WHEN.search(said) is not None
        span = when(question.text, now) or when("ever" if open_ended else self._default(said, labels), now)
        assert span is not None  # noqa: S101 - both are known to `when`
        try:
            sounds = self.past.between(span.start.timestamp(), span.end.timestamp(), ("sound",), labels)
            if not sounds:
                return self._nothing(labels, span, now)
            cover = coverage(self.past, span.start.timestamp(), span.end.timestamp(), ())
        except SinkError:
            return UNREADABLE
        return _told(sounds, labels, span, now, cover) if not open_ended else _last(sounds, now)

    def _labels(self, said: str) -> tuple[str, ...]:
        """Return the sounds that a question names."""
        every = dict.fromkeys((*WORDS, *self.known))
        named = [label for label in every if re.search(rf"\b({WORDS.get(label, re.escape(label))})\b", said)]
        if "alarm clock" in named:
            named.remove("smoke or fire alarm")
        if "telephone" in named and "doorbell" in named:
            named.remove("doorbell")
        # "at the door" is where, not what.
        return tuple(label for label in named if label != "door" or re.search(r"\b(slam|shut|open|clos)", said))

    @staticmethod
    def _default(said: str, labels: Sequence[str]) -> str:
        return f"in the last {_NOW_MINUTES} minutes" if _PRESENT.search(said) or not labels else "today"

    def _nothing(self, labels: Sequence[str], span: Span, now: datetime) -> Reply:
        start, end = span.start.timestamp(), span.end.timestamp()
        cover = coverage(self.past, start, end, ())
        if not self.known:
            return Reply("I have no microphone that listens for sounds.", 0.0, blind=True)
        unknown = [label for label in labels if label not in self.known]
        if unknown and len(unknown) == len(labels):
            return Reply(
                f"I do not listen for {listed([named_sound(label) for label in unknown], 'or')}.", 0.0, blind=True
            )
        if cover.share < TOO_LITTLE:
            return Reply(f"I was not listening {span.phrase}, so I cannot tell.", 0.0, blind=True)
        what = listed([named_sound(label) for label in labels], "or") if labels else "anything of note"
        score = NOT_OVERLOOKED * (UNHEARD + (1.0 - UNHEARD) * cover.share)
        no = "No, " if labels else ""
        phrase = f"{no}{span.phrase}"
        text = f"{phrase[0].upper()}{phrase[1:]} I did not hear {what}."
        return Reply(text + caveat(cover, span, now), score)


def _told(sounds: Sequence[Record], labels: Sequence[str], span: Span, now: datetime, cover: Coverage) -> Reply:
    text = f"{span.phrase[0].upper()}{span.phrase[1:]} I heard {heard(sounds, span, now)}.{caveat(cover, span, now)}"
    best = {label: max(s.score or 0.0 for s in sounds if s.label == label) for label in {s.label for s in sounds}}
    if labels:
        return Reply(f"Yes. {text}", either(best.values()))
    return Reply(text, math.prod(best.values()))


def _last(sounds: Sequence[Record], now: datetime) -> Reply:
    last = sounds[-1]
    then = moment(datetime.fromtimestamp(last.wall, now.tzinfo), now)
    return Reply(f"I last heard {named_sound(last.label or 'a sound')} {then}.", last.score or 0.0)
