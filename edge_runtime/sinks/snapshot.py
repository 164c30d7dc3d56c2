"""A frame with its boxes drawn in, as a picture file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2

from edge_runtime.sinks.encoding import jpeg, write_picture

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.types import Frame, Image, Observation

_QUALITY = 88
_COLOURS = ((230, 80, 60), (60, 160, 75), (60, 110, 220), (220, 160, 40), (150, 70, 190), (40, 170, 180))


def annotate(frame: Frame, observation: Observation) -> Image:
    """Return a copy of the frame's RGB picture with the detections drawn and named."""
    image = frame.image.copy()
    height, width = image.shape[:2]
    scale = max(0.5, height / 720)
    for found in observation.detections:
        colour = _COLOURS[sum(found.label.encode()) % len(_COLOURS)]
        left, top = round(found.box[0] * width), round(found.box[1] * height)
        right, bottom = round(found.box[2] * width), round(found.box[3] * height)
        cv2.rectangle(image, (left, top), (right, bottom), colour, max(2, round(2 * scale)))
        text = f"{found.label} {found.score:.0%}"
        (wide, high), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
        floor = max(top, high + below)
        cv2.rectangle(image, (left, floor - high - below), (left + wide, floor), colour, cv2.FILLED)
        cv2.putText(
            image, text, (left, floor - below), cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), 1, cv2.LINE_AA
        )
    return image


def save_picture(path: Path, image: Image) -> None:
    """Write an RGB picture as JPEG.

    Raises:
        SinkError: it cannot be encoded, or the file not be written.
    """
    write_picture(path, jpeg(image, _QUALITY))
