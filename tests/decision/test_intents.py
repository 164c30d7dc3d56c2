from __future__ import annotations

from typing import Any

import pytest

from edge_runtime.decision.intents import IntentMatcher, problem
from edge_runtime.sentences import home

AREAS = ("kitchen", "living room", "bedroom")
NAMES = ("kitchen light", "lamp", "coffee machine", "garage heater")


@pytest.fixture(scope="module")
def house() -> IntentMatcher:
    return IntentMatcher(home(None, AREAS, NAMES, builtin=True))


@pytest.mark.parametrize(
    ("text", "intent", "slots"),
    [
        ("turn on the kitchen light", "HassTurnOn", {"name": "kitchen light"}),
        ("Turn ON the Kitchen Light!", "HassTurnOn", {"name": "kitchen light"}),
        ("please switch off the coffee machine", "HassTurnOff", {"name": "coffee machine"}),
        ("turn off the lights in the living room", "HassTurnOff", {"area": "living room", "domain": "light"}),
        ("turn off all the lights", "HassTurnOff", {"domain": "light"}),
        ("set the bedroom brightness to fifty percent", "HassLightSet",
         {"area": "bedroom", "brightness": 50, "domain": "light"}),
        ("set the bedroom brightness to 50 percent", "HassLightSet",
         {"area": "bedroom", "brightness": 50, "domain": "light"}),
        ("set the lamp brightness to twenty-five", "HassLightSet", {"name": "lamp", "brightness": 25}),
        ("make the lamp blue", "HassLightSet", {"name": "lamp", "color": "blue"}),
        ("set the temperature to twenty one degrees", "HassClimateSetTemperature", {"temperature": 21}),
        ("open the garage door", "HassTurnOn", {"device_class": "garage", "domain": "cover"}),
        ("close the bedroom blinds", "HassTurnOff", {"area": "bedroom", "device_class": "blind", "domain": "cover"}),
        ("set a timer for five minutes", "HassStartTimer", {"minutes": 5}),
        ("cancel the timer", "HassCancelTimer", {}),
        ("pause the music", "HassMediaPause", {}),
        ("turn the volume down", "HassSetVolumeRelative", {"volume_step": "down"}),
        ("turn the volume down twenty-five", "HassSetVolumeRelative", {"volume_step": -25}),
        ("turn the volume down 8 percent", "HassSetVolumeRelative", {"volume_step": -8}),
        ("turn the volume up by ten", "HassSetVolumeRelative", {"volume_step": 10}),
        ("what time is it", "HassGetCurrentTime", {}),
        ("never mind", "HassNevermind", {}),
    ],
)  # fmt: skip
def test_what_a_home_says_every_day(house: IntentMatcher, text: str, intent: str, slots: dict[str, Any]) -> None:
    match = house.match(text)
    assert match is not None
    assert (match.intent, match.slots) == (intent, slots)


@pytest.mark.parametrize(
    "text",
    ["", "   ", "?!", "is there a person", "turn on", "turn on the moon", "kitchen light", "set temperature to ninety"],
)  # fmt: skip
def test_anything_else_is_no_command(house: IntentMatcher, text: str) -> None:
    assert house.match(text) is None


OWN: dict[str, Any] = {
    "language": "en",
    "intents": {
        "Movie": {"data": [{"sentences": ["movie (time|night) [in [the] {room}]"], "slots": {"scene": "cinema"}}]},
        "Channel": {"data": [{"sentences": ["(channel;{number})", "switch to channel 5"]}]},
        "Lamp": {"data": [{"sentences": ["turn on the lamp"]}]},
        "Play": {"data": [{"sentences": ["play {what}"]}, {"sentences": ["play {what} in [the] {room}"]}]},
        "Dim": {"data": [{"sentences": ["<dim> [the] light[s] [{level}%]"]}]},
        "Heat": {"data": [{"sentences": ["{degrees} degrees", "{0..10:step} steps"]}]},
    },
    "lists": {
        "room": {"values": [{"in": "(den|study)", "out": "office"}, "attic"]},
        "number": {"range": {"from": 1, "to": 99}},
        "level": {"range": {"from": 0, "to": 100, "step": 10}},
        "degrees": {"range": {"from": 10, "to": 30, "fractions": "halves"}},
        "what": {"wildcard": True},
    },
    "expansion_rules": {"dim": "(dim|lower|turn down)"},
    "skip_words": ["computer"],
}


@pytest.mark.parametrize(
    ("text", "intent", "slots"),
    [
        pytest.param("movie time", "Movie", {"scene": "cinema"}, id="a fixed slot"),
        pytest.param("movie night in the study", "Movie", {"scene": "cinema", "room": "office"}, id="its out value"),
        pytest.param("movie night in attic", "Movie", {"scene": "cinema", "room": "attic"}, id="its plain value"),
        pytest.param("seventy five channel", "Channel", {"number": 75}, id="any order, in words"),
        pytest.param("channel 75", "Channel", {"number": 75}, id="number in digits"),
        pytest.param("switch to channel 5", "Channel", {}, id="a digit in the template"),
        pytest.param("turn on the lamp", "Lamp", {}, id="the owner's own first"),
        pytest.param("turn off the lamp", "HassTurnOff", {"name": "lamp"}, id="the built-in one after it"),
        pytest.param("play some jazz", "Play", {"what": "some jazz"}, id="a wildcard"),
        pytest.param("play jazz in the den", "Play", {"what": "jazz", "room": "office"}, id="less to a wildcard wins"),
        pytest.param("lower lights forty percent", "Dim", {"level": 40}, id="a rule; percent for its sign"),
        pytest.param("dim the light 40%", "Dim", {"level": 40}, id="the sign itself"),
        pytest.param("twenty one point five degrees", "Heat", {"degrees": 21.5}, id="halves"),
        pytest.param("seven steps", "Heat", {"step": 7}, id="a range inside the sentence"),
        pytest.param("computer movie time", "Movie", {"scene": "cinema"}, id="a skip word"),
    ],
)  # fmt: skip
def test_the_whole_format(text: str, intent: str, slots: dict[str, Any]) -> None:
    match = IntentMatcher([OWN, *home(None, AREAS, NAMES, builtin=True)]).match(text)
    assert match is not None
    assert (match.intent, match.slots) == (intent, slots)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("turn on [the] {name}", None),
        ("<greet> you", None),
        ("turn on (the light", "bracket"),
        ("turn on {moon}", "{moon} is not among the lists"),
        ("<wave>", "<wave> is not among the expansion_rules"),
        ("<loop>", "<loop> refers to itself"),
        ("(a;b;c;d;e;f;g)", "more than 5 parts"),
    ],
)
def test_problems_are_found_before_anything_is_heard(template: str, reason: str | None) -> None:
    found = problem(template, {"name"}, {"greet": "(hi|hello)", "loop": "again <loop>"})
    assert found is None if reason is None else found is not None and reason in found


def test_a_number_that_counted_as_negative_does_not_stay_so(house: IntentMatcher) -> None:
    for text, value in (("turn the volume down ten", -10), ("set the lamp brightness to ten", 10)) * 2:
        match = house.match(text)
        assert match is not None
        assert match.slots.get("volume_step", match.slots.get("brightness")) == value
