from __future__ import annotations

import functools
import itertools
import pickle
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from edge_runtime.sources import health as source_health
from edge_runtime.sources.health import Finding, PictureHealth, PictureStatus, SoundHealth, SoundStatus
from edge_runtime.types import AudioChunk, Frame, Image

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

RANDOM = np.random.default_rng(1)
NOISE = np.asarray(RANDOM.normal(0, 1, (260, 400)), np.float32)


@functools.cache
def street() -> Image:
    """Return what a camera that hangs somewhere sees, with room to move around in."""
    image, chance = np.full((180, 320, 3), 110, np.uint8), np.random.default_rng(3)
    for _ in range(70):
        x, y, width, height = (int(value) for value in chance.integers((0, 0, 8, 8), (310, 170, 70, 50)))
        cv2.rectangle(image, (x, y), (x + width, y + height), chance.integers(30, 180, 3).tolist(), -1)
    return np.asarray(np.clip(image + NOISE[:180, :320, None] * 2, 0, 255), np.uint8)


def cut(image: Image, right: float = 0.0, down: float = 0.0) -> Image:
    """Return the middle four fifths of a picture, or as many of them from elsewhere."""
    height, width = image.shape[:2]
    x, y = int((0.1 + 0.8 * right) * width), int((0.1 + 0.8 * down) * height)
    return image[y : y + int(0.8 * height), x : x + int(0.8 * width)]


def noisy(image: NDArray[Any], level: float = 1.5) -> Image:
    y, x = RANDOM.integers(0, 80, 2)
    plane = NOISE[y : y + image.shape[0], x : x + image.shape[1], None] * np.float32(level)
    return np.asarray(np.clip(image + plane, 0, 255), np.uint8)


def turned(degrees: float) -> Image:
    height, width = street().shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    return np.asarray(cv2.warpAffine(street(), turn, (width, height)), np.uint8)


def soft(sigma: float) -> Image:
    return np.asarray(cv2.GaussianBlur(cut(street()), (0, 0), sigma), np.uint8)


def smeared(_: int) -> Image:
    image = cut(street()).copy()
    image[image.shape[0] // 3 :] = image[image.shape[0] // 3]
    return image


def someone_close(share: float) -> Callable[[int], Image]:
    coarse = np.asarray(RANDOM.integers(40, 160, (12, 8, 3)), np.uint8)

    def picture(at: int) -> Image:
        image = cut(street()).copy()
        height, width = image.shape[:2]
        body = cv2.resize(coarse, (int(share * width), int(0.9 * height)), interpolation=cv2.INTER_CUBIC)
        left = int(width * (0.1 + 0.01 * (at % 5)))
        image[height - body.shape[0] :, left : left + body.shape[1]] = body[:, : width - left]
        return noisy(image)

    return picture


def lamp(_: int) -> Image:
    """Return the scene by the light of one lamp."""
    image = cut(street())
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    far = ((x / image.shape[1] - 0.3) ** 2 + (y / image.shape[0] - 0.3) ** 2) / 0.08
    return noisy(image * (0.25 + 0.9 * np.exp(-far))[..., None], 3)


def infrared(_: int) -> Image:
    return noisy(np.repeat(cut(street()).mean(axis=2, keepdims=True) * 0.5 + 20, 3, axis=2), 8)


def hand_on_lens(_: int) -> Image:
    return noisy((np.linspace(30, 90, 160)[None, :, None] * np.ones((90, 160, 3))), 3)


def still(_: int) -> Image:
    return cut(street())


def usual(_: int) -> Image:
    return noisy(cut(street()))


TROUBLES = [
    pytest.param(still, 9, "frozen", "the same for 6 s", id="not even the noise changes: frozen, before ten seconds"),
    pytest.param(lambda _: noisy(still(0) // 20, 3), 4, "black", "black", id="dark with sensor noise: black"),
    pytest.param(lambda _: still(0) * 0, 12, "black", "black", id="black beats frozen"),
    pytest.param(hand_on_lens, 4, "covered", "edge", id="a soft gradient without edges: covered"),
    pytest.param(smeared, 5, "garbled", "smeared", id="rows repeat: the decoder lost its way"),
    pytest.param(lambda _: noisy(still(0) * 6.0), 12, "bright", "white", id="nearly all is white"),
    pytest.param(lambda _: noisy(still(0) * 0.15), 70, "dark", "nearly black", id="a minute with next to no light"),
    pytest.param(lambda _: noisy(still(0) * 0.15 + 110), 70, "faded", "grey levels", id="a minute of fog"),
    pytest.param(lambda _: noisy(soft(3)), 25, "blurred", "times softer", id="out of focus"),
    pytest.param(lambda _: noisy(cut(street(), 0.06)), 15, "moved", "6% to the left", id="pushed to the right"),
    pytest.param(lambda _: noisy(cut(street(), 0, -0.1)), 15, "moved", "10% down", id="pushed up"),
    pytest.param(lambda _: noisy(cut(turned(20))), 15, "moved", "about 20 degrees", id="turned"),
    pytest.param(lambda _: noisy(cut(street()[::-1, ::-1])), 15, "moved", "", id="upside down: another view"),
]

ORDINARY = [
    pytest.param(usual, 90, id="a still scene as long as its noise moves"),
    pytest.param(still, 4, id="no pixel changes for four seconds: not yet"),
    pytest.param(hand_on_lens, 1, id="a hand passing by"),
    pytest.param(lambda _: noisy(still(0) * 0.3), 90, id="the light goes out"),
    pytest.param(lambda _: noisy(still(0) * 1.4), 90, id="the light goes on"),
    pytest.param(lamp, 90, id="one lamp"),
    pytest.param(infrared, 90, id="night: no colour, less light, much noise"),
    pytest.param(lambda _: noisy(still(0), 15), 90, id="much noise"),
    pytest.param(someone_close(0.4), 90, id="someone stands before the camera"),
    pytest.param(someone_close(0.65), 90, id="someone stands close"),
    pytest.param(lambda at: noisy(np.roll(cut(street()), (at % 3 - 1, at % 2), (0, 1))), 90, id="wind shakes the mast"),
]


def watch(health: PictureHealth, picture: Callable[[int], Image], seconds: int, start: float = 0.0) -> list[Finding]:
    return [health.check(Frame("door", start + at / 2, picture(at))) for at in range(2 * seconds + 1)]


@functools.cache
def settled() -> bytes:
    """Return a health that has known its camera for a minute, ready to be copied."""
    health = PictureHealth()
    assert {found.status for found in watch(health, usual, 60)} == {PictureStatus.OK}
    return pickle.dumps(health)


@pytest.mark.parametrize(("picture", "seconds", "status", "reason"), TROUBLES)
def test_trouble_is_told_with_its_reason_and_is_over_when_it_ends(
    picture: Callable[[int], Image], seconds: int, status: str, reason: str
) -> None:
    health: PictureHealth = pickle.loads(settled())  # noqa: S301 - made just now
    found = watch(health, picture, seconds, 61)[-1]
    assert (found.status.value, reason in found.reason) == (status, True), found
    assert watch(health, usual, 6, 62 + seconds)[-1] == Finding(PictureStatus.OK)


@pytest.mark.parametrize(("picture", "seconds"), ORDINARY)
def test_ordinary_life_is_no_trouble(picture: Callable[[int], Image], seconds: int) -> None:
    health: PictureHealth = pickle.loads(settled())  # noqa: S301 - made just now
    assert {found.status for found in watch(health, picture, seconds, 61)} == {PictureStatus.OK}


def test_a_camera_that_pans_has_neither_moved_nor_blurred() -> None:
    health = PictureHealth(fixed=False)
    watch(health, usual, 60)
    assert {found.status for found in watch(health, lambda _: noisy(soft(3)), 30, 61)} == {PictureStatus.OK}
    assert {found.status for found in watch(health, lambda _: noisy(turned(20)), 30, 92)} == {PictureStatus.OK}


def test_a_view_that_stays_becomes_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_health, "_NEW_VIEW_S", 60.0)
    health: PictureHealth = pickle.loads(settled())  # noqa: S301 - made just now
    looks = [health.check(Frame("door", 61.0 + at, noisy(cut(turned(20))))) for at in range(90)]
    assert looks[30].status is PictureStatus.MOVED
    assert looks[-1].status is PictureStatus.OK


def test_a_frozen_picture_that_is_encoded_anew_is_told() -> None:
    health = PictureHealth()
    for at in range(240):
        health.check(Frame("door", at / 4, noisy(cut(street()), 2)))
    frozen = [noisy(still(0), 0.4) for _ in range(40)]
    told = [health.check(Frame("door", 60 + at / 4, picture)).status for at, picture in enumerate(frozen)]
    assert PictureStatus.FROZEN in told


@pytest.mark.parametrize("fps", [2, 5])
@pytest.mark.parametrize("known_s", [2, 40])
def test_a_key_frame_each_second_does_not_hide_a_frozen_picture(fps: int, known_s: int) -> None:
    health = PictureHealth()
    for at in range(known_s * fps):
        assert health.check(Frame("door", at / fps, noisy(still(0)))).status is PictureStatus.OK
    told = []
    for at in range(10 * fps):
        if at % fps == 0:
            key_frame = noisy(still(0), 0.8)
        told.append(health.check(Frame("door", known_s + at / fps, key_frame)).status)
    assert set(told[: 5 * fps]) == {PictureStatus.OK}, "not yet"
    assert told[-fps // 2] is PictureStatus.FROZEN


def test_a_camera_whose_encoder_drops_the_noise_is_given_a_minute() -> None:
    health, told = PictureHealth(), []
    for at in range(800):
        image = cut(street()).copy()
        image[at // 20 % 4 * 40 :, :60] //= 2
        told.append(health.check(Frame("door", at / 4, image)).status)
    assert set(told) == {PictureStatus.OK}
    told = [health.check(Frame("door", 200 + at / 4, image)).status for at in range(400)]
    assert told[60] is PictureStatus.OK
    assert told[-1] is PictureStatus.FROZEN


@pytest.mark.parametrize(
    ("noise_after", "told_often"),
    [
        pytest.param(0.0, False, id="something moves in a picture without noise: it was not frozen"),
        pytest.param(1.5, True, id="it thaws each time: the noise is back everywhere"),
    ],
)
def test_who_is_wrong_a_few_times_waits_longer(noise_after: float, told_often: bool) -> None:
    health, told = PictureHealth(), []
    for at in range(800):
        image = cut(street()).copy()
        image[at // 80 % 4 * 40 :, :60] //= 2
        picture = noisy(image, noise_after) if at % 80 < 20 and noise_after else image
        told.append(health.check(Frame("door", at / 4, picture)).status is PictureStatus.FROZEN)
    assert any(told[:320])
    assert any(told[-320:]) is told_often


def test_a_picture_too_small_to_judge_is_well() -> None:
    health = PictureHealth()
    assert watch(health, lambda at: np.full((4, 4, 3), at, np.uint8), 5)[-1] == Finding(PictureStatus.OK)


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
