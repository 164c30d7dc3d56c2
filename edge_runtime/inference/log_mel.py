"""Sound as the audio tower reads it: patches of log-mel, the same for training and for the device."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.types import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

BANDS = 64
FRAMES = 96
"""Frames of one patch, 10 ms apart."""

_WINDOW = 400
_STEP = 160
_FFT = 512
_LOWEST_HZ, _HIGHEST_HZ = 125.0, 7500.0
_OFFSET = 0.001

PATCH_SAMPLES = (FRAMES - 1) * _STEP + _WINDOW
"""Samples that one patch is made of: 0.975 s."""

HOP_SAMPLES = FRAMES // 2 * _STEP
"""Samples from one patch to the next: 0.48 s."""

ENOUGH_SAMPLES = SAMPLE_RATE_HZ // 10
"""A tail of less new sound is left out: 0.1 s."""


def patches(samples: Floats) -> Floats:
    """Return YAMNet's input (AudioSet's features, arXiv:1609.09430), float32 (n, 96 frames, 64 bands), n >= 1.

    Patches begin every 0.48 s. Sound shorter than one patch is followed by silence; so is a tail that fills no whole
    patch, where it holds at least 0.1 s that no patch before it holds.

    Args:
        samples: float32 mono at 16 kHz in -1 to 1, shape (samples,).
    """
    more, tail = divmod(max(0, len(samples) - PATCH_SAMPLES), HOP_SAMPLES)
    count = 1 + more + (tail >= ENOUGH_SAMPLES)
    missing = PATCH_SAMPLES + (count - 1) * HOP_SAMPLES - len(samples)
    frames = log_mel(np.pad(samples, (0, max(0, missing))))
    windows = np.lib.stride_tricks.sliding_window_view(frames, FRAMES, axis=0)[:: FRAMES // 2][:count]
    return np.ascontiguousarray(windows.transpose(0, 2, 1))


def log_mel(samples: Floats) -> Floats:
    """Return float32 (frames, 64): magnitudes in windows of 25 ms every 10 ms, in bands of HTK's mel scale, as logs.

    Args:
        samples: float32 mono at 16 kHz in -1 to 1, at least 400 of them.
    """
    frames = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float32, copy=False), _WINDOW)[::_STEP]
    magnitudes = np.abs(np.fft.rfft(frames * _window(), _FFT))
    logs: Floats = np.log(magnitudes.astype(np.float32, copy=False) @ _bands() + np.float32(_OFFSET))
    return logs


@cache
def _window() -> Floats:
    """Return a Hann window, periodic as for a Fourier transform: one sample longer and the last left out."""
    return np.hanning(_WINDOW + 1)[:-1].astype(np.float32)


@cache
def _bands() -> Floats:
    """Return triangles between 125 and 7500 Hz, shape (257, 64), evenly spaced and straight on HTK's mel scale."""
    edges = np.linspace(_mel(_LOWEST_HZ), _mel(_HIGHEST_HZ), BANDS + 2)
    bins = _mel(np.linspace(0.0, SAMPLE_RATE_HZ / 2, _FFT // 2 + 1))[:, np.newaxis]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)


def _mel(hertz: float | NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1127.0 * np.log1p(np.asarray(hertz) / 700.0))
