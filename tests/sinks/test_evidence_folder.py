from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from alerting import NOON

from edge_runtime.errors import SinkError
from edge_runtime.sinks import evidence_folder
from edge_runtime.sinks.evidence_folder import EvidenceFolder
from edge_runtime.sinks.records import record_folders

if TYPE_CHECKING:
    from pathlib import Path

DAY_S = 86_400.0
BLOCK = 4096


def opened(path: Path, days: float = 30, mb: float = 1, now: float = NOON) -> EvidenceFolder:
    folder = EvidenceFolder(path, days, mb)
    folder.open(now)
    return folder


def on_disk(path: Path) -> int:
    inodes = {(info.st_ino, info.st_size) for file in path.rglob("*") if file.is_file() for info in [file.stat()]}
    return sum(-(-size // BLOCK) * BLOCK for _, size in inodes)


def ids(path: Path) -> list[str]:
    return [place.name.split("-")[1] for place in record_folders(path)]


def name(number: int) -> str:
    return f"{number:032x}"


def test_the_oldest_go_when_the_bytes_are_used_up(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    for number in range(20):
        folder.add(name(number), NOON + number, {"record.json": b"{}", "frame.png": os.urandom(100_000)})
        assert on_disk(tmp_path) == folder.used <= 1_000_000
    assert ids(tmp_path) == [name(number) for number in range(11, 20)]


def test_what_is_too_old_goes_with_its_day(tmp_path: Path) -> None:
    folder = opened(tmp_path, days=2)
    for day in range(5):
        folder.add(name(day), NOON + day * DAY_S, {"record.json": b"{}"})
    assert ids(tmp_path) == [name(2), name(3), name(4)]
    assert len([*tmp_path.iterdir()]) == 3
    assert ids(opened(tmp_path, days=1, now=NOON + 4.5 * DAY_S).path) == [name(4)]


def test_equal_files_share_their_bytes_and_outlive_each_other(tmp_path: Path) -> None:
    folder, clip = opened(tmp_path), os.urandom(200_000)
    places = [folder.add(name(number), NOON + number, {"record.json": b"%d" % number}) for number in range(3)]
    for place in places:
        folder.extend(place, {"clip.avi": clip})
    assert folder.used == on_disk(tmp_path) < 250_000
    assert (places[0] / "clip.avi").stat().st_ino == (places[2] / "clip.avi").stat().st_ino
    again = opened(tmp_path)
    assert again.used == folder.used
    again._remove_oldest()
    again._remove_oldest()
    assert (places[2] / "clip.avi").read_bytes() == clip
    assert again.used == on_disk(tmp_path)


def test_where_the_disk_has_no_links_files_are_written_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr("pathlib.Path.hardlink_to", refuse)
    folder, clip = opened(tmp_path), os.urandom(200_000)
    for number in range(2):
        folder.add(name(number), NOON + number, {"record.json": b"{}", "clip.avi": clip})
    assert folder.used == on_disk(tmp_path) > 400_000


def test_only_the_owner_may_look(tmp_path: Path) -> None:
    place = opened(tmp_path / "evidence").add(name(1), NOON, {"record.json": b"{}"})
    modes = [
        path.stat().st_mode & 0o777 for path in (tmp_path / "evidence", place.parent, place, place / "record.json")
    ]
    assert modes == [0o700, 0o700, 0o700, 0o600]


def test_what_a_power_cut_left_half_written_is_taken_away(tmp_path: Path) -> None:
    place = opened(tmp_path).add(name(1), NOON, {"record.json": b"{}"})
    (tmp_path / f".new-{name(2)}").mkdir()
    (tmp_path / f".new-{name(2)}" / "frame.png").write_bytes(b"half")
    (place / ".new-clip.avi").write_bytes(b"half")
    assert opened(tmp_path).used == BLOCK
    assert [*tmp_path.iterdir()] == [place.parent]
    assert [*place.iterdir()] == [place / "record.json"]


def test_what_is_no_record_is_left_alone_and_in_nobodys_way(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / f"000000000-{name(7)}"
    elsewhere.mkdir(parents=True)
    (elsewhere / "precious").write_text("")
    (elsewhere / ".new-idea").write_text("")
    evidence = tmp_path / "evidence"
    old, day = evidence / "2026-01-01", evidence / "2026-01-02"
    day.mkdir(parents=True)
    old.symlink_to(elsewhere.parent)
    (day / elsewhere.name).symlink_to(elsewhere)
    (day / f"000000001-{name(8)}").write_text("a file where a record would be")
    place = opened(evidence, days=1).add(name(1), NOON, {"record.json": b"{}"})
    (place / "dangling").symlink_to("nowhere")
    (place / ".new-folder").mkdir()
    folder = opened(evidence, days=1)
    folder.tidy(NOON + 10 * 86_400)
    assert not place.exists()
    assert sorted(path.name for path in elsewhere.iterdir()) == [".new-idea", "precious"]
    folder.add(name(2), NOON, {"record.json": b"{}"})


def test_a_record_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = opened(tmp_path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(SinkError, match="No space left"):
            folder.add(name(1), NOON, {"record.json": b"{}"})
    assert (folder.used, [*tmp_path.iterdir()]) == (0, [])
    folder.add(name(2), NOON, {"record.json": b"{}"})
    assert ids(tmp_path) == [name(2)]


def test_the_disk_is_left_some_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = opened(tmp_path)
    monkeypatch.setattr(evidence_folder, "LEAST_FREE", 10**18)
    with pytest.raises(SinkError, match="MB left"):
        folder.add(name(1), NOON, {"record.json": b"{}"})


def test_a_record_larger_than_all_that_is_allowed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="MB is more than"):
        opened(tmp_path).add(name(1), NOON, {"frame.png": b"0" * 2_000_000})


def test_records_of_a_box_without_a_clock_get_the_day_on_which_it_is_set(tmp_path: Path) -> None:
    folder = opened(tmp_path, days=1, now=100.0)
    folder.add(name(1), 100.0, {"record.json": b"{}"})
    folder.add(name(2), 200.0, {"record.json": b"{}"})
    assert [place.parent.name for place in record_folders(tmp_path)] == ["1970-01-01"] * 2
    folder.add(name(3), NOON, {"record.json": b"{}"})
    assert sorted(ids(tmp_path)) == [name(1), name(2), name(3)]
    assert len([*tmp_path.iterdir()]) == 1
    folder.tidy(NOON + 2.5 * DAY_S)
    assert ids(tmp_path) == []


def test_many_records_are_counted_and_thinned_out_at_the_start(tmp_path: Path) -> None:
    for number in range(300):
        place = tmp_path / f"2026-11-{number // 20 + 1:02d}" / f"{number:09d}-{name(number)}"
        place.mkdir(parents=True)
        (place / "record.json").write_bytes(b"{}")
    folder = opened(tmp_path, days=12.5, mb=0.1, now=NOON)
    assert folder.used == on_disk(tmp_path)
    folder.add(name(999), NOON, {"record.json": b"{}"})
    assert folder.used == on_disk(tmp_path) <= 100_000
    assert ids(tmp_path)[-1] == name(999)
