"""What people say of timers, read to the last word or not at all."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from edge_runtime.skills.clock_words import plain
from edge_runtime.skills.durations import MOMENT, SPAN, seconds_of, spans_plain

if TYPE_CHECKING:
    from edge_runtime.decision.timers import Kind

LONGEST = 300
_RESERVED = (
    "a|an|the|my|all|every|each|any|timers?|alarms?|reminders?|countdowns?|for|of|to|in|at|on|and|called|named|labelled|"
    "set|start|is|are|it|this|that|left|me|minus|negative|not|half|everything|do|then|turn|please"
)
_NAME = rf"(?:(?!(?:{_RESERVED})\b)[a-z][a-z']*)(?: (?!(?:{_RESERVED})\b)[a-z][a-z']*){{0,2}}"
_LEAD = (
    r"(?:(?:hey|hi|ok|okay|please|now|and|so)[, ]+)*(?:(?:can|could|would|will) you (?:please )?(?:tell me )?|tell me |"
    r"i (?:need|want|would like) (?:you to )?|i'd like (?:you to )?|let's |please )?"
)
_MAKE = r"(?:(?:set|start|create|make|begin|run|put on|set up|give|have)(?: me)? )?"
_ART = r"(?:(?:a|an|the|my|another|one|new|a new) )?"
_CALL = r"(?:called|named|labelled|with the name|for|for the|for my|called the)"
_WHICH = rf"(?:{_ART}(?:@(?: long)? )?(?:(?P<name>{_NAME}) )?(?P<what>timers?|alarms?|reminders?|countdown)|it)"
_ALL = r"(?P<every>all|every|each|everything)(?: of)?(?: (?:the|my))?(?: (?P<what>timers?|alarms?|reminders?))?"
_ON = r"(?: (?:are|is|do i have|have i|there|running|set|on|active|going))*"


def _forms(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(rf"^{_LEAD}(?:{pattern})$") for pattern in patterns)


_SPAN_FORMS = _forms(
    rf"{_MAKE}{_ART}(?:@ )?(?:(?P<name>{_NAME}) )?(?:timer|countdown),?(?: (?:for|of|to|at|with))?(?: @)?"
    rf"(?: {_CALL} (?P<name2>{_NAME}))?(?: (?:for|of|to))?(?: @)?",
    r"(?:time|count down(?: from)?) @",
)
_ALARM_FORMS = _forms(
    r"wake (?:me|us)(?: up)?(?: (?:in|at|for|after))? @",
    rf"{_MAKE}{_ART}(?:(?P<name>{_NAME}) )?alarm(?: (?:for|at|in|to|clock for))? @",
    rf"{_MAKE}{_ART}@ (?:(?P<name>{_NAME}) )?alarm",
)
_REMIND = rf"(?:{_MAKE}{_ART}reminder|remind (?:me|us))"
_OF_WHAT = r"(?P<link>to|about|that|of|for)"
_REMINDER_FORMS = _forms(
    rf"{_REMIND}(?: (?:in|at|for|on|after))? @,?(?: {_OF_WHAT} (?P<text>[^@]+))?",
    rf"{_REMIND} {_OF_WHAT} (?P<text>[^@]+?),?(?: (?:in|at|for|on|after))? @",
    rf"(?:in|at|on) @,? {_REMIND}(?: {_OF_WHAT} (?P<text>[^@]+))?",
)
_LEFT_FORMS = _forms(
    r"how (?:much (?:time|longer)|long)(?: (?:is|are|do i have|does|there|still|it|have))* (?:left|remaining|to go)"
    rf"(?: (?:on|for|of|in|until|till) {_WHICH})?",
    rf"how (?:much (?:time|longer)|long)(?: (?:is|does|do|left|on|until|till|for))* {_WHICH}"
    r"(?: (?:is done|ends|have|has|rings|goes off|is up|left|remaining|to go|still))*",
    r"how much longer",
    rf"when (?:does|will|is) {_WHICH} (?:end|ring|go off|finish|be done|done|up|over|set for)",
    rf"(?:check|what about|how is|(?:what is )?(?:the )?status of) {_WHICH}",
    rf"(?:the )?time (?:is )?left on {_WHICH}",
    r"(?P<what>timers?) status",
)
_LIST_FORMS = _forms(
    rf"(?:what|which) (?P<what>timers|alarms|reminders){_ON}",
    rf"(?:are there|do i have|is there|have i(?: set| got)?) (?:any|an?) (?P<what>timers?|alarms?|reminders?){_ON}",
    r"(?:list|show|tell|read)(?: me)?(?: all)?(?: (?:the|my))? (?P<what>timers|alarms|reminders)",
    rf"how many (?P<what>timers|alarms|reminders){_ON}",
)
_STOP = r"(?:cancel|stop|delete|remove|clear|end|turn off|switch off|kill|forget|dismiss)"
_CANCEL_ALL_FORMS = _forms(rf"{_STOP} {_ALL}", rf"{_STOP} (?:the |my )?(?P<every>(?P<what>timers|alarms|reminders))")
_CANCEL_FORMS = _forms(rf"{_STOP} {_WHICH}")
_PAUSE_FORMS = _forms(rf"(?:pause|resume|continue|unpause|hold) {_WHICH}")
_CHANGE = r"(?P<how>add|extend|lengthen|increase|give|put|take|remove|subtract|shorten|reduce|decrease)"
_MORE_FORMS = _forms(
    rf"{_CHANGE} {_WHICH} by @",
    rf"{_CHANGE} (?:another |an extra |an additional )?@(?: more)? (?:to|on|onto|from|off) {_WHICH}",
    rf"{_CHANGE} {_WHICH} (?:another |an extra )?@(?: more)?",
)
_BARE_FORMS = _forms(
    rf"(?:set|start|create|make|begin|put on|set up)(?: me)? {_ART}(?:{_NAME} )?(?P<what>timer|alarm|reminder)"
    r"(?: (?:for|at|to) [0-9]+)?",
    r"(?:wake me(?: up)?|remind me(?: (?:to|about|of|that) [^@]+)?)",
)
_REPEATED = re.compile(
    r",? ?\b(?:(?:on |in the )?(?:every|each) (?:single )?(?:morning|evening|night|hour|(?:week|work)?days?|week|month|"
    r"year|monday|tuesday|wednesday|thursday|friday|saturday|sunday|[0-9]+ \w+)|"
    r"daily|weekly|hourly|on weekdays|on weekends)\b"
)
_LESS = {"take", "remove", "subtract", "shorten", "reduce", "decrease"}


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wished of timers.

    Attributes:
        verb: what is to be done.
        kind: of what is to be set.
        kinds: of what is asked about; any where empty.
        name: of the timer.
        text: of a reminder: "check the oven", "about the meeting", "that the bus leaves".
        span_s: how long; of a change, how much more, or less where negative.
        moment: the time of day instead, in words.
        every: all of them are meant; of one to be set, that it is to happen again and again.
    """

    verb: Literal["set", "left", "list", "cancel", "more", "pause"]
    kind: Kind = "timer"
    kinds: str = ""
    name: str = ""
    text: str = ""
    span_s: float | None = None
    moment: str = ""
    every: bool = False


def wish_of(text: str) -> Wish | None:
    """Return what a sentence wishes of timers, None where it has a word that does not belong."""
    if len(text) > LONGEST or "@" in text:
        return None
    said = re.sub(r"\s+", " ", spans_plain(text)).strip(" ?!.,")
    said = re.sub(r",? (?:please|thanks|thank you|for me|now)$|[?!;:](?= )", "", said)
    once = _REPEATED.sub("", said).strip()
    wish = _asked(once) or _spanned(once) or _timed(_REPEATED.sub("", text.lower()))
    if wish is None and (found := _first(_BARE_FORMS, once)):
        wish = Wish("set", "reminder" if "remind" in once else "alarm" if found["what"] != "timer" else "timer")
    if wish is not None and wish.verb == "set" and once != said:
        return replace(wish, every=True)
    return wish


def _first(forms: tuple[re.Pattern[str], ...], said: str) -> dict[str, str]:
    """Return what the first form that fits found, nothing where none does; a form without groups gives "fits"."""
    found = next(filter(None, (form.match(said) for form in forms)), None)
    return {"fits": "yes"} | {key: text or "" for key, text in found.groupdict().items()} if found else {}


def _kind(found: dict[str, str]) -> str:
    what = found.get("what", "")
    return "timer" if what == "countdown" else what.removesuffix("s")


def _asked(said: str) -> Wish | None:
    if found := _first(_LIST_FORMS, said):
        return Wish("list", kinds=_kind(found))
    if found := _first(_LEFT_FORMS, said):
        return Wish("left", kinds=_kind(found), name=found.get("name", ""))
    if (found := _first(_PAUSE_FORMS, said)) and found["what"]:
        return Wish("pause", kinds=_kind(found))
    return None


def _spanned(said: str) -> Wish | None:
    """Read a wish with a span of time in it, or a cancellation."""
    spans = list(re.finditer(rf"(?<![a-z0-9.]){SPAN}", said))
    span_s = seconds_of(spans[0][0]) if len(spans) == 1 else None
    if spans and span_s is None:
        return None
    short = said[: spans[0].start()] + "@" + said[spans[0].end() :] if spans else said
    if found := _first(_CANCEL_ALL_FORMS, short):
        return Wish("cancel", kinds=_kind(found), every=True)
    if (found := _first(_CANCEL_FORMS, short)) and found["what"]:
        return Wish("cancel", kinds=_kind(found), name=found["name"], span_s=span_s)
    return None if span_s is None else _changed_or_set(short, span_s)


def _changed_or_set(short: str, span_s: float) -> Wish | None:
    if found := _first(_MORE_FORMS, short):
        return Wish("more", kinds=_kind(found), name=found["name"], span_s=-span_s if found["how"] in _LESS else span_s)
    if found := _first(_SPAN_FORMS, short):
        return Wish("set", name=found.get("name") or found.get("name2", ""), span_s=span_s)
    return _reminder_or_alarm(short, span_s=span_s)


def _reminder_or_alarm(short: str, *, span_s: float | None = None, moment: str = "") -> Wish | None:
    if found := _first(_ALARM_FORMS, short):
        return Wish("set", "alarm", name=found.get("name", ""), span_s=span_s, moment=moment)
    if found := _first(_REMINDER_FORMS, short):
        link = {"": "", "to": "", "that": "that "}.get(found["link"], "about ")
        return Wish("set", "reminder", text=link + found["text"].strip(" ,"), span_s=span_s, moment=moment)
    return None


def _timed(text: str) -> Wish | None:
    """Read a wish with a time of day in it; the last one counts, so that "call 7 people at 8" is at eight."""
    said = re.sub(r"\s+", " ", plain(text)).strip()
    said = re.sub(r" (?:please|thanks|thank you)$", "", said)
    for found in reversed(list(re.finditer(rf"\b{MOMENT}(?!\S)", said))):
        short = said[: found.start()] + "@" + said[found.end() :]
        wish = _reminder_or_alarm(short, moment=found[0])
        if wish is not None:
            return wish
    return None
