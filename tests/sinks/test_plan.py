from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from edge_runtime.errors import SinkError
from edge_runtime.sinks.encoding import png, write_picture
from edge_runtime.sinks.plan import draw_plan
from edge_runtime.watch_sections import LineSettings, ZoneSettings

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.types import Image

GREY = np.full((90, 160, 3), 100, np.uint8)
PINK = (255, 60, 160)
LEFT_HALF = ZoneSettings(name="left", polygon=((0.05, 0.05), (0.45, 0.05), (0.45, 0.95), (0.05, 0.95)))


def at(plan: Image, x: float, y: float) -> tuple[int, ...]:
    """Return the colour at a fraction of the picture inside its margin."""
    margin = (plan.shape[1] - 1280) // 2
    height = plan.shape[0] - 2 * margin
    return tuple(int(value) for value in plan[margin + round(y * (height - 1)), margin + round(x * 1279)])


def test_a_zone_is_tinted_where_it_is() -> None:
    plan = draw_plan(GREY, [LEFT_HALF], [])
    assert at(plan, 0.75, 0.75) == (100, 100, 100)
    inside = at(plan, 0.15, 0.75)
    assert inside[0] > inside[2] > 0
    assert inside != (100, 100, 100)


@pytest.mark.parametrize("shape", [(60, 80), (1080, 1920), (1920, 1080)])
def test_any_picture_gets_the_same_width(shape: tuple[int, int]) -> None:
    plan = draw_plan(np.zeros((*shape, 3), np.uint8), [], [])
    margin = (plan.shape[1] - 1280) // 2
    assert plan.shape[0] - 2 * margin == round(1280 * shape[0] / shape[1])


@pytest.mark.parametrize(
    ("direction", "arrows"),
    [
        pytest.param("both", (True, True), id="both"),
        pytest.param("left_to_right", (False, True), id="down-across-a-line-drawn-to-the-right"),
        pytest.param("right_to_left", (True, False), id="up-across-it"),
    ],
)
def test_arrows_show_which_crossings_count(direction: str, arrows: tuple[bool, bool]) -> None:
    line = LineSettings.model_validate({"name": "gate", "start": (0.2, 0.5), "end": (0.8, 0.5), "direction": direction})
    plan = draw_plan(GREY, [], [line])
    assert at(plan, 0.3, 0.5) == PINK
    assert tuple(at(plan, 0.5, y) == PINK for y in (0.45, 0.55)) == arrows


def test_the_picture_is_a_png(tmp_path: Path) -> None:
    write_picture(tmp_path / "new" / "plan.png", png(GREY))
    again = cv2.imread(str(tmp_path / "new" / "plan.png"))
    assert again is not None
    assert np.array_equal(again, GREY)
    with pytest.raises(SinkError, match="cannot be written"):
        write_picture(tmp_path, png(GREY))
