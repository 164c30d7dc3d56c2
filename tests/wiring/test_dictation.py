from __future__ import annotations

import json
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from remembering import Memory

from edge_runtime import cli
from edge_runtime.config import Settings, VoiceSettings
from edge_runtime.errors import BundleError, ConfigError, InputError
from edge_runtime.house import UNWRITTEN_KEPT, House
from edge_runtime.metrics import Metrics
from edge_runtime.runtime import ExitStatus, Runtime
from edge_runtime.sections import DictationSettings
from edge_runtime.sinks.fanout import FanOut
from edge_runtime.types import Answer, AudioChunk, Event, Origin, Question
from edge_runtime.verbs.doctor import examine
from edge_runtime.wiring.dictation import make_dictation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TINY = Path(__file__).parents[1] / "inference" / "tiny_whisper"
COMMANDS = Path(cli.__file__).parent / "demo" / "commands.wav"
without_vosk = pytest.mark.skipif(find_spec("vosk") is not None, reason="vosk is installed")


def test_nobody_writes_unless_the_settings_say_who() -> None:
    assert make_dictation(DictationSettings(), 1) is None


@pytest.mark.parametrize(
    ("how", "error", "reason"),
    [
        pytest.param({"backend": "bundle", "folder": Path("nope")}, BundleError, "no readable", id="no bundle"),
        pytest.param(
            {"backend": "bundle", "folder": TINY, "language": "fr"}, InputError, "it knows de, en", id="language"
        ),
        pytest.param(
            {"backend": "vosk", "folder": TINY, "language": "de"}, ConfigError, "has one language", id="vosk's language"
        ),
        pytest.param(
            {"backend": "vosk", "folder": TINY, "task": "translate"}, ConfigError, "has one language", id="vosk's task"
        ),
        pytest.param(
            {"backend": "vosk", "folder": TINY}, InputError, "pip install vosk", id="no vosk", marks=without_vosk
        ),
    ],
)
def test_what_cannot_write_is_told_in_one_line(how: dict[str, Any], error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason) as caught:
        make_dictation(DictationSettings(**how), 1)
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_vosk_model_is_named(tmp_path: Path) -> None:
    pytest.importorskip("vosk", reason="vosk is not installed; its owner installs it")
    with pytest.raises(InputError, match="holds no vosk model"):
        make_dictation(DictationSettings(backend="vosk", folder=tmp_path), 1)


def test_the_settings_name_the_folder_beside_them(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("voice: {dictation: {backend: bundle, folder: whisper, language: de}}")
    dictation = Settings.load(tmp_path / "s.yaml").voice.dictation
    assert dictation.folder == tmp_path / "whisper"
    (tmp_path / "s.yaml").write_text("voice: {dictation: {backend: bundle}}")
    with pytest.raises(ConfigError, match="backend 'bundle' needs its folder"):
        Settings.load(tmp_path / "s.yaml")


def called(command_line: Callable[..., tuple[int, str, str]], *arguments: str) -> tuple[Any, str]:
    status, out, err = command_line("transcribe", str(COMMANDS), *arguments, "--json")
    assert status == (ExitStatus.OK if out else ExitStatus.BAD_INPUT)
    return (json.loads(out) if out else None), err


def test_transcribe_writes_down_a_file(command_line: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    record, _ = called(command_line, "--bundle", str(TINY))
    assert record["path"] == str(COMMANDS)
    assert len(record["text"]) > 100
    german, _ = called(command_line, "--bundle", str(TINY), "--language", "de", "--task", "translate")
    assert german["text"] != record["text"]
    settings = tmp_path / "s.yaml"
    settings.write_text(f"voice: {{dictation: {{backend: bundle, folder: {TINY}}}}}")
    assert called(command_line, "--config", str(settings))[0] == record


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param([], "nobody writes it down; name --bundle FOLDER", id="nobody"),
        pytest.param(["--bundle", str(TINY), "--vosk", str(TINY)], "are both given", id="two"),
        pytest.param(["--bundle", str(TINY), "--task", "sing"], "no task 'sing'; it knows transcribe", id="a task"),
        pytest.param(["--bundle", str(TINY), "--language", "fr"], "no language 'fr'; it knows de, en", id="language"),
        pytest.param(["--vosk", str(TINY)], "run: pip install vosk", id="no vosk", marks=without_vosk),
    ],
)
def test_transcribe_says_what_is_wrong(
    command_line: Callable[..., tuple[int, str, str]], arguments: list[str], said: str
) -> None:
    record, err = called(command_line, *arguments)
    assert record is None
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("folder", "status", "detail"),
    [
        pytest.param(TINY, "ok", "is whole; loaded in", id="whole"),
        pytest.param(Path("nope"), "fail", "no readable", id="missing"),
    ],
)
def test_the_doctor_looks_at_dictation(folder: Path, status: str, detail: str) -> None:
    settings = Settings(voice=VoiceSettings(dictation=DictationSettings(backend="bundle", folder=folder)))
    (finding,) = (finding for finding in examine(settings) if finding["check"] == "dictation")
    assert finding["status"] == status
    assert detail in finding["detail"]


class Echo:
    """An answerer that says the question again."""

    def begin(self, question: Question) -> Answer:
        return Answer(question.text, 0.9, Origin.LOCAL)


class Sound:
    """A microphone whose chunks are numbered by their time; it ends when it is told to, if it is."""

    live = False
    lost = 0
    name = "kitchen"

    def __init__(self, count: int) -> None:
        self._count = count

    def chunks(self) -> Iterator[AudioChunk]:
        for number in range(self._count):
            yield AudioChunk(self.name, float(number), np.full(512, number, np.float32))

    def close(self) -> None: ...


class Talk:
    """A voice pipeline to which every chunk is speech that is no command."""

    def __init__(self) -> None:
        self.heard = 0

    def step(self, chunk: AudioChunk) -> list[Event | Question]:
        self.heard += 1
        return [Question("", chunk.source, chunk.at, chunk=chunk)]

    def flush(self) -> list[Event | Question]:
        return []


class Writer:
    """Writes down a chunk's number, nothing for every third, once it is let."""

    def __init__(self) -> None:
        self.let = threading.Event()

    def transcribe(self, chunk: AudioChunk) -> str:
        self.let.wait(30)
        return "" if chunk.at % 3 == 0 else f"chunk {chunk.at:.0f}"


def house_of(memory: Memory, writer: Writer, talk: Talk, count: int, *, paced: bool) -> House:
    house = House(FanOut([memory]), Echo(), Metrics(), None, writer)  # type: ignore[arg-type]  # doubles
    house.add_microphone(Sound(count), talk, paced=paced)  # type: ignore[arg-type]  # a double
    return house


def test_what_is_written_down_is_answered_and_what_is_nothing_is_told() -> None:
    memory, writer = Memory(), Writer()
    writer.let.set()
    house = house_of(memory, writer, Talk(), 9, paced=False)
    assert Runtime(house.stages(), once=True, close=lambda: None).run() is ExitStatus.OK
    answers = [event.data["question"] for event in memory.events if event.kind == "answered"]
    assert answers == [f"chunk {number}" for number in (1, 2, 4, 5, 7, 8)]
    nothing = [event for event in memory.events if event.kind == "not_understood"]
    assert [(event.at, event.data["transcript"]) for event in nothing] == [(0.0, ""), (3.0, ""), (6.0, "")]
    assert house.counts["dictations_dropped"] == 0, "a recording waits until all of it is written down"


def test_a_slow_dictation_never_makes_a_microphone_wait() -> None:
    memory, writer, talk = Memory(), Writer(), Talk()
    house = house_of(memory, writer, talk, 40, paced=True)
    runtime = Runtime(house.stages(), once=True, close=lambda: None)
    running = threading.Thread(target=runtime.run)
    running.start()
    deadline = time.monotonic() + 20
    while talk.heard < 40 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert talk.heard == 40
    writer.let.set()
    running.join(20)
    # One may be in the writer's hands while the others wait.
    written = sum(event.kind in {"answered", "not_understood"} for event in memory.events)
    assert written <= UNWRITTEN_KEPT + 1
    assert written + house.counts["dictations_dropped"] == 40
