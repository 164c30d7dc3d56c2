from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.errors import BundleError
from edge_runtime.inference.lessons import Estimate, line_of
from edge_runtime.inference.ordinary_pictures import OrdinaryPictures, pack_pictures, read_pictures, shown
from edge_runtime.inference.taught_pictures import learn_picture
from edge_runtime.types import Look

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

RNG = np.random.default_rng(4)
SIZE = 32


def near(middle: Floats, spread: float, count: int) -> Floats:
    rows = middle + spread * RNG.normal(size=(count, SIZE))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


MIDDLE, CAT, TWIN = (np.asarray(row, np.float32) for row in near(np.zeros(SIZE, np.float32), 1.0, 3))
ORDINARY = near(MIDDLE, 0.15, 300)


def pictures(of: Floats, count: int, spread: float = 0.05) -> list[Floats]:
    return [near(MIDDLE + of, spread, 3) for _ in range(count)]


def test_what_was_taught_is_told_from_ordinary_pictures() -> None:
    lesson = learn_picture(pictures(CAT, 6), ORDINARY)
    assert lesson.estimate == Estimate(6, 6, 300, 0, of="pictures")
    assert lesson.estimate.shortage() is None
    weights, bias, scale = line_of(lesson.arrays())
    own = scale * (near(MIDDLE + CAT, 0.05, 50) @ weights + bias)
    others = scale * (near(MIDDLE, 0.15, 300) @ weights + bias)
    assert own.mean() == pytest.approx(3.0, abs=0.5)
    assert (own > 0).all()
    assert (others > 0).mean() < 0.01


def test_pictures_of_what_it_is_not_tell_twins_apart() -> None:
    twin = CAT + 0.7 * TWIN
    plain = learn_picture(pictures(CAT, 6), ORDINARY)
    warned = learn_picture(pictures(CAT, 6), ORDINARY, pictures(twin, 4))
    own, other = near(MIDDLE + CAT, 0.05, 100), near(MIDDLE + twin, 0.05, 100)
    taken = [((other @ one.weights + one.bias) > 0).mean() for one in (plain, warned)]
    assert taken[0] > 0.9
    assert taken[1] < 0.1
    assert ((own @ warned.weights + warned.bias) > 0).mean() > 0.9


@pytest.mark.parametrize(
    ("estimate", "reason"),
    [
        pytest.param(Estimate(2, 2, 300, 0, of="pictures"), "2 pictures are too few", id="too few"),
        pytest.param(Estimate(6, 4, 300, 0, of="pictures"), "only 4 of 6 would be found", id="too unlike one another"),
        pytest.param(Estimate(6, 6, 300, 1, 1, of="pictures"), "1 of the pictures that do not show it", id="confused"),
        pytest.param(Estimate(6, 6, 300, 4, of="pictures"), "4 of 300 ordinary pictures", id="too ordinary"),
    ],
)
def test_too_little_to_learn_from_is_said(estimate: Estimate, reason: str) -> None:
    assert reason in str(estimate.shortage())


def test_pictures_that_have_nothing_in_common_teach_nothing() -> None:
    assert learn_picture([near(MIDDLE + TWIN, 0.05, 3), ORDINARY[:3], ORDINARY[9:12]], ORDINARY).estimate.shortage()


def test_ordinary_pictures_keep_what_was_seen_in_them(tmp_path: Path) -> None:
    looks = [Look((), (), {"dog": 0.2, "cat": 1.0 - n / 300}, row) for n, row in enumerate(ORDINARY)]
    path = tmp_path / "pictures.npz"
    np.savez_compressed(path, allow_pickle=False, **pack_pictures(looks))
    read = read_pictures(path)
    assert np.allclose(read.vectors, ORDINARY, atol=0.01)
    assert np.allclose(
        shown(read, ("dog", "cat"), ("cat", "cow")), [look.presence["cat"] for look in looks], atol=0.003
    )
    assert not shown(read, ("dog", "cat"), ()).any()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no numbers"])
def test_a_damaged_file_of_ordinary_pictures_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "pictures.npz"
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"pictures\.npz cannot be read"):
        read_pictures(path)


def test_the_shipped_ordinary_pictures_fit_the_shipped_model() -> None:
    from edge_runtime.bundles.manifest import Manifest, default_bundle  # noqa: PLC0415
    from edge_runtime.bundles.parts import DetectorPart, ImagePart  # noqa: PLC0415

    manifest = Manifest.load(default_bundle())
    file = manifest.part(ImagePart).ordinary
    assert file
    read: OrdinaryPictures = read_pictures(manifest.path(file))
    assert read.vectors.shape[1] == manifest.embedding_size
    assert read.presence.shape == (len(read.vectors), len(manifest.part(DetectorPart).labels))
