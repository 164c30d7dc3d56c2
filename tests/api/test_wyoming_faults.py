from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from doors import HOST, WORD, ended, go, open_box, raw, read, send_sound, simple_services, tone, until, written
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk as WireChunk
from wyoming.audio import AudioStart, AudioStop
from wyoming.error import Error
from wyoming.info import Describe
from wyoming.ping import Ping
from wyoming.tts import Synthesize
from wyoming.wake import Detect

from edge_runtime.api.services import Limits
from edge_runtime.api.wire import DATA_BYTES, HEADER_BYTES, PAYLOAD_BYTES
from edge_runtime.api.wyoming import Door, WyomingServer
from edge_runtime.errors import SourceError
from edge_runtime.types import Sound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from doors import Box
    from wyoming.event import Event

START = AudioStart(16_000, 2, 1).event()
CHUNK = {"rate": 16_000, "width": 2, "channels": 1}


def line(**header: object) -> bytes:
    return json.dumps(header).encode() + b"\n"


@pytest.fixture(scope="module", name="box")
def shared_box() -> Iterator[Box]:
    with open_box(simple_services(match=lambda _: None)) as box:
        yield box


async def still_served(box: Box) -> None:
    async with box.client() as client:
        await client.write_event(Describe().event())
        await read(client, "info")


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", "not JSON", id="http"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", "not JSON", id="tls"),
        pytest.param(b"\n", "not JSON", id="empty-line"),
        pytest.param(b"[" * 60_000 + b"\n", "not JSON", id="deeply-nested"),
        pytest.param(b"x" * (HEADER_BYTES * 3), "longer than", id="endless-header"),
        pytest.param(b"[1, 2]\n", "must be a JSON object", id="a-list"),
        pytest.param(b"{}\n", "type is None", id="no-type"),
        pytest.param(line(type=3), "type is 3", id="type-is-a-number"),
        pytest.param(line(type="describe", data=[1]), "must be an object", id="data-is-a-list"),
        pytest.param(line(type="describe", data_length=2) + b"[]", "must be a JSON object", id="more-data-is-a-list"),
        pytest.param(line(type="describe", data_length=3) + b"{,}", "not JSON", id="more-data-is-no-json"),
        pytest.param(line(type="describe", data_length=-1), "data_length is -1", id="negative-length"),
        pytest.param(line(type="describe", data_length="9"), "data_length is '9'", id="length-is-a-text"),
        pytest.param(line(type="x", data_length=DATA_BYTES + 1), "it may be 0 to", id="too-much-data"),
        pytest.param(line(type="x", payload_length=PAYLOAD_BYTES + 1), "it may be 0 to", id="too-large-a-payload"),
        pytest.param(line(type="x", payload_length=10**30), "it may be 0 to", id="absurd-payload"),
        pytest.param(line(type="recognize", data={}), "text is None", id="no-text"),
        pytest.param(line(type="transcript", data={"text": {}}), "text is {}", id="text-is-an-object"),
        pytest.param(line(type="synthesize", data={"text": "a" * 5000}), "5000 characters", id="a-book-to-speak"),
        pytest.param(line(type="synthesize-chunk", data={"text": "a"}), "synthesize-start", id="piece-of-no-text"),
        pytest.param(line(type="synthesize-stop"), "synthesize-start", id="end-of-no-text"),
        pytest.param(line(type="detect", data={"names": ["alexa"]}), WORD, id="a-wake-word-that-is-not-there"),
        pytest.param(line(type="detect", data={"names": 7}), WORD, id="wake-words-are-a-number"),
        pytest.param(line(type="audio-start", data={**CHUNK, "rate": "fast"}), "rate is 'fast'", id="rate-is-a-text"),
        pytest.param(line(type="audio-start", data={**CHUNK, "rate": 0}), "rate is 0", id="rate-of-nothing"),
        pytest.param(line(type="audio-start", data={**CHUNK, "width": 8}), "width is 8", id="64-bit-sound"),
        pytest.param(line(type="audio-start", data={**CHUNK, "channels": True}), "channels is True", id="truth"),
        pytest.param(line(type="audio-start"), "rate is None", id="no-format"),
        pytest.param(line(type="audio-chunk", data=CHUNK, payload_length=3) + b"abc", "multiple of 2", id="half"),
        pytest.param(
            line(type="audio-start", data=CHUNK) + line(type="audio-chunk", data={**CHUNK, "rate": 8000}),
            "that of audio-start was",
            id="format-changes",
        ),
    ],
)
def test_what_is_not_in_order_ends_that_connection_alone(
    box: Box, sent: bytes, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with box.client() as other, raw(box.port) as (reader, writer):
            await other.write_event(Ping().event())
            await read(other, "pong")
            writer.write(sent)
            try:
                reply = await reader.read()
            except ConnectionError:
                reply = b""
            assert not reply or b"error" in reply
            await other.write_event(Ping().event())
            await read(other, "pong")

    with caplog.at_level(logging.WARNING):
        go(story())
    assert until(lambda: len(caplog.messages) == 1)
    assert said in caplog.messages[0]
    assert "hung up on 127.0.0.1:" in caplog.messages[0]
    assert "\n" not in caplog.messages[0]
    assert len(caplog.messages[0]) < 250
    assert caplog.records[0].exc_info is None


@pytest.mark.parametrize(
    "kind", ["transcribe", "detect", "synthesize", "recognize", "transcript", "audio-start", "synthesize-start"]
)
def test_what_is_not_offered_is_refused_with_the_name_of_the_service(kind: str) -> None:
    async def story() -> None:
        async with box.client() as client, raw(box.port) as (reader, writer):
            writer.write(line(type=kind, data={"text": "a", **CHUNK}))
            assert b"is not offered here" in await reader.read()
            await client.write_event(Ping().event())
            await read(client, "pong")

    with open_box(simple_services(transcribe=None, answer=None, spotter=None, say=None)) as box:
        go(story())


@pytest.mark.parametrize(
    "kind", ["", "no-such-event", "run-satellite", "select-program", "voice-started", "timer-started", "user-event"]
)
def test_unknown_events_are_left_alone_as_the_protocol_wants(box: Box, kind: str) -> None:
    async def story() -> None:
        async with raw(box.port) as (reader, writer):
            writer.write(line(type=kind, payload_length=4) + b"data" + line(type="ping", data={"text": "on"}))
            assert b'"pong"' in await reader.readline()

    go(story())


WORDS_OF_OURS = [
    "describe", "ping", "transcribe", "detect", "audio-start", "audio-chunk", "audio-stop", "recognize", "transcript",
    "intent", "synthesize", "synthesize-start", "synthesize-chunk", "synthesize-stop", "run-satellite", "error",
]  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = ["text", "names", "rate", "width", "channels", "timestamp", "voice", "entities", "name"]
EVENTS = st.lists(
    st.tuples(st.sampled_from(WORDS_OF_OURS), st.dictionaries(st.sampled_from(NAMES), JSON), st.binary(max_size=64)),
    max_size=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(events=EVENTS, satellite=st.booleans())
def test_no_sequence_of_events_is_a_fault_of_this_program(
    box: Box, events: list[tuple[str, dict[str, object], bytes]], satellite: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with raw(box.satellite_port if satellite else box.port) as (reader, writer):
            for kind, data, payload in events:
                writer.write(line(type=kind, data=data, payload_length=len(payload)) + payload)
            with contextlib.suppress(OSError):  # hung up on already
                writer.write_eof()
                await reader.read()
        await still_served(box)

    caplog.clear()
    go(story())
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize(
    ("events", "then"),
    [
        pytest.param([AudioStop().event()], "transcript", id="stop-without-a-sound-is-no-words"),
        pytest.param([Transcribe().event(), AudioStop().event()], "transcript", id="transcribe-nothing"),
        pytest.param([Detect().event(), AudioStop().event()], "not-detected", id="detect-in-nothing"),
        pytest.param(
            [WireChunk(16_000, 2, 1, b"\0\0" * 900).event(), AudioStop().event()], "transcript", id="no-start"
        ),
        pytest.param(
            [START, Transcribe().event(), START, START, AudioStop().event()], "transcript", id="starts-over-and-over"
        ),
    ],
)
def test_an_unusual_order_that_has_a_meaning_is_followed(box: Box, events: list[Event], then: str) -> None:
    async def story() -> None:
        async with box.client() as client:
            for event in events:
                await client.write_event(event)
            await read(client, then)

    go(story())


def test_a_new_request_forgets_the_sound_before_it(box: Box) -> None:
    async def story() -> None:
        async with box.client() as client:
            await client.write_event(Transcribe().event())
            await client.write_event(START)
            await client.write_event(WireChunk(16_000, 2, 1, written(tone(1.0))).event())
            await client.write_event(Transcribe().event())
            await send_sound(client, tone(0.25))
            assert Transcript.from_event(await read(client, "transcript")).text == "0.25 seconds"

    go(story())


def test_more_sound_than_allowed_is_refused_but_wake_words_are_heard_for_ever() -> None:
    async def story() -> None:
        async with box.client() as client:
            await client.write_event(Detect().event())
            await send_sound(client, tone(3.0, 0.1))
            await read(client, "not-detected")
        async with box.client() as client:
            await client.write_event(Transcribe().event())
            try:
                await send_sound(client, tone(3.0))
                assert "more than 1 s" in Error.from_event(await read(client, "error")).text
            except ConnectionError:
                pass  # hung up on in the middle of sending
            assert await ended(client)
        await still_served(box)

    with open_box(limits=Limits(audio_s=1.0)) as box:
        go(story())


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="at-once"),
        pytest.param(b'{"type": "desc', id="within-a-header"),
        pytest.param(line(type="x", data_length=100) + b"{", id="within-data"),
        pytest.param(line(type="audio-chunk", data=CHUNK, payload_length=2000) + b"ab", id="within-a-payload"),
        pytest.param(line(type="transcribe") + line(type="audio-start", data=CHUNK), id="within-an-utterance"),
        pytest.param(line(type="synthesize", data={"text": "a" * 4000}), id="while-spoken-to"),
    ],
)
@pytest.mark.parametrize("reset", [False, True], ids=["hung-up", "reset"])
def test_a_client_that_goes_without_a_word_leaves_nothing_behind(
    box: Box, sent: bytes, reset: bool, caplog: pytest.LogCaptureFixture
) -> None:
    before = open_sockets()
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            with socket.create_connection((HOST, box.port)) as client:
                client.sendall(sent)
                if reset:
                    linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        go(still_served(box))
        assert until(lambda: open_sockets() <= before)
    assert caplog.messages == []


def open_sockets() -> int:
    links = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            links.append(str(link.readlink()))
        except OSError:
            continue
    return sum(link.startswith("socket:") for link in links)


def test_twenty_clients_at_once_are_all_served() -> None:
    async def one(number: int) -> None:
        async with box.client() as client:
            await client.write_event(Transcribe().event())
            await send_sound(client, tone(0.1 * (1 + number)))
            transcript = Transcript.from_event(await read(client, "transcript"))
            assert transcript.text == f"{0.1 * (1 + number):.2f} seconds"
            await client.write_event(Synthesize("four").event())
            while (await client.read_event() or START).type != "audio-stop":
                pass

    async def story() -> None:
        await asyncio.gather(*(one(number) for number in range(20)))

    with open_box() as box:
        go(story())


def test_one_client_too_many_is_told_so_and_let_in_when_there_is_room(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        async with box.client() as first, box.client() as second:
            for client in (first, second):
                await client.write_event(Ping().event())
                await read(client, "pong")
            for _ in range(3):
                async with box.client() as third:
                    assert "2 clients" in Error.from_event(await read(third, "error")).text
                    assert await ended(third)
        while True:
            async with box.client() as third:
                await third.write_event(Ping().event())
                event = await third.read_event()
                if event is not None and event.type == "pong":
                    return

    with caplog.at_level(logging.WARNING), open_box(limits=Limits(clients=2)) as box:
        go(story())
    assert sum("more are turned away" in message for message in caplog.messages) <= 2, "one line, not one a client"


def test_who_is_not_on_the_list_is_turned_away_with_one_line(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        for _ in range(3):
            async with raw(box.port) as (reader, writer), raw(box.satellite_port) as (other, _):
                writer.write(line(type="describe"))
                for side in (reader, other):
                    with contextlib.suppress(ConnectionError):
                        assert await side.read() == b""

    with caplog.at_level(logging.WARNING), open_box(allowed=["192.0.2.0/24", "::1"]) as box:
        go(story())
    assert sorted(caplog.messages) == [
        "satellite: 127.0.0.1 is turned away; it is not among wyoming.allowed_clients",
        "wyoming: 127.0.0.1 is turned away; it is not among wyoming.allowed_clients",
    ]


def test_a_silent_client_is_sent_away() -> None:
    async def story() -> None:
        async with box.client() as client:
            assert await client.read_event() is None

    with open_box(limits=Limits(idle_s=0.3)) as box:
        go(story())


def test_a_client_that_reads_nothing_is_sent_away_and_keeps_nobody_waiting(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        async with raw(box.port) as (reader, writer):
            reader._transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(line(type="synthesize", data={"text": "a" * 4000}))
            await still_served(box)
            assert await asyncio.to_thread(until, lambda: any("took nothing" in said for said in caplog.messages))

    say = Sound(np.zeros(16_000_000, np.float32), 16_000)
    with caplog.at_level(logging.INFO), open_box(simple_services(say=lambda _: say), limits=Limits(send_s=0.5)) as box:
        go(story())


def test_a_fault_in_a_service_ends_one_client_and_is_logged_with_its_trace(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: object) -> str:
        raise ZeroDivisionError

    async def story() -> None:
        async with box.client() as client:
            await client.write_event(Transcribe().event())
            await send_sound(client, tone(0.1))
            assert await ended(client)
        await still_served(box)

    with open_box(simple_services(transcribe=broken)) as box:
        go(story())
        assert until(lambda: any(record.exc_info for record in caplog.records))


def test_stopping_in_the_midst_of_everything_leaves_nothing_and_the_port_is_free_again() -> None:
    before = open_sockets()
    begun = threading.Event()

    def slow(_: object) -> str:
        begun.set()
        time.sleep(0.3)
        return "late"

    async def stream(box: Box) -> None:
        async with raw(box.port) as (reader, writer), box.client() as utterance, box.client() as silent:
            await utterance.write_event(Transcribe().event())
            await send_sound(utterance, tone(0.1))
            await silent.write_event(Detect().event())
            await silent.write_event(START)
            writer.write(line(type="synthesize", data={"text": "a" * 4000}))
            await reader.readline()
            assert await asyncio.to_thread(begun.wait, 20)
            opened.set()
            assert await ended(utterance)
            assert await ended(silent)

    ports = (0, 0)
    for _ in range(2):
        begun.clear()
        opened = threading.Event()
        with open_box(simple_services(transcribe=slow), ports=ports) as box:
            ports = (box.port, box.satellite_port)
            clients = threading.Thread(target=go, args=(stream(box),))
            clients.start()
            assert opened.wait(20)
        clients.join(20)
        assert not clients.is_alive()
    assert until(lambda: open_sockets() <= before)


def test_a_port_that_is_taken_is_a_source_to_try_again() -> None:
    with open_box() as box:
        doors = [Door("wyoming", box.port, box.satellite.greet)]
        taken = WyomingServer(HOST, doors, ["127.0.0.1"], Limits())
        with pytest.raises(SourceError, match=rf"wyoming cannot listen on 127.0.0.1:{box.port} \("):
            taken.serve(threading.Event(), lambda: None)
