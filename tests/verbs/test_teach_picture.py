from __future__ import annotations

import json
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def stripes(folder: Path, count: int) -> list[str]:
    paths = [folder / f"stripes-{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        wave = np.sin(np.arange(96) / (3 + number / count))[None, :, None]
        image = np.clip(128 + wave * np.array([-50, -50, 110]), 0, 255).repeat(96, 0)
        cv2.imwrite(str(path), image.astype(np.uint8))
    return [str(path) for path in paths]


def test_pictures_teach_a_name_that_is_listed_and_forgotten(
    tmp_path: Path, command_line: Callable[..., tuple[int, str, str]]
) -> None:
    config = tmp_path / "edge.yaml"
    config.write_text(f"device: {{data_dir: {tmp_path / 'box'}}}")
    paths, told = stripes(tmp_path, 4), ("--config", str(config), "--json")
    status, out, _ = command_line("teach", "picture", "the rug", *paths[:2], *told)
    assert status == 2
    assert "2 pictures are too few" in json.loads(out)["shortage"]
    status, out, _ = command_line("teach", "picture", "the rug", *paths, *told)
    made = json.loads(out)
    assert (status, made["kind"], made["kept"], made["clips"]) == (0, "picture", True, 4)
    [listed] = [json.loads(line) for line in command_line("teach", "list", *told)[1].splitlines()]
    assert (listed["name"], listed["usable"]) == ("the rug", True)
    assert command_line("teach", "remove", "the rug", *told)[0] == 0
    assert command_line("teach", "list", *told)[1] == ""


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        pytest.param(("teach", "list"), "nothing is taught yet", id="taught"),
        pytest.param(("anomaly", "list"), "nothing is learnt yet", id="learnt"),
        pytest.param(("replay", "--list"), "no alert is kept in ", id="alerts"),
    ],
)
def test_a_list_of_nothing_says_so_to_people(
    tmp_path: Path, command_line: Callable[..., tuple[int, str, str]], verb: tuple[str, ...], said: str
) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text(f"device: {{data_dir: {tmp_path}}}\n")
    status, out, _ = command_line(*verb, "--config", str(config))
    assert (status, out.startswith(said)) == (0, True)
    assert command_line(*verb, "--config", str(config), "--json")[:2] == (0, "")


def test_a_picture_that_is_none_is_named(tmp_path: Path, command_line: Callable[..., tuple[int, str, str]]) -> None:
    (tmp_path / "a.png").write_text("no picture")
    status, _, error = command_line("teach", "picture", "rug", str(tmp_path / "a.png"))
    assert status == 2
    assert "a.png" in error
