from __future__ import annotations

import io
import shutil
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from edge_runtime import demo
from edge_runtime.decision.grammar import spoken
from edge_runtime.decision.intents import speech_grammar
from edge_runtime.inference.pronunciation import pronounce
from edge_runtime.inference.sphinx import SphinxSpeechToText
from edge_runtime.sentences import home
from edge_runtime.types import AudioChunk

RATE = 16_000
QUESTIONS = {
    "intents": {"question.scene": {"data": [{"sentences": ["is there a (person|cat|dog)", "what do you see"]}]}}
}
ROOMS = ("kitchen", "living room", "bedroom")
NAMES = ("kitchen light", "lamp", "fan")


@pytest.fixture(scope="module")
def listener() -> SphinxSpeechToText:
    grammar = speech_grammar([*home(None, ROOMS, NAMES, builtin=True), QUESTIONS])
    return SphinxSpeechToText(grammar.fsg(), spoken)


def recording(samples: np.ndarray) -> AudioChunk:
    return AudioChunk("mic", 0.0, samples.astype(np.float32))


def said_by_espeak(text: str) -> np.ndarray:
    if not shutil.which("espeak-ng"):
        pytest.skip("espeak-ng is not installed")
    sound = subprocess.run(["espeak-ng", "-v", "en-us", "--stdout", text], capture_output=True, check=True).stdout
    samples, rate = soundfile.read(io.BytesIO(sound), dtype="float32")
    return np.pad(np.asarray(soxr.resample(samples, rate, RATE)), RATE // 3)


@pytest.fixture(scope="module")
def demo_recording() -> np.ndarray:
    samples, rate = soundfile.read(Path(demo.__file__).with_name("commands.wav"), dtype="float32")
    assert rate == RATE
    return np.asarray(samples)


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [(0.7, 3.0, "turn on the kitchen light"), (3.4, 5.4, "is there a person"), (8.7, 10.7, "what do you see")],
)
def test_the_demo_is_understood(
    listener: SphinxSpeechToText, demo_recording: np.ndarray, start: float, end: float, text: str
) -> None:
    heard = listener.transcribe(recording(demo_recording[round(start * RATE) : round(end * RATE)]))
    assert heard.text == text
    assert heard.confidence > 0.5


@pytest.mark.parametrize(
    "text", ["turn on the lamp", "turn off the living room lights", "set a timer for five minutes", "what do you see"]
)
def test_a_synthesised_voice_is_understood(listener: SphinxSpeechToText, text: str) -> None:
    assert listener.transcribe(recording(said_by_espeak(text))).text == text


@pytest.mark.parametrize("gain", [0.02, 0.2, 3.0], ids=["far away", "usual", "clipped"])
def test_loudness_does_not_matter(listener: SphinxSpeechToText, demo_recording: np.ndarray, gain: float) -> None:
    samples = np.clip(demo_recording[11_000:48_000] * gain, -1, 1)
    assert listener.transcribe(recording(samples)).text == "turn on the kitchen light"


RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(0),
        np.zeros(100),
        np.zeros(2 * RATE),
        np.full(RATE, 0.5),
        np.full(RATE, np.nan),
        RANDOM.normal(0, 0.1, 2 * RATE),
        RANDOM.normal(0, 0.0005, RATE),
        0.3 * np.sin(np.arange(RATE) / 5),
        np.where(np.arange(RATE) % 4000 < 80, 0.9, 0.0),
    ],
    ids=["nothing", "6 ms", "digital silence", "an offset", "a broken microphone", "noise", "hiss", "a tone", "clicks"],
)
def test_what_is_no_speech_has_no_confidence(listener: SphinxSpeechToText, samples: np.ndarray) -> None:
    assert listener.transcribe(recording(samples)).confidence < 0.3


@pytest.mark.parametrize(
    "text", ["the quick brown fox jumps over the lazy dog", "my sister bought seven oranges yesterday"]
)
def test_other_speech_has_little_confidence(listener: SphinxSpeechToText, text: str) -> None:
    assert listener.transcribe(recording(said_by_espeak(text))).confidence < 0.5


def test_threads_share_one_recogniser(listener: SphinxSpeechToText, demo_recording: np.ndarray) -> None:
    heard: list[str] = []

    def listen() -> None:
        heard.extend(listener.transcribe(recording(demo_recording[11_000:48_000])).text for _ in range(2))

    threads = [threading.Thread(target=listen) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(heard) == 4
    assert set(heard) == {"turn on the kitchen light"}


def test_words_of_no_dictionary(caplog: pytest.LogCaptureFixture) -> None:
    grammar = speech_grammar([{"intents": {"X": {"data": [{"sentences": ["open fritzbox 7", "öffne 窓"]}]}}}])
    listener = SphinxSpeechToText(grammar.fsg(), spoken)
    assert "窓" in caplog.text
    assert listener.transcribe(recording(said_by_espeak("open fritz box seven"))).text == "open fritzbox 7"


DICTIONARY = {"night": "N AY T", "lamp": "L AE M P", "un": "AH N", "mute": "M Y UW T"}


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        pytest.param("lamp", "L AE M P", id="in the dictionary"),
        pytest.param("nightlamp", "N AY T L AE M P", id="two words in one"),
        pytest.param("lamp's", "L AE M P Z", id="possessive"),
        pytest.param("wc", "D AH B AH L Y UW S IY", id="initials"),
        pytest.param("t.v.", "T IY V IY", id="initials with points"),
        pytest.param("zorbo", "Z AO R B OW", id="by its spelling"),
        pytest.param("glafe", "G L EY F", id="a silent e"),
        pytest.param("lämp", "L AE M P", id="in the dictionary without its accent"),
        pytest.param("窓", None, id="not Latin"),
        pytest.param("!", None, id="no letter"),
    ],
)
def test_pronunciation(word: str, phones: str | None) -> None:
    assert pronounce(word, DICTIONARY.get) == phones
