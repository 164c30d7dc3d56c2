"""What sounds made by arithmetic are put together from: noise, voices, things that are struck, echoes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edge_runtime.types import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Sequence

    Dice = np.random.Generator

Floats = NDArray[np.float64]
RATE = SAMPLE_RATE_HZ
MOST_HARMONICS = 40


def noise(dice: Dice, count: int, slope: float = 0.0, low: float = 20.0, high: float = 7900.0) -> Floats:
    """Return noise between two frequencies whose power falls by `slope` powers of the frequency; loudness about 1."""
    spectrum = np.fft.rfft(dice.standard_normal(count))
    hertz = np.fft.rfftfreq(count, 1 / RATE)
    spectrum *= np.maximum(hertz, 1.0) ** (-slope / 2) * ((hertz >= low) & (hertz <= high))
    made = np.fft.irfft(spectrum, count)
    return np.asarray(made / (made.std() + 1e-9))


def voice(
    dice: Dice,
    pitch: Floats,
    formants: Sequence[tuple[float | Floats, float]],
    *,
    tilt: float = 1.0,
    rough: float = 0.05,
) -> Floats:
    """Return a voice: harmonics of a moving pitch in Hz, falling by `tilt` powers, shaped by (centre, width) formants.

    `rough` is how unsteady the pitch is, and how much breath there is in it.
    """
    count = len(pitch)
    wobble = smooth(dice.standard_normal(count), 0.02) * rough * 2
    phase = 2 * np.pi * np.cumsum(pitch * (1 + wobble)) / RATE
    made = np.zeros(count)
    for number in range(1, min(MOST_HARMONICS, int(7600 / pitch.min())) + 1):
        hertz = number * pitch
        gain = sum((1 / (1 + ((hertz - centre) / width) ** 2) for centre, width in formants), 0.05 * np.ones(count))
        made += np.where(hertz < 7600, gain * number**-tilt, 0) * np.sin(number * phase + dice.uniform(0, 6.28))
    breath = noise(dice, count, 0.5, 300)
    return made / (made.std() + 1e-9) + rough * breath


def echoed(samples: Floats, echoes: Floats) -> Floats:
    """Return a sound with every echo of it, as long as it was."""
    size = len(samples) + len(echoes)
    found = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(echoes, size), size)
    return np.asarray(found[: len(samples)])


def smooth(values: Floats, share: float) -> Floats:
    """Return values that move by this share of the way at each sample."""
    return echoed(values, np.asarray(share * (1 - share) ** np.arange(int(6 / share)), np.float64))


def swell(count: int, rise: float, fall: float) -> Floats:
    """Return an envelope that takes `rise` of the time to come and `fall` to go."""
    at = np.linspace(0, 1, count)
    return np.clip(np.minimum(at / rise, (1 - at) / fall), 0, 1) ** 0.7


def struck(dice: Dice, modes: Sequence[float] | Floats, seconds: float, decay: float) -> Floats:
    """Return something struck: modes in Hz, the higher the shorter, fading in `decay` seconds."""
    at = np.arange(int(seconds * RATE)) / RATE
    made = [
        dice.uniform(0.4, 1) * np.sin(6.283 * hertz * at + dice.uniform(0, 6)) * np.exp(-at / decay * (1 + 0.3 * rank))
        for rank, hertz in enumerate(modes)
    ]
    return np.asarray(np.sum(made, 0))
