"""Pictures and sentences to the arrays a model reads; training uses these same functions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    from edge_runtime.types import Image

STRIDE = 32
LARGEST_MAGNIFICATION = 6.0


def tensor_size(height: int, width: int, area: int) -> tuple[int, int]:
    """Return the rows and columns, multiples of 32, that show a picture in about `area` pixels and its own aspect.

    A picture is magnified at most six times a side: beyond that there is nothing to see, only time to lose.
    """
    area = min(area, round(height * width * LARGEST_MAGNIFICATION**2))
    scale = math.sqrt(area / (height * width))

    # Two cells are the least a side has; a strip is squeezed rather than shown at twice the cost.
    most = max(2, area // (2 * STRIDE**2))

    def choices(side: int) -> set[int]:
        exact = side * scale / STRIDE
        return {min(most, max(2, rounded)) for rounded in (math.floor(exact), math.ceil(exact))}

    def misfit(size: tuple[int, int]) -> float:
        rows, columns = size
        stretch = math.log(columns / rows) - math.log(width / height)
        growth = math.log(rows * columns * STRIDE**2 / area)
        return abs(stretch) + 0.5 * abs(growth)

    rows, columns = min(sorted((r, c) for r in choices(height) for c in choices(width)), key=misfit)
    return rows * STRIDE, columns * STRIDE


def resized(image: Image, size: tuple[int, int]) -> Image:
    """Resize an RGB picture to (rows, columns), averaging where it shrinks and blending where it grows."""
    rows, columns = size
    shrinks = rows * columns < image.shape[0] * image.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    out: Image = np.asarray(cv2.resize(image, (columns, rows), interpolation=method), np.uint8)
    return out


def image_tensor(image: Image, area: int) -> NDArray[np.float32]:
    """Return float32 (1, 3, H, W), RGB in 0 to 255, H and W multiples of 32, H * W about `area`."""
    picture = resized(image, tensor_size(image.shape[0], image.shape[1], area))
    return np.ascontiguousarray(picture.transpose(2, 0, 1)[np.newaxis], np.float32)


def token_ids(
    tokenizer: Tokenizer, texts: Sequence[str], max_tokens: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return ids and mask, both int64 (texts, longest), padded with 0.

    A sentence of more than `max_tokens` is cut but keeps its closing token.
    """
    # Bytes of a command line that are no UTF-8 arrive as lone surrogates, which the tokenizer refuses.
    readable = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
    rows = [encoding.ids for encoding in tokenizer.encode_batch(readable)]
    rows = [ids if len(ids) <= max_tokens else [*ids[: max_tokens - 1], ids[-1]] for ids in rows]
    shape = (len(rows), max((len(ids) for ids in rows), default=0))
    padded, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for row, ids in enumerate(rows):
        padded[row, : len(ids)] = ids
        mask[row, : len(ids)] = 1
    return padded, mask
