from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge_runtime.inference.session import OnnxSession

torch = pytest.importorskip("torch", reason="the build extra is not installed")
text = pytest.importorskip("models.omni_nano.text", reason="the build extra is not installed")
exporting = pytest.importorskip("scripts.export", reason="the build extra is not installed")
quantizing = pytest.importorskip("scripts.quantize", reason="the build extra is not installed")
# torch and optimum announce what they will drop one day.
pytestmark = pytest.mark.filterwarnings("ignore")

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = {"hidden": 64, "layers": 2, "heads": 2, "intermediate": 128, "max_tokens": 16}


def tower() -> Any:
    module = text.build(SETTINGS, 100, "eager").eval()
    config = text.TextTowerOnnxConfig(module.config, task="feature-extraction")
    feeds = {name: torch.ones(2, 5, dtype=torch.int64) for name in config.inputs}
    axes = {**config.inputs, **config.outputs}
    return exporting.Exportable(module, feeds, tuple(config.outputs), axes, config)


def picture() -> Any:
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    torch.nn.init.constant_(module[0].weight, 2.0)
    torch.nn.init.zeros_(module[0].bias)
    axes = {"image": {2: "height", 3: "width"}}
    return exporting.Exportable(module.eval(), {"image": torch.rand(1, 3, 8, 8)}, ("mean",), axes)


@pytest.mark.parametrize("make", [tower, picture], ids=["through optimum", "through torch"])
def test_the_file_computes_what_torch_computes(tmp_path: Path, make: Any) -> None:
    assert exporting.export(make(), tmp_path / "model.onnx") < 1e-5


def test_the_eight_bit_text_tower_points_where_the_float_one_does(tmp_path: Path) -> None:
    full, small = tmp_path / "full.onnx", tmp_path / "small.onnx"
    exporting.export(tower(), full)
    quantizing.quantize_weights(full, small, {})
    assert small.stat().st_size < full.stat().st_size / 2
    dice = np.random.default_rng(1)
    for length in (1, 7, 16):
        feeds = {"input_ids": dice.integers(0, 100, (3, length)), "attention_mask": np.ones((3, length), np.int64)}
        a, b = (OnnxSession(path).run(feeds)["embedding"] for path in (full, small))
        assert np.einsum("ij,ij->i", a, b).min() > 0.99


def test_pictures_of_any_size_pass(tmp_path: Path) -> None:
    exporting.export(picture(), tmp_path / "model.onnx")
    session = OnnxSession(tmp_path / "model.onnx")
    for height, width in ((8, 8), (4, 32)):
        outputs = session.run({"image": np.ones((1, 3, height, width), np.float32)})
        assert outputs["mean"] == pytest.approx(6.0)
