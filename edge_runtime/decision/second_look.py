"""What becomes of an alert that somebody else has looked at: a pure step after the decision, so that it is replayed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from edge_runtime.types import Step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_runtime.types import Event

SECOND_LOOK = "second look"
ALERT, DENIED = "alert", "alert_denied"
"""What was denied is told under another name: nobody is woken by it, and its evidence is kept."""
CONFIRMED: Mapping[object, bool] = {"yes": True, "no": False}


def settled(event: Event, facts: Mapping[str, object]) -> Event:
    """Return an alert as it is told after a second look.

    Args:
        event: the alert as it was decided.
        facts: of the second look: its "verdict", yes, no or None, and whatever else is to be known of it.
    """
    confirmed = CONFIRMED.get(facts["verdict"])
    kind = DENIED if confirmed is False else event.kind
    steps = (*event.steps, Step(SECOND_LOOK, facts))
    return replace(event, kind=kind, data={**event.data, "confirmed": confirmed}, steps=steps)


def settled_again(event: Event, steps: Sequence[Mapping[str, Any]]) -> Event:
    """Return an alert that was decided once more with the second look that its record tells of, if it had one."""
    last = steps[-1] if steps else {}
    return settled(event, last["facts"]) if event.kind == ALERT and last.get("gate") == SECOND_LOOK else event
