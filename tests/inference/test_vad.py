from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile

from edge_runtime import demo
from edge_runtime.inference.vad import VoiceActivity
from edge_runtime.types import AudioChunk

RATE = 16_000
NOISE = np.random.default_rng(0).normal(0, 0.05, RATE).astype(np.float32)
TONE = (0.3 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.float32)


def probabilities(samples: np.ndarray, vad: VoiceActivity) -> list[float]:
    return [vad.process(AudioChunk("mic", 0.0, samples[at : at + 512])) for at in range(0, len(samples), 512)]


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    samples, _ = soundfile.read(Path(demo.__file__).with_name("commands.wav"), dtype="float32")
    return np.asarray(samples)


def test_speech_is_where_it_is_said(speech: np.ndarray) -> None:
    heard = np.array(probabilities(speech, VoiceActivity()))
    second = np.arange(len(heard)) * 512 / RATE
    assert heard[second < 0.8].max() < 0.3
    assert np.median(heard[(second > 1.3) & (second < 2.2)]) > 0.8


@pytest.mark.parametrize(
    "samples",
    [np.zeros(RATE, np.float32), NOISE, TONE, np.full(RATE, np.nan, np.float32)],
    ids=["silence", "white noise", "a tone", "a broken microphone"],
)
def test_no_speech(samples: np.ndarray) -> None:
    assert max(probabilities(samples, VoiceActivity())) < 0.4


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 5000])
def test_any_size_of_chunk(size: int) -> None:
    assert 0.0 <= VoiceActivity().process(AudioChunk("mic", 0.0, NOISE[:size])) <= 1.0


def test_reset_forgets(speech: np.ndarray) -> None:
    vad = VoiceActivity()
    first = probabilities(speech[: 2 * RATE], vad)
    vad.reset()
    assert probabilities(speech[: 2 * RATE], vad) == pytest.approx(first, abs=1e-5)


def test_it_listens_in_one_thread(speech: np.ndarray) -> None:
    vad, before = VoiceActivity(), psutil.Process().num_threads()
    probabilities(speech[:RATE], vad)
    assert psutil.Process().num_threads() == before
    assert "OMP_THREAD_LIMIT" not in os.environ, "others may have as many as they like"
