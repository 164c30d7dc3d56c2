from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

import pytest

from edge_runtime.errors import InputError, SinkError
from edge_runtime.wiring.controls import Controls

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.pipelines.vision import VisionPipeline
    from edge_runtime.types import Event


class View:
    """A pipeline as far as a switch knows it."""

    def __init__(self) -> None:
        self.enabled = True


def views(*names: str) -> dict[str, VisionPipeline]:
    return {name: cast("VisionPipeline", View()) for name in names}


def test_a_switch_is_told_kept_and_holds_after_a_restart(tmp_path: Path) -> None:
    told: list[Event] = []
    before = views("door", "yard")
    Controls(before, told.append, tmp_path / "data").set("door_detection", on=False)
    assert (before["door"].enabled, before["yard"].enabled) == (False, True)
    assert [(event.kind, event.source, event.data) for event in told] == [
        ("switch", "door", {"switch": "door_detection", "on": False})
    ]
    after = views("door", "garden")
    again = Controls(after, told.append, tmp_path / "data")
    assert again.switches() == {"door_detection": False, "garden_detection": True}
    assert (after["door"].enabled, len(told)) == (False, 1)
    again.set("door_detection", on=True)
    assert Controls(views("door"), told.append, tmp_path / "data").switches() == {"door_detection": True}


def test_what_is_so_already_is_no_news(tmp_path: Path) -> None:
    told: list[Event] = []
    Controls(views("door"), told.append, tmp_path).set("door_detection", on=True)
    assert not told
    assert not list(tmp_path.iterdir())


def test_a_switch_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(InputError, match=r"no switch 'x'; known: door_detection"):
        Controls(views("door"), print).set("x", on=True)


@pytest.mark.parametrize("content", ["", "[1]", '{"door_detection": "no"}', "{", '{"other": false}', "[" * 10**5])
def test_a_damaged_file_leaves_everything_on(tmp_path: Path, content: str) -> None:
    (tmp_path / "switches.json").write_text(content)
    controls = Controls(views("door"), print, tmp_path)
    assert controls.switches() == {"door_detection": True}
    controls.set("door_detection", on=False)
    assert json.loads((tmp_path / "switches.json").read_text()) == {"door_detection": False}


def test_a_full_disk_is_said_and_the_switch_holds_meanwhile(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    there = views("door")
    with pytest.raises(SinkError, match="they hold until the next start"):
        Controls(there, lambda _: None, tmp_path / "file").set("door_detection", on=False)
    assert not there["door"].enabled
