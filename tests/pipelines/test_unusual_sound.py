"""A microphone learns its room and tells what is unlike it: bangs, squeals and silences, but no click."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.pipelines.unusual_sound import SOON, YOUNG_MINUTES, UnusualSound
from edge_runtime.types import SAMPLE_RATE_HZ, AudioChunk

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_runtime.types import Event

    Floats = NDArray[np.float32]

LEARNT_MINUTES = 80
ALARMS, COOLDOWN_S = 1.0, 10.0


def cells(samples: Floats) -> Floats:
    """Loudness in steps of 0.1 s, of the whole and of what changes quickly: a stand-in for a spectrum, and fast."""
    steps = samples[: len(samples) // 1600 * 1600].reshape(-1, 1600)
    quick = np.diff(steps, axis=1)
    return np.log(np.stack([steps.std(1), quick.std(1)], 1) + np.float32(1e-4)).astype(np.float32)


class Room:
    def __init__(self) -> None:
        self.unusual = UnusualSound(cells, ALARMS, COOLDOWN_S)
        self.rng = np.random.default_rng(1)
        self.noise = self.rng.normal(0, 0.01, 60 * SAMPLE_RATE_HZ).astype(np.float32)
        self.at = 500.0

    def second(self) -> Floats:
        first = int(self.rng.integers(0, len(self.noise) - SAMPLE_RATE_HZ))
        return self.noise[first : first + SAMPLE_RATE_HZ].copy()

    def hear(self, seconds: int, what: str = "") -> list[Event]:
        events = []
        for number in range(seconds):
            sound = self.second()
            if what and 3 <= number < 6:
                sound = self.changed(sound, what)
            events += self.unusual.step(AudioChunk("hall", self.at, sound))
            self.at += 1.0
        return events

    def changed(self, sound: Floats, what: str) -> Floats:
        if what == "silence":
            return sound * np.float32(0.01)
        if what == "squeal":
            tone = 0.05 * np.sin(2 * np.pi * 3000 * np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ)
            return sound + tone.astype(np.float32)
        sound[4000:8000] += self.rng.normal(0, 0.3, 4000).astype(np.float32)
        return sound


@pytest.fixture(scope="module")
def learnt() -> Room:
    room = Room()
    for _ in range(LEARNT_MINUTES):
        assert room.hear(4) == []
        room.at += 56.0
    return room


@pytest.fixture
def room(learnt: Room) -> Room:
    return copy.deepcopy(learnt)


@pytest.mark.parametrize(
    ("what", "alarms"), [("bang", 1), ("squeal", 1), ("silence", 1), ("", 0)], ids=lambda value: str(value) or "as ever"
)
def test_what_is_unlike_the_room_alarms_once(room: Room, what: str, alarms: int) -> None:
    events = room.hear(12, what)
    assert [(event.kind, event.data["unusual"], event.source) for event in events] == [
        ("anomaly", "sound", "hall")
    ] * alarms


def test_a_memory_that_knew_less_sets_no_threshold(room: Room) -> None:
    more = YOUNG_MINUTES + SOON + 5 - LEARNT_MINUTES
    for _ in range(more):
        assert room.hear(4) == []
        room.at += 56.0
    history = room.unusual.kept()[0]["threshold"]
    assert isinstance(history, dict)
    assert SOON <= history["minutes"] <= LEARNT_MINUTES + more - YOUNG_MINUTES + 1
    assert len(room.hear(12, "bang")) == 1


def test_before_the_room_is_known_nothing_alarms() -> None:
    room = Room()
    room.hear(60)
    assert room.hear(12, "bang") == []


def test_an_alarm_can_be_decided_once_more_from_what_was_heard(room: Room) -> None:
    (event,) = room.hear(12, "squeal")
    assert event.trace is not None
    assert event.trace.heard is not None
    again = UnusualSound(cells, ALARMS, COOLDOWN_S)
    again.restore(json.loads(json.dumps(event.trace.before)), event.trace.arrays)
    (same,) = again.decide(event.trace.heard)
    assert (same.kind, same.at, same.data, same.steps) == (event.kind, event.at, event.data, event.steps)


@pytest.mark.parametrize(("fine", "again"), [(True, 0), (False, 1)], ids=["said to be fine", "nothing said"])
def test_what_was_fine_does_not_alarm_again(room: Room, *, fine: bool, again: int) -> None:
    (event,) = room.hear(12, "squeal")
    room.hear(20)
    if fine:
        room.unusual.fine(event.id, "sound", float(str(event.data["score"])))
    assert len(room.hear(12, "squeal")) == again


def test_a_restart_forgets_nothing(room: Room) -> None:
    state, arrays = room.unusual.kept()
    room.unusual = UnusualSound(cells, ALARMS, COOLDOWN_S)
    room.unusual.take(json.loads(json.dumps(state)), arrays)
    assert room.hear(5) == []
    assert len(room.hear(12, "bang")) == 1
    assert sum(array.nbytes for array in arrays.values()) < 500_000


@pytest.mark.parametrize("minute", [3, 8, 20, 70])
def test_a_restart_within_the_first_hours_delays_nothing(minute: int) -> None:
    room = Room()
    for passed in range(YOUNG_MINUTES + SOON + 3):
        if passed in (16, 47):
            assert room.unusual.kept()[0]["settled"] is True
        if passed == minute:
            state, arrays = room.unusual.kept()
            room.unusual = UnusualSound(cells, ALARMS, COOLDOWN_S)
            room.unusual.take(json.loads(json.dumps(state)), arrays)
        assert room.hear(4) == []
        room.at += 56.0
    history = room.unusual.kept()[0]["threshold"]
    assert isinstance(history, dict)
    assert history["minutes"] <= SOON + 4
    assert len(room.hear(12, "bang")) == 1


def test_a_gap_is_no_sound(room: Room) -> None:
    room.hear(3)
    room.at += 30.0
    assert room.hear(5) == []


def test_what_is_forgotten_is_learnt_anew(room: Room) -> None:
    room.unusual.forget()
    room.hear(2)
    assert room.hear(12, "bang") == []
