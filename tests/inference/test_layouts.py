from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge_runtime.bundles.parts import DetectorPart
from edge_runtime.errors import BundleError
from edge_runtime.inference.layouts import read_cells

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZE = (128, 64)
CELLS = {stride: (128 // stride) * (64 // stride) for stride in (8, 16, 32, 64)}


def part(layout: str, **more: Any) -> DetectorPart:
    thresholds = {"person": 0.3, "dog": 0.3}
    table = {"labels": ("person", "dog"), "layout": layout, "thresholds": thresholds, "nms_iou": 0.5, **more}
    return DetectorPart.model_validate(table)


def yolox(cells: int, place: int, row: list[float]) -> dict[str, NDArray[np.float32]]:
    table = np.zeros((1, cells, 7), np.float32)
    table[0, place] = row
    return {"output": table}


@pytest.mark.parametrize(
    ("strides", "place", "row", "wanted"),
    [
        pytest.param((8, 16, 32), 0, [0.5, 0.5, 0, 0], [0, 0, 8, 8], id="first cell, one stride wide"),
        pytest.param((8, 16, 32), 9, [0.0, 0.5, 0, 0], [4, 8, 12, 16], id="second column of the second row"),
        pytest.param(
            (8, 16, 32),
            CELLS[8] + 5,
            [0.5, 0.25, np.log(2), np.log(0.5)],
            [8, 16, 40, 24],
            id="the middle grid, its size a logarithm",
        ),
        pytest.param(
            (8, 16, 32), CELLS[8] + CELLS[16] + 7, [0.5, 0.5, 0, 0], [32, 96, 64, 128], id="last cell of the last grid"
        ),
        pytest.param(
            (8, 16, 32, 64), sum(CELLS.values()) - 1, [0.5, 0.5, 0, 0], [0, 64, 64, 128], id="the fourth grid of a P6"
        ),
    ],
)
def test_yolox_cells_become_boxes(strides: tuple[int, ...], place: int, row: list[float], wanted: list[float]) -> None:
    outputs = yolox(sum(CELLS[stride] for stride in strides), place, [*row, 0.5, 0.9, 0.1])
    corners, scores = read_cells(outputs, part("yolox"), SIZE)
    assert corners[place] == pytest.approx(wanted, abs=1e-4)
    assert scores[place] == pytest.approx([0.45, 0.05])
    assert np.count_nonzero(scores) == 2


def test_decoded_yolox_comes_in_pixels() -> None:
    corners, scores = read_cells(yolox(3, 1, [20, 30, 10, 20, 0.5, 1, 0]), part("yolox", decoded=True), SIZE)
    assert corners[1] == pytest.approx([15, 20, 25, 40])
    assert scores[1] == pytest.approx([0.5, 0])


def test_yolov8_lies_on_its_side_and_has_no_objectness() -> None:
    table = np.zeros((1, 6, 5), np.float32)
    table[0, :, 3] = [20, 30, 10, 20, 0.9, 0.2]
    corners, scores = read_cells({"output0": table}, part("yolov8"), SIZE)
    assert corners.shape == (5, 4)
    assert corners[3] == pytest.approx([15, 20, 25, 40])
    assert scores[3] == pytest.approx([0.9, 0.2])


def test_omni_fractions_become_pixels() -> None:
    outputs = {"boxes": np.array([[[0.0, 0.5, 0.5, 1.0]]]), "logits": np.array([[[1.0, -1.0]]])}
    corners, scores = read_cells(outputs, part("omni"), SIZE)
    assert corners[0] == pytest.approx([0, 64, 32, 128])
    assert scores[0] == pytest.approx([1, -1])


def test_a_wild_size_is_large_but_a_number() -> None:
    corners, _ = read_cells(yolox(sum(CELLS.values()), 0, [0, 0, 500, 500, 1, 1, 1]), part("yolox"), SIZE)
    assert np.isfinite(corners).all()


def test_the_named_output_counts_where_there_are_more() -> None:
    outputs = {**yolox(3, 0, [20, 30, 10, 20, 1, 1, 0]), "other": np.zeros(3, np.float32)}
    corners, _ = read_cells(outputs, part("yolox", decoded=True, output="output"), SIZE)
    assert corners[0] == pytest.approx([15, 20, 25, 40])


@pytest.mark.parametrize(
    ("about", "outputs", "message"),
    [
        pytest.param(part("yolox"), {"o": np.zeros((1, 99, 7))}, "of 128x64 has 99 cells", id="no such grid"),
        pytest.param(part("yolox"), {"o": np.zeros((1, 168, 85))}, "needs 7 numbers a cell", id="labels too few"),
        pytest.param(part("yolov8"), {"o": np.zeros((1, 168, 6))}, "gives the shape (1, 168, 6)", id="other layout"),
        pytest.param(part("yolov8"), {"o": np.zeros((1, 6))}, "gives the shape (1, 6)", id="no cells"),
        pytest.param(part("yolov8"), {"a": np.zeros(1), "b": np.zeros(1)}, "detector.output names none", id="which"),
        pytest.param(part("yolox", output="c"), {"a": np.zeros(1)}, "detector.output is 'c'", id="none of that name"),
    ],
)
def test_outputs_that_do_not_fit_are_refused_in_one_line(
    about: DetectorPart, outputs: dict[str, NDArray[Any]], message: str
) -> None:
    with pytest.raises(BundleError) as caught:
        read_cells(outputs, about, SIZE)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
