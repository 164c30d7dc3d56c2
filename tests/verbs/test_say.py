from __future__ import annotations

import json
import logging
import shutil
import signal
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
import soxr
from brokers import Listener, Mosquitto, wait_until
from recording import LOUD, Recorder
from running import Running

from edge_runtime.decision.barge_in import BargeIn
from edge_runtime.errors import ConfigError, InputError
from edge_runtime.house import House
from edge_runtime.inference.tts import TextToSpeech
from edge_runtime.metrics import Metrics
from edge_runtime.runtime import Runtime
from edge_runtime.sections import SpeechSettings
from edge_runtime.sinks.fanout import FanOut
from edge_runtime.types import Answer, AudioChunk, Event, Origin, Question, Wake
from edge_runtime.wiring.mouth import STOP_INTENT, Mouth, stop_sentences

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from pulse import SoundServer, VirtualMicrophone

pytest_plugins = ["broker_fixtures", "pulse_fixtures"]
needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs the system package espeak-ng")


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, command_line: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> Callable[..., Any]:
    """Run the command line in a folder of its own; returns exit status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    return command_line


@pytest.fixture
def microphone(sound_server: SoundServer) -> VirtualMicrophone:
    """Return the only microphone."""
    sound_server.name_devices("desk", "hifi")
    return sound_server.plug("desk")


@pytest.fixture
def recorder(sound_server: SoundServer, microphone: VirtualMicrophone) -> Iterator[Recorder]:
    """Return what hears the only speaker."""
    # A recorder that is there first would be moved to the microphone as soon as that is plugged in.
    assert microphone
    sound_server.add_speaker("hifi")
    recorder = Recorder(sound_server, "hifi")
    yield recorder
    recorder.stop()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start boxes that end with the test, however it ends."""
    started: list[Running] = []

    def call(config: str) -> Running:
        (tmp_path / "settings.yaml").write_text(config)
        started.append(Running(tmp_path, "--config", str(tmp_path / "settings.yaml")))
        return started[-1]

    yield call
    for running in started:
        running.end(signal.SIGKILL)


@needs_espeak
@pytest.mark.parametrize("name", ["speech.wav", "speech.flac"])
def test_say_writes_a_sound_file(run: Callable[..., Any], tmp_path: Path, name: str) -> None:
    status, out, err = run("say", "The kitchen light is on.", "--out", name, "--json")
    assert (status, err) == (0, "")
    samples, rate_hz = soundfile.read(tmp_path / name)
    told = json.loads(out)
    assert (told["voice"], told["path"]) == ("espeak-ng", name)
    assert told["seconds"] == pytest.approx(len(samples) / rate_hz, abs=0.001)
    assert np.abs(samples).max() > 0.1


@needs_espeak
def test_a_text_from_standard_input_is_said(run: Callable[..., Any], tmp_path: Path) -> None:
    status, out, _ = run("say", "-", "--out", "speech.wav", stdin="The alarm code is secret.\n")
    assert status == 0
    assert "into speech.wav" in out
    assert (tmp_path / "speech.wav").exists()


@needs_espeak
@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        pytest.param(["...", "--out", "x.wav"], 2, "nothing to say", id="nothing to say"),
        pytest.param(["hello", "--out", "x.nosuch"], 2, "a name such as speech.wav", id="no such kind of file"),
        pytest.param(["hello", "--out", "no/x.wav"], 2, "cannot be written", id="no such folder"),
        pytest.param(["hello", "--config", "voice.yaml"], 1, "voice does not exist", id="no such voice"),
        pytest.param(["hello", "--config", "device.yaml"], 1, "sound outputs here:", id="no such speaker"),
        pytest.param(["hello", "--config", "piper.yaml"], 2, "pip install piper-tts", id="piper is not installed"),
        pytest.param(["hello", "--config", "rate.yaml"], 2, "speech.rate", id="a wrong setting"),
    ],
)
def test_what_goes_wrong_is_one_line(
    run: Callable[..., Any], tmp_path: Path, arguments: list[str], status: int, says: str
) -> None:
    texts = {"voice": "voice: nosuch", "device": "device: nosuch", "piper": "backend: piper", "rate": "rate: 99"}
    for name, text in texts.items():
        (tmp_path / f"{name}.yaml").write_text(f"speech: {{{text}}}\n")
    found, out, err = run("say", *arguments)
    assert (found, out) == (status, "")
    assert says in err
    assert err.count("\n") == 1


@needs_espeak
def test_say_is_heard(run: Callable[..., Any], recorder: Recorder) -> None:
    status, out, err = run("say", "The kitchen light is on.")
    assert (status, err) == (0, "")
    assert "espeak-ng spoke for" in out
    assert wait_until(lambda: recorder.loud)


def findings(out: str) -> dict[str, dict[str, str]]:
    return {found["check"]: found for found in map(json.loads, out.splitlines())}


@needs_espeak
def test_the_doctor_tries_voice_and_speaker(run: Callable[..., Any], recorder: Recorder, tmp_path: Path) -> None:
    (tmp_path / "on.yaml").write_text("speech: {enabled: true}\n")
    (tmp_path / "wrong.yaml").write_text("speech: {enabled: true, voice: nosuch, device: nosuch}\n")
    configs: tuple[list[str], ...] = (["--config", "on.yaml"], ["--config", "wrong.yaml"], [])
    good, wrong, off = (findings(run("doctor", "--json", *config)[1]) for config in configs)
    assert (good["speech"]["status"], good["speaker"]["status"]) == ("ok", "ok")
    assert (wrong["speech"]["status"], wrong["speaker"]["status"]) == ("fail", "fail")
    assert "speech.device" in wrong["speaker"]["advice"]
    assert (off["speech"]["status"], "speaker" in off) == ("ok", False)
    assert np.abs(recorder.samples).max() < LOUD, "it is quiet about it"


class Quiet:
    """A speaker that only remembers what it was asked for; `speaking` is what the test says."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.speaking = False

    def say(self, text: str) -> None:
        if not text:
            raise InputError("nothing to say")
        self.done.append(text)

    def tone(self) -> None:
        self.done.append("(tone)")

    def stop(self) -> None:
        self.done.append("(stop)")


def mouth(confirm: str = "tone", spotters: Any = None) -> tuple[Mouth, Quiet, BargeIn]:
    settings = SpeechSettings(confirm=confirm)  # type: ignore[arg-type]  # one of three words
    speaker, guard = Quiet(), BargeIn(settings.stop_words)
    return Mouth(settings, speaker, guard, spotters), speaker, guard  # type: ignore[arg-type]  # a double


def intent(at: float, transcript: str = "turn on the lamp", name: str = "HassTurnOn") -> Event:
    return Event("intent", "hall", at, {"intent": name, "slots": {}, "transcript": transcript, "confidence": 1.0})


SOUND = AudioChunk("hall", 12.0, np.zeros(16_000, np.float32))


@pytest.mark.parametrize(
    ("item", "passes", "done"),
    [
        pytest.param(intent(13.0), False, [], id="a command: its own words, most probably"),
        pytest.param(intent(9.0), True, [], id="a command from before"),
        pytest.param(intent(13.0, "stop", STOP_INTENT), True, ["(stop)"], id="the stop word"),
        pytest.param(Question("who is there", "hall", 13.0, chunk=SOUND), False, [], id="a question"),
        pytest.param(Question("", "hall", 13.0, chunk=SOUND), False, [], id="speech to be written down"),
        pytest.param(Question("be quiet", "hall", 13.0, chunk=SOUND), False, ["(stop)"], id="a stop word as question"),
        pytest.param(Event("not_understood", "hall", 13.0, {"transcript": ""}), False, [], id="not understood"),
        pytest.param(Event("wake", "hall", 13.0, {"word": "hey pixel"}), True, ["(stop)"], id="the wake word"),
        pytest.param(Event("sound", "hall", 13.0, {"label": "dog"}), True, [], id="any other event"),
    ],
)
def test_while_the_box_speaks_it_is_hard_of_hearing(item: Event | Question, passes: bool, done: list[str]) -> None:
    heard, speaker, guard = mouth()
    guard.started(10.0, "There are two people at the door.")
    assert heard.lets_pass(item) is passes
    assert speaker.done == done


@pytest.mark.parametrize(
    ("confirm", "event", "done"),
    [
        pytest.param("tone", intent(1.0), ["(tone)"], id="a tone"),
        pytest.param("word", intent(1.0), ["okay"], id="a word"),
        pytest.param("none", intent(1.0), [], id="not at all"),
        pytest.param("tone", intent(1.0, "stop", STOP_INTENT), [], id="a stop word is never confirmed"),
        pytest.param("tone", Event("not_understood", "hall", 1.0, {}), [], id="what was not understood neither"),
    ],
)
def test_a_command_is_confirmed_as_the_settings_want_it(confirm: str, event: Event, done: list[str]) -> None:
    heard, speaker, _ = mouth(confirm)
    heard.confirm(event)
    assert speaker.done == done


class Everywhere:
    """Hears "stop" in every chunk."""

    def __init__(self) -> None:
        self.chunks = self.resets = 0

    def process(self, chunk: AudioChunk, speech: float | None = None) -> Wake | None:
        self.chunks += 1
        assert speech == 1.0
        return Wake("stop", 0.9, chunk.at, chunk.at + 0.5)

    def reset(self) -> None:
        self.resets += 1


@pytest.mark.parametrize(
    ("text", "done"),
    [("Two people are at the door.", ["(stop)"]), ("The bus stop is empty.", [])],
    ids=["a word that is not its own", "a word of its own"],
)
def test_a_stop_word_is_heard_within_its_own_voice(text: str, done: list[str]) -> None:
    spotter = Everywhere()
    heard, speaker, guard = mouth(spotters=lambda: spotter)
    heard.listen(SOUND)
    assert spotter.chunks == 0, "nothing is spotted while the box is silent"
    speaker.speaking = True
    guard.started(10.0, text)
    heard.listen(SOUND)
    assert (spotter.chunks, spotter.resets) == (1, 1)
    assert speaker.done == done
    speaker.speaking = False
    heard.listen(SOUND)
    speaker.speaking = True
    heard.listen(SOUND)
    assert (spotter.chunks, spotter.resets) == (2, 2), "what was heard before is forgotten"


def test_stop_words_must_be_sentences() -> None:
    assert stop_sentences(("stop", "be quiet"))["intents"][STOP_INTENT]
    with pytest.raises(ConfigError, match=r"speech.stop_words: 'sto\[p': not a sentence"):
        stop_sentences(("sto[p",))


class Knowing:
    """Answers everything."""

    def begin(self, question: Question) -> Answer:
        return Answer(f"{question.text}, indeed", 0.9, Origin.LOCAL)


class Once:
    """A microphone, and all that is understood in it."""

    live = False
    name = "hall"
    lost = 0

    def __init__(self, *items: Event | Question) -> None:
        self._items = list(items)

    def chunks(self) -> Iterator[AudioChunk]:
        yield SOUND

    def close(self) -> None: ...

    def step(self, _: AudioChunk) -> list[Event | Question]:
        return self._items

    def flush(self) -> list[Event | Question]:
        return []


def test_the_answer_to_a_spoken_question_is_spoken_and_no_other() -> None:
    voice, speaker, _ = mouth()
    house = House(FanOut([]), Knowing(), Metrics(), voice)  # type: ignore[arg-type]  # a double
    ear = Once(Question("rain", "hall", 1.0), intent(2.0))
    house.add_microphone(ear, ear, paced=False)  # type: ignore[arg-type]  # a double
    house.questions.put(Question("sun", "mqtt", 1.0))
    Runtime(house.stages(), once=True, close=lambda: None).run()
    assert sorted(speaker.done) == ["(tone)", "rain, indeed"]
    assert house.counts["answered events"] == 2


def spoken(text: str, rate_hz: int = 16_000) -> NDArray[np.float32]:
    sound = TextToSpeech(SpeechSettings()).synthesize(text)
    return np.asarray(soxr.resample(sound.samples, sound.rate_hz, rate_hz), np.float32)


@needs_espeak
def test_a_running_box_says_answers_and_stops_when_told(
    microphone: VirtualMicrophone,
    recorder: Recorder,
    mosquitto: Callable[..., Mosquitto],
    listen: Callable[..., Listener],
    start: Callable[..., Running],
    tmp_path: Path,
) -> None:
    broker = mosquitto()
    heard = listen(broker.port, "edge/box/#", "homeassistant/#")
    running = start(
        f"device: {{name: box, data_dir: {tmp_path}/data}}\nmqtt: {{port: {broker.port}}}\nsounds: {{enabled: false}}\n"
        # Mouth and wiring are on trial here, not the ears.
        "voice: {min_confidence: 0.1}\n"
        "microphones: [{name: hall, device: desk}]\nspeech: {enabled: true, device: hifi, confirm: none}\n"
    )

    def said(more_than: int = 0) -> bool:
        return wait_until(lambda: len(recorder.loud) > more_than, 30)

    def silent() -> bool:
        return wait_until(lambda: time.monotonic() - recorder.loud[-1] > 2)

    assert wait_until(lambda: heard.texts("edge/box/hall/status") == ["online"], 60)
    found = json.loads(heard.texts("homeassistant/device/edge_box/config")[0])["cmps"]["say"]
    assert (found["p"], found["command_topic"]) == ("notify", "edge/box/say")

    microphone.play(spoken("is there a person here"))
    assert wait_until(lambda: heard.texts("edge/box/answer"), 30), "the question was heard"
    assert said(), "the answer is spoken"
    assert silent()

    before = len(recorder.loud)
    heard.client.publish("edge/box/say", "Somebody is at the door and waits for an answer. " * 20, qos=1)
    assert said(before + 50), "what MQTT says is spoken"
    microphone.play(spoken("be quiet"))
    assert silent(), "a word silences it"

    before = len(recorder.loud)
    heard.client.publish("edge/box/say", "One more. " * 200, qos=1)
    assert said(before + 50)
    heard.client.publish("edge/box/say", "", qos=1)
    assert silent(), "an empty message silences it"
    status, err = running.end(signal.SIGTERM)
    assert status == 0, err
    assert "Somebody" not in err, "what is said is not logged"


@pytest.fixture(autouse=True)
def _restore_log_level() -> Iterator[None]:
    level = logging.getLogger("edge_runtime").level
    yield
    logging.getLogger("edge_runtime").setLevel(level)
