"""Pictures that clients send as data URLs, decoded only when they are small enough to be."""

from __future__ import annotations

import base64
import binascii
import struct
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge_runtime.api.refusal import RequestError

if TYPE_CHECKING:
    from edge_runtime.types import Image

MOST_PIXELS = 24_000_000
LONGEST_SIDE = 2048
MOST_SCANS = 500
"""Of a progressive JPEG; ordinary ones have about ten. Forty bytes can be one more walk over all pixels."""
_JPEG, _SCAN = b"\xff\xd8", b"\xff\xda"
_KINDS = "a JPEG, PNG, WebP or GIF picture"
_NO_FRAME = {0xC4, 0xC8, 0xCC}


def data_of(url: str, param: str | None = None) -> bytes:
    """Return the bytes in a data URL.

    Raises:
        RequestError: it is none, or no base64.
    """
    head, comma, text = url.partition(",")
    if not comma or not head.lower().startswith("data:") or not head.lower().endswith(";base64"):
        raise RequestError("a picture is a data URL: data:image/jpeg;base64,...", param=param, code="invalid_image_url")
    return decoded(text, param)


def decoded(text: str, param: str | None) -> bytes:
    """Return the bytes that base64 stands for.

    Raises:
        RequestError: it is no base64.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise RequestError("it is no base64; encode the whole file", param=param, code="invalid_base64") from None


def picture(data: bytes, param: str | None = None) -> Image:
    """Return a picture file as RGB, upright as its EXIF note says, its longer side at most 2048 pixels.

    Raises:
        RequestError: another kind of file, damaged, or more than 24 megapixels; the size is read before decoding.
    """
    size = size_of(data)
    if size is None or not all(size):
        raise RequestError(f"it is no picture that can be read; send {_KINDS}", param=param, code="invalid_image")
    width, height = size
    if width * height > MOST_PIXELS:
        why = f"the picture has {width} x {height} pixels; send at most {MOST_PIXELS // 1_000_000} megapixels"
        raise RequestError(why, param=param, code="image_too_large")
    if data.startswith(_JPEG) and data.count(_SCAN) > MOST_SCANS:
        why = f"the picture comes in more than {MOST_SCANS} passes; save it anew"
        raise RequestError(why, param=param, code="invalid_image")
    try:
        found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        found = None
    if found is None:
        raise RequestError(f"the picture is damaged; send {_KINDS}", param=param, code="invalid_image")
    scale = LONGEST_SIDE / max(found.shape[:2])
    if scale < 1:
        found = cv2.resize(found, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(found, cv2.COLOR_BGR2RGB), np.uint8)


def size_of(data: bytes) -> tuple[int, int] | None:
    """Return (width, height) as the head of a JPEG, PNG, WebP or GIF file says, None for everything else."""
    try:
        if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR":
            width, height = struct.unpack_from(">II", data, 16)
        elif data[:6] in {b"GIF87a", b"GIF89a"}:
            width, height = struct.unpack_from("<HH", data, 6)
        elif data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            return _webp(data)
        elif data.startswith(_JPEG):
            return _jpeg(data)
        else:
            return None
    except struct.error:
        return None
    return width, height


def _webp(data: bytes) -> tuple[int, int] | None:
    """Read the first chunk (RFC 9649, section 2)."""
    kind = data[12:16]
    if kind == b"VP8X":
        low_high = struct.unpack_from("<HBHB", data, 24)
        return 1 + low_high[0] + (low_high[1] << 16), 1 + low_high[2] + (low_high[3] << 16)
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _jpeg(data: bytes) -> tuple[int, int] | None:
    """Walk the segments to the frame header (ITU-T T.81, B.2.2)."""
    at = 2
    while data[at : at + 1] == b"\xff":
        marker = data[at + 1] if at + 1 < len(data) else 0
        if marker == 0xFF:
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        (length,) = struct.unpack_from(">H", data, at + 2)
        at += 2 + length
    return None
