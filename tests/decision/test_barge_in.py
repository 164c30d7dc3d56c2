from __future__ import annotations

import pytest

from edge_runtime.decision.barge_in import BargeIn, Verdict

NORMAL, IGNORE, STOP = Verdict.NORMAL, Verdict.IGNORE, Verdict.STOP_TALKING
STOP_WORDS = ("stop", "Be quiet")


def speaking(text: str = "There are two people at the door.", *, until: float | None = 20.0) -> BargeIn:
    """Return a guard whose box speaks from 10 s until `until`, or on and on."""
    guard = BargeIn(STOP_WORDS)
    guard.started(10.0, text)
    if until is not None:
        guard.ended(until)
    return guard


def test_a_box_that_has_never_spoken_hears_everything() -> None:
    guard = BargeIn(STOP_WORDS)
    assert guard.heard("turn on the lamp", 5.0) is NORMAL
    assert guard.heard("stop", 5.0, 4.0) is NORMAL
    assert guard.woken("hey pixel", 5.0) is NORMAL


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        pytest.param("stop", STOP, id="the stop word"),
        pytest.param("Stop!", STOP, id="however it is written"),
        pytest.param("be quiet", STOP, id="a phrase of two words"),
        pytest.param("two people at the door stop", STOP, id="over the echo of the box itself"),
        pytest.param("stop the music", IGNORE, id="a command that only begins with it"),
        pytest.param("nonstop", IGNORE, id="a word that only ends with it"),
        pytest.param("quiet", IGNORE, id="half a phrase"),
        pytest.param("turn on the lamp", IGNORE, id="a command"),
        pytest.param("", IGNORE, id="nothing understood"),
    ],
)
def test_while_it_speaks_only_a_stop_word_counts(text: str, verdict: Verdict) -> None:
    assert speaking(until=None).heard(text, 14.0) is verdict
    assert speaking(until=None).heard(text, 14.0, 12.0) is verdict


@pytest.mark.parametrize(
    ("began_at", "ended_at", "verdict"),
    [
        pytest.param(None, 9.5, NORMAL, id="ended before the speech"),
        pytest.param(None, 15.0, IGNORE, id="ended within it"),
        pytest.param(None, 20.8, IGNORE, id="ended in the room's last echo of it"),
        pytest.param(None, 21.5, NORMAL, id="ended well after it"),
        pytest.param(8.0, 9.9, NORMAL, id="over before it began"),
        pytest.param(9.0, 10.5, IGNORE, id="the box began to speak into it"),
        pytest.param(12.0, 14.0, IGNORE, id="all within it"),
        pytest.param(10.2, 20.8, IGNORE, id="the whole speech heard as one utterance"),
        pytest.param(19.0, 23.0, IGNORE, id="began before its end, so half of it is the box"),
        pytest.param(19.9, 21.5, NORMAL, id="began after it but for the sound kept from before"),
        pytest.param(21.0, 22.5, NORMAL, id="began after it"),
    ],
)
def test_what_overlaps_the_speech_is_not_a_command(began_at: float | None, ended_at: float, verdict: Verdict) -> None:
    assert speaking().heard("turn on the lamp", ended_at, began_at) is verdict


def test_a_stop_word_that_it_says_itself_does_not_stop_it() -> None:
    guard = speaking("Say stop, and I am silent.", until=None)
    assert guard.heard("stop", 14.0) is IGNORE
    assert guard.heard("be quiet", 14.0) is STOP


@pytest.mark.parametrize(
    ("text", "at", "verdict"),
    [
        pytest.param("The light is on.", 14.0, STOP, id="while it speaks"),
        pytest.param("The light is on.", 21.0, NORMAL, id="after it"),
        pytest.param("My name is hey pixel.", 14.0, IGNORE, id="it says its own name"),
    ],
)
def test_a_wake_word_ends_the_speech(text: str, at: float, verdict: Verdict) -> None:
    assert speaking(text).woken("hey pixel", at) is verdict


def test_an_utterance_may_be_told_after_further_speeches() -> None:
    guard = speaking()
    for at in range(30, 60, 10):
        guard.started(at, "more")
        guard.ended(at + 5)
    assert guard.heard("turn on the lamp", 15.0, 12.0) is IGNORE
    assert guard.heard("turn on the lamp", 28.0, 26.0) is NORMAL


def test_what_it_remembers_does_not_grow() -> None:
    guard = BargeIn(STOP_WORDS)
    for at in range(0, 2000, 10):
        guard.started(at, "hello")
        guard.ended(at + 5)
    assert len(guard._speeches) < 20
    assert guard.heard("turn on the lamp", 1993.0, 1992.0) is IGNORE


@pytest.mark.parametrize("words", [(), ("", " !")])
def test_without_stop_words_nothing_said_stops_it(words: tuple[str, ...]) -> None:
    guard = BargeIn(words)
    guard.started(10.0, "hello")
    assert guard.heard("stop", 12.0) is IGNORE
    assert guard.heard("", 12.0) is IGNORE
