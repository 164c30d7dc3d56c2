"""The home's commands, typed: what the voice understands is understood in writing too, and told in the same way."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from edge_runtime.decision.confidence import Reply
from edge_runtime.skills.wording import listed, plural
from edge_runtime.types import Event

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from edge_runtime.decision.scene import Scene
    from edge_runtime.types import Question

TERMINAL = "terminal"
"""Source of a question that a program of its own answers, which carries nothing out."""
LONGEST = 200
_NO_COMMAND = re.compile(r"Hass(?:Get\w+|Climate[Gg]et\w*|\w*Timer\w*|Nevermind|Respond)|StopTalking")
"""What asks for an answer, or is the business of another skill."""
_TIDY = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"[\u2018\u2019]", "'"),
        (r"^\s*(?:(?:hey|hi|ok|okay|please|now)[, ]+)*(?:(?:can|could|would|will) you (?:please )?)?(?:please )?", ""),
        (r",? (?:please|now|for me|thanks|thank you)\s*[.!?]*$", ""),
        (r"[.!?]+$", ""),
        (r"\bswitch (?=.*\b(?:on|off)\b)", "turn "),
        (r"\u00b0 ?c?\b|\bdegrees (?:celsius|centigrade)\b", " degrees"),
        (r"(?<=\d)%", " percent"),
        (r"\s+", " "),
    )
)
_OTHER_WORDS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^turn (the )?(.+?) (on|off)$", r"turn \3 \1\2"),
        (r"^(the )?(.+?) (on|off)$", r"turn \3 \1\2"),
        (r"^(.+?) the (lights?|lamps?|blinds?|curtains?|shutters?|fan) (?:in|of) (?:the )?(.+?)( to .+)?$",
         r"\1 the \3 \2\4"),
        (r"^(?:set|turn|heat|cool|make|put) (?:up |down )?(?:the )?(.+?) (?:to|at) (\d+)(?: degrees?)?$",
         r"set the temperature in the \1 to \2 degrees"),
        (r"^set (?:the )?(?:heating|heater|temperature) (?:to|at) (\d+)(?: degrees?)?$", r"set the temperature to \1"),
        (r"^dim (?:the )?(.+?) to (\w+)(?: percent)?$", r"set the \1 brightness to \2 percent"),
        (r"^set (?:the )?brightness of (?:the )?(.+?) to (\w+)(?: percent)?$", r"set the \1 brightness to \2 percent"),
        (r"^set (?:the )?(.+? (?:light|lamp)s?|lamp) to (\w+) percent$", r"set the \1 brightness to \2 percent"),
    )
)  # fmt: skip
_UNKNOWN = re.compile(
    r"^turn (?:on|off) (?:the |my )?"
    r"((?!(?:all|it|them|that|this|everything)\b)[a-z]+(?: (?!in\b|at\b|and\b|when\b|if\b)[a-z]+){0,3})$"
)
_MAY_BE = re.compile(
    r"\b(?:turn|switch|set|open|close|shut|start|stop|run|lock|unlock|dim|brighten|make|change|mute|unmute|pause|unpause|"
    r"play|resume|continue|next|previous|skip|volume|increase|decrease|raise|lower|put|activate|heat|cool|on|off)\b"
)
"""Without one of these words, and without sentences of the owner's own, nothing is a command."""


class Matched(Protocol):
    """A sentence that was understood."""

    @property
    def intent(self) -> str:
        """Return the intent's name."""

    @property
    def slots(self) -> dict[str, Any]:
        """Return the values of its slots."""


class Home(Protocol):
    """What this home understands."""

    @property
    def names(self) -> Sequence[str]:
        """Return its devices."""

    @property
    def has_own(self) -> bool:
        """Tell whether there are sentences of the owner's own."""

    def match(self, text: str) -> Matched | None:
        """Return what a sentence asks for, None where it is none of the home's."""


@dataclass(frozen=True, slots=True)
class Commands:
    """Passes commands on as events, as the voice does."""

    home: Home
    name: ClassVar[str] = "commands"
    about_scene: ClassVar[bool] = False
    sentences: ClassVar[tuple[str, ...]] = ()
    spoken: ClassVar[tuple[str, ...]] = ()
    examples: ClassVar[tuple[str, ...]] = (
        "turn on the kitchen light",
        "switch off all lights",
        "set the bedroom to 20 degrees",
        "open the blinds in the living room",
        "close the curtains",
        "dim the lamp to 30 percent",
        "turn the fan off",
        "set the volume to 50 percent",
        "make the bedroom light red",
        "play the next song",
    )

    def reads(self, text: str) -> float:
        """Return 1 where the text is a command, one for a device that the home does not have too."""
        return 1.0 if self._understood(text) or self._unknown(text) else 0.0

    def answer(self, question: Question, scene: Scene, slots: Mapping[str, str]) -> Reply | None:
        """Return what is done, with the event that does it; None where the question is no command."""
        del scene, slots
        found = self._understood(question.text)
        if found is None:
            unknown = self._unknown(question.text)
            if unknown is None:
                return None
            known = f" There is the {listed(list(self.home.names))}." if self.home.names else ""
            return Reply(f"I know no {unknown} here.{known}", 1.0)
        if question.source == TERMINAL:
            return Reply(f"{told(found)[:-1]}: only a running box does that, so nothing happens now.", 1.0)
        data = {
            "transcript": question.text,
            "intent": found.intent,
            "slots": found.slots,
            "confidence": 1.0,
            "alternatives": [],
        }
        return Reply(told(found), 1.0, events=(Event("intent", question.source, question.at, data),))

    def _understood(self, text: str) -> Matched | None:
        if len(text) > LONGEST or not (self.home.has_own or _MAY_BE.search(text.lower())):
            return None
        for said in _ways(text):
            found = self.home.match(said)
            if found is not None and not _NO_COMMAND.fullmatch(found.intent):
                return found
        return None

    @staticmethod
    def _unknown(text: str) -> str | None:
        """Return the device that is to be switched and that nobody knows."""
        if len(text) > LONGEST:
            return None
        pattern, replacement = _OTHER_WORDS[0]
        found = _UNKNOWN.match(pattern.sub(replacement, _tidy(text)))
        return found[1] if found else None


def _tidy(text: str) -> str:
    tidy = text.lower()
    for pattern, replacement in _TIDY:
        tidy = pattern.sub(replacement, tidy)
    return tidy.strip()


def _ways(text: str) -> Iterator[str]:
    """Yield a sentence as it is, tidied, and in other words that mean the same."""
    tidy = _tidy(text)
    yield text
    yield tidy
    for pattern, replacement in _OTHER_WORDS:
        other = pattern.sub(replacement, tidy)
        if other != tidy:
            yield other
            tidy = other if pattern is _OTHER_WORDS[2][0] else tidy


def told(command: Matched) -> str:
    """Return what is done in words: "Turning on the kitchen light."."""
    slots = command.slots
    what = _thing(slots)
    words = _DOING.get(command.intent)
    if command.intent in {"HassTurnOn", "HassTurnOff"}:
        on = command.intent == "HassTurnOn"
        if slots.get("domain") == "cover" or "device_class" in slots:
            return f"{'Opening' if on else 'Closing'} {what}."
        return f"Turning {'on' if on else 'off'} {what}."
    if command.intent == "HassClimateSetTemperature":
        where = f" in the {slots['area']}" if "area" in slots else ""
        return f"Setting the temperature{where} to {slots.get('temperature')} degrees."
    value = next(
        (slots[key] for key in ("color", "brightness", "position", "percentage", "volume_level") if key in slots), None
    )
    if value is not None:
        percent = "" if "color" in slots else " percent"
        return f"Setting {'the volume' if 'volume_level' in slots else what} to {value}{percent}."
    return f"{words}." if words else f"Passing on the command {command.intent}."


_DOING = {
    "HassMediaNext": "Playing the next one",
    "HassMediaPrevious": "Playing the one before",
    "HassMediaPause": "Pausing",
    "HassMediaUnpause": "Playing on",
    "HassMediaPlayerMute": "Muting",
    "HassMediaPlayerUnmute": "Unmuting",
    "HassSetVolumeRelative": "Changing the volume",
}


def _thing(slots: Mapping[str, Any]) -> str:
    """Return what a command is about: "the kitchen light", "the bedroom lights", "all lights"."""
    if "name" in slots:
        return f"the {slots['name']}"
    kind = str(slots.get("device_class") or slots.get("domain") or "device")
    area = slots.get("area")
    if area:
        return f"the {area} {plural(kind)}"
    return f"the {plural(kind)}" if "device_class" in slots else f"all {plural(kind)}"
