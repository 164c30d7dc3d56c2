from __future__ import annotations

import io
import json
import logging
import threading
import time
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
import soundfile
from alerting import NOON, ORIGIN, alert, bank, clip_pictures, count, frame, heard, picture, recorder
from brokers import wait_until

from edge_runtime.sinks import record_file
from edge_runtime.sinks.alert_picture import alert_picture
from edge_runtime.sinks.evidence_folder import EvidenceFolder
from edge_runtime.sinks.fanout import FanOut
from edge_runtime.sinks.recorder import WAITING, Extent
from edge_runtime.sinks.records import Records
from edge_runtime.sources.files import read_picture
from edge_runtime.types import AudioChunk, Event, Frame

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_runtime.sinks.recorder._LOOK_EVERY_S", 0.01)


def test_an_alert_becomes_a_record_that_gives_back_every_number(tmp_path: Path) -> None:
    event, keeper = alert(memory := 12.5, arrays={"bank": bank()}), recorder(tmp_path)
    keeper.publish(event)
    keeper.close(5.0)
    records = Records(tmp_path)
    record, place = records.read(event.id), records.place(event.id)
    assert record is not None
    assert place is not None
    told = {**{key: record["event"][key] for key in ("kind", "source", "at", "data")}, "steps": record["steps"]}
    assert record_file.canonical(told) == record_file.decision(event)
    assert (record["before"], record["decider"]) == ({"told": [[1, 0.1, "x"]]}, "rules")
    sight = event.trace.sight if event.trace else None
    assert sight is not None
    image = read_picture(place / "frame.png")
    assert np.array_equal(image, picture())
    again = record_file.sight_of(record["sight"], "door", image, record_file.look_of(record["sight"]))
    assert (again.look.detections, again.look.presence) == (sight.look.detections, sight.look.presence)
    assert again.look.embedding is not None
    assert sight.look.embedding is not None
    assert np.array_equal(again.look.embedding, sight.look.embedding)
    assert (again.area, again.moving, again.novelty, again.local) == (0.1 + 0.2, True, (0.5,), sight.local)
    assert again.frame.at == memory
    assert np.array_equal(record_file.read_array(place / record["arrays"]["bank"]), bank())
    assert (record["settings"], record["bundle"]) == (ORIGIN.settings, ORIGIN.bundle)
    assert records.changed(event.id) == ()


def test_what_is_no_alert_leaves_no_record(tmp_path: Path) -> None:
    keeper = recorder(tmp_path)
    keeper.publish(Event("motion", "door", 1.0, {"active": True}))
    keeper.close(5.0)
    assert list(Records(tmp_path).all()) == []


def test_a_clip_shows_what_came_before_and_after(tmp_path: Path) -> None:
    keeper = recorder(tmp_path)
    for number in range(20):
        keeper.see(frame(number / 5, number))
    event = alert(4.0)
    keeper.publish(event)
    wait_until(lambda: count(keeper, "kept") == 1)
    assert Records(tmp_path).clip(event.id) is None
    for number in range(20, 30):
        keeper.see(frame(number / 5, number))
    wait_until(lambda: Records(tmp_path).clip(event.id) is not None)
    keeper.close(5.0)
    clip = Records(tmp_path).clip(event.id)
    assert clip is not None
    moments = [at for at, _ in clip_pictures(clip)]
    assert (moments[0], moments[-1], len(moments)) == (0.0, 2.0, 11)
    assert Records(tmp_path).changed(event.id) == ()


def test_alerts_at_nearly_the_same_time_share_one_longer_clip(tmp_path: Path) -> None:
    keeper = recorder(tmp_path)
    keeper.see(frame(10.0, 0))
    events = [alert(10.0 + 0.5 * number, seed=number) for number in range(4)]
    other = alert(10.0, "yard")
    for event in (*events, other):
        keeper.publish(event)
    wait_until(lambda: count(keeper, "kept") == 5)
    for number in range(1, 20):
        keeper.see(frame(10.0 + number / 5, number))
    wait_until(lambda: Records(tmp_path).clip(events[3].id) is not None)
    keeper.close(5.0)
    clips = [Records(tmp_path).clip(event.id) for event in events]
    inodes = {clip.stat().st_ino for clip in clips if clip}
    assert None not in clips
    assert len(inodes) == 1
    assert [at for at, _ in clip_pictures(clips[0])][-1] == pytest.approx(2.4)  # type: ignore[arg-type]  # shown above
    assert Records(tmp_path).clip(other.id) is None


def test_a_clip_ends_although_its_camera_died(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_runtime.sinks.clips.LATE_S", 0.1)
    keeper = recorder(tmp_path, extent=Extent(1.0, 0.1, 100))
    keeper.see(frame(10.0))
    event = alert(10.0)
    keeper.publish(event)
    wait_until(lambda: Records(tmp_path).clip(event.id) is not None)
    keeper.close(5.0)


def test_a_stopping_box_writes_what_it_has(tmp_path: Path) -> None:
    keeper = recorder(tmp_path)
    keeper.see(frame(10.0))
    events = [alert(10.0, seed=number) for number in range(5)]
    for event in events:
        keeper.publish(event)
    keeper.close(5.0)
    assert all(Records(tmp_path).clip(event.id) for event in events)


def test_sound_is_kept_of_what_was_heard(tmp_path: Path) -> None:
    keeper = recorder(tmp_path)
    tone = np.sin(np.arange(512, dtype=np.float32) / 5)
    for number in range(200):
        keeper.hear(AudioChunk("kitchen", 10 + number * 0.032, tone))
    event = heard(13.0)
    keeper.publish(event)
    wait_until(lambda: Records(tmp_path).file(event.id, "sound.flac") is not None)
    keeper.close(5.0)
    flac, place = Records(tmp_path).file(event.id, "sound.flac"), Records(tmp_path).place(event.id)
    assert flac is not None
    assert place is not None
    samples, rate = soundfile.read(io.BytesIO(flac.read_bytes()))
    assert (rate, abs(len(samples) / rate - 2.0) < 0.05) == (16_000, True)
    assert event.trace is not None
    assert event.trace.heard is not None
    assert np.array_equal(record_file.read_array(place / "heard.npy"), event.trace.heard.samples)


def test_a_slow_disk_delays_nobody_and_what_it_misses_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    blocked, begun = threading.Event(), threading.Event()
    add = EvidenceFolder.add

    def slow(self: EvidenceFolder, *arguments: object) -> Path:
        begun.set()
        blocked.wait(10.0)
        return add(self, *arguments)  # type: ignore[arg-type]  # handed on

    monkeypatch.setattr(EvidenceFolder, "add", slow)
    keeper = recorder(tmp_path)
    keeper.publish(alert(1.0))
    begun.wait(5.0)
    with caplog.at_level(logging.ERROR):
        for number in range(WAITING + 3):
            keeper.publish(alert(1.0, seed=number))
    assert count(keeper, "dropped") == 3
    assert caplog.text.count("wait for the disk") == 1
    blocked.set()
    keeper.close(10.0)
    assert len(list(Records(tmp_path).all())) == WAITING + 1


def test_a_disk_that_takes_nothing_is_told_once_and_the_alerts_go_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "evidence").write_text("a file where the folder should be")
    keeper = recorder(tmp_path / "evidence")
    fanout = FanOut([keeper])
    with caplog.at_level(logging.ERROR):
        for number in range(5):
            assert fanout.publish(alert(1.0, seed=number))
        wait_until(lambda: count(keeper, "failed") == 6)
        fanout.close(5.0)
    assert len(caplog.records) == 1
    assert count(keeper, "kept") == 0


def test_a_disk_that_comes_late_is_used(tmp_path: Path) -> None:
    (tmp_path / "evidence").write_text("not yet a folder")
    keeper = recorder(tmp_path / "evidence")
    keeper.publish(alert())
    wait_until(lambda: count(keeper, "failed") == 2)
    (tmp_path / "evidence").unlink()
    keeper.publish(alert())
    keeper.close(5.0)
    assert len(list(Records(tmp_path / "evidence").all())) == 1


def test_a_storm_of_alerts_is_kept_small_and_then_not_at_all(tmp_path: Path) -> None:
    keeper = recorder(tmp_path, extent=Extent(1.0, 1.0, mb_per_day=0.1))
    for number in range(40):
        keeper.publish(alert(seed=number))
        wait_until(keeper._queue.empty)
    keeper.close(5.0)
    kept = list(Records(tmp_path).all())
    assert [len(record["files"]) > 1 for record in kept] == [False] * sum(not r["whole"] for r in kept) + [True] * sum(
        r["whole"] for r in kept
    )
    assert 0 < sum(record["whole"] for record in kept) < len(kept) < 40
    assert sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()) < 250_000


def test_the_time_of_an_alert_is_told_only_by_a_clock_that_was_set(tmp_path: Path) -> None:
    for clock, expected in ((lambda: 1000.0), None), ((lambda: NOON), "2026-11-23T1"):
        keeper = recorder(tmp_path, clock=clock)
        event = alert()
        keeper.publish(event)
        keeper.close(5.0)
        record = Records(tmp_path).read(event.id)
        assert record is not None
        assert str(record["event"]["time"]).startswith(str(expected))


def test_heat_and_boxes_are_in_the_picture_for_people(tmp_path: Path) -> None:
    heat = np.zeros((6, 8), np.float32)
    heat[:3, :4] = 1.0
    event = alert(1.0)
    hot = Event(
        event.kind, "door", 1.0, {"where": [0.5, 0.5, 1.0, 1.0]}, steps=event.steps, trace=event.trace, heat=heat
    )
    plain, shown = alert_picture(event), alert_picture(hot)
    assert plain is not None
    assert shown is not None
    assert not np.array_equal(plain, picture())
    assert np.abs(shown[4:12, 4:16].astype(int) - plain[4:12, 4:16]).mean() > 20
    assert np.array_equal(shown[30:40, 4:20], plain[30:40, 4:20])
    keeper = recorder(tmp_path)
    keeper.publish(hot)
    keeper.close(5.0)
    path = Records(tmp_path).snapshot(hot.id)
    assert path is not None
    assert cv2.imread(str(path)) is not None


def test_an_alert_without_a_trace_is_kept_as_far_as_it_goes(tmp_path: Path) -> None:
    keeper = recorder(tmp_path)
    event = Event("alert", "door", 1.0, {"prompt": "a dog"}, steps=alert().steps)
    keeper.publish(event)
    keeper.close(5.0)
    record = Records(tmp_path).read(event.id)
    assert record is not None
    assert (record["decider"], record["sight"], record["files"]) == (None, None, {})


@pytest.mark.parametrize("event_id", ["", "..", "../../etc/passwd", "*", "?" * 32, "G" * 32, "0" * 32])
def test_an_id_that_is_none_reads_nothing(tmp_path: Path, event_id: str) -> None:
    (tmp_path / "2026-11-23").mkdir()
    records = Records(tmp_path)
    assert (records.read(event_id), records.snapshot(event_id), records.clip(event_id)) == (None, None, None)


def test_records_come_newest_first_and_by_source_and_kind(tmp_path: Path) -> None:
    now = [NOON]
    keeper = recorder(tmp_path, clock=lambda: now[0])
    events = [alert(source=source) for source in ("door", "yard", "door", "yard")]
    events.append(heard(time.monotonic()))
    for number, event in enumerate(events):
        now[0] = NOON + number * 3600
        keeper.publish(event)
        wait_until(lambda: count(keeper, "kept") == number + 1)  # noqa: B023 - called before the next round
    keeper.close(5.0)

    def ids(**chosen: object) -> list[str]:
        return [record["event"]["id"] for record in Records(tmp_path).all(**chosen)]  # type: ignore[arg-type]

    expected = [event.id for event in reversed(events)]
    assert ids() == expected
    assert ids(limit=2) == expected[:2]
    assert ids(camera="yard", limit=1) == [events[3].id]
    assert ids(kind="anomaly") == [events[4].id]
    place = Records(tmp_path).place(expected[0])
    assert place is not None
    (place / "record.json").write_text("{}")
    assert ids() == expected[1:]


def test_files_that_were_changed_or_lost_are_named(tmp_path: Path) -> None:
    keeper = recorder(tmp_path)
    event = alert(1.0)
    keeper.publish(event)
    keeper.close(5.0)
    place = Records(tmp_path).place(event.id)
    assert place is not None
    (place / "frame.png").write_bytes(b"another")
    (place / "snapshot.jpg").unlink()
    assert sorted(Records(tmp_path).changed(event.id)) == ["frame.png", "snapshot.jpg"]
    assert Records(tmp_path).snapshot(event.id) is None
    record = json.loads((place / "record.json").read_text())
    record["files"]["../../secret"] = {"sha256": "0", "bytes": 1}
    (place / "record.json").write_text(json.dumps(record))
    assert Records(tmp_path).read(event.id) is None


def test_a_recorder_that_was_never_used_leaves_an_empty_folder(tmp_path: Path) -> None:
    recorder(tmp_path / "never").close(5.0)
    assert list((tmp_path / "never").iterdir()) == []


def test_what_is_too_old_goes_although_nothing_new_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_runtime.sinks.recorder.TIDY_EVERY_S", 0.05)
    now = [NOON]
    keeper = recorder(tmp_path, days=1, clock=lambda: now[0])
    keeper.publish(alert())
    wait_until(lambda: len(list(Records(tmp_path).all())) == 1)
    now[0] += 2 * 86_400
    wait_until(lambda: not list(Records(tmp_path).all()))
    keeper.close(5.0)


def test_an_alert_that_is_no_json_does_not_end_the_evidence_of_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keeper, event = recorder(tmp_path), alert()
    with caplog.at_level(logging.ERROR):
        keeper.publish(Event("zone", "door", 1.0, {"score": np.float32(0.5)}, steps=event.steps))
        keeper.publish(event)
        keeper.close(5.0)
    assert "float32 is not JSON serializable" in caplog.text
    assert [record["event"]["id"] for record in Records(tmp_path).all()] == [event.id]


def test_an_alert_that_was_told_late_has_a_clip_of_its_time(tmp_path: Path) -> None:
    keeper = recorder(tmp_path, extent=Extent(1.0, 1.0, 100.0, late_s=10.0))
    for number in range(50):
        keeper.see(frame(number / 5, number))
    event = alert(2.0)
    keeper.publish(event)
    wait_until(lambda: Records(tmp_path).clip(event.id) is not None)
    keeper.close(5.0)
    path = Records(tmp_path).clip(event.id)
    assert path is not None
    assert [at for at, _ in clip_pictures(path)][-1] == pytest.approx(2.0)


def test_a_frame_that_cannot_be_encoded_stops_no_camera(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keeper = recorder(tmp_path)
    keeper.see(Frame("door", 1.0, np.zeros((0, 0, 3), np.uint8)))
    keeper.close(5.0)
    assert "cannot be encoded" in caplog.text
