from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from edge_runtime.errors import ConfigError
from edge_runtime.inference import reading
from edge_runtime.inference.reading import Reader

if TYPE_CHECKING:
    from edge_runtime.types import Image

pytest.importorskip("rapidocr", reason="reading is the extra [ocr]")


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


def sign(*lines: str, scale: float = 1.6, angle: float = 0.0, ink: int = 20, paper: int = 245) -> Image:
    image = np.full((90 * len(lines) + 60, 720, 3), paper, np.uint8)
    for row, line in enumerate(lines):
        cv2.putText(image, line, (40, 90 + 90 * row), cv2.FONT_HERSHEY_SIMPLEX, scale, (ink, ink, ink), 3, cv2.LINE_AA)
    height, width = image.shape[:2]
    turned = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 0.9)
    return cv2.warpAffine(image, turned, (width, height), borderValue=(paper, paper, paper)).astype(np.uint8)


@pytest.mark.parametrize(
    ("image", "lines"),
    [
        pytest.param(sign("Wet floor"), ["Wet floor"], id="one line"),
        pytest.param(
            sign("CAUTION", "Mind the gap", "Platform 24"), ["CAUTION", "Mind the gap", "Platform 24"], id="three lines"
        ),
        pytest.param(sign("Open 9-17", ink=240, paper=25), ["Open 9-17"], id="white on black"),
        pytest.param(sign("Emergency exit", angle=6), ["Emergency exit"], id="a slanted sign"),
        pytest.param(sign("B 4711 XY", scale=2.2), ["B 4711 XY"], id="letters and figures"),
        pytest.param(np.full((200, 300, 3), 128, np.uint8), [], id="an empty wall"),
        pytest.param(np.zeros((20, 20, 3), np.uint8), [], id="a tiny picture"),
    ],
)
def test_what_is_written_is_read(reader: Reader, image: Image, lines: list[str]) -> None:
    found = reader(image)
    assert [line.text for line in found] == lines
    for line in found:
        assert 0.8 < line.score <= 1.0
        assert 0.0 <= line.box[0] < line.box[2] <= 1.0
        assert 0.0 <= line.box[1] < line.box[3] <= 1.0


def test_columns_of_a_row_are_read_from_left_to_right(reader: Reader) -> None:
    image = np.full((160, 720, 3), 245, np.uint8)
    for text, x in (("right", 480), ("left", 40)):
        cv2.putText(image, text, (x, 95), cv2.FONT_HERSHEY_SIMPLEX, 1.6, (20, 20, 20), 3)
    assert [line.text for line in reader(image)] == ["left", "right"]


def test_reading_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("the reader went to the network")

    monkeypatch.setattr(socket.socket, "connect", refused)
    assert [line.text for line in Reader()(sign("Offline"))] == ["Offline"]


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "can_read", lambda: False)
    with pytest.raises(ConfigError, match=r"pip install 'edge-runtime\[ocr\]'"):
        Reader()(sign("Nothing"))


def test_it_is_loaded_on_demand_alone() -> None:
    Reader()
    assert "torch" not in sys.modules
