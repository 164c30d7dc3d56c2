"""What the owner wants made, and how a maker speaks of its work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

Say = Callable[[str], None]
"""Tells the owner one line about the work."""

UNKNOWN_LICENCE = "unknown, ask the model's author"


@dataclass(frozen=True, slots=True)
class Order:
    """What the owner wants made.

    Attributes:
        source: a model folder, a hub id, or a detector's .onnx file.
        out: the folder that becomes the bundle.
        force: replace a bundle that lies there.
        int8: make the weights 8-bit integers where that is known to work.
        calibrate: folder of pictures like those the model will see.
        labels: what a detector's classes are called, in order; empty where the file or its count says it.
        layout: of a detector's output, None where its shape tells.
        size: rows and columns of a detector whose file leaves them open.
        min_score: what an object needs to be reported.
        language: two letters, of speech, for a recogniser of many languages.
        int4: make the weights of a language model 4-bit integers.
    """

    source: str
    out: Path
    force: bool = False
    int8: bool = True
    calibrate: Path | None = None
    labels: tuple[str, ...] = ()
    layout: str | None = None
    size: int | None = None
    min_score: float = 0.3
    language: str = "en"
    int4: bool = False
