"""YAMNet, the teacher of the ears: its weights, and what it hears."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from torch import Tensor, nn

from models.omni_nano.sounds import Trunk

if TYPE_CHECKING:
    from pathlib import Path

Floats = NDArray[np.float32]
FILE = "yamnet_spectra_in.tflite"
LABELS = "yamnet_labels_short.txt"
LAYERS = {"CONV_2D": (0, 3, 1, 2), "DEPTHWISE_CONV_2D": (3, 0, 1, 2), "FULLY_CONNECTED": (0, 1)}


class Teacher:
    """YAMNet as published: per-channel INT8, patches of log-mel in, 521 scores out.

    Args:
        path: the tflite file.
    """

    def __init__(self, path: Path) -> None:
        self._interpreter = Interpreter(str(path), num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]
        self._details = {t["index"]: t["quantization_parameters"] for t in self._interpreter.get_tensor_details()}

    def __call__(self, log_mel: Floats) -> Floats:
        """Return the scores, 0 to 1, of (n, 96, 64) patches, (n, 521)."""
        found = []
        for patch in log_mel:
            self._interpreter.set_tensor(self._input, patch[None])
            self._interpreter.invoke()
            found.append(self._interpreter.get_tensor(self._output)[0])
        return np.stack(found)

    def layers(self) -> list[tuple[Tensor, Tensor]]:
        """Return its layers in order, as float (weight, bias) pairs of torch; the last is the linear one."""
        found = []
        for operation in self._interpreter._get_ops_details():  # noqa: SLF001 - the only way to learn the order
            if operation["op_name"] in LAYERS:
                source, weight, bias = (int(index) for index in operation["inputs"])
                real = self._real(weight).transpose(LAYERS[operation["op_name"]])
                whole = self._interpreter.get_tensor(bias).astype(np.float64)
                steps = self._details[source]["scales"].astype(np.float64) * self._details[weight]["scales"]
                found.append((_tensor(real), _tensor(whole * steps)))
        return found

    def ranges(self) -> list[tuple[float, float]]:
        """Return the least and the largest number that the input of each layer can hold, in order."""
        found = []
        for operation in self._interpreter._get_ops_details():  # noqa: SLF001 - the only way to learn the order
            if operation["op_name"] in LAYERS:
                parameters = self._details[int(operation["inputs"][0])]
                scale, zero = float(parameters["scales"][0]), int(parameters["zero_points"][0])
                found.append(((-128 - zero) * scale, (127 - zero) * scale))
        return found

    def _real(self, index: int) -> NDArray[np.float64]:
        raw = self._interpreter.get_tensor(index).astype(np.float64)
        parameters = self._details[index]
        shape = [1] * raw.ndim
        shape[parameters["quantized_dimension"]] = -1
        return (raw - parameters["zero_points"].reshape(shape)) * parameters["scales"].reshape(shape)


def _tensor(values: NDArray[Any]) -> Tensor:
    return torch.tensor(np.ascontiguousarray(values), dtype=torch.float32)


def start(teacher: Teacher) -> tuple[Trunk, nn.Linear]:
    """Return a trunk and a layer of 521 logits with the teacher's own weights."""
    *layers, (weight, bias) = teacher.layers()
    trunk, head = Trunk(), nn.Linear(weight.shape[1], len(weight))
    convolutions = [m for m in trunk.modules() if isinstance(m, nn.Conv2d)]
    for module, (kernel, shift) in zip([*convolutions, head], [*layers, (weight, bias)], strict=True):
        # The trunk reads patches backwards.
        module.load_state_dict({"weight": kernel.flip(2, 3) if kernel.ndim == 4 else kernel, "bias": shift})
    return trunk.eval(), head.eval()


@torch.inference_mode()
def squeeze(trunk: Trunk, log_mel: Tensor, rank: int, doubt: float = 0.1) -> Trunk:
    """Return the trunk with its last layer as the product of two that changes least what these patches give.

    Args:
        trunk: whole.
        log_mel: typical patches, (n, 96, 64).
        rank: channels between the two.
        doubt: how much each direction counts, beside what the patches show, for they do not show every sound.
    """
    last = cast("nn.Sequential", trunk[-1])
    inputs: list[Tensor] = []
    hook = last[2].register_forward_pre_hook(lambda _, given: inputs.append(given[0].movedim(1, 0).flatten(1)))
    for batch in log_mel.split(64):
        trunk(batch)
    hook.remove()
    seen = torch.cat(inputs, 1).double()
    moments = seen @ seen.T / seen.shape[1]
    moments += doubt * moments.diagonal().mean() * torch.eye(len(moments), dtype=torch.float64)
    values, vectors = torch.linalg.eigh(moments)
    root = vectors * values.sqrt()
    whole = cast("nn.Conv2d", last[2])
    left, strengths, right = torch.linalg.svd(whole.weight.double().flatten(1) @ root, full_matrices=False)
    narrow = right[:rank] @ (vectors / values.sqrt()).T
    squeezed = Trunk(rank)
    state = trunk.state_dict()
    name = f"{len(trunk) - 1}.2"
    state[f"{name}.1.bias"] = state.pop(f"{name}.bias")
    state[f"{name}.0.weight"] = narrow.float()[..., None, None]
    state[f"{name}.1.weight"] = (left[:, :rank] * strengths[:rank]).float()[..., None, None]
    del state[f"{name}.weight"]
    squeezed.load_state_dict(state)
    return squeezed.eval()
