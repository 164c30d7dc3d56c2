"""Alerts, frames and a recorder as tests need them."""

from __future__ import annotations

import struct
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.metrics import Metrics
from edge_runtime.sinks.clip_file import FPS
from edge_runtime.sinks.evidence_folder import EvidenceFolder
from edge_runtime.sinks.record_file import Origin
from edge_runtime.sinks.recorder import Extent, Recorder
from edge_runtime.types import AudioChunk, Detection, Event, Frame, Look, Sight, Step, Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_runtime.types import Image

NOON = 1_795_435_200.0
ORIGIN = Origin({"vision": {"motion_area": 0.002}}, "0" * 64, {"name": "tiny", "sha256": "1" * 64}, {"python": "3"})
CAT = Detection("cat", float(np.float32(0.9)), (0.1, 0.2, 1 / 3, 0.9))


def picture(seed: int = 0, size: tuple[int, int] = (48, 64)) -> Image:
    """Return noise, (height, width), which no codec that loses something gives back."""
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def frame(at: float, seed: int = 0, source: str = "door") -> Frame:
    return Frame(source, at, picture(seed))


def alert(at: float | None = None, source: str = "door", seed: int = 0, **more: Any) -> Event:
    """Return an alert of a picture; `more` goes into its trace."""
    at = time.monotonic() if at is None else at
    look = Look((CAT,), (), {"cat": CAT.score}, np.linspace(0, 1, 8, dtype=np.float32))
    sight = Sight(frame(at, seed, source), look, 0.1 + 0.2, True, (0.5,), datetime(2026, 11, 23, 12, tzinfo=UTC))  # noqa: FBT003 - a field of a record
    trace = Trace("rules", {"told": [[1, 0.1, "x"]]}, **{"sight": sight, **more})
    steps = (Step("motion", {"area": 0.1 + 0.2, "moving": True}), Step("zone", {"name": "yard"}))
    return Event("zone", source, at, {"zone": "yard", "type": "enter", "label": "cat"}, steps=steps, trace=trace)


def clip_pictures(path: Path) -> Iterator[tuple[float, bytes]]:
    """Yield each moment of a clip that shows something new: seconds from the start, and its JPEG."""
    data = path.read_bytes()
    place = data.index(b"movi") + 4
    stop = place - 4 + struct.unpack_from("<I", data, place - 8)[0]
    number = 0
    while place < stop:
        (length,) = struct.unpack_from("<I", data, place + 4)
        if length:
            yield number / FPS, data[place + 8 : place + 8 + length]
        place += 8 + length + length % 2
        number += 1
    assert data[place : place + 4] == b"idx1"


def heard(at: float, source: str = "kitchen") -> Event:
    chunk = AudioChunk(source, at, np.sin(np.arange(16_000, dtype=np.float32) / 7))
    trace = Trace("sounds", {}, heard=chunk)
    return Event(
        "anomaly", source, at, {"unusual": "sound", "score": 0.9}, steps=(Step("rare", {"p": 0.001}),), trace=trace
    )


def bank(seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(50, 8)).astype(np.float32)


def recorder(
    path: Path,
    *,
    days: float = 30,
    mb: float = 100,
    extent: Extent = Extent(1.0, 1.0, 100.0),  # noqa: B008 - frozen
    clock: Callable[[], float] = time.time,
) -> Recorder:
    return Recorder(EvidenceFolder(path, days, mb), extent, lambda _: ORIGIN, Metrics(), clock)


def count(keeper: Recorder, outcome: str) -> int:
    """Return of how many alerts evidence was "kept", "failed" to be, or was "dropped"."""
    value = keeper._metrics.registry.get_sample_value("edge_evidence_total", {"outcome": outcome})
    return round(value or 0)
