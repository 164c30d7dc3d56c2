from __future__ import annotations

import gzip
import lzma
import shutil
import signal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("torch", reason="the extra [build] is not installed")

from models.omni_nano import utterances
from scripts import speak
from tests.models.test_utterances import tone, write_tar
from tests.scripts.conftest import fewer_words

if TYPE_CHECKING:
    from pathlib import Path

    from tests.scripts.conftest import Factory

RECIPE = """
name = "tiny"
[spoken]
seed = 11
utterances = 12
speakers = 2
"""
WORDS = (
    "the in a on turn off light one two dog cat car bird boat lamp door truck kitchen garden street hall sleeps waits"
)
# Says the same three tenths of a second whatever it is asked, as a file where espeak-ng would put it.
SYNTHESISER = """#!/bin/sh
while [ "$1" != -w ]; do shift; done
/bin/cp {sound} "$2"
"""


@pytest.fixture(scope="module")
def studio(source: Factory, tmp_path_factory: pytest.TempPathFactory) -> Factory:
    """Return a factory with recordings, a lexicon and one synthesiser."""
    factory = source.copy(tmp_path_factory.mktemp("studio") / "factory")
    factory.recipe.write_text(RECIPE, encoding="utf-8")
    audio = factory.root / "data" / "audio"
    audio.mkdir()
    write_tar(audio / "speech_commands_dev.tar", {"yes/0cb74144_nohash_0.flac": tone(), "_silence_/1.flac": tone()})
    write_tar(audio / "precise_community.tar", {"amelia/en/1.flac": tone()})
    write_tar(audio / "wake_words_dev.tar", {"jarvis/1.flac": tone()})
    factory.folder("lexicon").mkdir(parents=True)
    lines = "".join(f"{word} AH\n" for word in WORDS.split())
    (factory.folder("lexicon") / "lexicon.xz").write_bytes(lzma.compress(lines.encode()))
    (factory.root / "bin").mkdir()
    return factory


@pytest.fixture
def factory(studio: Factory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Factory:
    made = studio.copy(tmp_path / "factory")
    sound, program = tmp_path / "said.wav", made.root / "bin" / "espeak-ng"
    soundfile.write(sound, tone(0.3), 16_000)
    program.write_text(SYNTHESISER.format(sound=sound), encoding="utf-8")
    program.chmod(0o755)
    fewer_words(monkeypatch)
    monkeypatch.setenv("PATH", str(program.parent))
    return made


def said(factory: Factory) -> dict[str, list[tuple[str, str | None]]]:
    files = sorted(factory.folder("speak").glob("spoken-*.npz"))
    return {path.name: [(one.name, one.text) for one in utterances.load(path)] for path in files}


def written(factory: Factory) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in factory.folder("speak").glob("*.npz")}


def test_it_leaves_recordings_and_spoken_sentences_of_words_that_are_known(factory: Factory) -> None:
    speak.run(factory.workshop())
    found = said(factory)
    assert list(found) == ["spoken-000.npz", "spoken-001.npz", "spoken-002.npz"]
    rows = [row for part in found.values() for row in part]
    assert [name.rsplit("/", 1)[-1] for name, _ in rows] == [str(number) for number in range(12)]
    assert all(text and set(text.split()) <= set(WORDS.split()) for _, text in rows)
    recorded = utterances.load(factory.folder("speak") / "recordings.npz")
    assert {one.text for one in recorded} == {"yes", "", "amelia", "jarvis"}
    record = factory.record("speak")
    assert record["numbers"]["engines"] == {"espeak": 1.0}
    assert set(record["outputs"]) == {"recordings.npz", *found}
    peaks = {np.abs(one.samples).max() for one in utterances.load(factory.folder("speak") / "spoken-000.npz")}
    assert peaks == {round(0.5 * 32767)} or max(peaks) == pytest.approx(0.5 * 32767, abs=2)


def test_prompts_of_the_telephone_exchange_come_along(
    factory: Factory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soundfile.write(tmp_path / "hello.wav", tone(0.4)[:3200], 8000)
    with gzip.open(tmp_path / "texts.gz", "wt", encoding="utf-8") as file:
        file.write("hello: hello world\n")
    monkeypatch.setattr(speak, "PROMPTS", tmp_path)
    monkeypatch.setattr(speak, "PROMPT_TEXTS", tmp_path / "texts.gz")
    speak.run(factory.workshop())
    recorded = utterances.load(factory.folder("speak") / "recordings.npz")
    assert ("prompts/hello", "hello world") in {(one.name, one.text) for one in recorded}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("moment", ["answer 1", "answer 7"])
def test_what_was_said_before_a_kill_is_not_said_again(factory: Factory, tmp_path: Path, moment: str) -> None:
    whole = factory.copy(tmp_path / "whole")
    speak.run(whole.workshop())
    killed = factory.run("speak", signal.SIGKILL, moment)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (factory.folder("speak") / "stage.json").exists()
    before = written(factory)
    assert ("spoken-000.npz" in before) is (moment == "answer 7")
    speak.run(factory.workshop())
    assert said(factory) == said(whole)
    assert before.items() <= written(factory).items()


@pytest.mark.parametrize(
    ("old", "new", "kept"),
    [
        pytest.param("seed = 11", "seed = 12", 0, id="other sentences"),
        pytest.param("utterances = 12", "utterances = 8", 3, id="fewer of the same"),
        pytest.param("utterances = 12", "utterances = 16", 4, id="more of the same"),
        pytest.param("speakers = 2", "speakers = 1", 4, id="what decides nothing"),
    ],
)
def test_files_of_another_run_are_not_mixed_with_its_own(factory: Factory, old: str, new: str, kept: int) -> None:
    speak.run(factory.workshop())
    before = written(factory)
    first = said(factory)
    factory.change(old, new)
    speak.run(factory.workshop())
    assert len(before.items() & written(factory).items()) == kept
    assert set(written(factory)) == set(factory.record("speak")["outputs"])
    assert (said(factory).items() <= first.items() or first.items() <= said(factory).items()) is (kept > 0)


def test_nothing_is_done_twice(factory: Factory, capsys: pytest.CaptureFixture[str]) -> None:
    speak.run(factory.workshop())
    speak.run(factory.workshop())
    assert "speak: nothing has changed" in capsys.readouterr().out


def test_without_a_synthesiser_it_stops_with_one_line(factory: Factory) -> None:
    shutil.rmtree(factory.root / "bin")
    with pytest.raises(SystemExit, match="no speech synthesiser is installed"):
        speak.run(factory.workshop())
    assert not list(factory.folder("speak").glob("*.npz"))


def test_a_synthesiser_without_voices_does_not_keep_it_for_ever(
    factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    (factory.root / "bin" / "espeak-ng").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    monkeypatch.setattr(speak, "TRIES", 3)
    with pytest.raises(SystemExit, match="espeak: 3 times in a row nothing was said"):
        speak.run(factory.workshop())


@pytest.mark.usefixtures("factory")
def test_the_seed_alone_decides_what_is_said() -> None:
    texts: Any = type("Texts", (), {"draw": staticmethod(lambda rng: str(rng.choice(["a", "b", "c", "d"])))})
    one, other = (speak.say(5, 11, texts, {"espeak": 1.0}) for _ in range(2))
    assert (one.name, one.text) == (other.name, other.text)
    assert {speak.say(5, seed, texts, {"espeak": 1.0}).name for seed in range(5)} != {one.name}
