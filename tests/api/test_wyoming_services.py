from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from doors import (
    WORD,
    WORD_LEVEL,
    go,
    open_box,
    read,
    read_until,
    send_sound,
    simple_services,
    tone,
)
from painted import PaintedModel, PaintedWords, say
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk as WireChunk
from wyoming.audio import AudioStart, AudioStop
from wyoming.handle import Handled, NotHandled
from wyoming.info import Describe, Info
from wyoming.intent import Intent, Recognize
from wyoming.ping import Ping, Pong
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop, SynthesizeVoice
from wyoming.wake import Detect, Detection

from edge_runtime.decision.intents import IntentMatcher
from edge_runtime.inference.wake import WakeWord
from edge_runtime.sentences import home
from edge_runtime.types import Answer, AudioChunk, Origin

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from doors import Box

    from edge_runtime.types import Sound, Wake

HOME = home(None, ("kitchen",), ("kitchen light", "lamp"), builtin=True)


@pytest.fixture(scope="module")
def matcher() -> IntentMatcher:
    return IntentMatcher(HOME)


@pytest.fixture(scope="module", name="box")
def shared_box(matcher: IntentMatcher) -> Iterator[Box]:
    with open_box(simple_services(match=matcher.match)) as box:
        yield box


def test_describe_names_every_service_with_its_maker_version_and_languages(box: Box) -> None:
    async def story() -> None:
        async with box.client() as client:
            await client.write_event(Describe().event())
            info = Info.from_event(await read(client, "info"))
        programs = [*info.asr, *info.intent, *info.handle, *info.wake, *info.tts]
        assert len(programs) == 5
        assert all(program.installed and program.version == "1.2.3" for program in programs)
        assert all(program.attribution.name for program in programs)
        assert [model.phrase for model in info.wake[0].models] == [WORD, "computer"]
        assert info.asr[0].models[0].languages == ["en"]
        assert info.tts[0].supports_synthesize_streaming
        assert info.satellite is None, "Home Assistant would overlook the services of a satellite"

    go(story())


def test_a_service_that_is_switched_off_is_not_named() -> None:
    async def story() -> None:
        async with box.client() as client:
            await client.write_event(Describe().event())
            info = Info.from_event(await read(client, "info"))
        assert (len(info.asr), len(info.wake), len(info.tts), len(info.handle), len(info.intent)) == (0, 0, 1, 0, 0)

    with open_box(simple_services(transcribe=None, spotter=None, answer=None)) as box:
        go(story())


@pytest.mark.parametrize(
    ("rate", "width", "channels"),
    [
        pytest.param(16_000, 2, 1, id="as-home-assistant-sends-it"),
        pytest.param(48_000, 2, 2, id="stereo-at-48-kHz"),
        pytest.param(44_100, 3, 1, id="24-bit-at-44.1-kHz"),
        pytest.param(22_050, 4, 2, id="32-bit-stereo"),
        pytest.param(8_000, 1, 1, id="8-bit-telephone"),
    ],
)
def test_sound_of_any_format_reaches_the_recogniser_at_16_khz(rate: int, width: int, channels: int) -> None:
    heard: list[AudioChunk] = []

    def transcribe(chunk: AudioChunk) -> str:
        heard.append(chunk)
        return "turn on the lamp"

    async def story() -> None:
        async with box.client() as client:
            await client.write_event(Transcribe(language="en").event())
            await send_sound(client, tone(1.0, 0.5, rate), rate, width, channels)
            transcript = Transcript.from_event(await read(client, "transcript"))
        assert transcript.text == "turn on the lamp"

    with open_box(simple_services(transcribe=transcribe)) as box:
        go(story())
    samples = heard[0].samples
    assert samples.dtype == np.float32
    assert abs(len(samples) - 16_000) < 16
    middle = samples[2000:14_000]
    expected = tone(1.0)[2000:14_000]
    assert np.abs(middle - expected).max() < (0.02 if width == 1 else 0.005)


def test_two_utterances_on_one_connection_are_kept_apart(box: Box) -> None:
    async def story() -> None:
        async with box.client() as client:
            for seconds in (0.5, 1.0):
                await client.write_event(Transcribe().event())
                await send_sound(client, tone(seconds))
                assert Transcript.from_event(await read(client, "transcript")).text == f"{seconds:.2f} seconds"

    go(story())


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        pytest.param("turn on the lamp", "intent", {"name": "HassTurnOn"}, id="a-command"),
        pytest.param("Turn on the lamp.", "intent", {"name": "HassTurnOn"}, id="case-and-punctuation"),
        pytest.param("purple monkey", "not-recognized", {}, id="no-command"),
        pytest.param("", "not-recognized", {}, id="nothing"),
    ],
)
def test_recognize_tells_the_intent_or_that_there_is_none(box: Box, text: str, kind: str, said: dict[str, str]) -> None:
    async def story() -> None:
        async with box.client() as client:
            await client.write_event(Recognize(text).event())
            event = await read(client, kind)
        assert said.items() <= event.data.items()

    go(story())


def test_slots_become_entities_with_their_values(box: Box) -> None:
    async def story() -> None:
        async with box.client() as client:
            await client.write_event(Recognize("set the lamp brightness to 40 percent").event())
            intent = Intent.from_event(await read(client, "intent"))
        slots = {entity.name: entity.value for entity in intent.entities}
        assert intent.name == "HassLightSet"
        assert slots == {"name": "lamp", "brightness": 40}

    go(story())


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        pytest.param("turn on the lamp", "intent", None, id="commands-are-named-and-left-to-the-client"),
        pytest.param("who is there", "handled", "You said who is there.", id="the-rest-is-answered"),
        pytest.param("  ", "not-handled", None, id="nothing-was-said"),
    ],
)
def test_a_transcript_is_handled_as_home_assistant_sends_it(box: Box, text: str, kind: str, said: str | None) -> None:
    async def story() -> None:
        async with box.client() as client:
            await client.write_event(Transcript(text, context={"conversation_id": "1"}, language="en").event())
            event = await read(client, kind)
        if said is not None:
            assert Handled.from_event(event).text == said

    go(story())


def test_an_abstention_is_not_handled_and_says_why() -> None:
    async def story() -> None:
        async with box.client() as client:
            await client.write_event(Transcript("who am i").event())
            assert NotHandled.from_event(await read(client, "not-handled")).text == "I am not sure."

    with open_box(simple_services(answer=lambda _: Answer("I am not sure.", 0.0, Origin.ABSTAINED))) as box:
        go(story())


def test_an_intent_is_not_carried_out_here(box: Box) -> None:
    async def story() -> None:
        async with box.client() as client:
            await client.write_event(Intent("HassTurnOn").event())
            await read(client, "not-handled")

    go(story())


def test_wake_words_are_told_with_the_time_of_their_chunk_and_the_stream_goes_on(box: Box) -> None:
    async def story() -> None:
        async with box.client() as client:
            await client.write_event(Detect(names=[WORD]).event())
            await client.write_event(AudioStart(16_000, 2, 1).event())
            for number in range(100):
                level = WORD_LEVEL if number in {40, 90} else 0.1
                sound = (np.full(512, level) * 32767).astype("<i2").tobytes()
                await client.write_event(WireChunk(16_000, 2, 1, sound, timestamp=32 * number).event())
            await client.write_event(AudioStop().event())
            await client.write_event(Ping("over").event())
            found = [Detection.from_event(event) for event in (await read_until(client, "pong"))[:-1]]
        assert [(one.name, one.timestamp) for one in found] == [(WORD, 32 * 40), (WORD, 32 * 90)]

    go(story())


def test_a_stream_without_a_wake_word_ends_as_not_detected(box: Box) -> None:
    async def story() -> None:
        async with box.client() as client:
            await client.write_event(Detect().event())
            await send_sound(client, tone(1.0, 0.2))
            await read(client, "not-detected")

    go(story())


class Painted:
    """The real spotter over a model whose phones are painted into the samples; what is painted is speech."""

    def __init__(self, words: Sequence[str]) -> None:
        self._wake = WakeWord.of_text(words, PaintedModel(), PaintedWords())
        self.flush, self.reset = self._wake.flush, self._wake.reset

    def process(self, chunk: AudioChunk) -> Wake | None:
        return self._wake.process(chunk, float(np.abs(chunk.samples).max() > 0))


@pytest.mark.parametrize(
    ("said", "quiet_s", "then"),
    [
        pytest.param("turn on the lamp hey pixel", 0.5, "detection", id="said"),
        pytest.param("turn on the lamp hey pixel", 0.0, "detection", id="the-stream-ends-with-the-word"),
        pytest.param("turn on the lamp", 0.5, "not-detected", id="not-said"),
    ],
)
def test_the_box_s_own_spotter_hears_its_word_over_the_wire(said: str, quiet_s: float, then: str) -> None:
    async def story() -> None:
        async with box.client() as client:
            await client.write_event(Detect(names=[WORD]).event())
            await send_sound(client, say(said, quiet_s=quiet_s))
            await read(client, then)

    with open_box(simple_services(spotter=Painted)) as box:
        go(story())


def test_each_client_has_wake_words_of_its_own(box: Box) -> None:
    async def one(word: str) -> str | None:
        async with box.client() as client:
            await client.write_event(Detect(names=[word]).event())
            await send_sound(client, np.full(16_000, WORD_LEVEL, np.float32))
            return Detection.from_event(await read(client, "detection")).name

    async def story() -> None:
        assert list(await asyncio.gather(one(WORD), one("computer"))) == [WORD, "computer"]

    go(story())


def test_speech_comes_as_start_chunks_stop_in_16_bits(box: Box) -> None:
    async def story() -> None:
        async with box.client() as client:
            await client.write_event(Synthesize("four", voice=SynthesizeVoice(language="en")).event())
            start, *chunks, stop = await read_until(client, "audio-stop")
        assert AudioStart.from_event(start).rate == 22_050
        sound = b"".join(WireChunk.from_event(chunk).audio for chunk in chunks)
        assert len(sound) == 2 * 4 * 2205
        assert np.frombuffer(sound, "<i2")[0] == 16384 - 1 or np.frombuffer(sound, "<i2")[0] == 16384
        assert stop.data["timestamp"] == 400

    go(story())


@pytest.mark.parametrize(
    ("pieces", "spoken"),
    [
        pytest.param(["One. Two", " three. Fo", "ur"], ["One.", "Two three.", "Four"], id="sentence-by-sentence"),
        pytest.param(["no end"], ["no end"], id="the-rest-at-the-end"),
        pytest.param([], [], id="no-words-at-all"),
        pytest.param(["...", " \n", "?! "], [], id="nothing-to-say"),
    ],
)
def test_a_text_in_pieces_is_spoken_as_its_sentences_become_whole(pieces: list[str], spoken: list[str]) -> None:
    texts: list[str] = []
    simple = simple_services().say
    assert simple is not None

    def say(text: str) -> Sound:
        texts.append(text)
        return simple(text)

    async def story() -> None:
        async with box.client() as client:
            await client.write_event(SynthesizeStart().event())
            for piece in pieces:
                await client.write_event(SynthesizeChunk(piece).event())
            await client.write_event(Synthesize("".join(pieces)).event())
            await client.write_event(SynthesizeStop().event())
            events = await read_until(client, "synthesize-stopped")
        assert [event.type for event in events].count("audio-stop") == len(spoken)

    with open_box(simple_services(say=say)) as box:
        go(story())
    assert texts == spoken


def test_ping_is_answered_with_its_own_text(box: Box) -> None:
    async def story() -> None:
        async with box.client() as client:
            await client.write_event(Ping("42").event())
            assert Pong.from_event(await read(client, "pong")).text == "42"

    go(story())


def test_a_slow_answer_keeps_nobody_else_waiting() -> None:
    release = threading.Event()

    async def story() -> None:
        async with box.client() as slow, box.client() as quick:
            await slow.write_event(Transcript("slow").event())
            await quick.write_event(Transcript("quick").event())
            assert Handled.from_event(await read(quick, "handled")).text == "quick"
            release.set()
            assert Handled.from_event(await read(slow, "handled")).text == "slow"

    def answer(question: object) -> Answer:
        text = str(getattr(question, "text", ""))
        assert text != "slow" or release.wait(20)
        return Answer(text, 0.9, Origin.LOCAL)

    with open_box(simple_services(answer=answer)) as box:
        go(story())
