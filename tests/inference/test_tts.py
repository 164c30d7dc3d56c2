from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from brokers import wait_until

from edge_runtime.errors import ConfigError, InputError, SpeechError
from edge_runtime.inference.tts import LONGEST_TEXT, TextToSpeech, sentences
from edge_runtime.sections import SpeechSettings

needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs the system package espeak-ng")

PIPER = """\
#!{python}
# The documented interface of piper: one text a line in, raw int16 mono out, the options as piper-tts has them.
import argparse, os, sys, time
options = argparse.ArgumentParser()
options.add_argument("-m", "--model", required=True)
options.add_argument("--output-raw", "--output_raw", action="store_true", required=True)
options.add_argument("--length-scale", "--length_scale", type=float)
options.add_argument("--sentence-silence", "--sentence_silence", type=float, default=0.0)
given = options.parse_args()
with open(given.model + ".log", "a") as log:
    print("loaded", os.getpid(), file=log)
if "{fault}" == "crash":
    sys.exit("RuntimeError: the voice is damaged")
for line in sys.stdin:
    with open(given.model + ".log", "a") as log:
        print("text", os.getpid(), file=log)
    if "{fault}" == "hang":
        time.sleep(60)
    for number, sentence in enumerate(line.strip().rstrip(".").split(". ")):
        silence = bytes(2 * int(16000 * given.sentence_silence)) if number else b""
        sound = b"\\x00\\x20" * int(1000 * len(sentence) * given.length_scale)
        sys.stdout.buffer.write(silence + sound[:2001])
        sys.stdout.buffer.flush()
        sys.stdout.buffer.write(sound[2001:])
        sys.stdout.buffer.flush()
"""


def settings(**changes: Any) -> SpeechSettings:
    return SpeechSettings(**{"timeout_s": 10.0, **changes})


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that is searched for programs before all others."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def install(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(script)
    (folder / name).chmod(0o755)


def install_piper(folder: Path, *, fault: str = "") -> Path:
    """Install a program that obeys Piper's interface, and return its voice."""
    install(folder, "piper", PIPER.format(python=sys.executable, fault=fault))
    voice = folder / "lessac.onnx"
    voice.write_bytes(b"a voice")
    (folder / "lessac.onnx.json").write_text(json.dumps({"audio": {"sample_rate": 16_000}}))
    return voice


def log_of(voice: Path) -> list[str]:
    log = voice.with_name(voice.name + ".log")
    return log.read_text().split() if log.exists() else []


def loaded(voice: Path, times: int) -> bool:
    return log_of(voice).count("loaded") == times


def alive(pid_file: Path) -> bool:
    """Return whether the process runs whose number stands in the file; one that is dead and not reaped does not."""
    pid = int(pid_file.read_text())
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@needs_espeak
def test_espeak_speaks_and_the_settings_shape_it() -> None:
    text = "The kitchen light is on."
    normal, fast, high = (
        TextToSpeech(settings(**changes)).synthesize(text) for changes in ({}, {"rate": 2.0}, {"pitch": 99})
    )
    assert normal.rate_hz == 22_050
    assert normal.samples.dtype == np.float32
    assert 0.1 < np.abs(normal.samples).max() <= 1
    assert 1.0 < len(normal.samples) / normal.rate_hz < 3.0
    assert len(fast.samples) < 0.75 * len(normal.samples)
    assert not np.array_equal(high.samples, normal.samples)


@needs_espeak
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("--version", id="what looks like an option"),
        pytest.param("-w /tmp/edge-tts-injected.wav hello", id="an option that would write a file"),
        pytest.param("[[h@l'oU]] and <break/>", id="what espeak-ng would take for phonemes or markup"),
        pytest.param("caf\u00e9 \u2026 \u0000\u0007 na\u00efve \u4f60\u597d", id="control characters, other scripts"),
        pytest.param("one, " * 400, id="one endless sentence"),
    ],
)
def test_any_text_is_only_ever_spoken(text: str) -> None:
    sound = TextToSpeech(settings()).synthesize(text)
    assert np.abs(sound.samples).max() > 0.1
    assert not Path("/tmp/edge-tts-injected.wav").exists()  # noqa: S108 - must not be there


@needs_espeak
def test_speaking_leaves_no_files_and_no_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    opened = len(list(Path("/proc/self/fd").iterdir()))
    voice = TextToSpeech(settings())
    for _ in range(3):
        voice.synthesize("One sentence of some words. Another sentence follows.")
    voice.close()
    assert list(tmp_path.iterdir()) == []
    assert psutil.Process().children(recursive=True) == []
    assert len(list(Path("/proc/self/fd").iterdir())) == opened


@pytest.mark.parametrize("backend", ["espeak-ng", "piper"])
def test_the_text_is_never_in_the_list_of_processes(programs: Path, backend: str) -> None:
    voice = install_piper(programs)
    seen = programs / "seen"
    script = f"#!/bin/sh\ntr '\\0' ' ' < /proc/$$/cmdline > {seen}\nenv >> {seen}\ncat > {programs}/given\n"
    install(programs, backend, script)
    with pytest.raises(SpeechError):
        TextToSpeech(settings(backend=backend, piper_voice=voice)).synthesize("The alarm code is 4711.")
    assert "4711" in (programs / "given").read_text()
    assert backend in seen.read_text()
    assert "4711" not in seen.read_text()


@needs_espeak
def test_a_voice_that_does_not_exist_is_named_by_the_program() -> None:
    with pytest.raises(SpeechError, match=r"espeak-ng failed \(status 1\): .*voice does not exist"):
        TextToSpeech(settings(voice="nosuch")).synthesize("hello")


@pytest.mark.parametrize("text", ["", " \n", "...!", "\u0000"])
@needs_espeak
def test_nothing_to_say_is_said_before_anything_is_started(text: str) -> None:
    with pytest.raises(InputError, match="nothing to say"):
        TextToSpeech(settings()).synthesize(text)


@needs_espeak
def test_a_book_is_refused() -> None:
    with pytest.raises(InputError, match=str(LONGEST_TEXT)):
        TextToSpeech(settings()).synthesize("word " * LONGEST_TEXT)


@pytest.mark.parametrize(
    ("script", "match"),
    [
        pytest.param("sleep 60 & echo $! > {pid}; wait", "gave no sound for 0.5 s", id="hangs"),
        pytest.param(
            "sleep 60 & echo $! > {pid}; printf RIFF; exit 0", "gave no sound for 0.5 s", id="leaves a child that hangs"
        ),
        pytest.param("sleep 60 > /dev/null & echo $! > {pid}; yes", "does not stop speaking", id="never ends"),
        pytest.param("sleep 60 > /dev/null & echo $! > {pid}; echo Oh no >&2; exit 3", "status 3.: Oh no", id="fails"),
        pytest.param("sleep 60 > /dev/null & echo $! > {pid}; echo hello", "no WAV file but 6 bytes", id="no sound"),
    ],
)
def test_a_broken_program_is_one_line_and_leaves_nothing_behind(programs: Path, script: str, match: str) -> None:
    pid = programs / "pid"
    install(programs, "espeak-ng", f"#!/bin/sh\n{script.format(pid=pid)}\n")
    with pytest.raises(SpeechError, match=match) as caught:
        TextToSpeech(settings(timeout_s=0.5)).synthesize("What I say is nobody's business")
    assert "business" not in str(caught.value)
    assert wait_until(lambda: not alive(pid))


def test_the_first_sentence_is_there_before_the_second_is_begun(programs: Path) -> None:
    header = "RIFF....WAVEfmt ........"
    script = f"printf '{header}\\100\\037\\000\\000........data....1234567890'; echo run >> {programs}/runs"
    install(programs, "espeak-ng", f"#!/bin/sh\ncat > /dev/null\n{script}\n")
    pieces = TextToSpeech(settings()).pieces("This is the first sentence. This is the second one.")
    first = next(pieces)
    assert (len(first.samples), first.rate_hz) == (5, 8000)
    assert (programs / "runs").read_text().count("run") == 1
    assert len(list(pieces)) == 1
    assert (programs / "runs").read_text().count("run") == 2


def test_stop_ends_a_program_that_hangs_at_once(programs: Path) -> None:
    install(programs, "espeak-ng", "#!/bin/sh\nsleep 60\n")
    voice = TextToSpeech(settings(timeout_s=60))
    threading.Timer(0.3, voice.stop).start()
    began = time.monotonic()
    with pytest.raises(SpeechError, match="stopped"):
        voice.synthesize("hello")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        pytest.param("One sentence is here. Two of them are.", ["One sentence is here.", "Two of them are."], id="two"),
        pytest.param("Dr. Miller is at the door.", ["Dr. Miller is at the door."], id="an abbreviation"),
        pytest.param("It is 21.5 degrees in here.", ["It is 21.5 degrees in here."], id="a number"),
        pytest.param("A title without a dot\nIs this it?", ["A title without a dot", "Is this it?"], id="lines"),
        pytest.param("  ... !  ", [], id="nothing"),
    ],
)
def test_texts_are_cut_at_sentences(text: str, parts: list[str]) -> None:
    assert sentences(text) == parts


@pytest.mark.parametrize("unit", ["word ", "word, ", "w"])
def test_long_sentences_are_cut_where_a_speaker_would_breathe(unit: str) -> None:
    text = (unit * 1000)[:1500].strip()
    parts = sentences(text)
    assert max(map(len, parts)) <= 240
    assert "".join(parts).replace(" ", "") == text.replace(" ", "")


def test_piper_speaks_with_the_rate_of_its_voice_file(programs: Path) -> None:
    voice = install_piper(programs)
    speech = TextToSpeech(settings(backend="piper", piper_voice=voice, rate=2.0))
    sound = speech.synthesize("First one. Second\none.")
    assert sound.rate_hz == 16_000
    # 9 and 10 letters at 1000 samples each, twice as fast, and 0.2 s between the sentences.
    assert len(sound.samples) == 9 * 500 + 3200 + 10 * 500
    assert np.count_nonzero(sound.samples == 0.25) == 19 * 500, "a piece may end in the middle of a sample"


def test_piper_is_kept_warm(programs: Path) -> None:
    voice = install_piper(programs)
    speech = TextToSpeech(settings(backend="piper", piper_voice=voice))
    speech.warm()
    for number in (1, 2):
        assert wait_until(partial(loaded, voice, number))
        speech.synthesize("Here we are.")
    assert wait_until(partial(loaded, voice, 3))
    log = log_of(voice)
    ready, spoke = ([log[at + 1] for at, word in enumerate(log) if word == what] for what in ("loaded", "text"))
    assert spoke == ready[:2], "each text went to the program that had loaded its voice before"
    speech.close()
    assert psutil.Process().children(recursive=True) == []


def test_a_warm_piper_that_died_is_replaced(programs: Path) -> None:
    voice = install_piper(programs)
    speech = TextToSpeech(settings(backend="piper", piper_voice=voice))
    speech.warm()
    assert wait_until(partial(loaded, voice, 1))
    waiting = psutil.Process(int(log_of(voice)[1]))
    waiting.kill()
    assert wait_until(lambda: waiting.status() == psutil.STATUS_ZOMBIE)
    assert len(speech.synthesize("Here we are.").samples)
    speech.close()


@pytest.mark.parametrize(
    ("fault", "match"),
    [
        pytest.param("crash", "piper failed .status 1.: RuntimeError: the voice is damaged", id="crashes"),
        pytest.param("hang", "gave no sound for 1 s", id="hangs"),
    ],
)
def test_a_broken_piper_is_one_line(programs: Path, fault: str, match: str) -> None:
    voice = install_piper(programs, fault=fault)
    with pytest.raises(SpeechError, match=match):
        TextToSpeech(settings(backend="piper", piper_voice=voice, timeout_s=1.0)).synthesize("hello")
    assert psutil.Process().children(recursive=True) == []


def _nothing(_: Path) -> None: ...


@pytest.mark.parametrize(
    ("change", "wanted", "match"),
    [
        pytest.param(
            lambda folder: (folder / "piper").unlink(), {}, r"pip install piper-tts.*espeak-ng", id="not installed"
        ),
        pytest.param(_nothing, {"piper_voice": None}, "download_voices", id="no voice named"),
        pytest.param(_nothing, {"piper_voice": Path("no.onnx")}, "no file no.onnx;", id="no such voice"),
        pytest.param(
            lambda folder: (folder / "lessac.onnx.json").unlink(), {}, r"no file .*lessac.onnx.json", id="half a voice"
        ),
        pytest.param(
            lambda folder: (folder / "lessac.onnx.json").write_text("[]"), {}, "audio.sample_rate", id="no rate"
        ),
    ],
)
def test_what_is_missing_is_told_at_once(
    programs: Path, monkeypatch: pytest.MonkeyPatch, change: Any, wanted: dict[str, Any], match: str
) -> None:
    voice = install_piper(programs)
    monkeypatch.setenv("PATH", str(programs))
    change(programs)
    with pytest.raises(ConfigError, match=match):
        TextToSpeech(settings(**{"backend": "piper", "piper_voice": voice, **wanted}))


def test_a_missing_espeak_is_told_at_once(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(ConfigError, match="apt install espeak-ng"):
        TextToSpeech(settings())
