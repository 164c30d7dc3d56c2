"""Pictures and sentences to the arrays a model reads; training uses these same functions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
from tokenizers import Tokenizer

from edge_runtime.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_runtime.bundles.parts import ImagePart
    from edge_runtime.types import Image

    Floats = NDArray[np.float32]

STRIDE = 32
LARGEST_MAGNIFICATION = 6.0
_BLOCK = 32
_HALVES = 3


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the whole picture lies in a model's input, in pixels of the input; parts of it may lie outside."""

    left: int
    top: int
    width: int
    height: int

    def fractions(self, corners: Floats) -> Floats:
        """Turn corners x0 y0 x1 y1 in pixels of the input, shape (n, 4), into fractions of the picture, 0 to 1."""
        start = np.array([self.left, self.top] * 2, np.float32)
        side = np.array([self.width, self.height] * 2, np.float32)
        inside: Floats = np.clip((corners - start) / side, 0.0, 1.0)
        return inside


def tensor_size(height: int, width: int, area: int, stride: int = STRIDE) -> tuple[int, int]:
    """Return the rows and columns, multiples of `stride`, that show a picture in about `area` pixels, hardly stretched.

    A picture is magnified at most six times a side: beyond that there is nothing to see, only time to lose.
    """
    area = min(area, round(height * width * LARGEST_MAGNIFICATION**2))
    scale = math.sqrt(area / (height * width))

    # Two cells are the least a side has; a strip is squeezed rather than shown at twice the cost.
    most = max(2, area // (2 * stride**2))

    def choices(side: int) -> set[int]:
        exact = side * scale / stride
        return {min(most, max(2, rounded)) for rounded in (math.floor(exact), math.ceil(exact))}

    def misfit(size: tuple[int, int]) -> float:
        rows, columns = size
        stretch = math.log(columns / rows) - math.log(width / height)
        growth = math.log(rows * columns * stride**2 / area)
        return abs(stretch) + 0.5 * abs(growth)

    rows, columns = min(sorted((r, c) for r in choices(height) for c in choices(width)), key=misfit)
    return rows * stride, columns * stride


def resized(image: Image, size: tuple[int, int]) -> Image:
    """Resize an RGB picture to (rows, columns), averaging where it shrinks and blending where it grows."""
    rows, columns = size
    shrinks = rows * columns < image.shape[0] * image.shape[1]
    high, wide = image.shape[:2]
    if high >= _HALVES * rows and wide >= _HALVES * columns and not (high % 2 or wide % 2):
        # Quick, where averaging all at once is not; grey levels differ by 0.2 from that.
        image = np.asarray(cv2.resize(image, (wide // 2, high // 2), interpolation=cv2.INTER_AREA), np.uint8)
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    out: Image = np.asarray(cv2.resize(image, (columns, rows), interpolation=method), np.uint8)
    return out


def image_tensor(image: Image, area: int) -> Floats:
    """Return float32 (1, 3, H, W), RGB in 0 to 255, H and W multiples of 32, H * W about `area`."""
    return _planes(resized(image, tensor_size(image.shape[0], image.shape[1], area)))


def input_size(part: ImagePart, height: int, width: int) -> tuple[int, int]:
    """Return the rows and columns of the input that a model gets for a picture of this size."""
    if part.size is not None and part.fit != "area":
        return part.size
    if part.area is None or part.stride is None:
        raise ValueError(f"fit {part.fit!r} without its size")
    return tensor_size(height, width, part.area, part.stride)


def model_input(image: Image, part: ImagePart) -> tuple[Floats, Placement]:
    """Return what a picture model reads, float32 (1, 3, rows, columns), and where the picture lies in it.

    Args:
        image: RGB picture of any size.
        part: how the model wants its pictures.
    """
    height, width = image.shape[:2]
    rows, columns = input_size(part, height, width)
    place = _placement(part, (height, width), (rows, columns))
    shown = _interpolated(image, (place.height, place.width), part.interpolation)
    if part.fit == "letterbox":
        canvas = np.full((rows, columns, 3), part.pad, np.uint8)
        canvas[place.top : place.top + place.height, place.left : place.left + place.width] = shown
        shown = canvas
    elif part.fit == "crop":
        shown = shown[-place.top :, -place.left :][:rows, :columns]
    tensor = _planes(shown[..., ::-1] if part.order == "bgr" else shown)
    if any(part.mean) or part.std != (1.0, 1.0, 1.0):
        mean, std = (np.array(values, np.float32).reshape(1, 3, 1, 1) for values in (part.mean, part.std))
        tensor = (tensor - mean) / std
    return tensor, place


def _placement(part: ImagePart, picture: tuple[int, int], size: tuple[int, int]) -> Placement:
    (height, width), (rows, columns) = picture, size
    if part.fit == "letterbox":
        to, of = (rows, height) if rows * width < columns * height else (columns, width)
        high, wide = max(1, height * to // of), max(1, width * to // of)
        if part.centred:
            return Placement((columns - wide) // 2, (rows - high) // 2, wide, high)
        return Placement(0, 0, wide, high)
    if part.fit == "crop":
        # The cut never asks for more than there is, whatever the manifest says.
        to, of = max(part.shorter or 0, rows, columns), min(height, width)
        high, wide = height * to // of, width * to // of
        return Placement(-((wide - columns) // 2), -((high - rows) // 2), wide, high)
    return Placement(0, 0, columns, rows)


def _planes(picture: Image) -> Floats:
    return np.ascontiguousarray(picture.transpose(2, 0, 1)[np.newaxis], np.float32)


def _interpolated(image: Image, size: tuple[int, int], method: str) -> Image:
    if method == "auto" or image.shape[:2] == size:
        return resized(image, size)
    # Averaging whole areas first leaves the slow filter a picture at most three times too large.
    steps = [max(1, before // (2 * after)) for before, after in zip(image.shape[:2], size, strict=True)]
    image = resized(image, (image.shape[0] // steps[0], image.shape[1] // steps[1]))
    high = _filtered(image.reshape(image.shape[0], -1).astype(np.float32), size[0], method)
    sideways = high.reshape(size[0], -1, 3).transpose(1, 0, 2).reshape(image.shape[1], -1)
    both = _filtered(sideways, size[1], method).reshape(size[1], size[0], 3).transpose(1, 0, 2)
    out: Image = np.clip(np.rint(both), 0, 255).astype(np.uint8)
    return out


def _filtered(rows: Floats, after: int, method: str) -> Floats:
    """Resample the rows of a matrix to `after` rows."""
    weights = _filter(len(rows), after, method)
    out = np.empty((after, rows.shape[1]), np.float32)
    # Most weights are zero: a few output rows at a time need few of the input's.
    for start in range(0, after, _BLOCK):
        block = weights[start : start + _BLOCK]
        used = np.flatnonzero(block.any(0))
        first, last = used[0], used[-1] + 1
        np.matmul(block[:, first:last], rows[first:last], out=out[start : start + _BLOCK])
    return out


@lru_cache(maxsize=16)
def _filter(before: int, after: int, method: str) -> Floats:
    """Return the weights (after, before) that resample one side; Keys' cubic with a = -0.5, or a triangle."""
    scale = before / after
    centres = (np.arange(after)[:, np.newaxis] + 0.5) * scale
    x = np.abs(np.arange(before) + 0.5 - centres) / max(scale, 1.0)
    if method == "bicubic":
        near, far = (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
        weights = np.where(x < 1, near, np.where(x < 2, far, 0.0))
    else:
        weights = np.maximum(1 - x, 0.0)
    out: Floats = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return out


def read_tokenizer(path: Path) -> Tokenizer:
    """Return a bundle's tokenizer; cutting and padding, which some files ask for, are left to `token_ids`.

    Raises:
        BundleError: the file is missing or no text.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise BundleError(f"tokenizer {path} is missing or no text; reinstall the bundle") from None
    tokenizer = Tokenizer.from_str(text)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def token_ids(
    tokenizer: Tokenizer, texts: Sequence[str], max_tokens: int, *, pad_id: int = 0, pad_to: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return ids and mask, both int64 (texts, longest), padded with `pad_id`, to `pad_to` columns where it is given.

    A sentence of more than `max_tokens` is cut but keeps its closing token.
    """
    # Bytes of a command line that are no UTF-8 arrive as lone surrogates, which the tokenizer refuses.
    readable = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
    rows = [encoding.ids for encoding in tokenizer.encode_batch(readable)]
    most = max_tokens if pad_to is None else min(max_tokens, pad_to)
    rows = [ids if len(ids) <= most else [*ids[: most - 1], ids[-1]] for ids in rows]
    shape = (len(rows), max((len(ids) for ids in rows), default=0) if pad_to is None else pad_to)
    padded, mask = np.full(shape, pad_id, np.int64), np.zeros(shape, np.int64)
    for row, ids in enumerate(rows):
        padded[row, : len(ids)] = ids
        mask[row, : len(ids)] = 1
    return padded, mask
