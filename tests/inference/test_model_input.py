from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge_runtime.bundles.parts import ImagePart
from edge_runtime.inference.preprocess import Placement, image_tensor, model_input

RNG = np.random.default_rng(3)


def part(**more: Any) -> ImagePart:
    return ImagePart.model_validate({"file": "image.onnx", **more})


AREA = part(fit="area", area=256 * 256, stride=32)
STRETCH = part(fit="stretch", size=(160, 320))
LETTERBOX = part(fit="letterbox", size=(160, 320))
CENTRED = part(fit="letterbox", size=(160, 320), centred=True)
CROP = part(fit="crop", size=(160, 160), shorter=180)


@pytest.mark.parametrize(
    ("about", "picture", "shape", "place"),
    [
        pytest.param(AREA, (480, 640), (224, 288), Placement(0, 0, 288, 224), id="area"),
        pytest.param(STRETCH, (480, 640), (160, 320), Placement(0, 0, 320, 160), id="stretch"),
        pytest.param(LETTERBOX, (480, 640), (160, 320), Placement(0, 0, 213, 160), id="letterbox, bars at the side"),
        pytest.param(LETTERBOX, (480, 1920), (160, 320), Placement(0, 0, 320, 80), id="letterbox, bars below"),
        pytest.param(CENTRED, (480, 640), (160, 320), Placement(53, 0, 213, 160), id="letterbox, centred"),
        pytest.param(CENTRED, (480, 1920), (160, 320), Placement(0, 40, 320, 80), id="letterbox, centred, above too"),
        pytest.param(LETTERBOX, (1, 4000), (160, 320), Placement(0, 0, 320, 1), id="a strip keeps one row"),
        pytest.param(CROP, (480, 640), (160, 160), Placement(-40, -10, 240, 180), id="crop of a wide picture"),
        pytest.param(CROP, (640, 480), (160, 160), Placement(-10, -40, 180, 240), id="crop of a tall picture"),
        pytest.param(CROP, (9, 9), (160, 160), Placement(-10, -10, 180, 180), id="crop of a tiny picture"),
        pytest.param(
            part(fit="crop", size=(160, 160), shorter=100),
            (50, 50),
            (160, 160),
            Placement(0, 0, 160, 160),
            id="no cut is larger than the picture",
        ),
    ],
)
def test_where_the_picture_lies(
    about: ImagePart, picture: tuple[int, int], shape: tuple[int, int], place: Placement
) -> None:
    tensor, found = model_input(RNG.integers(0, 256, (*picture, 3), dtype=np.uint8), about)
    assert tensor.shape == (1, 3, *shape)
    assert tensor.dtype == np.float32
    assert tensor.flags.c_contiguous
    assert found == place


@pytest.mark.parametrize("interpolation", ["auto", "bilinear", "bicubic"])
@pytest.mark.parametrize("about", [AREA, STRETCH, LETTERBOX, CENTRED, CROP], ids=lambda about: about.fit)
@pytest.mark.parametrize("picture", [(480, 640), (700, 300), (60, 90)], ids=str)
def test_a_box_found_in_the_input_lies_where_it_was_in_the_picture(
    about: ImagePart, interpolation: str, picture: tuple[int, int]
) -> None:
    image = np.zeros((*picture, 3), np.uint8)
    height, width = picture
    box = np.array([0.4, 0.35, 0.6, 0.7])
    x0, y0, x1, y1 = (box * [width, height, width, height]).round().astype(int)
    image[y0:y1, x0:x1] = (255, 0, 0)
    tensor, place = model_input(image, about.model_copy(update={"interpolation": interpolation}))
    ys, xs = np.nonzero(tensor[0, 0] - tensor[0, 1] > 127)
    corners = np.array([[xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]], np.float32)
    assert place.fractions(corners)[0] == pytest.approx(box, abs=0.02)


def test_the_bars_have_the_pad_colour() -> None:
    tensor, _ = model_input(np.zeros((50, 50, 3), np.uint8), LETTERBOX)
    assert (tensor[..., 160:] == 114).all()
    assert (tensor[..., :160] == 0).all()


def test_boxes_beyond_the_picture_end_at_its_edge() -> None:
    found = Placement(10, 0, 100, 50).fractions(np.array([[0.0, -5.0, 200.0, 25.0]], np.float32))
    assert found[0] == pytest.approx([0, 0, 1, 0.5])


def test_channels_are_ordered_before_they_are_scaled() -> None:
    image = np.full((8, 8, 3), (10, 20, 30), np.uint8)
    about = part(fit="stretch", size=(8, 8), order="bgr", mean=(30, 10, 0), std=(1, 5, 2))
    tensor, _ = model_input(image, about)
    assert tensor[0, :, 0, 0] == pytest.approx([0, 2, 5])
    assert tensor.dtype == np.float32


def test_the_input_of_omni_nano_is_what_training_saw() -> None:
    image = RNG.integers(0, 256, (480, 640, 3), dtype=np.uint8)
    assert (model_input(image, AREA)[0] == image_tensor(image, 256 * 256)).all()


@pytest.mark.parametrize("method", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(30, 50), (100, 120), (300, 250), (7, 4)], ids=str)
class TestInterpolation:
    def shown(self, image: np.ndarray[Any, np.dtype[np.uint8]], method: str, size: tuple[int, int]) -> Any:
        return model_input(image, part(fit="stretch", size=size, interpolation=method))[0][0].transpose(1, 2, 0)

    def test_one_colour_stays_one_colour(self, method: str, size: tuple[int, int]) -> None:
        assert (self.shown(np.full((100, 120, 3), 77, np.uint8), method, size) == 77).all()

    def test_a_slope_stays_a_slope(self, method: str, size: tuple[int, int]) -> None:
        slope = np.broadcast_to(np.arange(120, dtype=np.uint8)[None, :, None], (100, 120, 3))
        shown = self.shown(slope, method, size)[:, :, 0]
        wanted = (np.arange(size[1]) + 0.5) * 120 / size[1] - 0.5
        inside = slice(size[1] // 4, -size[1] // 4 or None)
        assert np.abs(shown - wanted)[:, inside].max() <= 1.5

    def test_fine_stripes_become_grey_where_they_shrink(self, method: str, size: tuple[int, int]) -> None:
        stripes = np.zeros((100, 120, 3), np.uint8)
        stripes[::2] = 200
        if size[0] <= 30:
            assert np.abs(self.shown(stripes, method, size) - 100).max() <= 40
