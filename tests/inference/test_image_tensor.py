from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.inference.preprocess import STRIDE, image_tensor, resized, tensor_size

AREA = 256 * 256


@pytest.mark.parametrize(
    ("height", "width", "wanted"),
    [
        pytest.param(256, 256, (256, 256), id="a square stays a square"),
        pytest.param(1080, 1920, (192, 352), id="a wide screen stays wide"),
        pytest.param(1920, 1080, (352, 192), id="a phone stays upright"),
        pytest.param(480, 640, (224, 288), id="a four to three camera"),
        pytest.param(96, 96, (256, 256), id="a small picture is magnified"),
        pytest.param(32, 32, (192, 192), id="a tiny picture is magnified six times and no more"),
        pytest.param(4, 4, (64, 64), id="a speck still fills the smallest tensor"),
        pytest.param(2, 4000, (64, 1024), id="a strip is squeezed into the same cost"),
    ],
)
def test_size(height: int, width: int, wanted: tuple[int, int]) -> None:
    assert tensor_size(height, width, AREA) == wanted


@pytest.mark.parametrize("height", [50, 97, 333, 1080])
@pytest.mark.parametrize("width", [60, 128, 640, 1921])
def test_any_camera_costs_about_the_same_and_is_hardly_stretched(height: int, width: int) -> None:
    rows, columns = tensor_size(height, width, AREA)
    assert rows % STRIDE == 0
    assert columns % STRIDE == 0
    assert rows * columns <= 1.35 * AREA
    if 0.2 < height / width < 5:
        assert 0.78 < (columns / rows) / (width / height) < 1.28


def test_tensor_is_rgb_planes_of_the_picture() -> None:
    picture = np.zeros((480, 640, 3), np.uint8)
    picture[..., 0] = 200
    picture[:240, :, 2] = 100
    tensor = image_tensor(picture, AREA)
    assert tensor.shape == (1, 3, 224, 288)
    assert tensor.dtype == np.float32
    assert tensor.flags.c_contiguous
    assert tensor[0, 0].min() == tensor[0, 0].max() == 200
    assert tensor[0, 1].max() == 0
    assert tensor[0, 2, 0, 0] == 100
    assert tensor[0, 2, -1, -1] == 0


def test_shrinking_averages_instead_of_skipping() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    small = resized(stripes, (32, 32))
    assert abs(int(small.mean()) - 127) <= 1
    assert int(small.std()) == 0
