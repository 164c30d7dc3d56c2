from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scripts.stage import save_checkpoint, write_atomically
from scripts.writing import replacing, room_for

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_the_old_one_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "record.json"
    write_atomically(path, "old")
    with replacing(path) as partial:
        partial.write_text("new", encoding="utf-8")
        assert path.read_text(encoding="utf-8") == "old"
    assert path.read_text(encoding="utf-8") == "new"

    def half() -> None:
        with replacing(path) as partial:
            partial.write_text("ha", encoding="utf-8")
            raise KeyError

    with pytest.raises(KeyError):
        half()
    assert path.read_text(encoding="utf-8") == "new"
    assert [p.name for p in path.parent.iterdir()] == ["record.json"]


def full_disk(path: Path) -> None:
    # Every write to it fails as on a disk without room.
    path.with_name(f"partial-{path.name}").symlink_to("/dev/full")


def test_a_full_disk_is_named_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text("old", encoding="utf-8")
    full_disk(path)
    with pytest.raises(SystemExit, match=r"cannot write .*record\.json: No space left on device; \d+ MB are free"):
        write_atomically(path, "new")
    assert path.read_text(encoding="utf-8") == "old"


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="the extra [build] is not installed")
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, step=1)
    full_disk(path)
    with pytest.raises(SystemExit, match="No space left on device"):
        save_checkpoint(path, step=2, weights=torch.zeros(100_000))
    assert torch.load(path) == {"step": 1}


def test_large_files_are_not_begun_without_room_for_them(tmp_path: Path) -> None:
    room_for(tmp_path / "new", 1000)
    with pytest.raises(SystemExit, match=r"needs \d{6,} MB and \d+ MB are free; make room"):
        room_for(tmp_path, 10**18)
