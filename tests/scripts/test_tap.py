from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.bundles.manifest import default_bundle
from edge_runtime.inference.session import OnnxSession

onnx = pytest.importorskip("onnx", reason="the build extra is not installed")
tapping = pytest.importorskip("scripts.tap", reason="the build extra is not installed")

if TYPE_CHECKING:
    from pathlib import Path

EYES = default_bundle() / "image.onnx"
MIDDLE = "/backbone/blocks.4/Add_output_0"


def test_a_tap_gives_what_the_next_layer_reads_and_changes_no_number(tmp_path: Path) -> None:
    tapping.tap(EYES, tmp_path / "tapped.onnx", {"middle": MIDDLE})
    before, after = OnnxSession(EYES, threads=1), OnnxSession(tmp_path / "tapped.onnx", threads=1)
    assert after.outputs == (*before.outputs, "middle")
    for size in ((64, 96), (128, 64)):
        feeds = {"image": np.random.default_rng(3).integers(0, 256, (1, 3, *size)).astype(np.float32)}
        plain, tapped = before.run(feeds), after.run(feeds)
        assert tapped["middle"].shape == (1, 32, size[0] // 8, size[1] // 8)
        assert len(np.unique(tapped["middle"])) > 50, "there is a picture in it"
        assert all((plain[name] == tapped[name]).all() for name in before.outputs)


def test_a_tensor_that_is_not_rounded_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"rounds no tensor '/backbone/nowhere' to bytes"):
        tapping.tap(EYES, tmp_path / "tapped.onnx", {"lost": "/backbone/nowhere"})
    assert not (tmp_path / "tapped.onnx").exists()
