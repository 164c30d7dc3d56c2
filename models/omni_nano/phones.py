"""The acoustic model: which phone is heard in each 24 ms. A pretrained encoder, shortened, with a CTC layer on top."""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from models.omni_nano.encoder import WIDTH, Encoder
from models.omni_nano.utterances import PHONES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scripts.export import Exportable

ENCODER = Path("assets") / "tiny-en" / "encoder_model.ort"


class AcousticNetwork(nn.Module):
    """Samples (clips, n) at 16 kHz to logarithms of probabilities (clips, frames, 1 + phones), blank first.

    The encoder is Moonshine tiny's (arXiv:2410.15608) without its last layers.

    Args:
        layers: of the encoder, 6 at most.
    """

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.encoder = Encoder(layers)
        self.phones = nn.Linear(WIDTH, 1 + len(PHONES))

    def forward(self, samples: Tensor) -> Tensor:
        """Return the logarithms of the probabilities."""
        return nn.functional.log_softmax(self.phones(self.encoder(samples)), dim=-1)


def exportable(checkpoint: Path) -> Exportable:
    """Return the trained network, ready to be written as ONNX."""
    from scripts.export import Exportable  # noqa: PLC0415 - it needs onnx, which training does not

    saved = torch.load(checkpoint, map_location="cpu", weights_only=False)
    network = AcousticNetwork(saved["settings"]["layers"])
    network.load_state_dict(saved["model"])
    dynamic = {"samples": {1: "length"}, "log_probs": {1: "frames"}}
    return Exportable(network.eval(), {"samples": torch.randn(1, 24_000) * 0.1}, ("log_probs",), dynamic)


def teacher_folder() -> Path:
    """Return the folder of the installed package with Moonshine tiny's weights.

    Raises:
        SystemExit: it is not installed.
    """
    found = importlib.util.find_spec("moonshine_voice")
    if found is None or found.origin is None:
        raise SystemExit("Moonshine's weights are missing; pip install --no-deps moonshine-voice==0.0.65")
    return Path(found.origin).parent


def start(layers: int, path: Path) -> AcousticNetwork:
    """Return a network whose encoder begins with the weights in an .ort file of Moonshine tiny."""
    network = AcousticNetwork(layers)
    weights = {name: value for name, value in encoder_weights(path).items() if _kept(name, layers)}
    network.encoder.load_state_dict(weights)
    # Most frames are blank; starting there saves the first thousand steps.
    nn.init.zeros_(network.phones.bias)
    network.phones.bias.data[0] = 2.0
    return network


def _kept(name: str, layers: int) -> bool:
    return not name.startswith("layers.") or int(name.split(".")[1]) < layers


@lru_cache(maxsize=1)
def encoder_weights(path: Path) -> dict[str, Tensor]:
    """Return the encoder's weights by transformers' names, its INT8 matrices as floats again."""
    graph = _graph(path)
    values = {one.name: _array(one) for one in graph.initializer}

    def floats(name: str) -> Any:
        scale, zero = (values[name.replace("_quantized", end)] for end in ("_scale", "_zero_point"))
        return (values[name].astype(np.float32) - zero.astype(np.float32)) * scale

    found: dict[str, Any] = {}
    for node in graph.node:
        name = ".".join(node.name.strip("/").split("/")[:3])
        if node.op_type in {"DynamicQuantizeMatMul", "MatMulIntegerToFloat"}:
            found[f"{name}.weight"] = floats(node.input[1]).T
            if node.op_type == "DynamicQuantizeMatMul" and len(node.input) > 4 and node.input[4]:
                found[f"{name}.bias"] = values[node.input[4]]
        elif node.op_type == "LayerNormalization":
            found[".".join(name.split(".")[:-1]) + ".weight"] = values[node.input[1]]
        elif node.op_type in {"Conv", "FusedConv"}:
            layer = name.split(".", maxsplit=1)[0]
            found[f"{layer}.weight"] = values[node.input[1]]
            if len(node.input) > 2:
                found[f"{layer}.bias"] = values[node.input[2]]
        elif node.op_type == "SkipLayerNormalization":
            found["layer_norm.weight"] = values[node.input[2]]
        elif node.op_type in {"Mul", "Add"} and "groupnorm" in node.name:
            part = "weight" if node.op_type == "Mul" else "bias"
            found[f"groupnorm.{part}"] = next(values[one] for one in node.input if one in values).reshape(-1)
    return {name: torch.tensor(np.array(value, np.float32)) for name, value in found.items()}


def _graph(path: Path) -> Any:
    """Return the graph of an .ort file, which onnxruntime writes as ONNX."""
    import tempfile  # noqa: PLC0415

    import onnx  # noqa: PLC0415
    import onnxruntime  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(Path(folder) / "encoder.onnx")
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.add_session_config_entry("session.save_model_format", "ONNX")
        onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return onnx.load(options.optimized_model_filepath).graph


def _array(value: Any) -> Any:
    from onnx import numpy_helper  # noqa: PLC0415

    return numpy_helper.to_array(value)


def loss(log_probs: Tensor, phones: Sequence[Sequence[int]]) -> Tensor:
    """Return CTC's loss (Graves 2006), for each frame."""
    clips, length, _ = log_probs.shape
    wanted = torch.tensor([phone for one in phones for phone in one], dtype=torch.long)
    counts = torch.tensor([len(one) for one in phones])
    lost = nn.functional.ctc_loss(
        log_probs.transpose(0, 1), wanted, torch.full((clips,), length), counts, reduction="sum", zero_infinity=True
    )
    return lost / (clips * length)


def greedy(log_probs: Tensor) -> list[int]:
    """Return the likeliest channel of each frame (frames, channels), repeats and blanks left out."""
    best = log_probs.argmax(-1).tolist()
    return [now for before, now in zip([0, *best], best, strict=False) if now not in {0, before}]


def distance(said: Sequence[object], wanted: Sequence[object]) -> int:
    """Return how many phones are to be put in, left out or changed (Levenshtein)."""
    row = list(range(len(wanted) + 1))
    for number, one in enumerate(said, 1):
        above, row[0] = row[0], number
        for place, other in enumerate(wanted, 1):
            above, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, above + (one != other))
    return row[-1]


@torch.no_grad()
def word_losses(log_probs: Tensor, words: Mapping[str, Sequence[Sequence[int]]]) -> dict[str, float]:
    """Return by word how much less likely it is than the likeliest phones, (frames, channels), its best way said."""
    free = float(log_probs.max(-1).values.sum())
    found = {}
    for word, ways in words.items():
        each = [float(loss(log_probs[None], [way])) * len(log_probs) for way in ways]
        found[word] = min(each) + free
    return found
