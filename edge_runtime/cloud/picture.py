"""A picture as it may leave the box: small, re-encoded, with nothing but its pixels."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import cv2

if TYPE_CHECKING:
    from edge_runtime.types import Image

LONGEST_SIDE = 512
QUALITY = 80


def data_url(image: Image) -> str:
    """Return an RGB picture as a JPEG data URL, its longer side at most 512 pixels, without metadata."""
    height, width = image.shape[:2]
    scale = LONGEST_SIDE / max(height, width)
    if scale < 1:
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, QUALITY))
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode("ascii")
