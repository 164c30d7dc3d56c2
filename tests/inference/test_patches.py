from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.inference.patches import picture_cells, sound_cells


def test_sound_is_cut_into_tenths_of_a_second_of_which_each_tells_loudness_and_pitch() -> None:
    at = np.arange(16_000) / 16_000
    beep = (0.3 * np.sin(2 * np.pi * 3000 * at) * (at > 0.5)).astype(np.float32)
    cells = sound_cells(beep)
    assert cells.shape == (9, 64)
    assert cells.dtype == np.float32
    assert (cells[:4] == cells[0]).all(), "silence is silence"
    assert cells[6].max() > cells[0].max() + 4
    assert cells[6].argmax() == pytest.approx(45, abs=4)


def test_a_picture_has_cells_of_the_maps_in_the_middle() -> None:
    shapes = [(2, 8, 12), (3, 4, 6), (4, 2, 3), (5, 2, 3), (6, 1, 2)]
    maps = [np.full(shape, number, np.float32) for number, shape in enumerate(shapes)]
    maps[2][:, 1, 2] = 9.0
    cells = picture_cells(maps)
    assert cells.shape == (2, 3, 4 + 5)
    assert cells[0, 0].tolist() == [2.0] * 4 + [3.0] * 5
    assert cells[1, 2].tolist() == [9.0] * 4 + [3.0] * 5


@pytest.mark.parametrize("samples", [0, 1, 1000, 1840])
def test_the_shortest_sound_has_one_cell(samples: int) -> None:
    assert sound_cells(np.zeros(samples, np.float32)).shape == (1, 64)
