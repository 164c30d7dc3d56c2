from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile

from edge_runtime import demo
from edge_runtime.decision.endpointing import Endpointer
from edge_runtime.decision.intents import IntentMatcher, speech_grammar
from edge_runtime.inference.asr import Transcript
from edge_runtime.inference.vad import VoiceActivity
from edge_runtime.pipelines.understanding import Understanding
from edge_runtime.pipelines.voice import VoicePipeline
from edge_runtime.sentences import home
from edge_runtime.types import AudioChunk, Event, Question
from edge_runtime.wiring.assembly import Models
from edge_runtime.wiring.ears import recogniser

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_runtime.pipelines.understanding import Recogniser

RATE = 16_000
QUESTIONS = {
    "intents": {"question.scene": {"data": [{"sentences": ["is there a (person|cat|dog)", "what do you see"]}]}}
}
HOME = home(None, ("kitchen", "bedroom"), ("kitchen light", "lamp"), builtin=True)


def recorded() -> np.ndarray:
    samples, _ = soundfile.read(Path(demo.__file__).with_name("commands.wav"), dtype="float32")
    return np.asarray(samples)


def chunks(samples: np.ndarray) -> Iterator[AudioChunk]:
    for at in range(0, len(samples), 512):
        yield AudioChunk("kitchen", 100.0 + at / RATE, samples[at : at + 512])


@pytest.fixture(scope="module")
def stt() -> Recogniser:
    return recogniser(Models(), speech_grammar([*HOME, QUESTIONS]).states(), IntentMatcher(HOME).match)


@pytest.fixture
def pipeline(stt: Recogniser) -> VoicePipeline:
    return VoicePipeline(VoiceActivity(), Endpointer(0.5, 0.6, 10.0), Understanding(stt, IntentMatcher(HOME), 0.5))


def told(pipeline: VoicePipeline, samples: np.ndarray) -> list[Event | Question]:
    return [*(said for chunk in chunks(samples) for said in pipeline.step(chunk)), *pipeline.flush()]


def test_the_demo_gives_a_command_and_two_questions(pipeline: VoicePipeline) -> None:
    command, *questions = told(pipeline, recorded())
    assert isinstance(command, Event)
    assert (command.kind, command.source) == ("intent", "kitchen")
    assert command.data["intent"] == "HassTurnOn"
    assert command.data["slots"] == {"name": "kitchen light"}
    assert command.data["transcript"] == "turn on the kitchen light"
    assert 0.5 < float(str(command.data["confidence"])) <= 1.0
    assert json.loads(json.dumps(command.data)) == command.data
    assert 102.0 < command.at < 104.0, "the moment at which it had been said"
    assert all(isinstance(question, Question) for question in questions)
    assert [question.text for question in questions if isinstance(question, Question)] == [
        "is there a person",
        "what do you see",
    ]
    assert all(question.chunk is not None for question in questions if isinstance(question, Question))


def test_a_stream_that_ends_in_the_middle_is_flushed(pipeline: VoicePipeline) -> None:
    [command] = told(pipeline, recorded()[: round(2.55 * RATE)])
    assert isinstance(command, Event)
    assert command.data["intent"] == "HassTurnOn"
    assert pipeline.flush() == []


@pytest.mark.parametrize(
    "samples",
    [np.zeros(3 * RATE, np.float32), np.random.default_rng(0).normal(0, 0.05, 3 * RATE).astype(np.float32)],
    ids=["silence", "noise"],
)
def test_no_speech_says_nothing(pipeline: VoicePipeline, samples: np.ndarray) -> None:
    assert told(pipeline, samples) == []
    nothing: dict[str, Any] = {"transcript": "", "intent": None, "slots": {}, "confidence": 0.0, "alternatives": []}
    assert pipeline.understand(AudioChunk("file", 0.0, samples)) == nothing


@pytest.mark.parametrize("margin", [0.0, 0.1, 1.0], ids=["no silence around it", "a little", "a second"])
def test_a_whole_recording_is_one_utterance(pipeline: VoicePipeline, margin: float) -> None:
    speech = recorded()[round(1.0 * RATE) : round(2.5 * RATE)]
    understood = pipeline.understand(AudioChunk("file", 0.0, np.pad(speech, round(margin * RATE))))
    assert understood["transcript"] == "turn on the kitchen light"
    assert understood["intent"] == "HassTurnOn"
    assert understood["slots"] == {"name": "kitchen light"}


def test_a_recording_with_pauses_gives_its_command(pipeline: VoicePipeline) -> None:
    assert pipeline.understand(AudioChunk("file", 0.0, recorded()))["slots"] == {"name": "kitchen light"}
    questions = pipeline.understand(AudioChunk("file", 0.0, recorded()[4 * RATE :]))
    assert questions["intent"] is None
    assert questions["transcript"] in {"is there a person", "what do you see"}


def test_recordings_do_not_depend_on_each_other(pipeline: VoicePipeline) -> None:
    clip = AudioChunk("file", 0.0, recorded()[: 3 * RATE])
    first = pipeline.understand(clip)
    pipeline.understand(AudioChunk("file", 0.0, np.zeros(RATE, np.float32)))
    again = pipeline.understand(clip)
    assert again["confidence"] == pytest.approx(first["confidence"], abs=0.02)
    assert {**again, "confidence": 0} == {**first, "confidence": 0}


@dataclass
class Scripted:
    """A recogniser that hears what it is told to."""

    transcript: Transcript
    heard: list[AudioChunk] = field(default_factory=list)

    def transcribe(self, chunk: AudioChunk) -> Transcript:
        self.heard.append(chunk)
        return self.transcript


@pytest.mark.parametrize(
    ("text", "confidence", "expected"),
    [
        pytest.param("turn on the lamp", 0.9, {"intent": "HassTurnOn"}, id="a command"),
        pytest.param("turn on the lamp", 0.4, "not_understood", id="a command too unsure to carry out"),
        pytest.param("what do you see", 0.9, "what do you see", id="anything else is a question"),
        pytest.param("what do you see", 0.4, "not_understood", id="a question too unsure to ask"),
        pytest.param("", 0.0, "not_understood", id="nothing recognised"),
    ],
)
def test_confidence_decides(text: str, confidence: float, expected: Any) -> None:
    scripted = Scripted(Transcript(text, confidence))
    pipeline = VoicePipeline(
        VoiceActivity(), Endpointer(0.5, 0.6, 10.0), Understanding(scripted, IntentMatcher(HOME), 0.5)
    )
    [said] = told(pipeline, recorded()[: 4 * RATE])
    assert len(scripted.heard) == 1
    if isinstance(said, Question):
        assert said.text == expected
    elif said.kind == "not_understood":
        assert expected == "not_understood"
        assert said.data == {"transcript": text, "confidence": confidence}
    else:
        assert said.kind == "intent"
        assert {"intent": said.data["intent"]} == expected
