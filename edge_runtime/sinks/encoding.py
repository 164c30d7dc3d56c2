"""RGB pictures as JPEG and PNG, smaller where they shall be, and in files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge_runtime.errors import SinkError

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.types import Image

_FAST = 1


def jpeg(image: Image, quality: int = 85) -> bytes:
    """Return an RGB picture as JPEG.

    Raises:
        SinkError: it cannot be encoded.
    """
    return _encoded(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])


def png(image: Image) -> bytes:
    """Return an RGB picture as PNG, which loses nothing.

    Raises:
        SinkError: it cannot be encoded.
    """
    return _encoded(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, _FAST])


def narrowed(image: Image, width: int) -> Image:
    """Return a picture no wider than `width` pixels; the very same one where it is not."""
    if image.shape[1] <= width:
        return image
    size = (width, max(round(image.shape[0] * width / image.shape[1]), 1))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def write_picture(path: Path, content: bytes) -> None:
    """Write an encoded picture, and the folder that it lies in.

    Raises:
        SinkError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise SinkError(f"{path}: the picture cannot be written ({error})") from None


def _encoded(kind: str, image: Image, options: list[int]) -> bytes:
    encoded, data = cv2.imencode(kind, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    if not encoded:
        raise SinkError(f"a picture of shape {image.shape} cannot be encoded as {kind}")
    return data.tobytes()
