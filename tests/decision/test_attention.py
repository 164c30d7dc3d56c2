from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.decision.attention import Attention
from edge_runtime.types import Wake

PIXEL = Wake("hey pixel", 0.9, 10.0, 10.8)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        pytest.param(9.7, 12.5, 10.84, id="in the same breath: the command begins where the wake word ends"),
        pytest.param(9.7, 11.0, None, id="the wake word alone is no command"),
        pytest.param(9.7, 11.2, None, id="its last sound fades, and the detector is late"),
        pytest.param(9.7, 11.3, 10.84, id="a single short word is a command"),
        pytest.param(12.0, 13.0, 12.0, id="after a pause, within the window"),
        pytest.param(15.7, 17.0, 15.7, id="it begins at the end of the window"),
        pytest.param(15.9, 17.0, None, id="too late"),
        pytest.param(7.0, 9.5, None, id="said before the wake word"),
        pytest.param(10.8, 12.0, 10.8, id="cut at the wake word's end"),
        pytest.param(2.0, 12.0, 10.84, id="the television's sentence before it is left out"),
    ],
)
def test_one_wake_word_then_one_utterance(start: float, end: float, expected: float | None) -> None:
    attention = Attention(5.0)
    attention.woken(PIXEL)
    assert attention.command_start(start, end) == (None if expected is None else pytest.approx(expected))


def test_without_a_wake_word_nothing_counts() -> None:
    assert Attention(5.0).command_start(1.0, 2.0) is None


def test_without_wake_words_set_everything_counts() -> None:
    attention = Attention(5.0, always=True)
    assert attention.awake
    assert [attention.command_start(at, at + 1) for at in (1.0, 100.0)] == [1.0, 100.0]
    attention.understood()
    assert attention.command_start(200.0, 201.0) == 200.0


def test_one_command_for_one_wake_word() -> None:
    attention = Attention(5.0)
    attention.woken(PIXEL)
    assert attention.command_start(11.5, 12.5) == 11.5
    attention.understood()
    assert not attention.awake
    assert attention.command_start(13.0, 14.0) is None


def test_what_was_not_understood_may_be_said_again() -> None:
    attention = Attention(5.0)
    attention.woken(PIXEL)
    assert attention.command_start(11.5, 12.5) == 11.5
    assert attention.command_start(13.0, 14.0) == 13.0


def test_the_window_lasts_from_the_end_of_the_utterance_with_the_wake_word() -> None:
    attention = Attention(5.0)
    attention.woken(PIXEL)
    assert attention.command_start(9.0, 11.0) is None
    assert attention.command_start(15.95, 17.0) == 15.95


@pytest.mark.parametrize(
    ("now", "speaking", "expected"),
    [
        pytest.param(15.0, False, None, id="there is still time"),
        pytest.param(16.0, True, None, id="somebody speaks"),
        pytest.param(16.0, False, PIXEL, id="nobody said anything"),
    ],
)
def test_a_wake_word_in_vain(now: float, speaking: bool, expected: Wake | None) -> None:
    attention = Attention(5.0)
    attention.woken(PIXEL)
    assert attention.in_vain(now, speaking=speaking) == expected
    if expected:
        assert attention.in_vain(now) is None
        assert not attention.awake


@given(
    wakes=st.lists(st.tuples(st.floats(0, 100), st.floats(0.2, 2)), max_size=5),
    utterances=st.lists(st.tuples(st.floats(0, 100), st.floats(0.2, 10)), max_size=10),
)
def test_a_command_lies_within_its_utterance(
    wakes: list[tuple[float, float]], utterances: list[tuple[float, float]]
) -> None:
    attention = Attention(5.0)
    for at, length in wakes:
        attention.woken(Wake("hey pixel", 0.9, at, at + length))
    for start, length in utterances:
        begins = attention.command_start(start, start + length)
        assert begins is None or start <= begins < start + length
