from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.decision.changes import Changes

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.types import Image

RNG = np.random.default_rng(2)
ROOM = RNG.integers(40, 180, (36, 64, 3)).repeat(10, 0).repeat(10, 1).astype(np.uint8)


def noisy(image: Image, light: float = 1.0) -> Image:
    return np.clip(image * light + np.random.default_rng(0).normal(0, 3, image.shape), 0, 255).astype(np.uint8)


def with_thing(image: Image, x: int, y: int, wide: int, high: int) -> Image:
    image = image.copy()
    image[y : y + high, x : x + wide] = 255 - image[y : y + high, x : x + wide]
    image[y : y + high, x : x + wide, 1] = 250
    return image


def watched(changes: Changes, seconds: int = 5) -> Changes:
    for at in range(seconds):
        changes.update(noisy(ROOM), float(at))
    return changes


def test_a_first_picture_is_new_everywhere() -> None:
    assert Changes().update(ROOM, 0.0) == [(0.0, 0.0, 1.0, 1.0)]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda image: image, id="nothing but the camera's noise"),
        pytest.param(lambda image: noisy(image, 0.85), id="a cloud"),
        pytest.param(lambda image: with_thing(image, 100, 100, 6, 6), id="an insect"),
    ],
)
def test_what_is_no_thing_is_not_looked_at(change: Callable[[Image], Image]) -> None:
    assert watched(Changes()).update(change(noisy(ROOM)), 5.0) == []


def test_things_are_boxed_one_by_one_the_largest_first() -> None:
    image = with_thing(with_thing(noisy(ROOM), 40, 200, 60, 80), 400, 40, 120, 160)
    large, small = watched(Changes()).update(image, 5.0)
    assert np.allclose(large, (400 / 640, 40 / 360, 520 / 640, 200 / 360), atol=0.02)
    assert np.allclose(small, (40 / 640, 200 / 360, 100 / 640, 280 / 360), atol=0.03)


def test_what_stays_becomes_part_of_the_view_and_its_leaving_is_a_change() -> None:
    changes, there = watched(Changes()), with_thing(noisy(ROOM), 300, 100, 80, 80)
    seen = [bool(changes.update(there, 5.0 + at)) for at in range(0, 400, 2)]
    assert all(seen[:10])
    assert not any(seen[-20:])
    assert changes.update(noisy(ROOM), 406.0)


def test_a_lamp_that_is_switched_on_blinds_for_some_seconds_only() -> None:
    changes, lamp = watched(Changes()), np.linspace(0.4, 2.0, 640)[None, :, None]
    lit = np.clip(ROOM * lamp + 40 * np.sin(np.arange(360) / 9)[:, None, None], 0, 255).astype(np.uint8)
    for at in range(25):
        changes.update(noisy(lit), 5.0 + at)
    [box] = changes.update(with_thing(noisy(lit), 300, 100, 80, 80), 30.0)
    assert np.allclose(box, (300 / 640, 100 / 360, 380 / 640, 180 / 360), atol=0.03)


def test_a_state_that_was_taken_is_not_changed_by_what_comes_after() -> None:
    changes = watched(Changes())
    state, arrays = changes.state()
    before = arrays["view"].copy()
    first = changes.update(with_thing(noisy(ROOM), 300, 100, 80, 80), 7.0)
    again = Changes()
    again.restore(state, arrays)
    assert np.array_equal(arrays["view"], before)
    assert again.update(with_thing(noisy(ROOM), 300, 100, 80, 80), 7.0) == first
