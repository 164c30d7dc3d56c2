from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from models.omni_nano import voices
from models.omni_nano.voices import Voice

if TYPE_CHECKING:
    from pathlib import Path

PROGRAMS = voices._PROGRAMS
SAID = "turn on the kitchen light"
ONE_OF_EACH = [
    Voice("espeak", "en-us+m1", 1.0, 1.0),
    Voice("mbrola", "us-mbrola-1", 1.0, 1.0),
    Voice("flite", "slt", 1.0, 1.0),
    Voice("rhvoice", "alan", 1.0, 1.0),
    Voice("pico", "en-US", 1.0, 1.0),
    Voice("festival", "kal_diphone", 1.0, 1.0),
]


def put(folder: Path, *programs: str, script: str = "#!/bin/sh\n") -> None:
    for name in programs:
        (folder / name).write_text(script, encoding="utf-8")
        (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("programs", "found"),
    [
        pytest.param(("espeak-ng",), {"espeak": 1.0}, id="one"),
        pytest.param(("espeak-ng", "mbrola"), {"espeak": 0.2 / 0.33, "mbrola": 0.13 / 0.33}, id="two share"),
        pytest.param(("flite", "mbrola"), {"flite": 1.0}, id="mbrola says nothing without espeak-ng"),
        pytest.param(("text2wave",), {"festival": 1.0}, id="festival's own program"),
    ],
)
def test_what_is_installed_shares_what_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, programs: tuple[str, ...], found: dict[str, float]
) -> None:
    put(tmp_path, *programs)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert voices.installed() == pytest.approx(found)


def test_without_a_synthesiser_one_line_says_where_they_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match=r"no speech synthesiser is installed; docs/FACTORY.md lists"):
        voices.installed()


def test_shares_add_up_and_every_synthesiser_has_its_programs() -> None:
    assert sum(voices.SHARES.values()) == pytest.approx(1.0)
    assert voices.SHARES.keys() == PROGRAMS.keys()


def test_the_same_dice_draw_the_same_voice_and_all_are_drawn() -> None:
    drawn = [voices.draw(voices.SHARES, np.random.default_rng(number)) for number in range(400)]
    assert drawn == [voices.draw(voices.SHARES, np.random.default_rng(number)) for number in range(400)]
    assert {voice.engine for voice in drawn} == set(voices.SHARES)
    assert all(0.7 < voice.rate < 1.35 and 0.5 < voice.pitch < 2 for voice in drawn)


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("#!/bin/sh\nexit 1\n", id="it fails"),
        pytest.param("#!/bin/sh\nexit 0\n", id="it writes nothing"),
        pytest.param("#!/bin/sh\necho this is no sound\n", id="it writes something else"),
    ],
)
def test_a_synthesiser_that_fails_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    put(tmp_path, "flite", script=script)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert len(voices.speak(Voice("flite", "slt", 1.0, 1.0), SAID)) == 0


@pytest.mark.parametrize("voice", ONE_OF_EACH, ids=lambda voice: voice.engine)
def test_every_installed_synthesiser_speaks_at_16_khz(voice: Voice) -> None:
    if not all(map(shutil.which, PROGRAMS[voice.engine])):
        pytest.skip(f"{voice.engine} is not installed")
    said = voices.speak(voice, SAID)
    if not len(said):
        pytest.skip(f"{voice.engine} has no voice {voice.name} here")
    assert said.dtype == np.float32
    assert 0.8 < len(said) / 16_000 < 5
    assert 0.01 < np.abs(said).max() <= 1.1
    faster = voices.speak(Voice(voice.engine, voice.name, 1.4, 1.0), SAID)
    assert len(faster) < 0.95 * len(said)
