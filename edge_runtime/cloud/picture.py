"""A picture as it may leave the box: cut to what it is about, what is private made unreadable, small, pixels alone."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edge_runtime.types import Box, Image

    Find = Callable[[Image], Sequence["Area"]]

LONGEST_SIDE = 512
QUALITY = 80
MARGIN = 0.25
"""Share of the subject's width and height that is shown on each side of it."""

_CELLS = 3


@dataclass(frozen=True, slots=True)
class Area:
    """Something in a picture that must not be seen: a face, the head of a person, or letters."""

    kind: Literal["face", "head", "letters"]
    box: Box


@dataclass(frozen=True, slots=True)
class Picture:
    """What leaves: a JPEG without metadata, and how many areas were made unreadable in it, by kind."""

    jpeg: bytes
    width: int
    height: int
    hidden: Mapping[str, int] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """Return the hash of the JPEG."""
        return hashlib.sha256(self.jpeg).hexdigest()

    @property
    def url(self) -> str:
        """Return it as a data URL."""
        return "data:image/jpeg;base64," + base64.b64encode(self.jpeg).decode("ascii")


def render(image: Image, subject: Box | None = None, find: Find | None = None) -> Picture:
    """Return an RGB picture as it may leave, its longer side at most 512 pixels.

    Args:
        image: of any size.
        subject: what the picture is about; the rest is cut away, but for a margin.
        find: finds what must not be seen in a picture; None where all may be.
    """
    cut = image if subject is None else _crop(image, subject)
    areas = find(cut) if find else ()
    small = _shrink(cut)
    for area in areas:
        _hide(small, area)
    height, width = small.shape[:2]
    return Picture(encoded(small), width, height, dict(Counter(area.kind for area in areas)))


def encoded(image: Image) -> bytes:
    """Return an RGB picture as a JPEG file with nothing but its pixels."""
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, QUALITY))
    return jpeg.tobytes()


def _crop(image: Image, subject: Box) -> Image:
    height, width = image.shape[:2]
    x0, y0, x1, y1 = subject
    wide, high = MARGIN * (x1 - x0), MARGIN * (y1 - y0)
    left, right = _pixels(x0 - wide, x1 + wide, width)
    top, bottom = _pixels(y0 - high, y1 + high, height)
    return image[top:bottom, left:right]


def _pixels(low: float, high: float, size: int) -> tuple[int, int]:
    """Return the pixels that a stretch of fractions touches, at least one."""
    first = min(max(int(np.floor(low * size)), 0), size - 1)
    return first, min(max(int(np.ceil(high * size)), first + 1), size)


def _shrink(image: Image) -> Image:
    height, width = image.shape[:2]
    scale = LONGEST_SIDE / max(height, width)
    if scale >= 1:
        return image.copy()
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _hide(image: Image, area: Area) -> None:
    """Leave of an area a few soft spots of colour, of letters one colour alone."""
    height, width = image.shape[:2]
    left, right = _pixels(area.box[0], area.box[2], width)
    top, bottom = _pixels(area.box[1], area.box[3], height)
    inside = image[top:bottom, left:right]
    cells = 1 if area.kind == "letters" else _CELLS
    few = cv2.resize(inside, (min(cells, right - left), min(cells, bottom - top)), interpolation=cv2.INTER_AREA)
    inside[:] = cv2.resize(few, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
