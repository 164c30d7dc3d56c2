"""Clips as AVI files of JPEG pictures, written without encoding anything anew."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edge_runtime.sinks.clip_ring import Picture

FPS = 5
_HAS_INDEX = 0x10
_KEYFRAME = 0x10


def clip_bytes(pictures: Sequence[Picture], begin: float, end: float) -> bytes:
    """Return an AVI file that shows the pictures from `begin` to `end` at their time, 5 a second.

    Where there is no new picture the last one stays (an empty chunk). Pictures of another size than the first are
    passed over. Layout: "AVI RIFF File Reference", Microsoft, and OpenDML 1.02.
    """
    width, height = pictures[0].width, pictures[0].height
    usable = [picture for picture in pictures if (picture.width, picture.height) == (width, height)]
    slots = list(_slots(usable, begin, end))
    chunks, index, offset = [], [], 4
    for jpeg in slots:
        index.append(struct.pack("<4sIII", b"00dc", _KEYFRAME if jpeg else 0, offset, len(jpeg)))
        chunk = _chunk(b"00dc", jpeg)
        chunks.append(chunk)
        offset += len(chunk)
    biggest = max(len(jpeg) for jpeg in slots)
    head = _header(len(slots), (width, height), biggest)
    movie = b"movi" + b"".join(chunks)
    return _chunk(b"RIFF", b"AVI " + head + _chunk(b"LIST", movie) + _chunk(b"idx1", b"".join(index)))


def _slots(pictures: Sequence[Picture], begin: float, end: float) -> Iterator[bytes]:
    """Yield what each fifth of a second shows: the newest picture by then, nothing if it is already shown."""
    shown, place = -1, 0
    begin = max(begin, pictures[0].at)
    for tick in range(max(1, int((end - begin) * FPS) + 1)):
        at = begin + tick / FPS
        # The picture nearest before the end of the slot, as pictures do not come on the tick.
        while place + 1 < len(pictures) and pictures[place + 1].at <= at + 0.5 / FPS:
            place += 1
        yield pictures[place].jpeg if place != shown else b""
        shown = place


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _header(count: int, size: tuple[int, int], biggest: int) -> bytes:
    width, height = size
    main = struct.pack(
        "<14I", 1_000_000 // FPS, biggest * FPS, 0, _HAS_INDEX, count, 0, 1, biggest, width, height, 0, 0, 0, 0
    )
    rate = struct.pack("<7I", 1, FPS, 0, count, biggest, 0xFFFFFFFF, 0)
    stream = b"vidsMJPG" + struct.pack("<3I", 0, 0, 0) + rate + struct.pack("<4H", 0, 0, width, height)
    bitmap = struct.pack("<IiiHH4sIiiII", 40, width, height, 1, 24, b"MJPG", width * height * 3, 0, 0, 0, 0)
    streams = b"strl" + _chunk(b"strh", stream) + _chunk(b"strf", bitmap)
    return _chunk(b"LIST", b"hdrl" + _chunk(b"avih", main) + _chunk(b"LIST", streams))
