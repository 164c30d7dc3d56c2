from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_runtime import demo
from edge_runtime.decision.grammar import spoken
from edge_runtime.decision.intents import speech_grammar
from edge_runtime.inference.acoustic import AcousticModel
from edge_runtime.inference.asr import SpeechToText
from edge_runtime.sentences import home
from edge_runtime.types import AudioChunk
from edge_runtime.wiring.assembly import Models

RATE = 16_000
QUESTIONS = {
    "intents": {"question.scene": {"data": [{"sentences": ["is there a (person|cat|dog)", "what do you see"]}]}}
}
ROOMS = ("kitchen", "living room", "bedroom")
NAMES = ("kitchen light", "lamp", "fan")


@pytest.fixture(scope="module")
def models() -> Models:
    models = Models()
    if models.manifest.phones is None:
        pytest.skip("the bundle in this checkout has no acoustic model")
    return models


@pytest.fixture(scope="module")
def listener(models: Models) -> SpeechToText:
    part = models.ears.phones
    assert part is not None
    states = speech_grammar([*home(None, ROOMS, NAMES, builtin=True), QUESTIONS]).states()
    return SpeechToText(models.acoustic, part, models.lexicon, states, spoken=spoken)


@pytest.fixture(scope="module")
def recorded() -> np.ndarray:
    samples, rate = soundfile.read(Path(demo.__file__).with_name("commands.wav"), dtype="float32")
    assert rate == RATE
    return np.asarray(samples)


def chunk(samples: np.ndarray) -> AudioChunk:
    return AudioChunk("mic", 0.0, samples.astype(np.float32))


def between(samples: np.ndarray, start: float, end: float) -> np.ndarray:
    return samples[round(start * RATE) : round(end * RATE)]


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [(0.7, 3.0, "turn on the kitchen light"), (3.4, 5.4, "is there a person"), (8.7, 10.7, "what do you see")],
)
def test_the_demo_is_understood(
    listener: SpeechToText, recorded: np.ndarray, start: float, end: float, text: str
) -> None:
    heard = listener.transcribe(chunk(between(recorded, start, end)))
    assert heard.text == text
    assert heard.confidence > 0.5
    assert all(other.text != text and other.confidence <= 0.5 for other in heard.alternatives)


@pytest.mark.parametrize("gain", [0.02, 0.2, 3.0], ids=["far away", "usual", "clipped"])
def test_loudness_does_not_matter(listener: SpeechToText, recorded: np.ndarray, gain: float) -> None:
    samples = np.clip(between(recorded, 0.7, 3.0) * gain, -1, 1)
    assert listener.transcribe(chunk(samples)).text == "turn on the kitchen light"


def test_an_offset_does_not_matter(models: Models, recorded: np.ndarray) -> None:
    samples = between(recorded, 0.7, 3.0)
    there, here = (models.acoustic.log_probs(samples + np.float32(offset)) for offset in (0.2, 0.0))
    # INT8 rounds the two a little differently; what is heard must not differ.
    assert np.abs(np.exp(there) - np.exp(here)).mean() < 1e-3
    assert (there.argmax(axis=1) == here.argmax(axis=1)).all()


RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(0),
        np.zeros(100),
        np.zeros(2 * RATE),
        np.full(RATE, 0.5),
        np.full(RATE, np.nan),
        np.full(RATE, np.inf),
        RANDOM.normal(0, 0.1, 2 * RATE),
        RANDOM.normal(0, 0.0005, RATE),
        0.3 * np.sin(np.arange(RATE) / 5),
        np.where(np.arange(RATE) % 4000 < 80, 0.9, 0.0),
    ],
    ids=["none", "6 ms", "digital silence", "an offset", "broken", "infinite", "noise", "hiss", "a tone", "clicks"],
)
def test_what_is_no_speech_has_no_confidence(listener: SpeechToText, samples: np.ndarray) -> None:
    assert listener.transcribe(chunk(samples)).confidence < 0.3


def test_other_sentences_are_not_believed(listener: SpeechToText, recorded: np.ndarray) -> None:
    other = listener.under([(False, {"open": 1}), (False, {"the": 2}), (False, {"window": 3, "door": 3}), (True, {})])
    heard = other.transcribe(chunk(between(recorded, 0.7, 3.0)))
    assert heard.confidence < 0.3


def test_a_grammar_that_nobody_can_say_hears_nothing(listener: SpeechToText, recorded: np.ndarray) -> None:
    assert listener.under([(False, {"窓": 1}), (True, {})]).transcribe(chunk(recorded)).text == ""


def test_threads_share_one_recogniser(listener: SpeechToText, recorded: np.ndarray) -> None:
    heard: list[str] = []
    samples = chunk(between(recorded, 0.7, 3.0))

    def listen() -> None:
        heard.extend(listener.transcribe(samples).text for _ in range(2))

    threads = [threading.Thread(target=listen) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert heard == ["turn on the kitchen light"] * 4


def test_frames_come_at_the_pace_that_the_manifest_says(models: Models) -> None:
    acoustic = AcousticModel(models.ears)
    frames = acoustic.log_probs(np.zeros(2 * RATE, np.float32))
    assert frames.dtype == np.float32
    assert frames.shape[1] == 1 + len(acoustic.phones)
    assert len(frames) == pytest.approx(2 * RATE / acoustic.hop, abs=3)
    assert np.exp(frames).sum(axis=1) == pytest.approx(np.ones(len(frames)), abs=1e-2)
