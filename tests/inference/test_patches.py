from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.bundles.manifest import Manifest, default_bundle
from edge_runtime.bundles.parts import ImagePart
from edge_runtime.errors import BundleError
from edge_runtime.inference.patches import PatchEyes, sound_cells
from edge_runtime.inference.session import OnnxSession


def test_sound_is_cut_into_tenths_of_a_second_of_which_each_tells_loudness_and_pitch() -> None:
    at = np.arange(16_000) / 16_000
    beep = (0.3 * np.sin(2 * np.pi * 3000 * at) * (at > 0.5)).astype(np.float32)
    cells = sound_cells(beep)
    assert cells.shape == (9, 64)
    assert cells.dtype == np.float32
    assert (cells[:4] == cells[0]).all(), "silence is silence"
    assert cells[6].max() > cells[0].max() + 4
    assert cells[6].argmax() == pytest.approx(45, abs=4)


def eyes() -> PatchEyes:
    manifest = Manifest.load(default_bundle())
    return PatchEyes(OnnxSession(manifest.path(manifest.part(ImagePart).file), threads=1), manifest)


def test_a_picture_has_fine_cells_coarse_ones_and_such_of_a_closer_look() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    middle, coarse, closer = eyes().cells(picture)
    assert (middle.shape, coarse.shape, closer.shape) == ((16, 16, 160), (8, 8, 160), (24, 24, 160))
    assert eyes().weights == (1.0, 0.5, 1.0)
    again = eyes().cells(picture)
    assert all((one == other).all() for one, other in zip((middle, coarse, closer), again, strict=True))


def test_a_spot_changes_the_cells_about_it_alone() -> None:
    picture = np.random.default_rng(1).integers(100, 140, (256, 256, 3), dtype=np.uint8)
    spotted = picture.copy()
    spotted[120:136, 184:200] = 0
    before, after = (eyes().cells(one)[0] for one in (picture, spotted))
    change = np.abs(after - before).max(2)
    assert divmod(int(change.argmax()), 16) == (8, 12)
    assert change[:3].max() < 0.3 * change.max()


def test_a_model_without_maps_cannot_see_so() -> None:
    manifest = Manifest.load(default_bundle())
    blind = manifest.model_copy(update={"image": manifest.part(ImagePart).model_copy(update={"patches": ()})})
    with pytest.raises(BundleError, match="has no feature maps of patches"):
        PatchEyes(OnnxSession(manifest.path(manifest.part(ImagePart).file), threads=1), blind)


@pytest.mark.parametrize("samples", [0, 1, 1000, 1840])
def test_the_shortest_sound_has_one_cell(samples: int) -> None:
    assert sound_cells(np.zeros(samples, np.float32)).shape == (1, 64)
