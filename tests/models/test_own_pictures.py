from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from edge_runtime.errors import InputError
from models.omni_nano import own_pictures

if TYPE_CHECKING:
    from pathlib import Path


def draw(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8))
    return path


def labels(folder: Path, **counts: int) -> Path:
    for number, (label, count) in enumerate(counts.items()):
        for seed in range(count):
            draw(folder / label / f"{seed}.jpg", 100 * number + seed)
    return folder


def captions(folder: Path, rows: str, count: int = 3) -> None:
    for seed in range(count):
        draw(folder / "images" / f"{seed}.png", seed)
    (folder / "captions.csv").write_text(rows, encoding="utf-8")


def test_folder_names_are_labels(tmp_path: Path) -> None:
    labels(tmp_path, front_door=6, **{"garden-gate": 5})
    own = own_pictures.read(tmp_path)
    assert own.words == ["front door", "garden gate"]
    assert [p.words for p in own.pictures].count(("front door",)) == 6
    own.check()


def test_a_picture_may_have_several_captions_and_spreadsheets_may_mark_their_bytes(tmp_path: Path) -> None:
    captions(tmp_path, '\ufeffimage,caption\n0.png,"a cat, asleep"\n0.png,our cat\n1.png,the gate\n')
    own = own_pictures.read(tmp_path)
    assert [p.words for p in own.pictures] == [("a cat, asleep", "our cat"), ("the gate",)]
    assert own.skipped["without a caption"] == 1


def test_copies_are_taken_once_and_other_files_are_counted(tmp_path: Path) -> None:
    labels(tmp_path, cat=5, dog=5)
    draw(tmp_path / "cat" / "again.jpg", 0)
    (tmp_path / "dog" / "phone.heic").write_bytes(b"?")
    own = own_pictures.read(tmp_path)
    assert len(own.pictures) == 10
    assert own.skipped == {"not .jpg, .png or .webp": 1, "copies of others": 1}


def test_a_fifth_of_every_label_is_held_out_by_name(tmp_path: Path) -> None:
    labels(tmp_path, cat=10, dog=20)
    own = own_pictures.read(tmp_path)
    held = own.held_out()
    assert held == own_pictures.read(tmp_path).held_out()
    kept = [picture.words[0] for picture, out in zip(own.pictures, held, strict=True) if out]
    assert (kept.count("cat"), kept.count("dog")) == (2, 4)


MISTAKES = [
    pytest.param(lambda f: (f / "cat").mkdir(), "has no pictures in it", id="an empty folder"),
    pytest.param(lambda f: draw(f / "a.jpg", 1), "folder for each label", id="pictures without a label"),
    pytest.param(lambda f: draw(f / "images" / "a.jpg", 1), "captions.csv is missing", id="no captions.csv"),
    pytest.param(lambda f: labels(f, cat=9), "'cat' is the only label", id="one label"),
    pytest.param(lambda f: labels(f, cat=9, dog=4), "label 'dog' has 4 usable pictures", id="too few of a label"),
    pytest.param(lambda f: labels(f, a_b=5, **{"a-b": 5}), "same label 'a b'", id="two folders, one label"),
    pytest.param(
        lambda f: draw(labels(f, cat=5, dog=5) / "dog" / "x.jpg", 0),
        "under two labels",
        id="one picture, two labels",
    ),
    pytest.param(lambda f: captions(f, "file,text\n0.png,a\n"), "has the columns file, text", id="other columns"),
    pytest.param(lambda f: captions(f, ""), "has the columns none", id="an empty table"),
    pytest.param(lambda f: captions(f, "image,caption\nx.png,a\n"), "'x.png' is not in images/", id="a missing file"),
    pytest.param(
        lambda f: captions(f, "image,caption\nx.png,a\ny.png,a\n"), "and 1 others", id="several missing files"
    ),
    pytest.param(lambda f: captions(f, "image,caption\n0.png,a,b\n"), "line 2", id="a comma without quotes"),
    pytest.param(lambda f: captions(f, "image,caption\n0.png,\n"), "line 2", id="an empty caption"),
    pytest.param(
        lambda f: captions(f, "image,caption\n0.png,a\n"), "only 1 pictures have captions", id="too few captions"
    ),
    pytest.param(lambda f: captions(f, "image,caption\n", 0), "has no pictures in it", id="captions without pictures"),
]


@pytest.mark.parametrize(("make", "says"), MISTAKES)
def test_a_mistake_is_one_clear_line(tmp_path: Path, make: object, says: str) -> None:
    assert callable(make)
    make(tmp_path)
    with pytest.raises(InputError, match=says) as caught:
        own_pictures.read(tmp_path).check()
    assert "\n" not in str(caught.value)


def test_captions_in_another_encoding_are_named(tmp_path: Path) -> None:
    captions(tmp_path, "")
    (tmp_path / "captions.csv").write_bytes("image,caption\n0.png,die Tür\n".encode("latin-1"))
    with pytest.raises(InputError, match="save it as CSV in UTF-8"):
        own_pictures.read(tmp_path)


def test_no_folder_at_all_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder"):
        own_pictures.read(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("folders", "mine"),
    [
        pytest.param(("vision", "text", "audio"), False, id="the factory's training data"),
        pytest.param(("cat", "dog"), True, id="labels"),
        pytest.param(("images",), True, id="captioned pictures"),
        pytest.param((), True, id="an empty folder, so that its owner is told what belongs there"),
    ],
)
def test_a_users_folder_is_told_from_the_factorys(tmp_path: Path, folders: tuple[str, ...], mine: bool) -> None:
    for name in folders:
        (tmp_path / name).mkdir()
    assert own_pictures.recognised(tmp_path) is mine
