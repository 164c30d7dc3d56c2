from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from remembering import Memory

from edge_runtime.house import House, about_timers
from edge_runtime.metrics import Metrics
from edge_runtime.runtime import ExitStatus, Runtime
from edge_runtime.sinks.fanout import FanOut
from edge_runtime.types import Answer, AudioChunk, Event, Origin, Question

if TYPE_CHECKING:
    from collections.abc import Iterator


class Slow:
    """An answerer that thinks for a while."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.release = threading.Event()
        self._seconds = seconds

    def begin(self, question: Question) -> Answer:
        self.release.wait(self._seconds)
        return Answer(f"about {question.text}", 0.9, Origin.LOCAL)


class Sound:
    """A microphone that delivers numbered chunks as fast as they are taken."""

    live = False
    lost = 0

    def __init__(self, name: str, count: int) -> None:
        self.name = name
        self._count = count

    def chunks(self) -> Iterator[AudioChunk]:
        for number in range(self._count):
            yield AudioChunk(self.name, float(number), np.zeros(512, np.float32))

    def close(self) -> None: ...


class Parrot:
    """A voice pipeline that asks a question at every tenth chunk."""

    def __init__(self, pause_s: float = 0.0) -> None:
        self.heard: list[float] = []
        self._pause_s = pause_s

    def step(self, chunk: AudioChunk) -> list[Event | Question]:
        time.sleep(self._pause_s)
        self.heard.append(chunk.at)
        return [Question(f"chunk {chunk.at:.0f}", chunk.source, chunk.at)] if chunk.at % 10 == 0 else []

    def flush(self) -> list[Event | Question]:
        return [Event("not_understood", "kitchen", 0.0, {"confidence": 0.0})]


@pytest.fixture
def memory() -> Memory:
    return Memory()


def make(memory: Memory, answerer: Slow) -> House:
    return House(FanOut([memory]), answerer, Metrics())  # type: ignore[arg-type]  # a double


def test_every_question_heard_is_answered_before_the_end(memory: Memory) -> None:
    house = make(memory, Slow())
    house.add_microphone(Sound("kitchen", 200), Parrot(), paced=False)  # type: ignore[arg-type]  # a double
    assert Runtime(house.stages(), once=True, close=lambda: None).run() is ExitStatus.OK
    kinds = [event.kind for event in memory.events]
    assert kinds.count("answered") == 20
    assert kinds.count("not_understood") == 1, "the pipeline is flushed at the end"
    assert kinds[0] == "source_status"


def test_sound_nobody_has_time_for_is_dropped_oldest_first_and_counted(memory: Memory) -> None:
    house, parrot = make(memory, Slow()), Parrot(pause_s=0.002)
    house.add_microphone(Sound("kitchen", 500), parrot, paced=True)  # type: ignore[arg-type]  # a double
    Runtime(house.stages(), once=True, close=lambda: None).run()
    assert house.counts["chunks_dropped"] == 500 - len(parrot.heard) > 0
    assert parrot.heard[-1] == 499, "the newest sound is never the one that goes"


def test_a_question_from_outside_gets_its_own_answer(memory: Memory) -> None:
    house = make(memory, Slow())
    runtime = Runtime(house.stages(), once=False, close=lambda: None)
    running = threading.Thread(target=runtime.run)
    running.start()
    assert house.ask(Question("the weather", "mqtt", 0.0)).text == "about the weather"
    runtime.stop()
    running.join(10)
    assert not running.is_alive()
    assert [event.data["question"] for event in memory.events] == ["the weather"]


@pytest.mark.parametrize(
    ("event", "asked"),
    [
        pytest.param(
            Event("intent", "kitchen", 3.0, {"intent": "HassStartTimer", "transcript": "set a timer for five minutes"}),
            "set a timer for five minutes",
            id="a timer is this box's own business",
        ),
        pytest.param(
            Event("intent", "kitchen", 3.0, {"intent": "HassTurnOn", "transcript": "turn on the lamp"}),
            None,
            id="the home's devices are not",
        ),
        pytest.param(Event("wake", "kitchen", 3.0, {"word": "hey pixel"}), None, id="no command"),
    ],
)
def test_spoken_commands_about_timers_are_carried_out_here(event: Event, asked: str | None, memory: Memory) -> None:
    question = about_timers(event)
    assert (question.text if question else None) == asked

    class Once(Parrot):
        def step(self, chunk: AudioChunk) -> list[Event | Question]:
            return [event] if chunk.at == 0 else []

    house = make(memory, Slow())
    house.add_microphone(Sound("kitchen", 5), Once(), paced=False)  # type: ignore[arg-type]  # a double
    assert Runtime(house.stages(), once=True, close=lambda: None).run() is ExitStatus.OK
    assert event in memory.events, "who listens is told in any case"
    assert [e.data["question"] for e in memory.events if e.kind == "answered"] == ([asked] if asked else [])


def test_an_event_that_is_held_back_is_told_by_who_holds_it(memory: Memory) -> None:
    house, held = make(memory, Slow()), list[Event]()

    def take(event: Event) -> bool:
        held.extend([event] if event.kind == "alert" else [])
        return event in held

    house.hold_back(take)
    house.publish(Event("alert", "door", 1.0, {}))
    house.publish(Event("motion", "door", 2.0, {"active": True}))
    house.tell(held[0])
    house.fanout.close(5.0)
    assert [event.kind for event in memory.events] == ["motion", "alert"]
    assert house.counts["alert events"] == 1
