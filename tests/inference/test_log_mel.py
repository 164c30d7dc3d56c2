from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.inference.log_mel import BANDS, FRAMES, HOP_SAMPLES, PATCH_SAMPLES, log_mel, patches
from edge_runtime.types import SAMPLE_RATE_HZ

SILENCE = np.float32(np.log(0.001))


def tone(hertz: float, seconds: float = 1.0, loudness: float = 0.5) -> np.ndarray:
    at = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return (loudness * np.sin(2 * np.pi * hertz * at)).astype(np.float32)


@pytest.mark.parametrize(
    ("samples", "count"),
    [
        pytest.param(0, 1, id="no-sound-is-one-patch-of-silence"),
        pytest.param(100, 1, id="shorter-than-a-window"),
        pytest.param(PATCH_SAMPLES - 1, 1, id="one-sample-short-of-a-patch"),
        pytest.param(PATCH_SAMPLES, 1, id="exactly-a-patch"),
        pytest.param(PATCH_SAMPLES + 1599, 1, id="a-tail-below-a-tenth-of-a-second-is-left"),
        pytest.param(PATCH_SAMPLES + 1600, 2, id="a-tail-of-a-tenth-of-a-second-counts"),
        pytest.param(PATCH_SAMPLES + HOP_SAMPLES, 2, id="exactly-two-patches"),
        pytest.param(5 * SAMPLE_RATE_HZ, 10, id="five-seconds"),
    ],
)
def test_patches_begin_every_half_patch_and_cover_the_sound(samples: int, count: int) -> None:
    found = patches(np.zeros(samples, np.float32))
    assert found.shape == (count, FRAMES, BANDS)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    np.testing.assert_allclose(found, SILENCE)


def test_a_patch_is_the_stretch_of_sound_it_stands_for() -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, 3 * SAMPLE_RATE_HZ).astype(np.float32)
    found = patches(sound)
    for number in (0, 1, 3):
        alone = patches(sound[number * HOP_SAMPLES :][:PATCH_SAMPLES])
        np.testing.assert_array_equal(alone[0], found[number])


def test_a_short_sound_is_followed_by_silence() -> None:
    found = patches(tone(1000, 0.5))[0]
    assert found[:48].max(axis=1).min() > 0
    np.testing.assert_allclose(found[52:], SILENCE, atol=1e-5)


@pytest.mark.parametrize(
    ("hertz", "band"),
    [
        # Band b is centred at (b + 1)/65 of the way from 125 Hz to 7500 Hz on 1127 ln(1 + f/700).
        pytest.param(250.0, 2, id="low"),
        pytest.param(1000.0, 19, id="middle"),
        pytest.param(4000.0, 48, id="high"),
        pytest.param(7000.0, 61, id="highest"),
    ],
)
def test_a_tone_lies_in_its_band(hertz: float, band: int) -> None:
    frames = log_mel(tone(hertz))
    assert abs(int(frames.mean(0).argmax()) - band) <= 1


@pytest.mark.parametrize("hertz", [pytest.param(30.0, id="below-125-Hz"), pytest.param(7900.0, id="above-7500-Hz")])
def test_what_lies_outside_the_bands_is_hardly_heard(hertz: float) -> None:
    assert log_mel(tone(hertz)).max() < log_mel(tone(1000.0)).max() - 2


def test_frames_agree_with_the_definition_written_out() -> None:
    sound = np.random.default_rng(1).normal(0, 0.1, 2000).astype(np.float32)
    found = log_mel(sound)
    edges = np.linspace(1127 * np.log(1 + 125 / 700), 1127 * np.log(1 + 7500 / 700), 66)
    for number in (0, 7):
        frame = sound[160 * number :][:400].astype(np.float64)
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
        turns = np.exp(-2j * np.pi * np.outer(np.arange(257), np.arange(400)) / 512)
        magnitudes = np.abs(turns @ (frame * hann))
        mels = 1127 * np.log(1 + np.arange(257) * 31.25 / 700)
        for band in (0, 20, 63):
            low, middle, high = edges[band : band + 3]
            weights = np.clip(np.minimum((mels - low) / (middle - low), (high - mels) / (high - middle)), 0, None)
            assert found[number, band] == pytest.approx(np.log(weights @ magnitudes + 0.001), abs=1e-4)
