from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.decision.motion import MotionGate

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from edge_runtime.types import Image

random = np.random.default_rng(0)
SCENE = random.integers(60, 180, (36, 64, 3)).repeat(10, 0).repeat(10, 1).astype(np.float64)


def picture(values: NDArray[np.float64]) -> Image:
    return np.clip(values, 0, 255).astype(np.uint8)


def with_box(size: int) -> NDArray[np.float64]:
    changed = SCENE.copy()
    changed[100 : 100 + size, 200 : 200 + size] = 255
    return changed


@pytest.mark.parametrize(
    ("change", "moving"),
    [
        pytest.param(lambda: SCENE, False, id="still"),
        pytest.param(lambda: SCENE + random.normal(0, 6, SCENE.shape), False, id="sensor-noise"),
        pytest.param(lambda: SCENE + random.normal(0, 18, SCENE.shape), False, id="night-noise"),
        pytest.param(lambda: SCENE + 25, False, id="the-sun-comes-out"),
        pytest.param(lambda: with_box(60), True, id="a-person-far-away"),
        pytest.param(lambda: with_box(60) + random.normal(0, 6, SCENE.shape), True, id="a-person-in-noise"),
        pytest.param(lambda: with_box(8), False, id="an-insect"),
        pytest.param(lambda: SCENE[:, ::-1], True, id="the-camera-was-turned"),
    ],
)
def test_gate_tells_motion_from_noise(change: Callable[[], NDArray[np.float64]], moving: bool) -> None:
    gate = MotionGate(area=0.002, refresh_s=100.0)
    noise = 18 if "18" in str(change.__code__.co_consts) else 2
    for tick in range(10):
        gate.update(picture(SCENE + random.normal(0, noise, SCENE.shape)), tick / 10)
    assert gate.update(picture(change()), 1.0).moving is moving


def test_gate_wakes_the_model_now_and_then_without_motion() -> None:
    gate = MotionGate(area=0.002, refresh_s=10.0)
    looks = [gate.update(picture(SCENE), float(second)).look for second in range(31)]
    assert [second for second, look in enumerate(looks) if look] == [0, 10, 20, 30]


def test_gate_takes_what_stays_for_background() -> None:
    gate = MotionGate(area=0.002, refresh_s=1e9)
    gate.update(picture(SCENE), 0.0)
    moving = [gate.update(picture(with_box(60)), tick / 6).moving for tick in range(60)]
    assert moving[0]
    assert not moving[-1]


def test_gate_begins_anew_when_the_picture_size_changes() -> None:
    gate = MotionGate(area=0.002, refresh_s=1e9)
    gate.update(picture(SCENE), 0.0)
    assert gate.update(picture(SCENE[:, :480]), 1.0).look
    assert not gate.update(picture(SCENE[:, :480]), 2.0).look


BOX = (200 / 640, 100 / 360, 260 / 640, 160 / 360)


@pytest.mark.parametrize(
    ("seconds", "last", "least", "most"),
    [
        pytest.param(1, lambda: SCENE, 1.0, 1.0, id="all-is-new-in-a-new-view"),
        pytest.param(20, lambda: SCENE, 0.0, 0.0, id="what-was-always-there-is-not"),
        pytest.param(20, lambda: SCENE + random.normal(0, 6, SCENE.shape), 0.0, 0.05, id="nor-is-noise"),
        pytest.param(20, lambda: with_box(60), 0.8, 1.0, id="somebody-who-came-is"),
        pytest.param(20, lambda: with_box(20), 0.05, 0.2, id="a-part-of-the-box-counts-as-a-part"),
        pytest.param(20, lambda: SCENE[:, ::-1], 0.15, 1.0, id="after-the-camera-was-turned-much-is"),
    ],
)
def test_novelty_is_the_share_of_a_box_that_was_not_there(
    seconds: int, last: Callable[[], NDArray[np.float64]], least: float, most: float
) -> None:
    gate = MotionGate(area=0.002, refresh_s=1e9)
    for tick in range(seconds * 6):
        gate.update(picture(SCENE), tick / 6)
    gate.update(picture(last()), float(seconds))
    assert least <= gate.novelty(BOX) <= most


def test_somebody_who_stands_still_stays_new_for_a_while() -> None:
    gate = MotionGate(area=0.002, refresh_s=1e9)
    for tick in range(60):
        gate.update(picture(SCENE), tick / 6)
    for tick in range(60, 60 + 30 * 6):
        gate.update(picture(with_box(60)), tick / 6)
    assert gate.novelty(BOX) > 0.8


NEAR = (0.0, 0.0, 0.66, 1.0)


def somebody_near(values: NDArray[np.float64], shade: float = 0.0) -> NDArray[np.float64]:
    """Somebody with a face, hair and clothes of other shades, who fills 60 % of the picture."""
    changed = values.copy()
    changed[:, :384] = 40 + shade + 60 * np.tile(np.arange(6).repeat(64) % 3, (360, 1))[..., None]
    return changed


def test_somebody_who_fills_most_of_the_picture_is_new() -> None:
    gate = MotionGate(area=0.002, refresh_s=1e9)
    for tick in range(120):
        gate.update(picture(SCENE + random.normal(0, 2, SCENE.shape)), tick / 6)
    gate.update(picture(somebody_near(SCENE) + random.normal(0, 2, SCENE.shape)), 20.0)
    assert gate.novelty(NEAR) > 0.5
    assert gate.novelty((0.7, 0.0, 1.0, 1.0)) < 0.1


def test_who_comes_often_stays_new() -> None:
    gate = MotionGate(area=0.002, refresh_s=1e9)
    novelties = []
    for second in range(10 * 60):
        here = second % 14 >= 9
        shown = somebody_near(SCENE, 10 * (second // 14 % 3)) if here else SCENE
        gate.update(picture(shown), float(second))
        novelties += [gate.novelty(NEAR)] if second % 14 == 12 else []
    assert min(novelties) > 0.4


@pytest.mark.parametrize(
    "lit",
    [
        pytest.param(SCENE * 1.4, id="a-lamp-for-all"),
        pytest.param(SCENE * np.linspace(0.8, 1.5, 640)[:, None], id="a-lamp-at-one-side"),
        pytest.param(np.where(np.arange(640)[:, None] < 450, SCENE * 0.7, SCENE), id="a-shadow-on-most"),
    ],
)
def test_what_was_always_there_is_no_news_in_other_light(lit: NDArray[np.float64]) -> None:
    gate = MotionGate(area=0.002, refresh_s=1e9)
    for tick in range(120):
        gate.update(picture(SCENE), tick / 6)
    gate.update(picture(lit), 20.0)
    assert gate.novelty(BOX) < 0.3


def test_another_light_is_part_of_the_view_after_minutes() -> None:
    gate = MotionGate(area=0.002, refresh_s=1e9)
    for second in range(60):
        gate.update(picture(SCENE), float(second))
    for second in range(60, 480):
        gate.update(picture(with_box(60)), float(second))
    assert gate.novelty(BOX) < 0.3
