from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra [build] is not installed")
moonshine = pytest.importorskip(
    "transformers.models.moonshine.modeling_moonshine", reason="the extra [build] is not installed"
)
encoders = pytest.importorskip("models.omni_nano.encoder", reason="the extra [build] is not installed")
phones = pytest.importorskip("models.omni_nano.phones", reason="the extra [build] is not installed")
exporting = pytest.importorskip("scripts.export", reason="the extra [build] is not installed")
# torch announces what it will drop one day.
pytestmark = pytest.mark.filterwarnings("ignore")

from edge_runtime.inference.session import OnnxSession  # noqa: E402 - after the skips
from models.omni_nano.utterances import HOP, PHONES, SHORTEST  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path


def theirs(layers: int) -> Any:
    """Return transformers' encoder of Moonshine tiny's shape with weights that make every part matter."""
    torch.manual_seed(layers)
    config = moonshine.MoonshineConfig(encoder_num_hidden_layers=layers, attn_implementation="eager")
    encoder = moonshine.MoonshineEncoder(config).eval()
    with torch.no_grad():
        for name, weight in encoder.named_parameters():
            spread = 0.3 if "conv1" in name else 1.5 / max(weight[0].numel(), 30) ** 0.5
            weight.copy_(torch.randn(weight.shape) * spread + (1.0 if "norm" in name else 0.0))
    return encoder


def both(layers: int, samples: Any) -> tuple[Any, Any]:
    encoder, own = theirs(layers), encoders.Encoder(layers).eval()
    own.load_state_dict(encoder.state_dict())
    with torch.no_grad():
        return encoder(samples).last_hidden_state, own(samples)


@pytest.mark.parametrize("length", [SHORTEST, 16_000, 40_123])
@pytest.mark.parametrize("layers", [1, 3, 6])
def test_it_computes_what_transformers_computes(layers: int, length: int) -> None:
    wanted, got = both(layers, torch.randn(2, length) * 0.2)
    assert got.shape == wanted.shape
    assert wanted.std() > 0.1
    assert (got - wanted).abs().max() < 1e-4


def test_places_matter() -> None:
    frames = torch.randn(1, 1, 9, 36)
    rates = 10_000 ** (-torch.arange(0, 32, 2) / 32).repeat_interleave(2)
    places = torch.arange(9).unsqueeze(1) * rates
    turned = encoders.turned(frames, (places.cos(), places.sin()))
    assert (turned[..., 0, :] == frames[..., 0, :]).all()
    assert (turned[..., 32:] == frames[..., 32:]).all()
    # A turn changes no length.
    assert torch.allclose(turned.norm(dim=-1), frames.norm(dim=-1), atol=1e-5)
    assert (turned[..., 1:, :32] - frames[..., 1:, :32]).abs().max() > 0.1


@pytest.mark.parametrize("layers", [1, 3])
def test_the_exported_file_computes_what_torch_computes_at_any_length(tmp_path: Path, layers: int) -> None:
    torch.manual_seed(1)
    network = phones.AcousticNetwork(layers)
    torch.save({"model": network.state_dict(), "settings": {"layers": layers}}, tmp_path / "phones.pt")
    assert exporting.export(phones.exportable(tmp_path / "phones.pt"), tmp_path / "phones.onnx") < 1e-4
    session = OnnxSession(tmp_path / "phones.onnx")
    for length in (SHORTEST, 16_000, 48_000):
        samples = np.random.default_rng(length).normal(0, 0.1, (1, length)).astype(np.float32)
        got = session.run({"samples": samples})["log_probs"]
        with torch.no_grad():
            wanted = network.eval()(torch.from_numpy(samples)).numpy()
        assert got.shape == wanted.shape == (1, got.shape[1], 1 + len(PHONES))
        assert 0 <= length / HOP - got.shape[1] < 2.5
        assert np.abs(got - wanted).max() < 1e-4
        assert np.exp(got).sum(-1) == pytest.approx(1.0, abs=1e-4)
