from __future__ import annotations

from typing import Any

import pytest

from edge_runtime.decision.continuations import Continuations, Outlook
from edge_runtime.decision.intents import IntentMatcher, speech_grammar
from edge_runtime.sentences import home

QUESTIONS = {
    "intents": {
        "question": {
            "data": [{"sentences": ["what do you see", "is there a (cat|dog)", "is there a dog in the {area}"]}]
        }
    }
}
ORDERS: dict[str, Any] = {
    "intents": {
        "Order": {"data": [{"sentences": ["[a] {size} {drink}", "[a] {drink} with {extra}", "{drink}"]}]},
        "Stop": {"data": [{"sentences": ["stop", "stop {count} times"]}]},
    },
    "lists": {
        "size": {"values": ["small", "large"]},
        "drink": {"values": ["tea", "coffee", "iced coffee"]},
        "extra": {"values": ["milk", "milk foam"]},
        "count": {"range": {"from": 1, "to": 99}},
    },
    "skip_words": ["please", "can you"],
}


def of(*sources: dict[str, Any], asked: bool = True) -> Continuations:
    everything = [*sources, QUESTIONS] if asked else [*sources]
    return Continuations(speech_grammar(everything).states(), IntentMatcher(sources).match)


@pytest.fixture(scope="module")
def at_home() -> Continuations:
    return of(*home(None, ("kitchen", "bedroom"), ("lamp", "kitchen light"), builtin=True))


@pytest.mark.parametrize(
    ("text", "outlook"),
    [
        pytest.param("turn off the bedroom lights", Outlook.COMPLETE, id="nothing follows but a courtesy"),
        pytest.param("turn off the bedroom lights please", Outlook.COMPLETE, id="after the courtesy"),
        pytest.param("what time is it", Outlook.COMPLETE, id="what may follow means the same"),
        pytest.param("turn on the lamp", Outlook.PLACE, id="where the named device stands"),
        pytest.param("turn on the lights", Outlook.OPEN, id="in one room, or in all: not the same"),
        pytest.param("set a timer for twenty", Outlook.OPEN, id="no sentence yet"),
        pytest.param("turn the volume down", Outlook.OPEN, id="by how much"),
        pytest.param("my name is lamp", Outlook.OPEN, id="no sentence of this home"),
        pytest.param("", Outlook.OPEN, id="nothing"),
        pytest.param("what do you see", Outlook.COMPLETE, id="a question that cannot go on"),
        pytest.param("is there a cat", Outlook.COMPLETE, id="one that others like it can"),
    ],
)
def test_what_may_follow_at_home(at_home: Continuations, text: str, outlook: Outlook) -> None:
    assert at_home.outlook(text) is outlook
    assert at_home.outlook(text) is outlook, "remembered"


@pytest.mark.parametrize(
    ("text", "outlook"),
    [
        pytest.param("a large coffee", Outlook.COMPLETE, id="all slots filled"),
        pytest.param("coffee", Outlook.OPEN, id="another slot may follow"),
        pytest.param("coffee with milk", Outlook.OPEN, id="another value of the same slot"),
        pytest.param("coffee with milk foam", Outlook.COMPLETE, id="the longest value"),
        pytest.param("iced", Outlook.OPEN, id="half a value"),
        pytest.param("stop", Outlook.OPEN, id="ninety-nine ways to go on"),
    ],
)
def test_what_may_follow_in_a_grammar_of_the_owner(text: str, outlook: Outlook) -> None:
    assert of(ORDERS).outlook(text) is outlook


def test_it_remembers_a_bounded_number() -> None:
    continuations = of(ORDERS)
    for number in range(1000):
        continuations.outlook(f"coffee {number}")
    assert len(continuations._known) <= 256
