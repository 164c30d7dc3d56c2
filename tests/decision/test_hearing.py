from __future__ import annotations

import pytest

from edge_runtime.decision.hearing import GAP_S, Sound, SoundEvents

PATCH_S, HOP_S = 0.975, 0.48


def heard(scores: list[float], *, threshold: float = 0.5) -> list[Sound]:
    """Return all that is told of a stream in which "dog" has these probabilities, one a patch."""
    events = SoundEvents({"dog": threshold, "cat": 0.5})
    told = []
    for number, score in enumerate(scores):
        at = number * HOP_S
        told += events.update(at, at + PATCH_S, {"dog": score, "cat": 0.0})
    return told + events.finish()


def ended(scores: list[float], *, threshold: float = 0.5) -> list[Sound]:
    return [sound for sound in heard(scores, threshold=threshold) if sound.end_s is not None]


@pytest.mark.parametrize(
    ("scores", "count"),
    [
        pytest.param([], 0, id="no-sound-at-all"),
        pytest.param([0.1] * 20, 0, id="never-probable"),
        pytest.param([0, 0, 0.4, 0.45, 0.4, 0, 0], 0, id="goes-on-but-never-begins"),
        pytest.param([0, 0, 0.9, 0, 0], 0, id="in-one-patch-of-two-that-hold-the-moment"),
        pytest.param([0, 0.9, 0, 0.9, 0, 0.9, 0], 0, id="never-in-two-in-a-row"),
        pytest.param([0, 0, 0.9, 0.3, 0], 1, id="in-two-patches-the-second-weaker"),
        pytest.param([0, 0, 0.3, 0.9, 0], 1, id="in-two-patches-the-first-weaker"),
        pytest.param([0.9, 0, 0, 0], 1, id="at-the-very-beginning-only-one-patch-can-hold-it"),
        pytest.param([0, 0, 0, 0.9], 1, id="at-the-very-end-only-one-patch-can-hold-it"),
        pytest.param([0.9], 1, id="a-recording-of-one-patch"),
        pytest.param([0.4], 0, id="a-recording-of-one-patch-below-the-threshold"),
        pytest.param([0, 0.9, 0.9, 0.25, 0.3, 0.22, 0.9, 0.9, 0], 1, id="weaker-in-between-does-not-end-it"),
        pytest.param([0, 0.9, 0.9, 0, 0, 0, 0.9, 0.9, 0], 1, id="a-short-gap-does-not-end-it"),
        pytest.param([0, 0.9, 0.9, 0, 0, 0, 0, 0, 0.9, 0.9, 0], 2, id="a-long-gap-does"),
        pytest.param([0.9] * 50, 1, id="a-sound-without-end"),
    ],
)
def test_how_many_sounds_there_are(scores: list[float], count: int) -> None:
    found = ended(scores)
    assert len(found) == count
    assert all(sound.label == "dog" and sound.score == max(scores) for sound in found)
    assert all(sound.end_s is not None and sound.end_s > sound.start_s for sound in found)


@pytest.mark.parametrize(
    ("scores", "start_s", "end_s"),
    [
        pytest.param([0.9] * 5, 0.0, 4 * HOP_S + PATCH_S, id="the-whole-recording"),
        pytest.param([0.9] * 5 + [0] * 5, 0.0, 2.4, id="its-first-half"),
        pytest.param([0] * 5 + [0.9] * 5, 2.9, 9 * HOP_S + PATCH_S, id="its-second-half"),
        pytest.param([0] * 4 + [0.9] * 5 + [0] * 4, 2.4, 4.3, id="its-middle"),
        pytest.param([0] * 4 + [0.6, 0.6] + [0] * 4, 2.4, 2.9, id="a-bark"),
    ],
)
def test_where_a_sound_begins_and_ends(scores: list[float], start_s: float, end_s: float) -> None:
    (found,) = ended(scores)
    assert found.start_s == pytest.approx(start_s, abs=0.25)
    assert found.end_s == pytest.approx(end_s, abs=0.25)


def test_a_sound_is_told_when_it_begins_and_again_when_it_has_ended() -> None:
    events = SoundEvents({"dog": 0.5})
    told = [
        (number, sound)
        for number, score in enumerate([0, 0.7, 0.8, 0.9, *[0] * 8])
        for sound in events.update(number * HOP_S, number * HOP_S + PATCH_S, {"dog": score})
    ]
    (begun_in, begun), (ended_in, done) = told
    assert (begun_in, begun.end_s, begun.score) == (2, None, 0.8)
    assert done.start_s == begun.start_s
    assert done.score == 0.9
    assert done.end_s is not None
    assert ended_in * HOP_S + PATCH_S - done.end_s > GAP_S
    assert events.finish() == []


def test_sounds_of_different_kinds_do_not_disturb_each_other() -> None:
    events = SoundEvents({"dog": 0.5, "cat": 0.5})
    told = []
    for number in range(10):
        at = number * HOP_S
        told += events.update(at, at + PATCH_S, {"dog": 0.9, "cat": 0.9 if 4 <= number < 7 else 0.0})
    told += events.finish()
    done = {sound.label: sound for sound in told if sound.end_s is not None}
    assert done["dog"].start_s == 0
    assert done["dog"].end_s == pytest.approx(9 * HOP_S + PATCH_S)
    assert done["cat"].start_s == pytest.approx(2.4, abs=0.25)


def test_a_higher_threshold_asks_for_more() -> None:
    scores = [0, 0.6, 0.7, 0.6, 0]
    assert ended(scores, threshold=0.65)
    assert not ended(scores, threshold=0.75)
