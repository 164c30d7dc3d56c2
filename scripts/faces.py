"""Make the three networks that find faces from the weights that facenet-pytorch ships, small and in ONNX."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
import torch

from models.omni_nano import faces
from scripts.stage import Stage, Workshop
from scripts.writing import replacing

if TYPE_CHECKING:
    from collections.abc import Mapping

WEIGHTS = {"propose": "pnet.pt", "refine": "rnet.pt", "decide": "onet.pt"}
OUTPUTS = tuple(f"faces_{kind}.onnx" for kind in WEIGHTS)


def weights_folder() -> Path:
    """Return where the weights lie; the package itself is not imported, for it wants its own torch.

    Raises:
        SystemExit: it is not installed.
    """
    found = importlib.util.find_spec("facenet_pytorch")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("the faces' weights are not installed; pip install --no-deps facenet-pytorch==2.6.0")
    return Path(found.submodule_search_locations[0]) / "data"


def make(stage: Stage, inputs: Mapping[str, Path]) -> dict[str, float]:
    """Write the three files; return how large they are together."""
    size = 0
    for kind, name in WEIGHTS.items():
        weights = torch.load(inputs[name], weights_only=True, map_location="cpu")
        with replacing(stage.folder / f"faces_{kind}.onnx") as partial:
            onnx.save(faces.make(kind, {key: value.numpy() for key, value in weights.items()}), partial)
            size += partial.stat().st_size
    return {"bytes": size}


def run(workshop: Workshop) -> None:
    """Make the networks of a recipe."""
    folder = weights_folder()
    inputs = {name: folder / name for name in WEIGHTS.values()}
    code = [Path(__file__), Path(str(faces.__file__))]
    stage = Stage(workshop, "faces", inputs, code, (), OUTPUTS)
    if stage.fresh():
        print("faces: nothing has changed")
        return
    with stage:
        stage.numbers |= make(stage, inputs)


def main() -> None:
    """Make the networks of a recipe."""
    run(Workshop.from_arguments(__doc__))


if __name__ == "__main__":
    main()
