from __future__ import annotations

import shutil
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from doors import HOST, WORD, go, read, read_until, send_sound, tone, until
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk as WireChunk
from wyoming.client import AsyncTcpClient
from wyoming.info import Describe, Info
from wyoming.intent import Recognize
from wyoming.satellite import RunSatellite
from wyoming.tts import Synthesize

from edge_runtime import demo
from edge_runtime.app import App
from edge_runtime.config import Settings
from edge_runtime.errors import ConfigError, SinkError
from edge_runtime.runtime import ExitStatus
from edge_runtime.types import Event, Sound
from edge_runtime.verbs import doctor
from edge_runtime.wiring.doors import Doors, Loudspeaker

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMANDS = Path(demo.__file__).with_name("commands.wav")
MICROPHONE = {"name": "kitchen", "device": str(COMMANDS), "realtime": True}


def settings(tmp_path: Path, *, microphones: list[dict[str, Any]] | None = None, **wyoming: Any) -> Settings:
    return Settings.model_validate(
        {
            "device": {"name": "box", "data_dir": str(tmp_path)},
            "mqtt": {"enabled": False},
            "sounds": {"enabled": False},
            "microphones": microphones or [],
            "wyoming": {"enabled": True, **wyoming},
        }
    )


@contextmanager
def running(chosen: Settings) -> Iterator[int]:
    """Run the whole box on a free port; yield it."""
    free, done = {"port": 0}, []
    satellite = chosen.wyoming.satellite.model_copy(update=free)
    wyoming = chosen.wyoming.model_copy(update={**free, "satellite": satellite})
    box = App(chosen.model_copy(update={"wyoming": wyoming}), once=False)
    thread = threading.Thread(target=lambda: done.append(box.runtime.run()), name="box")
    thread.start()
    try:
        assert box.server is not None
        assert box.server.listening.wait(60)
        yield box.server.ports["satellite" if chosen.wyoming.satellite.enabled else "wyoming"]
    finally:
        box.runtime.stop()
        thread.join(30)
    assert done == [ExitStatus.OK]


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_home_assistant_uses_a_whole_box_from_speech_to_speech(tmp_path: Path) -> None:
    recorded, rate = soundfile.read(COMMANDS, dtype="float32")
    command = np.asarray(recorded[: int(2.5 * rate)])

    async def story(port: int) -> None:
        async with AsyncTcpClient(HOST, port, 30, 60) as client:
            await client.write_event(Describe().event())
            info = Info.from_event(await read(client, "info"))
            assert (len(info.asr), len(info.intent), len(info.handle), len(info.tts), len(info.wake)) == (1, 1, 1, 1, 0)
            assert info.tts[0].voices[0].languages == ["en-US"]
        async with AsyncTcpClient(HOST, port, 30, 60) as client:
            await client.write_event(Transcribe(language="en").event())
            await send_sound(client, command, rate)
            text = Transcript.from_event(await read(client, "transcript")).text
            assert text == "turn on the kitchen light"
            await client.write_event(Recognize(text).event())
            assert (await read(client, "intent")).data["name"] == "HassTurnOn"
            await client.write_event(Transcript("how many people do you see").event())
            # No camera: the box says that it cannot know.
            answer = (await read(client, "not-handled")).data["text"]
            await client.write_event(Synthesize(answer).event())
            _, *chunks, _ = await read_until(client, "audio-stop")
            seconds = sum(WireChunk.from_event(chunk).seconds for chunk in chunks)
            assert 0.5 < seconds < 10
            await client.write_event(Transcribe().event())
            await send_sound(client, tone(1.0))
            assert Transcript.from_event(await read(client, "transcript")).text == ""

    with running(settings(tmp_path)) as port:
        go(story(port))


def test_only_the_chosen_services_are_offered(tmp_path: Path) -> None:
    async def story(port: int) -> None:
        async with AsyncTcpClient(HOST, port, 30, 60) as client:
            await client.write_event(Describe().event())
            info = Info.from_event(await read(client, "info"))
        assert [bool(kind) for kind in (info.intent, info.asr, info.handle, info.tts, info.wake)] == [
            True,
            *[False] * 4,
        ]

    with running(settings(tmp_path, services=["intent"])) as port:
        go(story(port))


def test_the_satellite_shares_the_microphone_with_the_house(tmp_path: Path) -> None:
    wanted = settings(
        tmp_path, microphones=[MICROPHONE], services=[], satellite={"enabled": True, "always_stream": True}
    )

    async def story(port: int) -> None:
        async with AsyncTcpClient(HOST, port, 30, 60) as client:
            await client.write_event(RunSatellite().event())
            await read(client, "run-pipeline")
            heard = [WireChunk.from_event(await read(client, "audio-chunk")) for _ in range(20)]
        stamps = [chunk.timestamp or 0 for chunk in heard]
        assert np.diff(stamps) == pytest.approx(np.full(19, 32), abs=1), "every chunk, in order"

    with running(wanted) as port:
        go(story(port))


def test_a_box_that_waits_for_the_end_of_a_recording_serves_nobody(tmp_path: Path) -> None:
    box = App(settings(tmp_path), once=True)
    assert box.server is None
    assert box.runtime.run() is ExitStatus.OK


@pytest.mark.parametrize(
    ("microphones", "satellite", "said"),
    [
        pytest.param([], {}, "microphones of the settings: none", id="no-microphone"),
        pytest.param(
            [MICROPHONE], {"microphone": "hall"}, "is 'hall'; microphones of the settings: kitchen", id="other"
        ),
        pytest.param([MICROPHONE], {}, "voice.wake_words", id="no-wake-word"),
    ],
)
def test_a_satellite_that_could_never_stream_is_refused(
    tmp_path: Path, microphones: list[dict[str, Any]], satellite: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        Doors(settings(tmp_path, microphones=microphones, satellite={"enabled": True, **satellite}))
    assert said in str(caught.value)
    assert "wyoming.satellite" in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        pytest.param("allowed_clients", ["homeassistant"], "no address and no network", id="a-name-is-no-address"),
        pytest.param("services", ["stt"], "services", id="a-service-that-is-not-there"),
        pytest.param("port", 0, "port", id="no-port"),
    ],
)
def test_wrong_wyoming_settings_are_refused(tmp_path: Path, key: str, value: object, said: str) -> None:
    file = tmp_path / "edge.yaml"
    file.write_text(f"wyoming: {{{key}: {value}}}")
    with pytest.raises(ConfigError, match=said):
        Settings.load(file)


def test_only_wake_words_of_its_own_microphone_reach_the_satellite(tmp_path: Path) -> None:
    both = [MICROPHONE, {**MICROPHONE, "name": "hall"}]
    wanted = settings(tmp_path, microphones=both, satellite={"enabled": True, "always_stream": True})
    doors = Doors(wanted)
    woken: list[str] = []
    doors._satellite.woken = lambda wake: woken.append(wake.word)  # type: ignore[method-assign, union-attr]
    for kind, source in (("wake", "hall"), ("intent", "kitchen"), ("wake", "kitchen")):
        doors.publish(Event(kind, source, 1.0, {"word": f"{WORD} in the {source}", "score": 0.5}))
    doors.close()
    assert woken == [f"{WORD} in the kitchen"]
    taps: list[str] = []
    doors.listen_along(lambda microphone, _: taps.append(microphone))
    assert taps == ["kitchen"]


def test_a_loudspeaker_that_is_not_there_is_told_and_stopping_is_not() -> None:
    loudspeaker = Loudspeaker("no such device", 1.0)
    with pytest.raises(SinkError, match="no such device"):
        loudspeaker.play(Sound(tone(0.1), 16_000))
    loudspeaker.stop()
    loudspeaker.close()


def test_the_port_that_another_program_has_is_tried_again_until_it_is_free(tmp_path: Path) -> None:
    with running(settings(tmp_path, services=["intent"])) as port:
        taken = settings(tmp_path, services=["intent"], port=port)
        box = App(taken, once=False)
        thread = threading.Thread(target=box.runtime.run)
        thread.start()
        assert box.server is not None
        assert until(lambda: "wyoming" in degraded(box))
    assert box.server.listening.wait(30), "it opens as soon as the port is free"
    assert "wyoming" not in degraded(box)
    box.runtime.stop()
    thread.join(30)
    assert not thread.is_alive()


def degraded(box: App) -> set[str]:
    """Return the workers that wait to try again."""
    samples = [sample for metric in box.metrics.degraded.collect() for sample in metric.samples]
    return {sample.labels["worker"] for sample in samples if sample.value}


@pytest.mark.parametrize(
    ("wyoming", "status", "said"),
    [
        pytest.param({"enabled": False}, "ok", "switched off", id="off"),
        pytest.param({}, "ok", "127.0.0.1:10300 for asr, intent", id="this-machine-alone"),
        pytest.param({"host": "0.0.0.0"}, "warn", "only this machine may connect", id="nobody-is-let-in"),  # noqa: S104
        pytest.param({"allowed_clients": ["0.0.0.0/0"]}, "warn", "anybody in reach", id="everybody-is-let-in"),
    ],
)
def test_the_doctor_says_who_may_use_the_box(tmp_path: Path, wyoming: dict[str, Any], status: str, said: str) -> None:
    (finding,) = doctor._wyoming(settings(tmp_path, **wyoming))
    assert finding["status"] == status
    assert said in finding["detail"]


@pytest.mark.parametrize(
    ("satellite", "status", "said"),
    [
        pytest.param({"always_stream": True}, "ok", "of microphone kitchen leaves this box at all times", id="always"),
        pytest.param({}, "fail", "voice.wake_words", id="no-wake-word"),
    ],
)
def test_the_doctor_says_what_sound_leaves_the_box(
    tmp_path: Path, satellite: dict[str, Any], status: str, said: str
) -> None:
    wanted = settings(tmp_path, microphones=[MICROPHONE], satellite={"enabled": True, **satellite})
    _, finding = doctor._wyoming(wanted)
    assert finding["status"] == status
    assert said in finding["detail"]
