"""Whether somebody who has said a sentence of the grammar may be about to say more of it."""

from __future__ import annotations

import enum
from collections import OrderedDict, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from edge_runtime.decision.intents import Match

_MOST_TRIED = 32
_REMEMBERED = 256
_PLACES = {"area", "floor"}
_DEVICE = "name"


class Outlook(enum.Enum):
    """What may follow the words so far."""

    COMPLETE = "complete"
    """Nothing that would change what is meant; at most a courtesy."""
    PLACE = "place"
    """Only where the device stands that was named already."""
    OPEN = "open"
    """Words that change what is meant; or it is no sentence yet."""


class Continuations:
    """Knows how the sentences of a grammar go on, and whether that changes what they mean.

    Args:
        states: (a sentence may end here, {word: next state}) of the smallest graph of the sentences; the first starts.
        match: what a sentence asks for, None where it is a question.
    """

    def __init__(self, states: Sequence[tuple[bool, Mapping[str, int]]], match: Callable[[str], Match | None]) -> None:
        self._states = states
        self._match = match
        self._known: OrderedDict[str, Outlook] = OrderedDict()

    def outlook(self, text: str) -> Outlook:
        """Return what may follow `text`, written as the grammar writes it."""
        known = self._known.pop(text, None)
        self._known[text] = outlook = known or self._judge(text)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return outlook

    def _judge(self, text: str) -> Outlook:
        state = self._after(text)
        if state is None or not self._states[state][0]:
            return Outlook.OPEN
        meaning = self._match(text)
        outlook = Outlook.COMPLETE
        for tried, more in enumerate(self._endings(state)):
            # So many endings are a list of values, and those differ.
            if tried == _MOST_TRIED or meaning is None:
                return Outlook.OPEN
            longer = self._match(f"{text} {more}")
            if longer == meaning:
                continue
            if longer is None or not _only_a_place(meaning, longer):
                return Outlook.OPEN
            outlook = Outlook.PLACE
        return outlook

    def _after(self, text: str) -> int | None:
        state: int | None = 0
        for word in text.split():
            state = self._states[state][1].get(word) if state is not None else None
        return state

    def _endings(self, state: int) -> Iterator[str]:
        """Yield what may follow up to the end of a sentence, the shortest first."""
        todo = deque([("", state)])
        while todo:
            said, here = todo.popleft()
            for word, following in sorted(self._states[here][1].items()):
                more = f"{said} {word}".strip()
                if self._states[following][0]:
                    yield more
                todo.append((more, following))


def _only_a_place(meaning: Match, longer: Match) -> bool:
    added = longer.slots.keys() - meaning.slots.keys()
    return (
        longer.intent == meaning.intent
        and meaning.slots.items() <= longer.slots.items()
        and added <= _PLACES
        and _DEVICE in meaning.slots
    )
