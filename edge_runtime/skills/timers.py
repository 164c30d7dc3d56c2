"""Timers, alarms and reminders: set, asked about, made longer and cancelled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from edge_runtime.decision.confidence import Reply
from edge_runtime.decision.timers import after, at, left_s, longer
from edge_runtime.skills.durations import called, coming, moment_said, reminder_of, span_said
from edge_runtime.skills.timer_words import Wish, wish_of
from edge_runtime.skills.wording import amount, clock_is_set, indefinite, listed
from edge_runtime.types import Event, new_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from edge_runtime.decision.scene import Scene
    from edge_runtime.decision.timers import Moment, Timer
    from edge_runtime.types import Question

MOST_TIMERS = 50
LONGEST_S = 366 * 86_400.0
_UNCLEAR = {
    "timer": "For how long? Say, for example, set a timer for five minutes.",
    "alarm": "When? Say, for example, wake me at seven.",
    "reminder": "When, and of what? Say, for example, remind me in ten minutes to check the oven.",
}
NOBODY = " I only keep it: nobody hears it end until edge-runtime runs here."


class Shelf(Protocol):
    """Where timers are kept."""

    @property
    def watched(self) -> bool:
        """Tell whether somebody will notice when one ends."""

    def now(self) -> Moment:
        """Return now, by both clocks."""

    def all(self) -> tuple[Timer, ...]:
        """Return those that have not ended."""

    def change(self, edit: Callable[[tuple[Timer, ...]], Sequence[Timer]]) -> None:
        """Replace them by what `edit` makes of them; raises EdgeError."""


@dataclass(frozen=True, slots=True)
class Timers:
    """Sets, tells, changes and cancels timers; nothing is done before the answer is kept (`Reply.then`).

    Args:
        shelf: where they are kept.
        wall: gives the wall clock's time, in the owner's time zone.
    """

    shelf: Shelf
    wall: Callable[[], datetime]
    name: ClassVar[str] = "timers"
    about_scene: ClassVar[bool] = False
    sentences: ClassVar[tuple[str, ...]] = ()
    spoken: ClassVar[tuple[str, ...]] = (
        "set a timer for {number} minutes",
        "set a {number} minute timer",
        "how long is left on the timer",
        "cancel the timer",
    )
    examples: ClassVar[tuple[str, ...]] = (
        "set a timer for five minutes",
        "set a ten minute egg timer",
        "timer for an hour and a half called pasta",
        "remind me in twenty minutes to check the oven",
        "wake me up at seven",
        "set an alarm for half past six tomorrow",
        "how long is left on the timer",
        "how much time is left",
        "cancel the pasta timer",
        "stop all timers",
        "which timers are running",
        "add two minutes to the egg timer",
        "remind me to call my sister at four",
    )

    def reads(self, text: str) -> float:
        """Return 1 where every word of the text was understood, else 0."""
        return 1.0 if wish_of(text) else 0.0

    def answer(self, question: Question, scene: Scene, slots: Mapping[str, str]) -> Reply | None:
        """Say what is done if the box keeps this answer, None where it is nothing about timers."""
        del scene, slots
        wish = wish_of(question.text)
        if wish is None:
            return None
        return self._set(wish, question) if wish.verb == "set" else self._about(wish, question)

    def _set(self, wish: Wish, question: Question) -> Reply:
        if len(self.shelf.all()) >= MOST_TIMERS:
            return Reply(f"There are {MOST_TIMERS} timers already; cancel one first.", 1.0)
        if wish.every:
            return Reply(f"I can set {indefinite(wish.kind)} for one time only, not again and again.", 1.0)
        made = self._made(wish)
        if isinstance(made, Reply):
            return made
        data = {
            "timer": made.kind,
            "name": made.name,
            "text": made.text,
            "left_s": round(made.left_s, 1),
            "timer_id": made.id,
        }
        happened = Event("timer_set", question.source, question.at, data)
        text = self._confirmed(made) + ("" if self.shelf.watched else NOBODY)
        return Reply(text, 1.0, events=(happened,), then=lambda: self.shelf.change(lambda before: [*before, made]))

    def _made(self, wish: Wish) -> Timer | Reply:
        now, wall = self.shelf.now(), self.wall()
        if wish.span_s is not None:
            if not 0 < wish.span_s <= LONGEST_S:
                return Reply("A timer must be longer than nothing and at most a year.", 1.0)
            return after(wish.span_s, now, new_id=new_id(), kind=wish.kind, name=wish.name, text=wish.text)
        if not wish.moment:
            return Reply(_UNCLEAR[wish.kind], 1.0)
        if not clock_is_set(wall):
            return Reply("My clock is not set yet, so I cannot set anything for a time of day.", 0.0, blind=True)
        then = coming(wish.moment, wall, early=wish.kind == "alarm")
        if then is None:
            return Reply("That time has passed already.", 1.0)
        return at(then.timestamp(), now, new_id=new_id(), kind=wish.kind, name=wish.name, text=wish.text)

    def _confirmed(self, timer: Timer) -> str:
        when = f"in {span_said(timer.length_s)}" if timer.length_s else self._moment(timer)
        if timer.kind == "reminder":
            return f"I will remind you {when}{reminder_of(timer.text)}."
        if timer.kind == "alarm":
            return f"I will wake you {when}." if not timer.name else f"Your {called(timer)} is set {when}."
        return f"Your {called(timer)} is set{f' for {span_said(timer.length_s)}' if timer.name else ''}."

    def _moment(self, timer: Timer) -> str:
        wall = self.wall()
        return moment_said(wall.fromtimestamp(timer.due_wall, wall.tzinfo), wall)

    def _about(self, wish: Wish, question: Question) -> Reply:
        if wish.verb == "pause":
            return Reply("I cannot pause a timer; I can add time to it, or cancel it.", 1.0)
        found = self._meant(wish)
        if not found:
            kinds = {"timer": "timer", "alarm": "alarm", "reminder": "reminder", "": "timer"}[wish.kinds]
            which = f"{wish.name} {kinds}".strip()
            others = [timer for timer in self.shelf.all() if wish.name]
            known = f" There is your {listed([called(timer) for timer in others])}." if others else ""
            return Reply(f"There is no {which}{'' if wish.name else ' set'}.{known}", 1.0)
        if wish.verb == "left":
            found = [timer for timer in found if timer.due_elapsed is not None] or found
            return Reply(" ".join(self._left(timer) for timer in found[:5]), 1.0)
        if wish.verb == "list":
            lines = " ".join(self._left(timer) for timer in found[:10])
            return Reply(f"There {'is one' if len(found) == 1 else f'are {amount(len(found))}'}. {lines}", 1.0)
        if len(found) > 1 and not wish.every:
            return Reply(f"Which one: the {listed(self._told_apart(found), 'or')}?", 1.0)
        return self._cancelled(found, question) if wish.verb == "cancel" else self._longer(found[0], wish, question)

    def _told_apart(self, timers: list[Timer]) -> list[str]:
        """Return what each is called, with its time where others are called the same."""
        names = [called(timer) for timer in timers]
        return [
            f"{name} {self._moment(timer)}" if names.count(name) > 1 else name
            for name, timer in zip(names, timers, strict=True)
        ]

    def _meant(self, wish: Wish) -> list[Timer]:
        timers = [timer for timer in self.shelf.all() if wish.kinds in {"", timer.kind}]
        if wish.span_s is not None and wish.verb == "cancel":
            return [timer for timer in timers if abs(timer.length_s - wish.span_s) < 1]
        if not wish.name:
            return timers
        return [timer for timer in timers if wish.name in {timer.name, timer.text}] or [
            timer for timer in timers if set(wish.name.split()) <= set(f"{timer.name} {timer.text}".split())
        ]

    def _left(self, timer: Timer) -> str:
        left = left_s(timer, self.shelf.now())
        if timer.due_elapsed is None:
            return f"Your {called(timer)} is set {self._moment(timer)}."
        return f"Your {called(timer)} has {span_said(max(left, 0.0))} left."

    def _cancelled(self, found: Sequence[Timer], question: Question) -> Reply:
        ids = {timer.id for timer in found}
        text = f"Your {listed([called(timer) for timer in found])} {'is' if len(found) == 1 else 'are'} cancelled."
        if len(found) > 3:
            text = f"All {amount(len(found))} are cancelled."
        happened = Event("timer_cancelled", question.source, question.at, {"ids": sorted(ids)})

        def cancel() -> None:
            self.shelf.change(lambda before: [timer for timer in before if timer.id not in ids])

        return Reply(text, 1.0, events=(happened,), then=cancel)

    def _longer(self, timer: Timer, wish: Wish, question: Question) -> Reply:
        more = wish.span_s or 0.0
        changed = longer(timer, more)
        left = left_s(changed, self.shelf.now())
        if not 0 < left <= LONGEST_S:
            return Reply(f"Your {called(timer)} has less than that left.", 1.0)
        data = {
            "timer": timer.kind,
            "name": timer.name,
            "text": timer.text,
            "left_s": round(left, 1),
            "timer_id": timer.id,
        }
        happened = Event("timer_set", question.source, question.at, data)
        named = called(timer) if timer.name or timer.kind != "timer" else "timer"

        def lengthen() -> None:
            self.shelf.change(lambda before: [changed if other.id == timer.id else other for other in before])

        return Reply(f"Your {named} has {span_said(left)} left now.", 1.0, events=(happened,), then=lengthen)
