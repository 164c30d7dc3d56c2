from __future__ import annotations

import numpy as np
import pytest

from models.omni_nano import augment, everyday
from models.omni_nano.data import Example

PICTURE = np.zeros((100, 200, 3), np.uint8)


@pytest.mark.parametrize(
    ("box", "window", "kept", "cut"),
    [
        pytest.param((0.5, 0.0, 1.0, 1.0), (100, 0, 200, 100), (0.0, 0.0, 1.0, 1.0), 0, id="the window is the object"),
        pytest.param((0.25, 0.25, 0.75, 0.75), (0, 0, 200, 100), (0.25, 0.25, 0.75, 0.75), 0, id="all of it"),
        pytest.param((0.0, 0.0, 0.5, 1.0), (80, 0, 200, 100), None, 1, id="a fifth is left: not judged"),
        pytest.param((0.0, 0.0, 0.2, 1.0), (100, 0, 200, 100), None, 0, id="outside is gone"),
    ],
)
def test_boxes_follow_a_crop(
    box: tuple[float, ...], window: augment.Window, kept: tuple[float, ...] | None, cut: int
) -> None:
    whole, part = augment.cropped(np.array([[*box, 0.9, 0]], np.float32), window, PICTURE.shape)
    assert [tuple(row[:4].tolist()) for row in whole] == ([] if kept is None else [pytest.approx(kept)])
    assert len(part) == cut


def test_mirroring_twice_changes_nothing() -> None:
    boxes = np.array([[0.1, 0.2, 0.4, 0.9, 0.8, 3]], np.float32)
    assert augment.mirrored(augment.mirrored(boxes)) == pytest.approx(boxes)
    assert augment.mirrored(boxes)[0, :4].tolist() == pytest.approx([0.6, 0.2, 0.9, 0.9])


@pytest.mark.parametrize("side", [0, 26, 64, 140])
def test_a_worse_camera_is_the_same_each_time_and_not_larger(side: int) -> None:
    picture = np.random.default_rng(2).integers(0, 256, (90, 160, 3), dtype=np.uint8)
    one, again = (augment.camera(picture, side, np.random.default_rng(9)) for _ in range(2))
    assert (one == again).all()
    assert one.dtype == np.uint8
    assert max(one.shape) == (side or 160)


def test_the_hold_out_is_decided_by_name_alone_and_is_about_fifteen_percent() -> None:
    parts = [Example(f"flickr/{number}.jpg", "flickr", PICTURE).part for number in range(2000)]
    assert parts == [Example(f"flickr/{number}.jpg", "flickr", PICTURE).part for number in range(2000)]
    assert 0.13 < 1 - parts.count("train") / 2000 < 0.17
    assert abs(parts.count("calibrate") - parts.count("evaluate")) < 60


@pytest.mark.parametrize(
    ("name", "kind", "train"),
    [
        pytest.param("tiny_val/n01/val_1.JPEG", "tiny", False, id="the small pictures' val is never trained on"),
        pytest.param("tiny_train/n01/n01_1.JPEG", "tiny", True, id="their train is"),
        pytest.param("video/clip.mp4/3", "video", True, id="frames of clips are"),
    ],
)
def test_sets_keep_their_side(name: str, kind: str, train: bool) -> None:
    assert (Example(name, kind, PICTURE).part == "train") is train


def test_every_class_number_is_one_of_imagenets_and_the_ten_nouns_are_groups() -> None:
    numbers = [n for _, text in everyday.GROUPS for n in everyday.members(text)]
    assert min(numbers) >= 0
    assert max(numbers) <= 999
    assert all(any(noun == names[0] for names, _ in everyday.GROUPS) for noun in everyday.TEN)


@pytest.mark.parametrize(
    ("noun", "first"),
    [("car", "automobile"), ("boat", "ship"), ("person", "person"), ("hot dog", "sandwich"), ("scissors", None)],
)
def test_coco_nouns_find_their_everyday_group(noun: str, first: str | None) -> None:
    group = everyday.group_of(noun)
    assert (None if group is None else everyday.GROUPS[group][0][0]) == first
