from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge_runtime.inference.session import OnnxSession

torch = pytest.importorskip("torch", reason="the build extra is not installed")
onnx = pytest.importorskip("onnx", reason="the build extra is not installed")
exporting = pytest.importorskip("scripts.export", reason="the build extra is not installed")
quantizing = pytest.importorskip("scripts.quantize", reason="the build extra is not installed")
biases = pytest.importorskip("scripts.biases", reason="the build extra is not installed")
rewriting = pytest.importorskip("scripts.rewriting", reason="the build extra is not installed")
# torch announces what it will drop one day.
pytestmark = pytest.mark.filterwarnings("ignore")

if TYPE_CHECKING:
    from pathlib import Path

Module: Any = torch.nn.Module
RECIPE = {"operators": ["Conv", "Add", "Clip", "Resize"]}


class Eyes(Module):  # type: ignore[misc]
    """A stem, one block, and a map that is doubled and added to a finer one, as in a pyramid."""

    def __init__(self, *, scaled: bool = True, colours: int = 3) -> None:
        super().__init__()
        self.scaled = scaled
        self.stem = torch.nn.Conv2d(colours, 8, 3, 2, 1)
        self.fine = torch.nn.Conv2d(8, 8, 1)
        self.coarse = torch.nn.Conv2d(8, 8, 3, 2, 1)
        self.out = torch.nn.Conv2d(8, 4, 1)

    def forward(self, picture: Any) -> Any:
        x = torch.nn.functional.relu6(self.stem(picture * (1 / 127.5) - 1.0 if self.scaled else picture))
        coarse = torch.nn.functional.relu6(self.coarse(x))
        return self.out(self.fine(x) + torch.nn.functional.interpolate(coarse, scale_factor=2.0, mode="nearest"))


def pictures(count: int = 6, colours: int = 3) -> list[dict[str, Any]]:
    dice = np.random.default_rng(2)
    return [{"image": dice.integers(0, 256, (1, colours, 32, 48)).astype(np.float32)} for _ in range(count)]


def exported(folder: Path, module: Any, colours: int = 3) -> Path:
    path = folder / "full.onnx"
    axes = {"image": {2: "height", 3: "width"}}
    feeds = {"image": torch.rand(1, colours, 32, 48)}
    exporting.export(exporting.Exportable(module.eval(), feeds, ("map",), axes), path)
    prepared = folder / "prepared.onnx"
    quantizing.quant_pre_process(path, prepared, skip_symbolic_shape=True)
    return prepared


def plain(folder: Path, prepared: Path, colours: int = 3) -> Path:
    """Quantise as onnxruntime does, with nothing of ours."""
    path = folder / "plain.onnx"
    feeder = quantizing.Feeder(pictures(colours=colours))
    options = {"op_types_to_quantize": RECIPE["operators"], "per_channel": True}
    quantizing.quantize_static(prepared, path, feeder, **options)
    return path


def outputs(path: Path, feeds: list[dict[str, Any]]) -> Any:
    session = OnnxSession(path, threads=1)
    return np.stack([session.run(feed)["map"] for feed in feeds])


@pytest.fixture
def eyes() -> Eyes:
    torch.manual_seed(3)
    return Eyes()


@pytest.mark.parametrize("names", [("fill_channels",), ("copy_pixels",), ("fill_channels", "copy_pixels")])
def test_a_rewrite_changes_no_number(tmp_path: Path, eyes: Eyes, names: tuple[str, ...]) -> None:
    path = plain(tmp_path, exported(tmp_path, eyes))
    read = rewriting.Graph(path)
    assert rewriting.read_bytes(read) == 1
    read.prune()
    read.save(path)
    graph = rewriting.Graph(path)
    assert [getattr(rewriting, name)(graph) for name in names] == [1] * len(names)
    graph.save(tmp_path / "rewritten.onnx")
    for size in ((32, 48), (64, 32)):
        feeds = [{"image": np.random.default_rng(4).integers(0, 256, (1, 3, *size)).astype(np.float32)}]
        assert (outputs(path, feeds) == outputs(tmp_path / "rewritten.onnx", feeds)).all()


def test_bytes_are_read_as_they_are_and_at_least_as_exactly(tmp_path: Path, eyes: Eyes) -> None:
    prepared = exported(tmp_path, eyes)
    path = plain(tmp_path, prepared)
    rewritten = tmp_path / "rewritten.onnx"
    shutil.copyfile(path, rewritten)
    assert rewriting.rewrite(rewritten) == {"read_bytes": 1, "fill_channels": 1, "copy_pixels": 1}
    feeds = pictures(12)
    full, before, after = (outputs(p, feeds) for p in (prepared, path, rewritten))
    assert np.abs(after - full).mean() < 1.05 * np.abs(before - full).mean()
    kinds = [node.op_type for node in onnx.load(rewritten).graph.node]
    assert kinds[: kinds.index("QuantizeLinear")].count("Mul") == 0
    assert "Resize" not in kinds


@pytest.mark.parametrize(
    ("scaled", "colours", "found"),
    [
        pytest.param(True, 3, {"read_bytes": 1, "fill_channels": 1, "copy_pixels": 1}, id="all of them"),
        pytest.param(True, 4, {"read_bytes": 1, "fill_channels": 0, "copy_pixels": 1}, id="four channels are enough"),
        pytest.param(False, 3, {"read_bytes": 1, "fill_channels": 1, "copy_pixels": 1}, id="nothing to scale"),
    ],
)
def test_only_what_has_the_pattern_is_rewritten(tmp_path: Path, scaled: bool, colours: int, found: Any) -> None:
    torch.manual_seed(3)
    path = plain(tmp_path, exported(tmp_path, Eyes(scaled=scaled, colours=colours), colours), colours)
    assert rewriting.rewrite(path) == found


def test_another_kind_of_graph_is_left_alone(tmp_path: Path) -> None:
    torch.manual_seed(3)
    module = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Conv2d(3, 4, 1))
    path = plain(tmp_path, exported(tmp_path, module))
    before = outputs(path, pictures())
    assert rewriting.rewrite(path) == {"read_bytes": 0, "fill_channels": 0, "copy_pixels": 0}
    assert (outputs(path, pictures()) == before).all()


def test_corrected_biases_bring_the_means_back(tmp_path: Path, eyes: Eyes) -> None:
    with torch.no_grad():
        # Weights that all round the same way shift whatever they are multiplied with.
        eyes.out.weight.fill_(0.001)
        eyes.out.weight[:, 0] = 1.0
        eyes.out.weight[:, 1:] += 0.4 / 127
    prepared = exported(tmp_path, eyes)
    path = plain(tmp_path, prepared)
    corrected = tmp_path / "corrected.onnx"
    shutil.copyfile(path, corrected)
    assert biases.correct_biases(prepared, corrected, pictures()) > 0
    full, before, after = (outputs(p, pictures()).mean((0, 1, 3, 4)) for p in (prepared, path, corrected))
    assert np.abs(after - full).max() < 0.3 * np.abs(before - full).max()


def test_one_odd_picture_does_not_stretch_the_ranges(tmp_path: Path, eyes: Eyes) -> None:
    prepared = exported(tmp_path, eyes)
    feeds = pictures(20)
    usual = quantizing.usual_ranges(prepared, feeds, 0.9)
    odd = [*feeds, {"image": feeds[0]["image"] * 100}]
    spoilt = quantizing.usual_ranges(prepared, odd, 0.9)
    for name, (limits,) in usual.items():
        assert spoilt[name][0]["rmax"] <= 1.1 * limits["rmax"] + 0.1
        assert limits["rmin"] <= 0 <= limits["rmax"]


def test_all_of_it_together_stays_near_the_float_model(tmp_path: Path, eyes: Eyes) -> None:
    prepared, target = exported(tmp_path, eyes), tmp_path / "int8.onnx"
    recipe = {**RECIPE, "usual": 0.95, "bias_samples": 4}
    numbers = quantizing.quantize_all(prepared, target, recipe, pictures())
    assert numbers["read_bytes"] == numbers["fill_channels"] == numbers["copy_pixels"] == 1
    full, small = (outputs(p, pictures(12)) for p in (prepared, target))
    assert np.abs(small - full).mean() < 0.05 * full.std()


class Ears(Module):  # type: ignore[misc]
    """Two convolutions over samples and a product, as an acoustic model begins and ends."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = torch.nn.Conv1d(1, 16, 31, 8, bias=False)
        self.conv2 = torch.nn.Conv1d(16, 24, 5, 3)
        self.out = torch.nn.Linear(24, 6)

    def forward(self, samples: Any) -> Any:
        heard = torch.relu(self.conv2(torch.tanh(self.conv1(samples.unsqueeze(1)))))
        return self.out(heard.transpose(1, 2))


def heard_by(folder: Path) -> Path:
    torch.manual_seed(4)
    module, path = Ears().eval(), folder / "ears.onnx"
    with torch.no_grad():
        # Channels of very different size each have steps of their own.
        module.conv1.weight.mul_(torch.logspace(-2, 1, 16)[:, None, None])
    exported = exporting.Exportable(module, {"samples": torch.randn(1, 800)}, ("map",), {"samples": {1: "length"}})
    exporting.export(exported, path)
    return path


@pytest.mark.parametrize(
    ("operators", "stored"),
    [
        pytest.param(["Conv"], 2, id="convolutions"),
        pytest.param([], 0, id="nothing asked for"),
        pytest.param(["ConvTranspose"], 0, id="an operator that is not there"),
    ],
)
def test_stored_weights_are_a_quarter_and_compute_nearly_the_same(
    tmp_path: Path, operators: list[str], stored: int
) -> None:
    path = heard_by(tmp_path)
    small = tmp_path / "small.onnx"
    shutil.copyfile(path, small)
    assert quantizing.store_weights(small, operators) == stored
    onnx.checker.check_model(onnx.load(small), full_check=True)
    kinds = [node.op_type for node in onnx.load(small).graph.node]
    assert kinds.count("DequantizeLinear") == stored
    samples = np.random.default_rng(1).normal(size=(1, 1600)).astype(np.float32)
    full, rounded = (OnnxSession(one, threads=1).run({"samples": samples})["map"] for one in (path, small))
    assert np.abs(full - rounded).max() <= 0.03 * full.std() * bool(stored)


def test_every_channel_of_a_stored_weight_is_within_half_a_step(tmp_path: Path) -> None:
    path = heard_by(tmp_path)
    before = {one.name: onnx.numpy_helper.to_array(one) for one in onnx.load(path).graph.initializer}
    quantizing.store_weights(path, ["Conv"])
    after = {one.name: onnx.numpy_helper.to_array(one) for one in onnx.load(path).graph.initializer}
    names = [name.removesuffix("_steps") for name in after if name.endswith("_steps")]
    assert len(names) == 2
    for name in names:
        steps, scale = after[f"{name}_steps"], after[f"{name}_scale"]
        assert steps.dtype == np.int8
        assert np.abs(steps).max() == 127
        wide = scale.reshape(-1, *[1] * (steps.ndim - 1))
        assert (np.abs(steps * wide - before[name]) <= 0.5001 * wide).all()
