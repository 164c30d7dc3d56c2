"""An alert becomes a record: its JSON and its files, in memory."""

from __future__ import annotations

import hashlib
import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.sinks import record_file
from edge_runtime.sinks.alert_picture import alert_picture
from edge_runtime.sinks.clip_ring import shrunk
from edge_runtime.sinks.encoding import jpeg, png
from edge_runtime.types import CLOCK_SET_AFTER

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_runtime.sinks.record_file import Facts, Origin
    from edge_runtime.types import Event, Image

    Files = dict[str, bytes]


class RecordMaker:
    """Makes records."""

    def __init__(self) -> None:
        self._last_png: tuple[Image, bytes] | None = None

    def make(self, event: Event, origin: Origin, wall: float, *, whole: bool) -> tuple[Facts, Files]:
        """Return what record.json holds and all files, record.json among them.

        Args:
            event: the alert.
            origin: which settings, bundle and program it came from.
            wall: its Unix time.
            whole: with everything that a replay needs; else with a small picture alone.

        Raises:
            SinkError: a picture cannot be encoded.
        """
        facts = _facts(event, origin, wall, whole=whole)
        picture = alert_picture(event)
        files: Files = {}
        if picture is not None:
            files[record_file.SNAPSHOT] = jpeg(picture) if whole else shrunk(picture, event.at).jpeg
        if whole:
            files |= self._sources(event, facts)
        return facts, with_record(facts, files)

    def _sources(self, event: Event, facts: Facts) -> Files:
        """Return what the decision was made from, nothing lost."""
        files: Files = {}
        trace = event.trace
        if trace is None:
            return files
        if trace.sight:
            files[record_file.FRAME] = self._png(trace.sight.frame.image)
        if trace.heard:
            files[record_file.HEARD] = _array_bytes(trace.heard.samples)
        for number, (name, array) in enumerate(sorted(trace.arrays.items())):
            files[f"array-{number}.npy"] = _array_bytes(array)
            facts["arrays"][name] = f"array-{number}.npy"
        return files

    def _png(self, image: Image) -> bytes:
        """Return a picture as PNG; several alerts of one look are usual."""
        if self._last_png is None or self._last_png[0] is not image:
            self._last_png = (image, png(image))
        return self._last_png[1]


def with_record(facts: Facts, files: Files) -> Files:
    """Return files with the record.json that names each by its hash, besides those that it named before."""
    for name, data in files.items():
        facts["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    return {**files, record_file.RECORD: record_file.text_of(facts)}


def _facts(event: Event, origin: Origin, wall: float, *, whole: bool) -> Facts:
    trace = event.trace
    told = record_file.told(event)
    steps = told.pop("steps")
    time = datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    heard = trace.heard if trace else None
    return {
        "format": record_file.FORMAT,
        "event": {"id": event.id, "time": time if wall >= CLOCK_SET_AFTER else None, **told},
        "steps": steps,
        "decider": trace.decider if trace else None,
        "before": dict(trace.before) if trace else None,
        "arrays": {},
        "sight": record_file.sight_facts(trace.sight) if trace and trace.sight else None,
        "heard": {"source": heard.source, "at": heard.at} if heard else None,
        "settings": dict(origin.settings),
        "settings_sha256": origin.settings_sha256,
        "bundle": dict(origin.bundle),
        "program": dict(origin.program),
        "whole": whole,
        "files": {},
    }


def _array_bytes(array: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()
