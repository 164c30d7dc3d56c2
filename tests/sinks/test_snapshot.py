from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from edge_runtime.errors import SinkError
from edge_runtime.sinks.snapshot import annotate, save_picture
from edge_runtime.types import Detection, Frame, Observation

if TYPE_CHECKING:
    from pathlib import Path


def test_box_is_drawn_on_a_copy() -> None:
    grey = np.full((120, 160, 3), 128, np.uint8)
    cat = Detection("cat", 0.9, (0.25, 0.5, 0.75, 1.0))
    drawn = annotate(Frame("door", 0.0, grey), Observation("door", 0.0, (cat,)))
    assert (grey == 128).all()
    assert drawn[90, 40].tolist() != [128, 128, 128]
    assert drawn[90, 80].tolist() == [128, 128, 128]


def test_picture_is_written_in_the_right_colours(tmp_path: Path) -> None:
    red = np.zeros((40, 40, 3), np.uint8)
    red[..., 0] = 250
    save_picture(tmp_path / "new" / "last.jpg", red)
    seen = cv2.imread(str(tmp_path / "new" / "last.jpg"))
    assert seen is not None
    assert np.abs(seen[5, 5].astype(int) - [0, 0, 250]).max() < 12


def test_what_cannot_be_written_is_a_sink_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match="cannot be written"):
        save_picture(tmp_path / "file" / "last.jpg", np.zeros((4, 4, 3), np.uint8))
