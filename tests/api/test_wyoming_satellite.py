from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from doors import (
    COMMAND_LEVEL,
    WORD,
    WORD_LEVEL,
    Speaker,
    Spotter,
    chunk_at,
    ended,
    go,
    open_box,
    read,
    read_until,
    send_sound,
    simple_parts,
    tone,
    until,
    written,
)
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk as WireChunk
from wyoming.audio import AudioStart, AudioStop
from wyoming.error import Error
from wyoming.info import Describe, Info
from wyoming.ping import Ping
from wyoming.pipeline import PipelineStage, RunPipeline
from wyoming.satellite import PauseSatellite, RunSatellite
from wyoming.tts import Synthesize
from wyoming.vad import VoiceStarted, VoiceStopped
from wyoming.wake import Detection

from edge_runtime.api.services import Limits
from edge_runtime.errors import SinkError
from edge_runtime.types import Wake

if TYPE_CHECKING:
    from doors import Box
    from wyoming.client import AsyncTcpClient
    from wyoming.event import Event

    from edge_runtime.types import Sound


async def run_satellite(client: AsyncTcpClient) -> None:
    """Begin as Home Assistant does, and wait until the satellite listens."""
    await client.write_event(RunSatellite().event())
    await client.write_event(Describe().event())
    await read(client, "info")


def speak(box: Box, levels: list[float], first: int = 0) -> None:
    """Let the microphone deliver chunks of these levels, and the house hear the wake word in the loud ones."""
    spotter = Spotter()
    for number, level in enumerate(levels, first):
        chunk = chunk_at(number, level)
        box.satellite.hear(chunk)
        wake = spotter.process(chunk)
        if wake is not None:
            box.satellite.woken(wake)


def level_of(event: Event) -> float:
    return float(np.frombuffer(WireChunk.from_event(event).audio, "<i2").mean()) / 32767


def test_describe_tells_a_satellite_in_its_room_with_its_wake_words_and_no_services() -> None:
    async def story() -> None:
        async with box.satellite_client() as client:
            await client.write_event(Describe().event())
            info = Info.from_event(await read(client, "info"))
        assert info.satellite is not None
        assert (info.satellite.name, info.satellite.area, info.satellite.installed) == ("kitchen-box", "Kitchen", True)
        assert info.satellite.active_wake_words == [WORD]
        assert not info.satellite.supports_trigger
        assert (info.asr, info.tts, info.intent, info.handle) == ([], [], [], [])

    with open_box() as box:
        go(story())


def test_the_sequence_of_home_assistant_from_wake_word_to_spoken_answer() -> None:
    speaker = Speaker()

    async def story() -> None:
        async with box.satellite_client() as client:
            await run_satellite(client)
            speak(box, [0.1] * 10 + [WORD_LEVEL] + [COMMAND_LEVEL] * 8)
            detection = Detection.from_event(await read(client, "detection"))
            run = RunPipeline.from_event(await read(client, "run-pipeline"))
            assert (detection.name, run.wake_word_name) == (WORD, WORD)
            assert (run.start_stage, run.end_stage, run.restart_on_end) == (
                PipelineStage.ASR, PipelineStage.TTS, False)  # fmt: skip
            heard = [await read(client, "audio-chunk") for _ in range(8)]
            assert {heard[0].data[key] for key in ("rate", "width", "channels")} == {16_000, 2, 1}
            assert all(abs(level_of(chunk) - COMMAND_LEVEL) < 0.001 for chunk in heard), "nothing before the word"
            for event in (Transcribe(language="en"), VoiceStarted(10), VoiceStopped(300)):
                await client.write_event(event.event())
            await client.write_event(Transcript("turn on the lamp").event())
            await client.write_event(Synthesize("Done.").event())
            await client.write_event(Ping().event())
            await read(client, "pong")
            speak(box, [COMMAND_LEVEL] * 20, first=19)
            await send_sound(client, tone(0.5, rate=22_050), rate=22_050)
            await read(client, "played")
            speak(box, [WORD_LEVEL, COMMAND_LEVEL], first=39)
            await read(client, "detection")
            await read(client, "run-pipeline")
            assert abs(level_of(await read(client, "audio-chunk")) - COMMAND_LEVEL) < 0.001

    with open_box(parts=simple_parts(speaker)) as box:
        go(story())
    (answer,) = speaker.played
    assert answer.rate_hz == 22_050
    assert np.abs(answer.samples - tone(0.5, rate=22_050)).max() < 0.001


@pytest.mark.parametrize(
    "over", [VoiceStopped(1).event(), Transcript("").event(), Error("no speech", "stt-no-text").event()],
    ids=["silence", "transcript", "error"],
)  # fmt: skip
def test_the_stream_ends_as_soon_as_the_server_has_heard_enough(over: Event) -> None:
    async def story() -> None:
        async with box.satellite_client() as client:
            await run_satellite(client)
            speak(box, [WORD_LEVEL, COMMAND_LEVEL])
            await read_until(client, "audio-chunk")
            await client.write_event(over)
            await client.write_event(Ping().event())
            await read(client, "pong")
            speak(box, [COMMAND_LEVEL] * 30, first=2)
            await client.write_event(Ping("later").event())
            assert (await read(client, "pong")).data["text"] == "later"

    with open_box() as box:
        go(story())


def test_without_the_wake_word_no_sound_ever_leaves() -> None:
    async def story() -> None:
        async with box.satellite_client() as client, box.satellite_client() as onlooker:
            await onlooker.write_event(Describe().event())
            await read(onlooker, "info")
            await run_satellite(client)
            start = RunPipeline(PipelineStage.ASR, PipelineStage.TTS)
            for event in (start, Transcribe(), VoiceStarted(1)):
                await client.write_event(event.event())
            await client.write_event(Ping("asked").event())
            assert (await read(client, "pong")).data["text"] == "asked"
            speak(box, [COMMAND_LEVEL] * 60)
            speak(box, [WORD_LEVEL, COMMAND_LEVEL], first=60)
            assert (await read(client, "detection")).data["name"] == WORD
            await onlooker.write_event(Ping("on").event())
            assert (await read(onlooker, "pong")).data["text"] == "on", "who only looks on hears nothing"

    with open_box() as box:
        go(story())


def test_a_command_without_an_end_is_cut() -> None:
    async def story() -> None:
        async with box.satellite_client() as client:
            await run_satellite(client)
            speak(box, [WORD_LEVEL] + [COMMAND_LEVEL] * 60)
            events = await read_until(client, "audio-stop")
            assert sum(event.type == "audio-chunk" for event in events) == 32

    with open_box(limits=Limits(stream_s=32 * 512 / 16_000)) as box:
        go(story())


def test_the_speech_right_after_a_wake_word_that_is_told_late_is_not_lost() -> None:
    async def story() -> None:
        async with box.satellite_client() as client:
            await run_satellite(client)
            for number, level in enumerate([0.1] * 40 + [0.5] + [COMMAND_LEVEL] * 10):
                box.satellite.hear(chunk_at(number, level))
            box.satellite.woken(Wake(WORD, 0.9, chunk_at(20, 0).at, chunk_at(41, 0).at))
            await read(client, "detection")
            await read(client, "run-pipeline")
            heard = [await read(client, "audio-chunk") for _ in range(10)]
            assert all(abs(level_of(chunk) - COMMAND_LEVEL) < 0.001 for chunk in heard)
            stamps = [chunk.data["timestamp"] for chunk in heard]
            assert stamps == sorted(stamps)
            assert stamps[0] == round(1000 * chunk_at(41, 0).at)

    with open_box() as box:
        go(story())


def test_always_streaming_asks_for_a_pipeline_that_spots_the_word_itself() -> None:
    async def story() -> None:
        async with box.satellite_client() as client:
            await run_satellite_always(client)
            speak(box, [0.1] * 5)
            for _ in range(5):
                await read(client, "audio-chunk")
            await client.write_event(VoiceStopped(1).event())
            await client.write_event(Ping().event())
            await read(client, "pong")
            speak(box, [0.1], first=5)
            await read(client, "audio-chunk")

    async def run_satellite_always(client: AsyncTcpClient) -> None:
        await client.write_event(RunSatellite().event())
        run = RunPipeline.from_event(await read(client, "run-pipeline"))
        assert (run.start_stage, run.restart_on_end) == (PipelineStage.WAKE, True)

    with open_box(parts=simple_parts(always=True)) as box:
        go(story())


def test_pause_makes_it_deaf_and_run_lets_it_hear_again() -> None:
    async def story() -> None:
        async with box.satellite_client() as client:
            await run_satellite(client)
            await client.write_event(PauseSatellite().event())
            await client.write_event(Ping("paused").event())
            await read(client, "pong")
            speak(box, [WORD_LEVEL] * 5)
            await run_satellite(client)
            speak(box, [WORD_LEVEL], first=5)
            await read(client, "detection")

    with open_box() as box:
        go(story())


def test_a_new_connection_replaces_the_one_that_was_lost(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        async with box.satellite_client() as lost, box.satellite_client() as again:
            await run_satellite(lost)
            await run_satellite(again)
            assert await ended(lost)
            speak(box, [WORD_LEVEL, COMMAND_LEVEL])
            await read(again, "detection")
            await read(again, "run-pipeline")
            await read(again, "audio-chunk")

    with caplog.at_level(logging.ERROR), open_box() as box:
        go(story())
    assert caplog.messages == []


def test_a_server_that_went_without_a_word_is_found_out_and_may_come_back() -> None:
    async def story() -> None:
        async with box.satellite_client() as dead:
            await run_satellite(dead)
            # As after a loss of the radio: nothing is answered and nothing is closed.
            assert await asyncio.to_thread(until, lambda: box.satellite._running is None)
            async with box.satellite_client() as again:
                await run_satellite(again)
                speak(box, [WORD_LEVEL])
                await read_until(again, "detection")

    with open_box(limits=Limits(ping_s=0.2, dead_s=1.0)) as box:
        go(story())


def test_a_server_that_answers_stays_though_it_has_nothing_to_say() -> None:
    async def story() -> None:
        async with box.satellite_client() as client:
            await run_satellite(client)
            for _ in range(8):
                await read(client, "ping")
                await client.write_event(Ping().event())
                await read(client, "pong")

    with open_box(limits=Limits(ping_s=0.2, dead_s=1.0)) as box:
        go(story())


def test_a_server_that_takes_no_sound_is_let_go() -> None:
    async def story() -> None:
        async with box.satellite_client() as client:
            await client.write_event(RunSatellite().event())
            await read(client, "run-pipeline")
            assert client._reader is not None
            client._reader._transport.pause_reading()
            number, gone = 0, False
            while not gone:
                speak(box, [0.1] * 50, first=number)
                number += 50
                gone = await asyncio.to_thread(until, lambda: box.satellite._running is None, 0.01)

    with open_box(parts=simple_parts(always=True), limits=Limits(send_s=0.3, dead_s=30)) as box:
        go(story())


async def run_and_play(client: AsyncTcpClient, count: int) -> None:
    await client.write_event(RunSatellite().event())
    for number in range(count):
        await send_sound(client, np.full(800 * (1 + number), 0.1, np.float32))


def test_pieces_are_played_in_order_and_each_is_told() -> None:
    speaker = Speaker()

    async def story() -> None:
        async with box.satellite_client() as client:
            await run_and_play(client, 3)
            for _ in range(3):
                await read(client, "played")

    with open_box(parts=simple_parts(speaker)) as box:
        go(story())
    assert [len(sound.samples) for sound in speaker.played] == [800, 1600, 2400]


def test_without_a_speaker_the_server_still_learns_that_it_is_over() -> None:
    async def story() -> None:
        async with box.satellite_client() as client:
            await run_and_play(client, 1)
            await read(client, "played")

    with open_box() as box:
        go(story())


def test_a_speaker_that_fails_is_told_in_the_log_and_the_talk_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Speaker):
        def play(self, sound: Sound) -> None:
            raise SinkError(f"no sound card for {len(sound.samples)} samples")

    async def story() -> None:
        async with box.satellite_client() as client:
            await run_and_play(client, 1)
            await read(client, "played")

    with caplog.at_level(logging.WARNING), open_box(parts=simple_parts(Broken())) as box:
        go(story())
    assert "no sound card for 800 samples" in caplog.messages[0]


def test_the_wake_word_silences_what_is_being_played() -> None:
    speaker = Speaker(waits=True)

    async def story() -> None:
        async with box.satellite_client() as client:
            await run_satellite(client)
            await run_and_play(client, 1)
            assert await asyncio.to_thread(until, lambda: bool(speaker.played))
            speak(box, [WORD_LEVEL])
            await read_until(client, "detection")
            assert await asyncio.to_thread(speaker.stopped.wait, 20)

    with open_box(parts=simple_parts(speaker)) as box:
        go(story())


def test_a_piece_that_still_arrives_when_the_wake_word_comes_is_not_heard_and_no_fault() -> None:
    speaker = Speaker()
    sound = np.full(800, 0.1, np.float32)

    async def story() -> None:
        async with box.satellite_client() as client:
            await run_satellite(client)
            start, chunk = AudioStart(16_000, 2, 1).event(), WireChunk(16_000, 2, 1, written(sound)).event()
            await client.write_event(start)
            await client.write_event(chunk)
            await client.write_event(Ping("taken").event())
            await read(client, "pong")
            speak(box, [WORD_LEVEL, COMMAND_LEVEL])
            await read_until(client, "run-pipeline")
            await client.write_event(chunk)
            await client.write_event(AudioStop().event())
            await send_sound(client, sound[:400])
            await read_until(client, "played")

    with open_box(parts=simple_parts(speaker)) as box:
        go(story())
    assert [len(played.samples) for played in speaker.played] == [400]


def test_stopping_while_streaming_and_playing_ends_everything() -> None:
    speaker, streaming = Speaker(waits=True), threading.Event()

    async def story(box: Box) -> None:
        async with box.satellite_client() as client:
            await run_satellite(client)
            await run_and_play(client, 1)
            speak(box, [WORD_LEVEL] + [COMMAND_LEVEL] * 5)
            await read_until(client, "audio-chunk")
            await run_and_play(client, 1)
            streaming.set()
            assert await ended(client)

    with open_box(parts=simple_parts(speaker)) as box:
        client = threading.Thread(target=go, args=(story(box),))
        client.start()
        assert streaming.wait(20)
    client.join(20)
    assert not client.is_alive()
    box.satellite.hear(chunk_at(0, 0.1))


@pytest.mark.parametrize("seconds", [0.5, 4.0])
def test_no_more_waits_to_be_played_than_allowed(seconds: float, caplog: pytest.LogCaptureFixture) -> None:
    speaker = Speaker()

    async def story() -> None:
        async with box.satellite_client() as client:
            await client.write_event(RunSatellite().event())
            await send_sound(client, tone(seconds))
            await read(client, "played")
            await send_sound(client, tone(0.5))
            await read(client, "played")

    with caplog.at_level(logging.WARNING), open_box(parts=simple_parts(speaker), limits=Limits(play_s=1.0)) as box:
        go(story())
    assert len(speaker.played[0].samples) / 16_000 == pytest.approx(min(seconds, 1.0), abs=0.07)
    assert len(speaker.played[1].samples) == 8000, "room is made by what was played"
    assert len(caplog.messages) == (seconds > 1.0)


def test_sound_to_play_out_of_order_ends_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        async with box.satellite_client() as client:
            await client.write_event(AudioStart(16_000, 2, 1).event())
            await client.write_event(WireChunk(8_000, 2, 1, b"").event())
            assert "without an audio-start of its format" in Error.from_event(await read(client, "error")).text
            assert await ended(client)

    with caplog.at_level(logging.WARNING), open_box() as box:
        go(story())
