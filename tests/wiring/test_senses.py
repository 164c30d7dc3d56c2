from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge_runtime.app import App
from edge_runtime.config import Settings
from edge_runtime.inference.everyday import EverydayNames, everyday_names
from edge_runtime.sinks.event_past import Past
from edge_runtime.verbs import work
from edge_runtime.wiring.assembly import Models
from edge_runtime.wiring.senses import make_event_log

if TYPE_CHECKING:
    from pathlib import Path

PICTURE = np.random.default_rng(5).integers(0, 256, (90, 120, 3), dtype=np.uint8)
CLIP = "edge_runtime/demo/clip.mp4"


def settings(folder: Path, **sections: Any) -> Settings:
    given = {"device": {"data_dir": str(folder / "data"), "threads": 1}, "mqtt": {"enabled": False}, **sections}
    return Settings.model_validate(given)


def test_what_one_run_saw_the_next_program_tells(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    clip = str(pytestconfig.rootpath / CLIP)
    box = App(settings(tmp_path, cameras=[{"name": "door", "url": clip}]), once=True)
    box.runtime.run()
    seen = Past(tmp_path / "data" / "events.sqlite").between(time.time() - 600, time.time(), ("object",))
    assert seen
    answer = work.asking(settings(tmp_path), None)("what happened in the last ten minutes?")
    assert answer["skill"] == "history"
    for label in {event.label for event in seen}:
        assert str(label) in answer["text"] or "people" in answer["text"]


def test_a_log_that_is_switched_off_leaves_nothing(tmp_path: Path) -> None:
    assert make_event_log(settings(tmp_path, event_log={"enabled": False})) is None
    assert not (tmp_path / "data").exists()


def test_a_box_that_cannot_remember_still_runs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "data").touch()
    assert make_event_log(settings(tmp_path)) is None
    assert "nothing is remembered" in caplog.text


@pytest.fixture(scope="module")
def models() -> Models:
    return Models(threads=1)


def test_names_are_worked_out_once_and_kept(tmp_path: Path, models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    first = EverydayNames(models.manifest, models.embedder, tmp_path)(PICTURE)
    assert sum(first.values()) == pytest.approx(1.0)
    assert set(first) == set(everyday_names())
    (kept,) = tmp_path.glob("names-*.npy")

    def refused(_: object) -> None:
        raise AssertionError("worked out again")

    monkeypatch.setattr(models.embedder, "label_vectors", refused)
    assert EverydayNames(models.manifest, models.embedder, tmp_path)(PICTURE) == pytest.approx(first)
    monkeypatch.undo()
    kept.write_bytes(b"cut short")
    assert EverydayNames(models.manifest, models.embedder, tmp_path)(PICTURE) == pytest.approx(first)


def test_every_name_is_there_once_and_has_a_kind() -> None:
    names = everyday_names()
    assert len(names) >= 500
    assert all(name == name.strip() and name and kind for name, kind in names.items())


@pytest.mark.parametrize(
    ("question", "skill"),
    [
        ("what is this?", "naming"),
        ("what kind of animal is that", "naming"),
        ("what colour is the car?", "colours"),
        ("does anything look unusual?", "unusual"),
        ("what does it say?", "reading"),
        ("who came since lunch?", "history"),
        ("did the dog bark?", "sounds_heard"),
    ],
)
def test_each_question_finds_its_skill(tmp_path: Path, question: str, skill: str) -> None:
    answer = work.asking(settings(tmp_path), None)(question)
    assert answer["skill"] == skill
