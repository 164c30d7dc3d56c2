from __future__ import annotations

import json
import shutil
from importlib import resources
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from edge_runtime.app import App
from edge_runtime.config import Settings
from edge_runtime.errors import InputError
from edge_runtime.inference.patches import sound_cells
from edge_runtime.metrics import Metrics
from edge_runtime.pipelines.unusual_sound import UnusualSound
from edge_runtime.sinks.record_file import canonical
from edge_runtime.sinks.records import Records
from edge_runtime.types import AudioChunk
from edge_runtime.watch_sections import ZoneSettings
from edge_runtime.wiring.assembly import Models
from edge_runtime.wiring.drawn_zones import DrawnZones
from edge_runtime.wiring.evidence import evidence_folder, make_recorder, masked, records_of
from edge_runtime.wiring.replaying import Replayer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Record = dict[str, Any]

PASSWORD = "hunter2"  # noqa: S105 - of nobody


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the evidence of a box that watched the embedded clip, with a zone that was drawn on the page."""
    folder = tmp_path_factory.mktemp("box")
    data = folder / "data"
    data.mkdir()
    zone = {"name": "drawn", "polygon": [[0, 0.2], [1, 0.2], [1, 1], [0, 1]], "cooldown_s": 0, "dwell_s": 0.5}
    settings = Settings.model_validate(
        {
            "device": {"data_dir": str(data), "threads": 1},
            "cameras": [
                {
                    "name": "door",
                    "url": str(resources.files("edge_runtime.demo") / "clip.mp4"),
                    "fps": 6,
                    "zones": [{**zone, "name": "step"}],
                    "lines": [{"name": "middle", "start": [0.5, 0], "end": [0.5, 1]}],
                },
            ],
            "mqtt": {"enabled": False},
        }
    )
    DrawnZones(data).draw("door", [ZoneSettings.model_validate(zone)])
    App(settings, once=True).runtime.run()
    return evidence_folder(settings)


@pytest.fixture
def copy(kept: Path, tmp_path: Path) -> Records:
    return Records(shutil.copytree(kept, tmp_path / "evidence"))


@pytest.fixture(scope="module")
def ids(kept: Path) -> list[str]:
    return [record["event"]["id"] for record in Records(kept).all()]


@pytest.fixture(scope="module")
def replayer() -> Replayer:
    """Return one for all tests, as loading models takes a while."""
    return Replayer()


def changed(records: Records, event_id: str, change: Callable[[Record], object]) -> None:
    place = records.place(event_id)
    assert place is not None
    record = json.loads((place / "record.json").read_text())
    change(record)
    (place / "record.json").write_text(json.dumps(record))


def test_every_alert_of_a_film_comes_out_again(kept: Path, ids: list[str], replayer: Replayer) -> None:
    done = [replayer.replay(Records(kept), event_id) for event_id in ids]
    assert [(one.reproduced, one.look, one.problem) for one in done] == [(True, "same", None)] * len(ids)
    places = {(one.record["event"]["kind"], one.record["event"]["data"].get("zone")) for one in done}
    assert places == {("zone", "step"), ("zone", "drawn"), ("line", None)}


def slower(record: Record) -> None:
    record["settings"]["vision"]["confirm_frames"] = 9


def another_look(record: Record) -> None:
    record["sight"]["presence"]["person"] += 1e-9


def another_name(record: Record) -> None:
    record["event"]["data"]["label"] = "burglar"


@pytest.mark.parametrize(
    ("change", "look", "differences", "problem"),
    [
        (slower, "same", True, None),
        (lambda record: record["before"].update(session="other"), "same", True, None),
        (another_name, "same", True, None),
        (lambda record: record["steps"][0]["facts"].update(area=0.5), "same", True, None),
        (another_look, "differs", True, None),
        (lambda record: record.update(decider="oracle"), "not kept", False, "no 'oracle'"),
        (lambda record: record["settings"]["vision"].update(magic=1), "not kept", False, "vision.magic"),
        (lambda record: record.update(sight=None), "not kept", False, "no picture"),
        (lambda record: record["sight"].pop("presence"), "not kept", False, "presence"),
        (lambda record: record["sight"].update(local="soon"), "not kept", False, "soon"),
        (lambda record: record["before"].pop("tracker"), "not kept", False, "tracker"),
        (lambda record: record["sight"].update(novelty=[1, 1, 1]), "not kept", False, "record is damaged"),
        (lambda record: record.update(settings=[]), "not kept", False, "record is damaged"),
        (lambda record: record["settings"].update(device="x"), "not kept", False, "record is damaged"),
        (lambda record: record.update(sight=[1]), "not kept", False, "record is damaged"),
        (lambda record: record.update(heard={}), "not kept", False, "record is damaged"),
        (lambda record: record.update(arrays=3), "not kept", False, "record is damaged"),
        (lambda record: record["event"].update(data=None), "not kept", False, "record is damaged"),
        (lambda record: record.update(steps=7), "not kept", False, "record is damaged"),
        (lambda record: record.update(whole=False), "not kept", False, "mb_per_day"),
    ],
)
def test_a_record_that_does_not_give_its_event_says_where(
    copy: Records,
    ids: list[str],
    replayer: Replayer,
    change: Callable[[Record], object],
    look: str,
    differences: bool,
    problem: str | None,
) -> None:
    changed(copy, ids[-1], change)
    done = replayer.replay(copy, ids[-1])
    assert not done.reproduced
    assert (done.look, bool(done.differences)) == (look, differences)
    assert problem is None if done.problem is None else (problem or "") in done.problem


def elsewhere(record: Record) -> None:
    record["sight"]["embedding"] = None
    record["program"]["processor"] = "another one"


@pytest.mark.parametrize(
    ("change", "look"),
    [
        (lambda record: record["bundle"].update(sha256="0" * 64), "other bundle"),
        (elsewhere, "other machine"),
        (lambda record: record["program"].update(processor="another one"), "same"),
    ],
)
def test_another_model_or_machine_is_told_and_the_recorded_look_decides(
    copy: Records, ids: list[str], replayer: Replayer, change: Callable[[Record], object], look: str
) -> None:
    changed(copy, ids[0], change)
    done = replayer.replay(copy, ids[0])
    assert (done.reproduced, done.look) == (True, look)


def test_a_picture_that_was_retouched_is_found_out(copy: Records, ids: list[str], replayer: Replayer) -> None:
    place = copy.place(ids[0])
    assert place is not None
    cv2.imwrite(str(place / "frame.png"), np.zeros((360, 640, 3), np.uint8))
    done = replayer.replay(copy, ids[0])
    assert (done.reproduced, done.look, done.changed) == (False, "differs", ("frame.png",))


def test_what_was_heard_is_decided_again(tmp_path: Path, replayer: Replayer, monkeypatch: pytest.MonkeyPatch) -> None:
    # A history of some seconds instead of an hour.
    monkeypatch.setattr("edge_runtime.pipelines.unusual_sound.SOON", 4)
    monkeypatch.setattr("edge_runtime.pipelines.unusual_sound.FIRST_MINUTES", 1)
    device, microphones = {"data_dir": str(tmp_path)}, [{"name": "kitchen"}]
    settings = Settings.model_validate({"device": device, "microphones": microphones})
    recorder = make_recorder(settings, Models(), Metrics())
    ear = UnusualSound(sound_cells, settings.anomaly.alarms_per_day, settings.anomaly.cooldown_s)
    noise, squeal = np.random.default_rng(0), np.sin(np.arange(24_000) * 1.1).astype(np.float32)
    events = []
    for number in range(17):
        samples = noise.normal(0, 0.01, 24_000).astype(np.float32) + (squeal if number == 16 else 0)
        events += ear.step(AudioChunk("kitchen", number * 30.0, samples))
    assert recorder is not None
    assert len(events) == 1
    recorder.publish(events[0])
    recorder.close(5.0)
    records = records_of(settings)
    done = replayer.replay(records, events[0].id)
    assert (done.reproduced, done.look, done.problem) == (True, "heard", None)
    changed(records, events[0].id, lambda record: record["event"]["data"].update(score=1.0))
    assert [at for at, _, _ in replayer.replay(records, events[0].id).differences] == ["data.score"]


def test_no_password_is_in_a_record(kept: Path) -> None:
    assert PASSWORD not in canonical(masked({"cameras": [{"url": f"rtsp://admin:{PASSWORD}@host/live"}]})).decode()
    assert all(b"secrets" not in path.read_bytes() for path in kept.rglob("record.json"))


def test_an_unknown_alert_is_refused(copy: Records, replayer: Replayer) -> None:
    with pytest.raises(InputError, match="no record of event"):
        replayer.replay(copy, "0" * 32)


def test_the_verb_explains_in_words(
    kept: Path, ids: list[str], command_line: Callable[..., tuple[int, str, str]]
) -> None:
    status, out, _ = command_line("replay", "--folder", str(kept), ids[-1])
    assert status == 0
    assert "person enters step, at door, 20" in out
    for words in ("% of the picture changed", "person, ", "step: inside for", "byte for byte", "the very same"):
        assert words in out


def test_the_verb_counts_and_lists(
    copy: Records, ids: list[str], command_line: Callable[..., tuple[int, str, str]]
) -> None:
    label = (copy.read(ids[0]) or {})["event"]["data"]["label"]
    changed(copy, ids[0], another_name)
    status, out, _ = command_line("replay", "--folder", str(copy.folder), "--all", "--json")
    *alerts, last = map(json.loads, out.splitlines())
    assert (status, last["summary"]) == (1, {"alerts": len(ids), "reproduced": len(ids) - 1})
    assert alerts[0]["differences"] == [{"at": "data.label", "recorded": "burglar", "now": label}]
    status, out, _ = command_line("replay", "--folder", str(copy.folder), "--list")
    assert (status, [line.split()[0] for line in out.splitlines()]) == (0, ids)


@pytest.mark.parametrize("arguments", [[], ["--all", "--list"], ["0" * 32], ["../../etc"]])
def test_the_verb_wants_to_know_which(
    copy: Records, arguments: list[str], command_line: Callable[..., tuple[int, str, str]]
) -> None:
    assert command_line("replay", "--folder", str(copy.folder), *arguments)[0] == 2
