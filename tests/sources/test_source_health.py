from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.sources.health import PictureHealth, PictureStatus, SoundHealth, SoundStatus
from edge_runtime.types import AudioChunk, Frame, Image

if TYPE_CHECKING:
    from collections.abc import Callable

RANDOM = np.random.default_rng(1)


def scene(index: int) -> Image:
    image = np.full((90, 160, 3), 120, np.uint8)
    image[50:, 40:100] = 30
    image[0, 0] = index
    return image


def noisy(image: Image, level: float) -> Image:
    return np.clip(image + RANDOM.normal(0, level, image.shape), 0, 255).astype(np.uint8)


def hand_on_lens(_: int) -> Image:
    gradient = np.linspace(30, 90, 160)[None, :, None] * np.ones((90, 160, 3))
    return noisy(gradient.astype(np.uint8), 3)


@pytest.mark.parametrize(
    ("picture", "seconds", "status"),
    [
        pytest.param(scene, 12, PictureStatus.OK, id="a still room is well as long as its noise moves"),
        pytest.param(lambda _: scene(0), 12, PictureStatus.FROZEN, id="no pixel changes for ten seconds: frozen"),
        pytest.param(lambda _: scene(0), 8, PictureStatus.OK, id="no pixel changes for eight seconds: not yet"),
        pytest.param(lambda _: noisy(scene(0) // 20, 3), 3, PictureStatus.BLACK, id="dark with sensor noise: black"),
        pytest.param(lambda _: np.zeros((90, 160, 3), np.uint8), 12, PictureStatus.BLACK, id="black beats frozen"),
        pytest.param(hand_on_lens, 3, PictureStatus.COVERED, id="a soft gradient without edges: covered"),
        pytest.param(hand_on_lens, 1, PictureStatus.OK, id="a hand passing by for a second is no trouble"),
        pytest.param(lambda i: np.full((4, 4, 3), i, np.uint8), 3, PictureStatus.OK, id="too small to judge"),
    ],
)
def test_picture(picture: Callable[[int], Image], seconds: int, status: PictureStatus) -> None:
    health = PictureHealth()
    assert [health.check(Frame("door", at / 2, picture(at))) for at in range(2 * seconds + 1)][-1] is status


def test_a_good_picture_ends_the_trouble() -> None:
    health = PictureHealth()
    for at in range(12):
        health.check(Frame("door", at, scene(0)))
    assert health.check(Frame("door", 12, scene(1))) is PictureStatus.OK


@pytest.mark.parametrize(
    ("level", "offset", "status"),
    [
        pytest.param(0.001, 0.0, SoundStatus.OK, id="the noise of a quiet room is life"),
        pytest.param(0.0, 0.0, SoundStatus.DEAD, id="digital silence"),
        pytest.param(0.0, 0.25, SoundStatus.DEAD, id="one constant value"),
        pytest.param(5.0, 0.0, SoundStatus.CLIPPED, id="most samples at full scale"),
    ],
)
def test_sound(level: float, offset: float, status: SoundStatus) -> None:
    health = SoundHealth()
    for index in range(100):
        samples = np.clip(RANDOM.normal(offset, level, 512), -1, 1).astype(np.float32)
        last = health.check(AudioChunk("hall", index * 0.032, samples))
    assert last is status
