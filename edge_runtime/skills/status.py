"""How the box itself is: its health, its cameras, its version, its cost."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from edge_runtime.decision.confidence import Reply
from edge_runtime.skills.status_words import topic_of
from edge_runtime.skills.wording import amount, duration, listed, spoken_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edge_runtime.decision.scene import Scene
    from edge_runtime.types import Question

HOT_C = 80.0
"""A Raspberry Pi slows itself down from here on."""
FULL = 0.9
_OWN = re.compile(r"\b(?:chip|cpu|processor|board|box|you|your|yourself|machine|computer|device|system|pi|jetson)\b")
"""What the box has a thermometer in; it has none in the room."""


@dataclass(frozen=True, slots=True)
class Health:
    """What the machine says of itself; None where it cannot.

    Attributes:
        processor_c: temperature of the processor in degrees Celsius.
        memory: bytes free and in all.
        disk: bytes free and in all, where the box keeps its data.
        running_s: seconds since this program began.
        up_s: seconds since the machine was switched on.
    """

    processor_c: float | None
    memory: tuple[int, int]
    disk: tuple[int, int]
    running_s: float
    up_s: float


@dataclass(frozen=True, slots=True)
class Machine:
    """What the skill is handed.

    Attributes:
        name: of the box.
        version: of the program.
        model: name and version of the model that looks and listens.
        cameras: those in the settings.
        health: measures.
        addresses: tells the network addresses.
        spent_usd: tells what the cloud has cost today and this month (UTC), None where it may not be asked.
    """

    name: str
    version: str
    model: str
    cameras: Sequence[str]
    health: Callable[[], Health]
    addresses: Callable[[], Sequence[str]]
    spent_usd: Callable[[], tuple[float, float] | None]


@dataclass(frozen=True, slots=True)
class Status:
    """Answers "how are you?", "how warm is the processor?", "which cameras are online?"."""

    machine: Machine
    max_age_s: float = 15.0
    name: ClassVar[str] = "status"
    about_scene: ClassVar[bool] = False
    sentences: ClassVar[tuple[str, ...]] = ()
    spoken: ClassVar[tuple[str, ...]] = ("how are you",)
    examples: ClassVar[tuple[str, ...]] = (
        "how are you",
        "how warm is the processor",
        "how long have you been running",
        "how much disk space is free",
        "how much memory is free",
        "which cameras are online",
        "are all cameras working",
        "what version are you",
        "what did the cloud cost today",
        "what is your name",
        "what is your ip address",
    )

    def reads(self, text: str) -> float:
        """Return 1 where the question is about the box itself, else 0."""
        return 1.0 if topic_of(text) else 0.0

    def answer(self, question: Question, scene: Scene, slots: Mapping[str, str]) -> Reply | None:
        """Return what was measured just now, None where the question is about something else."""
        topic = topic_of(question.text) or slots.get("topic", "")
        if topic == "cameras":
            return self._cameras(question, scene)
        if topic == "cost":
            return self._cost(question.text)
        if topic in {"version", "name", "address"}:
            return Reply(self._who(topic), 1.0)
        if topic == "temperature" and not _OWN.search(question.text.lower()):
            return None
        return self._health(topic) if topic else None

    def _health(self, topic: str) -> Reply:
        health = self.machine.health()
        if topic == "well":
            return Reply(_wellness(health), 1.0)
        if topic == "uptime":
            on = f" The machine has been on for {duration(health.up_s)}."
            return Reply(f"I have been running for {duration(health.running_s)}.{on}", 1.0)
        if topic == "temperature":
            if health.processor_c is None:
                return Reply("This machine does not tell its temperature.", 0.0, blind=True)
            hot = ", which is too hot" if health.processor_c >= HOT_C else ""
            return Reply(f"The processor is at {health.processor_c:.0f} degrees Celsius{hot}.", 1.0)
        free, total = health.disk if topic == "disk" else health.memory
        what = "on the disk" if topic == "disk" else "of memory"
        return Reply(f"{_size(free)} of {_size(total)} {what} are free.", 1.0)

    def _who(self, topic: str) -> str:
        machine = self.machine
        if topic == "version":
            return f"I am edge-runtime {machine.version} with the model {machine.model}."
        if topic == "name":
            return f"I am {machine.name}, and edge-runtime runs on me."
        found = list(machine.addresses())
        return f"My address is {listed(found, 'or')}." if found else "I am in no network."

    def _cost(self, text: str) -> Reply:
        spent = self.machine.spent_usd()
        if spent is None:
            return Reply("The cloud may not be asked, so it has cost nothing.", 1.0)
        if "month" in text.lower():
            return Reply(f"The cloud has cost {_money(spent[1])} this month.", 1.0)
        return Reply(f"The cloud has cost {_money(spent[0])} today and {_money(spent[1])} this month.", 1.0)

    def _cameras(self, question: Question, scene: Scene) -> Reply:
        names = self.machine.cameras
        if not names:
            return Reply("I have no cameras.", 1.0)
        seen = {look.source for look in scene.looks(question.at, self.max_age_s)}
        online = [spoken_name(name) for name in names if name in seen]
        lost = [spoken_name(name) for name in names if name not in seen]
        if not scene.sources:
            known = listed(list(map(spoken_name, names)))
            text = f"I have had no picture from any camera yet; there {_are(names)}: {known}."
            return Reply(text, 0.0, blind=True)
        parts = [f"{_capital(listed(online))} {'is' if len(online) == 1 else 'are'} online." if online else ""]
        parts.append(f"I have no picture from {listed(lost)} now." if lost else "")
        return Reply(" ".join(filter(None, parts)), 1.0)


def _wellness(health: Health) -> str:
    troubles = []
    if health.processor_c is not None and health.processor_c >= HOT_C:
        troubles.append(f"the processor is too hot, {health.processor_c:.0f} degrees")
    for what, (free, total) in (("the disk", health.disk), ("the memory", health.memory)):
        if total and free / total < 1 - FULL:
            troubles.append(f"{what} is nearly full")
    if troubles:
        return f"Not too well: {listed(troubles)}."
    warm = f", the processor is at {health.processor_c:.0f} degrees" if health.processor_c is not None else ""
    return f"I am fine: I have been running for {duration(health.running_s)}{warm}."


def _are(names: Sequence[str]) -> str:
    return "is one" if len(names) == 1 else f"are {amount(len(names))}"


def _size(number: int) -> str:
    gigabytes = number / 1e9
    return f"{gigabytes:.1f} GB" if gigabytes < 100 else f"{gigabytes:.0f} GB"


def _money(usd: float) -> str:
    if not usd:
        return "nothing"
    return f"{usd:.2f} dollars" if usd >= 0.1 else f"{100 * usd:.2g} cents"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
