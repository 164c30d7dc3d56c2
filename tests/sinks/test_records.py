"""Records that somebody wrote by hand: read for what they are, or not at all."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.errors import InputError
from edge_runtime.sinks.record_file import read_array
from edge_runtime.sinks.records import Records

if TYPE_CHECKING:
    from pathlib import Path

ID = "deadbeef"
EVENT = {"id": ID, "kind": "zone", "source": "door"}


def kept(folder: Path, record: object) -> Path:
    """Write a record and return its folder."""
    place = folder / "2026-11-20" / f"000000000-{ID}"
    place.mkdir(parents=True)
    (place / "record.json").write_text(record if isinstance(record, str) else json.dumps(record))
    return place


@pytest.mark.parametrize(
    "record",
    [
        pytest.param("[" * 200_000, id="deeper than Python reads"),
        pytest.param([], id="a list"),
        pytest.param({"event": {"id": ID, "kind": "zone"}, "files": {}}, id="of no source"),
        pytest.param({"event": {**EVENT, "source": 3}, "files": {}}, id="a number for a source"),
        pytest.param({"event": EVENT, "files": ["snapshot.jpg"]}, id="files in a list"),
        pytest.param({"event": EVENT, "files": {"snapshot.jpg": 1}}, id="a file that is a number"),
        pytest.param({"event": EVENT, "files": {"../record.json": {}}}, id="a way out"),
        pytest.param({"event": EVENT, "files": {"..": {}}}, id="the folder above"),
        pytest.param({"event": EVENT, "files": {"a\0": {}}}, id="a name that no disk takes"),
    ],
)
def test_what_is_no_record_is_none(tmp_path: Path, record: object) -> None:
    kept(tmp_path, record)
    records = Records(tmp_path)
    assert records.read(ID) is None
    assert list(records.all(camera="door")) == []
    assert records.snapshot(ID) is None
    with pytest.raises(InputError, match="no record"):
        records.changed(ID)


def test_a_link_or_a_pipe_in_a_record_is_none_of_its_files(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("token")
    files = {"snapshot.jpg": {"sha256": "0"}, "clip.avi": {}, "frame.png": {"sha256": "0"}}
    place = kept(tmp_path / "evidence", {"event": EVENT, "files": files})
    (place / "snapshot.jpg").symlink_to(secret)
    os.mkfifo(place / "clip.avi")
    (place / "frame.png").write_bytes(b"")
    records = Records(tmp_path / "evidence")
    assert (records.snapshot(ID), records.clip(ID)) == (None, None)
    assert records.file(ID, "frame.png") == place / "frame.png"
    assert records.changed(ID) == ("snapshot.jpg", "clip.avi", "frame.png")


def test_a_record_behind_a_link_is_none(tmp_path: Path) -> None:
    place = kept(tmp_path / "elsewhere", {"event": EVENT, "files": {}})
    (tmp_path / "evidence" / "2026-11-21").mkdir(parents=True)
    (tmp_path / "evidence" / "2026-11-20").symlink_to(place.parent)
    (tmp_path / "evidence" / "2026-11-21" / place.name).symlink_to(place)
    assert Records(tmp_path / "evidence").read(ID) is None


def test_an_array_file_holds_one_array_of_numbers_and_as_many_as_it_says(tmp_path: Path) -> None:
    path = tmp_path / "array.npy"
    np.save(path, np.arange(3))
    assert read_array(path).tolist() == [0, 1, 2]
    with path.open("wb") as file:
        np.savez(file, a=np.arange(3))
    with pytest.raises(InputError, match="no array"):
        read_array(path)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (10**13,)})
    with pytest.raises(InputError, match="no array"):
        read_array(path)
