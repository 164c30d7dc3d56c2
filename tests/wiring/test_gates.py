from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from edge_runtime.config import Settings
from edge_runtime.decision.confidence import Calibration, ConfidenceGate
from edge_runtime.decision.drift import spread
from edge_runtime.decision.learned_gate import Judge, LearnedGate, ScoreScale
from edge_runtime.errors import ConfigError
from edge_runtime.wiring.assembly import Models
from edge_runtime.wiring.gate_tables import save_gate
from edge_runtime.wiring.gates import CAUTIOUS, DRIFT_FILE, DriftWatch, gate_path, make_gate, remembering, status

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

USUAL = np.random.default_rng(0).beta(8, 2, 400)
FACTS = {"alpha": 0.05, "delta": 0.1, "rows": 400, "skills": {}}
BY_SCORE = LearnedGate(
    {"presence": Judge(Calibration(0.5, 0.0), ScoreScale(), None)}, 0.7, spread(USUAL), FACTS | {"model": "other:1"}
)
MODELS = Models()
PLAIN = MODELS.manifest.gate.local_threshold if MODELS.manifest.gate else CAUTIOUS


def settings_of(folder: Path, **answering: Any) -> Settings:
    return Settings.model_validate({"device": {"data_dir": folder}, "answering": answering})


def fresh(confidences: Sequence[float], gate: ConfidenceGate, skill: str = "presence") -> None:
    for value in confidences:
        gate.judge(skill, float(value), "?")


def test_without_a_gate_the_threshold_is_that_of_the_bundle(tmp_path: Path) -> None:
    gate = make_gate(settings_of(tmp_path), MODELS)
    assert gate.judge("presence", PLAIN, "?").local
    assert not gate.judge("presence", PLAIN - 0.01, "?").local
    assert gate.drift is None
    assert status(settings_of(tmp_path), MODELS)["gate"] is None


@pytest.mark.parametrize(
    ("answering", "kept_from"),
    [
        pytest.param({}, CAUTIOUS, id="the bundle's threshold was not proved on what it writes"),
        pytest.param({"local_threshold": 0.5}, 0.5, id="the owner's threshold is the owner's word"),
    ],
)
def test_a_bigger_local_model_that_no_gate_was_fitted_to(
    tmp_path: Path, answering: dict[str, Any], kept_from: float
) -> None:
    gate = make_gate(settings_of(tmp_path, **answering), MODELS)
    assert gate.judge("mind", kept_from, "?").local
    assert not gate.judge("mind", kept_from - 0.01, "?").local


@pytest.mark.parametrize(
    ("answering", "score", "confidence", "local"),
    [
        pytest.param({}, 0.9, 0.75, True, id="what fit wrote is in force by itself"),
        pytest.param({}, 0.8, 2 / 3, False, id="its own threshold holds"),
        pytest.param({"local_threshold": 0.6}, 0.8, 2 / 3, True, id="the owner's threshold goes before it"),
    ],
)
def test_a_fitted_gate(tmp_path: Path, answering: dict[str, Any], score: float, confidence: float, local: bool) -> None:
    settings = settings_of(tmp_path, **answering)
    save_gate(gate_path(settings), BY_SCORE)
    judged = make_gate(settings, MODELS).judge("presence", score, "?")
    assert judged.confidence == pytest.approx(confidence)
    assert judged.local is local
    assert not make_gate(settings_of(tmp_path), MODELS).judge("counting", PLAIN - 0.01, "?").local


def test_the_settings_may_name_another_file(tmp_path: Path) -> None:
    save_gate(tmp_path / "mine.json", BY_SCORE)
    assert make_gate(settings_of(tmp_path, gate=tmp_path / "mine.json"), MODELS).learned is not None
    with pytest.raises(ConfigError, match=r"none\.json"):
        make_gate(settings_of(tmp_path, gate=tmp_path / "none.json"), MODELS)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 1}', "\x00"])
def test_a_gate_that_cannot_be_read_is_no_gate(tmp_path: Path, content: str) -> None:
    (tmp_path / "gate.json").write_text(content)
    with pytest.raises(ConfigError, match="gate fit"):
        make_gate(settings_of(tmp_path), MODELS)


def test_a_gate_of_another_text_model_is_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from edge_runtime.decision.gate_fitting import Promise, fit_gate  # noqa: PLC0415 - one test needs it
    from edge_runtime.decision.gate_table import read_table  # noqa: PLC0415

    rows = [{"prompt": f"number {row}", "local_correct": row % 2} for row in range(30)]
    vectors = np.eye(384, dtype=np.float32)[:30]
    save_gate(tmp_path / "gate.json", fit_gate(read_table(enumerate(rows)), vectors, Promise(), {"model": "other:1"}))
    assert make_gate(settings_of(tmp_path), MODELS).learned is None
    assert "another text model" in caplog.text
    assert status(settings_of(tmp_path), MODELS)["usable"] is False


def test_drift_falls_back_to_the_safe_side_and_is_remembered(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    save_gate(tmp_path / "gate.json", BY_SCORE)
    since: list[float] = []
    gate = make_gate(settings, MODELS, since.append)
    fresh([0.55] * 300, gate)
    assert len(since) == 1
    assert gate.drift is not None
    assert gate.drift.alarmed
    assert not gate.judge("presence", 0.999, "?").local, "what was learned counts no more"
    assert gate.judge("presence", 1.0, "?").local, "what is certain does"
    assert gate.judge("clock", 1.0, "?").local, "and so do skills that nothing was learned of"
    again = make_gate(settings, MODELS)
    assert again.drift is not None
    assert again.drift.alarmed, "a restart does not switch it off"
    assert status(settings, MODELS)["drift"]["alarm_since"] == since[0]
    save_gate(tmp_path / "gate.json", LearnedGate(BY_SCORE.judges, 0.6, BY_SCORE.reference, FACTS))
    assert not cast("DriftWatch", make_gate(settings, MODELS).drift).alarmed, "a new fit does"


class Clock:
    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def test_what_was_seen_is_written_once_a_minute(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / DRIFT_FILE

    def seen() -> int:
        return int(json.loads(path.read_text())["state"]["seen"])

    watch = DriftWatch(path, "a", BY_SCORE.reference, now=clock)
    for value in USUAL[:50]:
        watch.update(float(value))
    assert seen() == 1
    clock.at += 61
    watch.update(0.8)
    assert seen() == 51
    assert DriftWatch(path, "a", BY_SCORE.reference, now=clock).status()["seen"] == 51
    assert DriftWatch(path, "b", BY_SCORE.reference, now=clock).status()["seen"] == 0, "that was another gate"
    clock.at = 0.0
    watch.update(0.8)
    assert seen() == 52, "a clock set back does not stop it"


def test_an_alarm_of_another_program_stays(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / DRIFT_FILE
    one, other = (DriftWatch(path, "a", BY_SCORE.reference, now=clock) for _ in range(2))
    for _ in range(300):
        one.update(0.55)
    assert one.alarmed
    clock.at += 61
    other.update(0.8)
    assert other.alarmed
    assert DriftWatch(path, "a", BY_SCORE.reference, now=clock).since == one.since


@pytest.mark.parametrize("content", ["", "[]", '{"gate": "a", "state": {}}'])
def test_a_torn_record_begins_anew(tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / DRIFT_FILE).write_text(content)
    watch = DriftWatch(tmp_path / DRIFT_FILE, "a", BY_SCORE.reference)
    assert watch.status()["seen"] == 0
    assert "begins anew" in caplog.text
    watch.update(0.8)


def test_a_full_disk_stops_no_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    watch = DriftWatch(tmp_path / "file" / DRIFT_FILE, "a", BY_SCORE.reference)
    watch.update(0.8)
    assert "cannot be kept" in caplog.text


def test_many_threads_lose_nothing(tmp_path: Path) -> None:
    watch = DriftWatch(tmp_path / DRIFT_FILE, "a", BY_SCORE.reference)

    def some() -> None:
        for value in USUAL[:50]:
            watch.update(float(value))

    threads = [threading.Thread(target=some) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert watch.status()["seen"] == 400


def test_a_text_is_read_once() -> None:
    read: list[str] = []

    def embed_text(texts: Sequence[str]) -> np.ndarray:
        read.extend(texts)
        return np.ones((len(texts), 4), np.float32)

    embed = remembering(embed_text)
    assert embed("a").shape == (4,)
    embed("a")
    embed("b")
    assert read == ["a", "b"]
