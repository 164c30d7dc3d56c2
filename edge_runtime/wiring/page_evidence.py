"""The evidence of alerts as the page asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_runtime.api.page_services import Kept
from edge_runtime.sinks.record_file import CLIP, FRAME, SNAPSHOT
from edge_runtime.sinks.records import record_folders
from edge_runtime.wiring.evidence import records_of

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from edge_runtime.config import Settings


class KeptEvidence:
    """Reads what the recorder keeps."""

    def __init__(self, settings: Settings) -> None:
        self._records = records_of(settings)

    def kept(self, event_ids: Collection[str]) -> Kept:
        """Return of which of these events there are pictures and films, by one walk through the folders."""
        places = {place.name.partition("-")[2]: place for place in record_folders(self._records.folder)}
        found = {one: places[one] for one in event_ids if one in places}
        return Kept(
            frozenset(one for one, place in found.items() if (place / SNAPSHOT).is_file()),
            frozenset(one for one, place in found.items() if (place / CLIP).is_file()),
        )

    def snapshot(self, event_id: str, *, boxes: bool = True) -> Path | None:
        """Return the picture as a JPEG file, or as a PNG file without what was drawn in; None where there is none."""
        return self._records.snapshot(event_id) if boxes else self._records.file(event_id, FRAME)

    def clip(self, event_id: str) -> Path | None:
        """Return the film, None where there is none."""
        return self._records.clip(event_id)
