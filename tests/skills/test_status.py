from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.decision.scene import Scene
from edge_runtime.skills.status import Health, Machine, Status
from edge_runtime.types import Frame, Observation, Question
from edge_runtime.wiring.machine import addresses, health

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.decision.confidence import Reply

FINE = Health(51.4, (3 * 10**9, 4 * 10**9), (20 * 10**9, 32 * 10**9), 7_300.0, 90_000.0)
ILL = Health(84.0, (10**8, 4 * 10**9), (10**9, 32 * 10**9), 60.0, 120.0)


def ask(
    text: str,
    measured: Health = FINE,
    cameras: tuple[str, ...] = (),
    scene: Scene | None = None,
    spent: tuple[float, float] | None = None,
) -> Reply | None:
    machine = Machine(
        "attic", "1.2.3", "omni-nano 0.3.0", cameras, lambda: measured, lambda: ["10.0.0.7"], lambda: spent
    )
    return Status(machine).answer(Question(text, "test", 100.0), scene or Scene(), {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("how are you?", "I am fine: I have been running for 2 hours, the processor is at 51 degrees."),
        ("Are you OK?", "I am fine: I have been running for 2 hours, the processor is at 51 degrees."),
        ("how warm is the processor", "The processor is at 51 degrees Celsius."),
        ("what's the CPU temperature?", "The processor is at 51 degrees Celsius."),
        ("how long have you been running", "I have been running for 2 hours. The machine has been on for 1 day."),
        ("how much disk space is free", "20.0 GB of 32.0 GB on the disk are free."),
        ("how much free memory do you have", "3.0 GB of 4.0 GB of memory are free."),
        ("which cameras are online", "I have no cameras."),
        ("what version are you", "I am edge-runtime 1.2.3 with the model omni-nano 0.3.0."),
        ("what is your name", "I am attic, and edge-runtime runs on me."),
        ("what's your IP address?", "My address is 10.0.0.7."),
        ("what did the cloud cost today", "The cloud may not be asked, so it has cost nothing."),
    ],
)
def test_what_the_box_tells_of_itself(text: str, expected: str) -> None:
    reply = ask(text)
    assert reply is not None
    assert (reply.text, reply.score) == (expected, 1.0)


@pytest.mark.parametrize(
    ("text", "spent", "expected"),
    [
        ("what did the cloud cost today", (0.0, 1.5), "The cloud has cost nothing today and 1.50 dollars this month."),
        ("how much have you spent this month", (0.0, 0.0042), "The cloud has cost 0.42 cents this month."),
    ],
)
def test_what_the_cloud_cost(text: str, spent: tuple[float, float], expected: str) -> None:
    reply = ask(text, spent=spent)
    assert reply is not None
    assert reply.text == expected


def test_trouble_is_told() -> None:
    reply = ask("how are you", ILL)
    assert reply is not None
    assert reply.text == (
        "Not too well: the processor is too hot, 84 degrees, the disk is nearly full and the memory is nearly full."
    )


def test_a_machine_without_a_thermometer_says_so() -> None:
    reply = ask("how warm is the processor", Health(None, FINE.memory, FINE.disk, 1.0, 1.0))
    assert reply is not None
    assert reply.blind


def test_cameras_that_are_silent_are_named() -> None:
    scene = Scene()
    for name, at in (("front_door", 99.0), ("garden", 10.0)):
        scene.observe(Observation(name, at, ()), Frame(name, at, np.zeros((4, 4, 3), np.uint8)), {})
    reply = ask("which cameras are online", cameras=("front_door", "garden"), scene=scene)
    assert reply is not None
    assert reply.text == "Front door is online. I have no picture from garden now."
    blind = ask("which cameras are online", cameras=("front_door",))
    assert blind is not None
    assert blind.blind


@pytest.mark.parametrize(
    "text",
    [
        "how is the weather",
        "how hot is it outside",
        "who are they",
        "how many people are there",
        "what is the name of the dog",
    ],
)
def test_what_is_about_something_else_is_left_to_others(text: str) -> None:
    assert ask(text) is None


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("what's the temperature outside", False),
        ("what is the temperature in here", False),
        ("how warm is the living room", False),
        ("is the water hot", False),
        ("how warm is it inside you", True),
        ("is your cpu hot", True),
    ],
)
def test_the_temperature_of_the_chip_is_not_told_as_that_of_a_place(text: str, known: bool) -> None:
    machine = Machine("attic", "1", "omni-nano", (), lambda: FINE, list, lambda: None)
    said = Status(machine).answer(Question(text, "test", 100.0), Scene(), {"topic": "temperature"})
    assert (said is not None) == known


def test_this_machine_can_be_measured(tmp_path: Path) -> None:
    found = health(tmp_path / "not" / "there")
    assert 0 < found.memory[0] <= found.memory[1]
    assert 0 <= found.disk[0] <= found.disk[1]
    assert found.up_s >= found.running_s >= 0
    assert all(address.count(".") == 3 for address in addresses())
