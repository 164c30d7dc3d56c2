"""One ONNX file to be, and what is to be written around it: the same words for every family of models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import torch

    from edge_runtime.making.order import Order, Say

Feeds = dict[str, NDArray[Any]]
"""The inputs of one run, by name."""

Axes = dict[str, dict[int, str]]
"""The axes that may differ from run to run, by input or output name."""

Finish = Callable[["Tower", Path, Path, "Order", "Say"], tuple[str, dict[str, Any]]]
"""Makes the bundle's file (the second path) of a tower's FP32 file, and says what was done and what was measured."""


@dataclass(frozen=True, slots=True)
class Tower:
    """A torch module that takes its inputs by name and returns its outputs by name.

    Attributes:
        file: the name it gets in the bundle.
        module: in eval mode, with the `config` of the model it comes from.
        inputs: with their free axes.
        outputs: with their free axes.
        examples: inputs to trace it with (the first) and to compare it on (all).
        calibration: of a picture model: the owner's inputs, to scale INT8 convolutions by. None for others, whose
            few convolutions stay as they are.
        finish: writes the bundle's file in a way of its own, where INT8 by the usual one does not fit.
    """

    file: str
    module: torch.nn.Module
    inputs: Axes
    outputs: Axes
    examples: tuple[Feeds, ...]
    calibration: Iterable[Feeds] | None = None
    finish: Finish | None = None

    @property
    def name(self) -> str:
        """The file's name without its ending, as the numbers call it."""
        return self.file.removesuffix(".onnx")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a family of models makes of one: its towers, its tokenizer and its share of the manifest.

    Attributes:
        towers: each becomes an ONNX file.
        parts: keys of the manifest with their values.
        tokenizer: text of tokenizer.json.
        measured_on: what the numbers were measured on, by tower.
        numbers: what is already measured, by tower.
        texts: further files of the bundle, by name.
    """

    towers: tuple[Tower, ...]
    parts: Mapping[str, Any]
    tokenizer: str | None = None
    measured_on: Mapping[str, str] = field(default_factory=dict)
    numbers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
