from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.config import Settings
from edge_runtime.decision.scene import Scene
from edge_runtime.pipelines.understanding import Understood
from edge_runtime.skills.commands import Commands
from edge_runtime.types import Question
from edge_runtime.wiring.home import Home

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.decision.confidence import Reply

COMMANDS = Commands(Home(Settings()))


def ask(text: str, source: str = "mqtt") -> Reply | None:
    return COMMANDS.answer(Question(text, source, 3.0), Scene(), {})


@pytest.mark.parametrize(
    ("text", "reply", "intent", "slots"),
    [
        ("turn on the kitchen light", "Turning on the kitchen light.", "HassTurnOn", {"name": "kitchen light"}),
        (
            "Turn the kitchen light on, please.",
            "Turning on the kitchen light.",
            "HassTurnOn",
            {"name": "kitchen light"},
        ),
        ("could you please switch off the lamp?", "Turning off the lamp.", "HassTurnOff", {"name": "lamp"}),
        ("kitchen light off", "Turning off the kitchen light.", "HassTurnOff", {"name": "kitchen light"}),
        ("turn on the light in the kitchen", "Turning on the kitchen light.", "HassTurnOn", {"name": "kitchen light"}),
        ("turn off all lights", "Turning off all lights.", "HassTurnOff", {"domain": "light"}),
        (
            "set the bedroom to 20 degrees",
            "Setting the temperature in the bedroom to 20 degrees.",
            "HassClimateSetTemperature",
            {"area": "bedroom", "temperature": 20},
        ),
        ("open the curtains", "Opening the curtains.", "HassTurnOn", {"device_class": "curtain", "domain": "cover"}),
        ("dim the lamp to 30%", "Setting the lamp to 30 percent.", "HassLightSet", {"name": "lamp", "brightness": 30}),
        ("set the volume to 50 percent", "Setting the volume to 50 percent.", "HassSetVolume", {"volume_level": 50}),
        ("next track", "Playing the next one.", "HassMediaNext", {}),
    ],
)
def test_a_typed_command_is_told_as_a_spoken_one(text: str, reply: str, intent: str, slots: dict[str, Any]) -> None:
    found = ask(text)
    assert found is not None
    assert (found.text, found.score) == (reply, 1.0)
    (event,) = found.events
    spoken = Understood(text, 1.0, sure=True).data()
    assert (event.kind, event.source, event.at) == ("intent", "mqtt", 3.0)
    assert dict(event.data) == spoken | {"intent": intent, "slots": slots}


def test_where_nobody_carries_it_out_nothing_is_claimed() -> None:
    found = ask("turn on the kitchen light", "terminal")
    assert found is not None
    assert found.events == ()
    assert "nothing happens now" in found.text


def test_a_device_that_the_home_does_not_have_is_named() -> None:
    found = ask("turn on the disco ball")
    assert found is not None
    assert found.text.startswith("I know no disco ball here. There is the kitchen light,")
    assert found.events == ()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("is the kitchen light on?", id="a question about a device"),
        pytest.param("what is the temperature", id="a question that only Home Assistant could answer"),
        pytest.param("what time is it", id="a question of another skill"),
        pytest.param("set a timer for 5 minutes", id="timers are another skill's"),
        pytest.param("how do I turn on the light", id="how, not do"),
        pytest.param("turn on the light in 5 minutes", id="later cannot be promised"),
        pytest.param("turn on the kitchen light and the lamp", id="two at once"),
        pytest.param("turn it off", id="what is not said"),
        pytest.param("the dog is off the couch", id="no command"),
        pytest.param("turn on " + "very " * 100, id="long"),
        pytest.param("", id="nothing"),
    ],
)
def test_what_is_no_command_is_left_to_others(text: str) -> None:
    assert ask(text) is None
    assert COMMANDS.reads(text) == 0.0


def test_sentences_of_the_owners_own_count_whatever_their_words(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    own = 'language: en\nintents:\n  Bedtime:\n    data:\n      - sentences: ["good night [house]"]\n'
    file.write_text(own)
    commands = Commands(Home(Settings.model_validate({"voice": {"sentences": file}})))
    found = commands.answer(Question("Good night, house!", "http", 0.0), Scene(), {})
    assert found is not None
    assert found.text == "Passing on the command Bedtime."
    assert found.events[0].data["intent"] == "Bedtime"


SAID = "turn on off the kitchen light lamp set to 20 degrees percent in and"


@given(st.lists(st.sampled_from(SAID.split()), max_size=12))
@settings(max_examples=100, deadline=2000)
def test_any_words_are_survived(words: list[str]) -> None:
    ask(" ".join(words))
