"""Files that are there as a whole or not at all, and arrays with facts in one of them."""

from __future__ import annotations

import io
import os
import random
import stat
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime import whole_files
from edge_runtime.whole_files import packed, unpacked, write_whole

if TYPE_CHECKING:
    from pathlib import Path


def claimed(shape: tuple[int, ...]) -> bytes:
    """Return the head of an array file, without the array."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return head.getvalue()


def zipped(member: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("rows.npy", member)
    return content.getvalue()


@pytest.mark.parametrize("durably", [True, False])
def test_new_content_takes_the_place_of_the_old_and_nothing_else_is_left(tmp_path: Path, *, durably: bool) -> None:
    path = tmp_path / "made" / "kept.json"
    write_whole(path, "old", durably=durably)
    write_whole(path, "schön", durably=durably)
    assert path.read_text(encoding="utf-8") == "schön"
    assert [file.name for file in path.parent.iterdir()] == ["kept.json"]


@pytest.mark.parametrize(("durably", "brought"), [(True, [False, True]), (False, [])], ids=["durably", "for now"])
def test_what_shall_survive_a_power_cut_is_brought_to_disk_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, brought: list[bool], *, durably: bool
) -> None:
    synced: list[bool] = []
    monkeypatch.setattr("os.fsync", lambda file: synced.append(stat.S_ISDIR(os.fstat(file).st_mode)))
    write_whole(tmp_path / "kept", "x", durably=durably)
    assert synced == brought


def test_what_is_private_is_its_owners_alone(tmp_path: Path) -> None:
    write_whole(tmp_path / "private", b"x", private=True)
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o600


def test_a_write_that_fails_leaves_no_trace(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_whole(tmp_path / "kept", "x")
    assert [file.name for file in tmp_path.iterdir()] == ["kept"]


def test_arrays_and_facts_come_back() -> None:
    arrays, facts = unpacked(packed({"rows": np.arange(6).reshape(2, 3), "words": np.array(["a", "ü"])}, {"n": [1]}))
    assert arrays["rows"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert arrays["words"].tolist() == ["a", "ü"]
    assert facts == {"n": [1]}
    assert unpacked(packed({})) == ({}, {})


def test_no_damage_is_worse_than_a_value_error() -> None:
    """A worn card changes bytes: numpy alone lets errors of zlib and of its parser through."""
    rng, whole = random.Random(4), packed({"rows": np.arange(100.0)}, {"model": "a"})
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        try:
            arrays, facts = unpacked(bytes(damaged))
        except ValueError:
            refused += 1
        else:
            # A name or a date in the file was hit, or none of the bytes that count.
            assert all(np.array_equal(array, np.arange(100.0)) for array in arrays.values())
            assert facts in ({"model": "a"}, {})
    assert refused > 200
    for cut in range(0, len(whole), 7):
        with pytest.raises(ValueError, match="npz"):
            unpacked(whole[:cut])


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"no zip at all", id="text"),
        pytest.param(packed({"facts": np.array("[1]")}), id="facts that are none"),
        pytest.param(packed({"facts": np.array("[" * 50_000)}), id="facts too deep"),
        pytest.param(zipped(claimed((10**13,))), id="an array of 36 TB, as its head says"),
    ],
)
def test_what_is_no_such_file_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="npz"):
        unpacked(content)


def test_a_small_file_that_unpacks_to_much_is_refused_before_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = packed({"rows": np.zeros(10**6, np.uint8)})
    assert len(bomb) < 10**4
    assert unpacked(bomb)[0]["rows"].size == 10**6
    monkeypatch.setattr(whole_files, "MOST_BYTES", 10**6)
    with pytest.raises(ValueError, match="unpacks to more"):
        unpacked(bomb)
