from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from edge_runtime.bundles.manifest import Manifest, default_bundle
from edge_runtime.errors import BundleError
from edge_runtime.inference.faces import FaceFinder
from edge_runtime.inference.lettering import find_letters

if TYPE_CHECKING:
    from edge_runtime.types import Box, Image

FACE = (0.43, 0.38)
"""Where the middle of the face is in the embedded clip."""


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder(Manifest.load(default_bundle()))


@pytest.fixture(scope="module")
def person() -> Image:
    with resources.as_file(resources.files("edge_runtime.demo").joinpath("clip.mp4")) as path:
        video = cv2.VideoCapture(str(path))
        video.set(cv2.CAP_PROP_POS_FRAMES, int(video.get(cv2.CAP_PROP_FRAME_COUNT)) // 2)
        read, picture = video.read()
        video.release()
    assert read
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def holds(box: Box, place: tuple[float, float]) -> bool:
    return box[0] < place[0] < box[2] and box[1] < place[1] < box[3]


def scaled(image: Image, factor: float) -> Image:
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, None, fx=factor, fy=factor, interpolation=way), np.uint8)


@pytest.mark.parametrize("factor", [0.15, 0.3, 0.6, 1.0, 2.0, 3.0], ids=lambda f: f"{round(90 * f)} pixels wide")
def test_a_face_is_found_at_any_size(finder: FaceFinder, person: Image, factor: float) -> None:
    found = finder.find(scaled(person, factor))
    assert any(holds(face.box, FACE) and face.score > 0.9 for face in found)


def test_the_surest_comes_first_and_boxes_stay_in_the_picture(finder: FaceFinder, person: Image) -> None:
    found = finder.find(person)
    assert [face.score for face in found] == sorted((face.score for face in found), reverse=True)
    assert holds(found[0].box, FACE)
    for face in finder.find(np.ascontiguousarray(person[:, 230:])):
        assert 0 <= face.box[0] <= face.box[2] <= 1
        assert 0 <= face.box[1] <= face.box[3] <= 1


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(np.zeros((1, 1, 3), np.uint8), id="one pixel"),
        pytest.param(np.full((5, 700, 3), 90, np.uint8), id="a stripe"),
        pytest.param(np.full((480, 640, 3), 128, np.uint8), id="nothing but grey"),
    ],
)
def test_nobody_is_in_an_empty_picture(finder: FaceFinder, image: Image) -> None:
    assert finder.find(image) == []


def test_a_bundle_without_faces_says_so() -> None:
    manifest = Manifest.load(default_bundle()).model_copy(update={"faces": None})
    with pytest.raises(BundleError, match="has no face finder"):
        FaceFinder(manifest)


def painted(text: str, font: int, size: float, *, dark: bool, turned: float = 0.0) -> Image:
    ground, ink = ((235, 235, 225), (10, 10, 10)) if dark else ((20, 30, 60), (250, 250, 250))
    image = np.full((360, 640, 3), (110, 130, 120), np.uint8)
    (wide, high), base = cv2.getTextSize(text, font, size, 2)
    left, bottom = (640 - wide) // 2, (360 + high) // 2
    cv2.rectangle(image, (left - 8, bottom - high - 8), (left + wide + 8, bottom + base + 4), ground, -1)
    cv2.putText(image, text, (left, bottom), font, size, ink, 2, cv2.LINE_AA)
    turn = cv2.getRotationMatrix2D((320, 180), turned, 1)
    return np.asarray(cv2.warpAffine(image, turn, (640, 360), borderValue=(110, 130, 120)), np.uint8)


@pytest.mark.parametrize("text", ["B AB 1234", "CZ-0110", "Baker Street 12"])
@pytest.mark.parametrize("size", [0.7, 1.2, 2.0])
@pytest.mark.parametrize(
    ("font", "dark", "turned"),
    [
        pytest.param(cv2.FONT_HERSHEY_SIMPLEX, True, 0.0, id="dark on light"),
        pytest.param(cv2.FONT_HERSHEY_DUPLEX, False, 0.0, id="light on dark"),
        pytest.param(cv2.FONT_HERSHEY_TRIPLEX, True, 8.0, id="with serifs, turned"),
    ],
)
def test_letters_are_found(text: str, size: float, font: int, *, dark: bool, turned: float) -> None:
    image = painted(text, font, size, dark=dark, turned=turned)
    hidden = np.zeros(image.shape[:2], bool)
    for x0, y0, x1, y1 in find_letters(image):
        hidden[round(y0 * 360) : round(y1 * 360), round(x0 * 640) : round(x1 * 640)] = True
    ink = cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.CV_64F)
    assert (np.abs(ink) > 60)[hidden].sum() > 0.7 * (np.abs(ink) > 60).sum()


def test_a_plain_wall_has_no_letters() -> None:
    ramp = np.linspace(60, 200, 640, dtype=np.uint8)
    assert find_letters(np.repeat(np.tile(ramp, (360, 1))[..., None], 3, axis=2)) == []
