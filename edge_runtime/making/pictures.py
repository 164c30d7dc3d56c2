"""How a model wants its pictures, read from the processor that comes with it, and compared with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from transformers import AutoImageProcessor

from edge_runtime.bundles.parts import ImagePart
from edge_runtime.errors import InputError
from edge_runtime.inference.preprocess import model_input
from edge_runtime.making.loading import reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from edge_runtime.making.source import Original
    from edge_runtime.types import Image

MOST_DIFFERENT = 2.0
"""Levels of 255 that a prepared picture may differ from the original's on average."""

_FILE = "preprocessor_config.json"
_INTERPOLATIONS = {2: "bilinear", 3: "bicubic"}


def preparation(
    original: Original, size: int | None, embedding: str | None, images: Iterable[Image]
) -> tuple[ImagePart, float]:
    """Return how pictures are prepared, and how far that is from the original on average, in levels of 255.

    Args:
        original: the model's folder.
        size: side of the square that the model was made for, None where it takes any.
        embedding: name of the output with the picture's vector, if there is one.
        images: to compare on, RGB.

    Raises:
        InputError: the processor is missing, or does something that the runtime does not.
    """
    if not (original.folder / _FILE).is_file():
        raise InputError(f"{original.source}: {_FILE} is missing, so how it wants its pictures is unknown; download it")
    with reading(original, _FILE):
        processor = AutoImageProcessor.from_pretrained(
            original.folder, use_fast=False, trust_remote_code=False, local_files_only=True
        )
    part = _part(processor.to_dict(), type(processor).__name__, embedding)
    if size is not None and part.size != (size, size):
        rows, columns = part.size or (0, 0)
        raise InputError(f"{_FILE}: pictures of {rows} x {columns}, but the model was made for {size} x {size}")
    std = np.array(part.std, np.float32).reshape(1, 3, 1, 1)
    difference = 0.0
    for image in images:
        wanted = processor(images=image, return_tensors="np")["pixel_values"]
        difference = max(difference, float((np.abs(model_input(image, part)[0] - wanted) * std).mean()))
    if difference > MOST_DIFFERENT:
        raise InputError(
            f"{_FILE}: the runtime prepares pictures otherwise than the original, by {difference:.1f} levels of 255 on "
            f"average, {MOST_DIFFERENT:g} at most; check its resize, crop and normalise keys"
        )
    return part, difference


def _part(table: Mapping[str, Any], kind: str, embedding: str | None) -> ImagePart:
    if not table.get("do_resize", True):
        raise InputError(f"{_FILE}: do_resize is false; the runtime gives a model pictures of one size, so set a size")
    interpolation = _INTERPOLATIONS.get(table.get("resample", 2))
    if interpolation is None:
        raise InputError(f"{_FILE}: resample is {table['resample']!r}; the runtime knows 2 (bilinear) and 3 (bicubic)")
    mean, std = _scale(table)
    return ImagePart.model_validate(
        {
            "file": "image.onnx",
            "input": "pixel_values",
            "interpolation": interpolation,
            "mean": mean,
            "std": std,
            "order": "bgr" if table.get("do_flip_channel_order") else "rgb",
            "embedding": embedding,
            **_fit(table, kind),
        }
    )


def _fit(table: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return "fit", "size" and "shorter" as ImagePart has them."""
    size, crop = table["size"], table.get("crop_size") if table.get("do_center_crop") else None
    shorter = size.get("shortest_edge")
    if kind.startswith("ConvNext") and shorter:
        # This family cuts small pictures out of larger ones and squeezes large ones.
        if shorter >= 384:
            return {"fit": "stretch", "size": (shorter, shorter)}
        return {"fit": "crop", "size": (shorter, shorter), "shorter": int(shorter / table["crop_pct"])}
    if kind.startswith("Levit") and shorter:
        shorter = int(256 / 224 * shorter)
    if shorter and crop:
        return {"fit": "crop", "size": (crop["height"], crop["width"]), "shorter": shorter}
    if crop or not {"height", "width"} <= set(size):
        raise InputError(
            f"{_FILE}: size {size} with crop {crop}; the runtime knows height and width, or shortest_edge and a crop"
        )
    return {"fit": "stretch", "size": (size["height"], size["width"])}


def _scale(table: Mapping[str, Any]) -> tuple[list[float], list[float]]:
    """Return mean and std per channel in units of 0 to 255."""
    factor = float(table.get("rescale_factor", 1 / 255)) if table.get("do_rescale") else 1.0
    mean, std = [0.0] * 3, [1.0] * 3
    if table.get("do_normalize"):
        mean, std = table["image_mean"], table["image_std"]
    if len(mean) != 3 or len(std) != 3:
        raise InputError(f"{_FILE}: image_mean has {len(mean)} numbers; the runtime's pictures have 3 channels")
    shift = 1.0 if table.get("rescale_offset") else 0.0
    return [(m + shift) / factor for m in mean], [s / factor for s in std]
