from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.decision.scene import Scene
from edge_runtime.decision.timers import Moment
from edge_runtime.errors import EdgeError
from edge_runtime.skills.timer_words import wish_of
from edge_runtime.skills.timers import MOST_TIMERS, NOBODY, Timers
from edge_runtime.types import Question
from edge_runtime.wiring.timekeeping import Timers as Kept

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.decision.confidence import Reply

AFTERNOON = datetime(2026, 11, 23, 15, 30, tzinfo=UTC)


def skill(folder: Path, wall: datetime = AFTERNOON) -> Timers:
    moment = Moment(wall.timestamp(), 100.0, "boot", is_set=wall.year > 2023)
    return Timers(Kept(folder, lambda: moment), lambda: wall)


def ask(timers: Timers, text: str) -> Reply:
    reply = timers.answer(Question(text, "test", 0.0), Scene(), {})
    assert reply is not None, text
    if reply.then:
        reply.then()
    return reply


@pytest.mark.parametrize(
    ("text", "kind", "name", "message", "span_s"),
    [
        ("set a timer for five minutes", "timer", "", "", 300),
        ("Set a ten-minute timer, please.", "timer", "", "", 600),
        ("set a 10 minute egg timer", "timer", "egg", "", 600),
        ("timer for an hour and a half called pasta", "timer", "pasta", "", 5400),
        ("set a timer called pasta for 8 minutes", "timer", "pasta", "", 480),
        ("set a pasta timer for 8 minutes", "timer", "pasta", "", 480),
        ("set a timer for the pasta for 8 minutes", "timer", "pasta", "", 480),
        ("set a 5 minute timer for eggs", "timer", "eggs", "", 300),
        ("1h30m timer", "timer", "", "", 5400),
        ("put on a timer, ten minutes", "timer", "", "", 600),
        ("5 minute timer", "timer", "", "", 300),
        ("count down 30 seconds", "timer", "", "", 30),
        ("set a timer for two hours and 15", "timer", "", "", 8100),
        ("could you set a timer for three quarters of an hour", "timer", "", "", 2700),
        ("remind me in 20 minutes to check the oven", "reminder", "", "check the oven", 1200),
        ("remind me to check the oven in 20 minutes", "reminder", "", "check the oven", 1200),
        ("in a couple of hours remind me to call mum", "reminder", "", "call mum", 7200),
        ("can you remind me to turn off the stove in 10 minutes?", "reminder", "", "turn off the stove", 600),
        ("wake me in 20 minutes", "alarm", "", "", 1200),
    ],
)
def test_what_is_set_for_a_span(text: str, kind: str, name: str, message: str, span_s: float) -> None:
    wish = wish_of(text)
    assert wish is not None
    assert (wish.verb, wish.kind, wish.name, wish.text, wish.span_s) == ("set", kind, name, message, span_s)


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("wake me at 7", "I will wake you tomorrow at 07:00."),
        ("wake me up at 6:30 tomorrow", "I will wake you tomorrow at 06:30."),
        ("wake me up tomorrow morning at half past six", "I will wake you tomorrow at 06:30."),
        ("could you tell me how long is left on my timer", "There is no timer set."),
        ("set an alarm for 7 pm", "I will wake you at 19:00."),
        ("set an alarm for seven in the morning", "I will wake you tomorrow at 07:00."),
        ("set a gym alarm for 6", "Your gym alarm is set tomorrow at 06:00."),
        ("remind me to call my mum at 7", "I will remind you at 19:00 to call your mum."),
        ("remind me at half past seven to take the pills", "I will remind you at 19:30 to take the pills."),
        ("remind me to buy 2 eggs at 5", "I will remind you at 17:00 to buy 2 eggs."),
        ("remind me at 3 to nap", "I will remind you tomorrow at 15:00 to nap."),
        ("remind me tomorrow at 9 to call the bank", "I will remind you tomorrow at 09:00 to call the bank."),
        ("remind me about the meeting on friday at 10", "I will remind you on Friday at 10:00 about the meeting."),
        ("set an alarm for 3 pm today", "That time has passed already."),
        ("wake me every day at 7", "I can set an alarm for one time only, not again and again."),
        ("set a timer", "For how long? Say, for example, set a timer for five minutes."),
        ("set a 0 second timer", "A timer must be longer than nothing and at most a year."),
        ("set a timer for 900 weeks", "A timer must be longer than nothing and at most a year."),
        ("cancel the pasta timer", "There is no pasta timer."),
        ("how long is left?", "There is no timer set."),
        ("timer status", "There is no timer set."),
        (
            "remind me to buy milk",
            "When, and of what? Say, for example, remind me in ten minutes to check the oven.",
        ),
        ("decrease my timer by 5 minutes", "There is no timer set."),
        ("pause the timer", "I cannot pause a timer; I can add time to it, or cancel it."),
    ],
)
def test_what_the_box_says(tmp_path: Path, text: str, reply: str) -> None:
    assert ask(skill(tmp_path), text).text.removesuffix(NOBODY) == reply


def test_a_life_of_timers(tmp_path: Path) -> None:
    timers = skill(tmp_path)
    said = {
        "set a timer for five minutes": "Your 5 minute timer is set.",
        "set a ten minute egg timer": "Your egg timer is set for 10 minutes.",
        "remind me to call mum at 7": "I will remind you at 19:00 to call mum.",
        "how long is left?": "Your 5 minute timer has 5 minutes left. Your egg timer has 10 minutes left.",
        "how long is left on the egg timer": "Your egg timer has 10 minutes left.",
        "what timers are running": "There are two. Your 5 minute timer has 5 minutes left. "
        "Your egg timer has 10 minutes left.",
        "list my reminders": "There is one. Your reminder to call mum is set at 19:00.",
        "cancel the pasta timer": "There is no pasta timer. "
        "There is your 5 minute timer, egg timer and reminder to call mum.",
        "stop the timer": "Which one: the 5 minute timer or egg timer?",
        "add two minutes to the egg timer": "Your egg timer has 12 minutes left now.",
        "take 20 minutes off the egg timer": "Your egg timer has less than that left.",
        "cancel the 5 minute timer": "Your 5 minute timer is cancelled.",
        "cancel the timer": "Your egg timer is cancelled.",
        "cancel everything": "Your reminder to call mum is cancelled.",
        "are there any timers": "There is no timer set.",
    }
    for text, expected in said.items():
        assert ask(timers, text).text.removesuffix(NOBODY) == expected, text


def test_alarms_are_told_apart_by_their_time(tmp_path: Path) -> None:
    timers = skill(tmp_path)
    for text in ("set an alarm for 7 am", "wake me in 20 minutes", "remind me to call mum at 7"):
        ask(timers, text)
    said = ask(timers, "cancel my alarm").text
    assert said == "Which one: the alarm at 15:50 or alarm tomorrow at 07:00?"


def test_what_happens_is_told(tmp_path: Path) -> None:
    reply = ask(skill(tmp_path), "set a 10 minute egg timer")
    assert reply.score == 1.0
    (event,) = reply.events
    assert (event.kind, event.source) == ("timer_set", "test")
    assert event.data["left_s"] == 600.0
    (cancelled,) = ask(skill(tmp_path), "cancel the egg timer").events
    assert cancelled.data["ids"] == [event.data["timer_id"]]


def test_without_a_clock_only_spans_can_be_set(tmp_path: Path) -> None:
    timers = skill(tmp_path, datetime(1970, 1, 1, tzinfo=UTC))
    assert ask(timers, "wake me at 7").blind
    assert ask(timers, "wake me in 10 minutes").score == 1.0


def test_trouble_with_the_disk_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EdgeError, match="cannot be kept"):
        ask(skill(tmp_path / "file"), "set a timer for five minutes")


def test_there_is_an_end_to_timers(tmp_path: Path) -> None:
    timers = skill(tmp_path)
    for _ in range(MOST_TIMERS):
        ask(timers, "set a timer for five minutes")
    assert "cancel one first" in ask(timers, "set a timer for five minutes").text


@pytest.mark.parametrize(
    "text",
    [
        "set a timer for five minutes and turn on the light",
        "don't set a timer for 5 minutes",
        "how do I set a timer for 5 minutes",
        "what is a timer",
        "stop talking",
        "cancel my subscription",
        "turn off the light in 5 minutes",
        "set two timers for 5 minutes",
        "set a timer for 5 minutes and 10 minutes",
        "set a timer for minus 5 minutes",
        "how long have you been running",
        "how long is a kilometre",
        "how many minutes are in an hour",
        "give me 5 minutes",
        "set the bedroom to 20 degrees",
        "a" * 400,
        "",
    ],
)
def test_what_is_not_understood_to_the_end_is_left_to_others(tmp_path: Path, text: str) -> None:
    timers = skill(tmp_path)
    assert timers.reads(text) == 0.0
    assert timers.answer(Question(text, "test", 0.0), Scene(), {}) is None


SAID = (
    "set a timer for five minutes remind me to check the oven in an hour at 7 and half cancel all egg how long left add"
)
WORDS = tuple(dict.fromkeys(SAID.split()))


@given(st.lists(st.sampled_from(WORDS), max_size=40))
@settings(max_examples=300, deadline=2000)
def test_any_words_are_survived(words: list[str]) -> None:
    wish_of(" ".join(words))


@given(st.text(max_size=80))
def test_any_text_is_survived(text: str) -> None:
    wish_of(text)
