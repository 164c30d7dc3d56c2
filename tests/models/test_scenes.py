"""Cut-outs and the scenes made of them: outlines, boxes that follow, what is covered, what CLIP finds alike."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the lessons need the extra [build]")
pytest.importorskip("ai_edge_litert", reason="the lessons need the extra [build]")
pytest.importorskip("ncnn", reason="the lessons need the extra [build]")

from models.omni_nano import cutouts, scenes, things  # noqa: E402
from models.omni_nano.everyday import GROUPS, group_of  # noqa: E402
from models.omni_nano.lessons import NOTHING, Labelled  # noqa: E402
from models.omni_nano.teachers import COCO  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from models.omni_nano.data import Picture

GREY, RED = 90, (200, 20, 20)
DOG = COCO.index("dog")


def thing(rows: int = 60, columns: int = 40) -> cutouts.CutOut:
    picture = np.broadcast_to(np.array(RED, np.uint8), (rows, columns, 3)).copy()
    return cutouts.CutOut(picture, np.full((rows, columns), 255, np.uint8), DOG)


def background(known: NDArray[np.float32] = NOTHING) -> scenes.Window:
    return np.full((120, 160, 3), GREY, np.uint8), Labelled(known, NOTHING)


def red(picture: Picture) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (picture[..., 0].astype(int) - picture[..., 1]) > 60
    return found


@pytest.mark.parametrize(
    ("frame", "score", "kept", "what"),
    [
        ((0.25, 0.25, 0.75, 0.75), 0.9, 1, "the outline fits a box that is sure"),
        ((0.25, 0.25, 0.75, 0.75), 0.2, 0, "the box is unsure"),
        ((0.5, 0.5, 1.0, 1.0), 0.9, 0, "the box is elsewhere"),
    ],
)
def test_a_cut_out_needs_an_outline_and_a_box_that_agree(
    frame: tuple[float, ...], score: float, kept: int, what: str
) -> None:
    picture = np.full((160, 160, 3), GREY, np.uint8)
    classes = np.zeros((160, 160), np.uint8)
    classes[40:120, 40:120] = next(number for number, name in cutouts.VOC.items() if name == "dog")
    found = cutouts.of_picture(picture, classes, np.array([[*frame, score, DOG]], np.float32))
    assert len(found) == kept, what
    assert all(c.label == DOG and c.opacity[0, 0] < 128 < c.opacity[40, 40] for c in found)


def test_a_pasted_thing_lies_where_its_box_says() -> None:
    drawn = scenes.Scenes([thing()], lambda _: background())
    for seed in range(8):
        picture, found, group = drawn.portrait(np.random.default_rng(seed))
        rows, columns = np.nonzero(red(picture))
        sides = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / picture.shape[0]
        assert np.abs(sides - found.boxes[0, :4]).max() < 0.04
        assert group is not None
        assert int(group.argmax()) == group_of("dog")


def test_what_a_thing_covers_is_no_longer_an_object() -> None:
    everywhere = np.array([[0.0, 0.0, 1.0, 1.0, 0.9, DOG]], np.float32)
    corner = np.array([[0.0, 0.0, 0.02, 0.02, 0.9, DOG]], np.float32)
    over = np.array([[0.0, 0.0, 0.8, 0.9, 0.9, DOG]], np.float32)
    kept, hidden = scenes._uncovered(np.concatenate([everywhere, corner]), over)
    assert not len(kept)
    assert len(hidden) == 2


def test_the_same_seed_draws_the_same_scene() -> None:
    drawn = scenes.Scenes([thing(), thing(30, 70)], lambda _: background())
    first, second = (drawn.scene(np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1].boxes, second[1].boxes)
    assert 1 <= len(first[1].boxes) <= 4


def test_labels_spread_over_what_clip_finds_alike(tmp_path: Path) -> None:
    folder = tmp_path / "clip_text_vectors"
    folder.mkdir()
    vectors = np.array([[1, 0, 0], [0.99, 0.14, 0], [0, 0, 1]], np.float16)
    np.save(folder / "a.npy", vectors)
    (folder / "names.json").write_text(json.dumps({"a.npy": ["Cat", "kitten", "truck_(vehicle)"]}), encoding="utf-8")
    groups_of = torch.zeros(4, len(GROUPS))
    groups_of[3, group_of("truck")] = 1
    names, table = things.spread(tmp_path, [["Persian cat"], ["kitten"], ["nothing known"], ["lorry"]], groups_of)
    assert names == ["cat", "kitten", "truck"]
    assert table.shape == (4 + len(GROUPS), 3)
    assert table[0].argmax() == 0, "found by its last word"
    assert table[0, 1] > 10 * table[0, 2], "a kitten is more like a cat than a truck is"
    assert table[1].argmax() == 1, "found by its name"
    assert table[2].sum() == 0, "found nowhere"
    assert table[3].argmax() == 2, "found by its group"
