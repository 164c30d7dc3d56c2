from __future__ import annotations

import json
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from edge_runtime.config import Settings
from edge_runtime.watch_sections import ZoneSettings
from edge_runtime.wiring.drawn_zones import DrawnZones

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SETTINGS = """
device: {data_dir: DATA}
cameras:
  - name: door
    url: PICTURE
RULES
  - name: yard
    url: rtsp://me:hunter2@127.0.0.1:1/x
    open_timeout_s: 0.2
"""
RULES = """    zones:
      - {name: porch, polygon: [[0, 0], [1, 0], [0.5, 1]], labels: [person], schedule: "mon 22:00-06:00", dwell_s: 2.5}
    lines:
      - {name: gate, start: [0.1, 0.5], end: [0.9, 0.5], direction: left_to_right}
"""


@pytest.fixture
def settings(tmp_path: Path) -> Callable[[str], Path]:
    """Write settings with the rules given for a camera that is a picture file."""
    picture, file = tmp_path / "door.png", tmp_path / "edge.yaml"
    cv2.imwrite(str(picture), np.full((90, 160, 3), 80, np.uint8))

    def write(rules: str) -> Path:
        text = SETTINGS.replace("DATA", str(tmp_path / "data")).replace("PICTURE", str(picture))
        file.write_text(text.replace("RULES", rules.rstrip("\n")))
        return file

    return write


@pytest.mark.parametrize("rules", [pytest.param(RULES, id="as-they-are"), pytest.param("", id="an-example")])
def test_what_it_prints_can_be_pasted(
    command_line: Callable[..., tuple[int, str, str]], settings: Callable[[str], Path], tmp_path: Path, rules: str
) -> None:
    out = tmp_path / "out" / "plan.png"
    file = settings(rules)
    status, said, _ = command_line("zones", "door", "--config", str(file), "--out", str(out), "--json")
    record = json.loads(said)
    assert (status, record["camera"], record["size"]) == (0, "door", [160, 90])
    assert cv2.imread(str(out)) is not None
    before = Settings.load(file).cameras[0]
    after = Settings.load(settings(record["settings"])).cameras[0]
    assert [zone.name for zone in after.zones] == (["porch"] if rules else ["example"])
    assert not rules or (after.zones, after.lines) == (before.zones, before.lines)


def test_drawn_zones_are_shown_too(
    command_line: Callable[..., tuple[int, str, str]], settings: Callable[[str], Path], tmp_path: Path
) -> None:
    DrawnZones(tmp_path / "data").draw("door", [ZoneSettings(name="drawn", polygon=((0, 0), (1, 0), (1, 1)))])
    out = str(tmp_path / "plan.png")
    _, said, _ = command_line("zones", "door", "--config", str(settings("")), "--out", out)
    assert 'name: "drawn"' in said
    assert out in said


def test_a_file_needs_no_settings(
    command_line: Callable[..., tuple[int, str, str]], settings: Callable[[str], Path], tmp_path: Path
) -> None:
    settings("")
    status, said, _ = command_line("zones", str(tmp_path / "door.png"), "--out", str(tmp_path / "plan.png"))
    assert status == 0
    assert "shows camera door (160x90)" in said


@pytest.mark.parametrize(
    ("camera", "status", "reason"),
    [
        pytest.param("dor", 2, "no camera is called 'dor'; did you mean 'door'?", id="name-misspelt"),
        pytest.param("nowhere.mp4", 2, "neither a file that exists nor a camera", id="file-that-is-not-there"),
        pytest.param("yard", 1, "yard", id="camera-that-does-not-answer"),
    ],
)
def test_what_goes_wrong_is_one_line(
    command_line: Callable[..., tuple[int, str, str]],
    settings: Callable[[str], Path],
    camera: str,
    status: int,
    reason: str,
) -> None:
    left, said, error = command_line("zones", camera, "--config", str(settings("")))
    assert (left, said) == (status, "")
    assert reason in error
    assert "hunter2" not in error
    assert error.count("\n") == 1
