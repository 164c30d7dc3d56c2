"""When an utterance counts; sound here is words, the number of each in its samples."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge_runtime.decision.attention import Attention
from edge_runtime.decision.continuations import Continuations
from edge_runtime.decision.endpointing import Endpointer
from edge_runtime.decision.intents import IntentMatcher, speech_grammar
from edge_runtime.inference.asr import Transcript
from edge_runtime.pipelines.understanding import Understanding
from edge_runtime.pipelines.voice import Companions, VoicePipeline
from edge_runtime.sentences import home
from edge_runtime.types import SAMPLE_RATE_HZ, AudioChunk, Event, Question, Wake

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CHUNK = 512
CHUNK_S = CHUNK / SAMPLE_RATE_HZ
WORD = 8
SHORT, LONG = 5, 12
"""Chunks of silence: enough after a complete sentence; enough after a device, to which its place may be added."""
HOME = home(None, ("kitchen", "bedroom"), ("lamp",), builtin=True)
WORDS = ["", "mumble", "computer", *sorted({word for _, arcs in speech_grammar(HOME).states() for word in arcs})]
SENTENCES = IntentMatcher(HOME).match
CONTINUATIONS = Continuations(speech_grammar(HOME).states(), IntentMatcher(HOME).match)


def sound(*parts: str | int) -> Iterator[AudioChunk]:
    """Yield chunks of words, each a quarter of a second, and of silence, so many chunks."""
    numbers: list[int] = []
    for part in parts:
        if isinstance(part, int):
            numbers += [0] * part
        else:
            numbers += [WORDS.index(word) for word in part.split() for _ in range(WORD)]
    for at, number in enumerate(numbers):
        yield AudioChunk("hall", at * CHUNK_S, np.full(CHUNK, number, np.float32))


class Ideal:
    """A detector and a recogniser that make no mistakes, but are unsure of a mumbled word."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def process(self, chunk: AudioChunk) -> float:
        return float(chunk.samples.any())

    def reset(self) -> None: ...

    def transcribe(self, chunk: AudioChunk) -> Transcript:
        self.seconds.append(len(chunk.samples) / SAMPLE_RATE_HZ)
        numbers = chunk.samples[::CHUNK].astype(int)
        changes = np.flatnonzero(np.diff(numbers, prepend=0, append=0))
        # The end of a wake word may be left over.
        heard = [numbers[at] for at, after in itertools.pairwise(changes) if numbers[at] and after - at > 2]
        text = " ".join(WORDS[number] for number in heard)
        return Transcript(text, 0.2 if not SENTENCES(text) else 0.6 if text == "never mind" else 0.95)


def pipeline(ideal: Ideal, **companions: Any) -> VoicePipeline:
    understanding = Understanding(ideal, IntentMatcher(HOME), 0.5)
    with_all = Companions(**{"outlook": CONTINUATIONS.outlook, **companions})
    return VoicePipeline(ideal, Endpointer(0.5, 0.6, 10.0), understanding, with_all)


def told(listening: VoicePipeline, chunks: Iterator[AudioChunk]) -> list[tuple[int, str]]:
    """Return (number of the chunk with which it was told, what was said) of everything told."""
    found: list[tuple[int, str]] = []
    for at, chunk in enumerate(chunks):
        found += [(at, said(item)) for item in listening.step(chunk)]
    assert listening.flush() == []
    return found


def said(item: Event | Question) -> str:
    if isinstance(item, Question):
        return f"question {item.text}".strip()
    return str(item.data["transcript"]) if item.kind == "intent" else item.kind


OFF, LAMP, LIGHTS, MORE = "turn off the bedroom lights", "turn on the lamp", "turn on the lights", "in the kitchen"


def ends(*parts: str | int) -> int:
    return sum(part if isinstance(part, int) else WORD * len(part.split()) for part in parts)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        pytest.param([9, OFF, 40], [(ends(9, OFF) + 3, OFF)], id="complete: after a short pause"),
        pytest.param([9, LAMP, 40], [(ends(9, LAMP) + 5, LAMP)], id="its place may follow: after a longer one"),
        pytest.param([9, LIGHTS, 40], [(ends(9, LIGHTS) + 18, LIGHTS)], id="more may follow: after the normal one"),
        pytest.param([9, LIGHTS, 10, MORE, 40], [(ends(9, LIGHTS, 10, MORE) + 3, f"{LIGHTS} {MORE}")],
                     id="more does follow: one command, the whole one"),
        pytest.param([9, LAMP, 5, MORE, 40], [(ends(9, LAMP, 5, MORE) + 3, f"{LAMP} {MORE}")],
                     id="its place does follow"),
        pytest.param([9, "turn off", 7, "the bedroom lights", 40], [(ends(9, OFF, 7) + 3, OFF)],
                     id="a pause in the middle"),
        pytest.param([9, OFF, SHORT, "please", 40], [(ends(9, OFF) + 3, OFF)], id="a courtesy afterwards is not told"),
        pytest.param([9, OFF, SHORT, "mumble", 40], [(ends(9, OFF) + 3, OFF)], id="nor a mumble"),
        pytest.param([9, OFF, LONG, MORE, 40], [(ends(9, OFF) + 3, OFF)], id="nor words that are no command"),
        pytest.param([9, OFF, 40, "mumble", 40],
                     [(ends(9, OFF) + 3, OFF), (ends(9, OFF, 40, "mumble") + 18, "not_understood")],
                     id="but what is said later is"),
        pytest.param([9, OFF, SHORT, OFF, 40], [(ends(9, OFF) + 3, OFF), (ends(9, OFF, SHORT, OFF) + 3, OFF)],
                     id="a second command counts too"),
        pytest.param([9, "never mind", 40], [(ends(9, "never mind") + 18, "never mind")], id="not sure enough: normal"),
        pytest.param([9, "mumble", 40], [(ends(9, "mumble") + 18, "not_understood")], id="not understood: normal"),
    ],
)  # fmt: skip
def test_when_a_command_counts(parts: Sequence[str | int], expected: list[tuple[int, str]]) -> None:
    assert told(pipeline(Ideal()), sound(*parts)) == expected


def test_without_a_grammar_everything_waits_for_the_normal_pause() -> None:
    assert told(pipeline(Ideal(), outlook=None), sound(9, OFF, 40)) == [(ends(9, OFF) + 18, OFF)]


def test_the_end_of_the_stream_ends_an_utterance() -> None:
    listening = pipeline(Ideal())
    assert [item for chunk in sound(9, OFF, 2) for item in listening.step(chunk)] == []
    assert [said(item) for item in listening.flush()] == [OFF]


def test_what_was_surely_heard_in_a_pause_is_not_heard_again() -> None:
    ideal = Ideal()
    assert told(pipeline(ideal), sound(9, LIGHTS, 40))
    assert len(ideal.seconds) == 1


def test_a_television_costs_few_looks_and_no_memory() -> None:
    ideal = Ideal()
    listening = pipeline(ideal)
    evening = [part for _ in range(300) for part in ("mumble mumble mumble", 6)]
    events = told(listening, sound(9, *evening, 40))
    seconds = ends(*evening) * CHUNK_S
    assert {text for _, text in events} == {"not_understood"}
    assert len(events) <= seconds / 30 + 1
    assert max(ideal.seconds) <= 10.1
    assert sum(ideal.seconds) < 3 * seconds
    assert sum(len(chunk.samples) for chunk in listening._endpointer._chunks) < SAMPLE_RATE_HZ


def test_free_speech_is_handed_on_to_be_written_down() -> None:
    listening = pipeline(Ideal(), dictation=True)
    items = [item for chunk in sound(9, "mumble mumble", 40) for item in listening.step(chunk)]
    [question] = items
    assert isinstance(question, Question)
    assert question.text == ""
    assert question.chunk is not None
    assert np.count_nonzero(question.chunk.samples) == 2 * WORD * CHUNK


class Spotter:
    """Hears the wake word "computer" as soon as it has ended."""

    def __init__(self) -> None:
        self.vain: list[Wake] = []
        self._heard = 0

    def process(self, chunk: AudioChunk, speech: float | None = None) -> Wake | None:
        assert speech is not None
        self._heard = self._heard + 1 if chunk.samples[0] == WORDS.index("computer") else 0
        if self._heard < WORD:
            return None
        end = chunk.at + CHUNK_S
        return Wake("computer", 0.8, end - WORD * CHUNK_S, end)

    def flush(self) -> Wake | None:
        return None

    def in_vain(self, wake: Wake) -> None:
        self.vain.append(wake)


@pytest.mark.parametrize(
    ("parts", "expected", "vain"),
    [
        pytest.param([9, OFF, 40], [], 0, id="without the wake word nothing counts"),
        pytest.param([9, "computer", OFF, 40], ["wake", OFF], 0, id="in one breath"),
        pytest.param([9, "computer", 30, OFF, 40], ["wake", OFF], 0, id="after a pause"),
        pytest.param([9, "mumble computer", OFF, 40], ["wake", OFF], 0, id="what was said before does not matter"),
        pytest.param([9, "computer", OFF, 40, OFF, 40], ["wake", OFF], 0, id="one command for each"),
        pytest.param([9, "computer", OFF, SHORT, "please", 40], ["wake", OFF], 0, id="a courtesy afterwards"),
        pytest.param([9, "computer", 30, "mumble", 200], ["wake", "not_understood"], 1, id="not understood"),
        pytest.param([9, "computer", 300, OFF, 40], ["wake"], 1, id="too late, and so probably never said"),
    ],
)
def test_with_a_wake_word(parts: Sequence[str | int], expected: list[str], vain: int) -> None:
    ideal, spotter = Ideal(), Spotter()
    listening = pipeline(ideal, wake=spotter, attention=Attention(5.0))
    assert [text for _, text in told(listening, sound(*parts))] == expected
    assert len(spotter.vain) == vain
    if "wake" not in expected:
        assert ideal.seconds == [], "nothing is recognised that does not count"
