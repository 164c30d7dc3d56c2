from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.sources.health import PictureHealth, PictureStatus, SoundHealth, SoundStatus
from edge_runtime.types import AudioChunk, Frame, Image

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

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


def mostly(value: float, share: float) -> Callable[[], Samples]:
    return lambda: np.where(RANDOM.random(512) < share, value, RANDOM.normal(0, 0.01, 512)).astype(np.float32)


def noise(level: float, offset: float = 0.0) -> Callable[[], Samples]:
    return lambda: np.clip(RANDOM.normal(offset, level, 512), -1, 1).astype(np.float32)


def sixteen_bits(level: float) -> Callable[[], Samples]:
    return lambda: (np.round(RANDOM.normal(0, level, 512) * 32768) / 32768).astype(np.float32)


def statuses(
    health: SoundHealth, sound: Callable[[], Samples], seconds: float, start: float = 0.0
) -> list[SoundStatus]:
    chunks = (AudioChunk("hall", start + index * 0.032, sound()) for index in range(round(seconds / 0.032)))
    return [health.check(chunk) for chunk in chunks]


@pytest.mark.parametrize(
    ("sound", "seconds", "status"),
    [
        pytest.param(noise(0.001), 4, SoundStatus.OK, id="the noise of a quiet room is life"),
        pytest.param(noise(0.0), 4, SoundStatus.DEAD, id="digital silence"),
        pytest.param(noise(0.0, 0.25), 4, SoundStatus.DEAD, id="one constant value"),
        pytest.param(noise(1e-8, -0.5), 4, SoundStatus.DEAD, id="a constant value with the ripple of a filter"),
        pytest.param(mostly(0.1, 0.998), 4, SoundStatus.DEAD, id="a value that is stuck but for a crackle"),
        pytest.param(mostly(0.0, 0.9), 4, SoundStatus.OK, id="a gate that opens now and then"),
        pytest.param(noise(5.0), 4, SoundStatus.CLIPPED, id="most samples at full scale"),
        pytest.param(noise(0.1, 0.3), 4, SoundStatus.OK, id="an offset alone does no harm"),
        pytest.param(sixteen_bits(2e-5), 70, SoundStatus.QUIET, id="a minute of nothing but the converter's last bit"),
        pytest.param(sixteen_bits(2e-5), 50, SoundStatus.OK, id="less than a minute of it: not yet"),
        pytest.param(sixteen_bits(2e-4), 70, SoundStatus.OK, id="a good microphone in a bedroom at night"),
    ],
)
def test_sound(sound: Callable[[], Samples], seconds: float, status: SoundStatus) -> None:
    assert statuses(SoundHealth(), sound, seconds)[-1] is status


def test_sound_after_a_trouble_ends_it() -> None:
    health = SoundHealth()
    assert statuses(health, noise(0.0), 4)[-1] is SoundStatus.DEAD
    assert statuses(health, noise(0.01), 4, start=4)[-1] is SoundStatus.OK


def test_a_microphone_with_a_noise_gate_is_reported_ever_more_seldom() -> None:
    health, told = SoundHealth(), []
    for round_of_a_minute in range(40):
        told += statuses(health, noise(0.01), 4, start=60 * round_of_a_minute)
        told += statuses(health, noise(0.0), 56, start=60 * round_of_a_minute + 4)
    changes = sum(before is not after for before, after in itertools.pairwise(told))
    assert SoundStatus.DEAD in told
    assert set(told[len(told) // 2 :]) == {SoundStatus.OK}
    assert changes <= 12


@pytest.mark.parametrize(
    ("lost_in_each_second", "status"),
    [
        pytest.param(0, SoundStatus.OK, id="nothing lost"),
        pytest.param(0.05, SoundStatus.OK, id="once in twenty seconds"),
        pytest.param(1, SoundStatus.CHOPPY, id="every second"),
    ],
)
def test_sound_with_holes(lost_in_each_second: float, status: SoundStatus) -> None:
    health, sound = SoundHealth(), noise(0.01)
    for index in range(1000):
        at = index * 0.032
        last = health.check(AudioChunk("hall", at, sound()), int(at * lost_in_each_second))
    assert last is status
    for index in range(1000, 2100):
        last = health.check(AudioChunk("hall", index * 0.032, sound()), 32)
    assert last is SoundStatus.OK, "half a minute later it is over"
