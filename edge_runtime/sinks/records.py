"""The records of alerts, to be read: newest first, by id, their pictures and clips."""

from __future__ import annotations

import hashlib
import json
import os
import re
from typing import TYPE_CHECKING, Any

from edge_runtime.errors import InputError
from edge_runtime.sinks.record_file import CLIP, RECORD, SNAPSHOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Record = dict[str, Any]

_ID = re.compile(r"[0-9a-f]{8,64}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_NAME = re.compile(r"\d{9}-[0-9a-f]{8,64}")
_FILE = re.compile(r"\w[\w.-]{0,63}", re.ASCII)


class Records:
    """What a Recorder keeps in `folder`; reads only, in any process, while records come and go.

    A record is what its record.json holds: `event` (id, kind, source, at, time, data), `steps`, `files` and all that
    `replay` needs. An id that is none, or that nobody knows, has no record.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def all(self, *, limit: int | None = None, camera: str | None = None, kind: str | None = None) -> Iterator[Record]:
        """Yield the records, newest first, `limit` at most, of one camera or one kind of event where given."""
        found = 0
        for place in self._newest_first():
            if limit is not None and found >= limit:
                return
            record = _read(place)
            if record is None:
                continue
            event = record["event"]
            if (camera is None or event["source"] == camera) and (kind is None or event["kind"] == kind):
                found += 1
                yield record

    def read(self, event_id: str) -> Record | None:
        """Return the record of an event."""
        place = self.place(event_id)
        return _read(place) if place else None

    def snapshot(self, event_id: str) -> Path | None:
        """Return the picture with boxes, a JPEG file."""
        return self.file(event_id, SNAPSHOT)

    def clip(self, event_id: str) -> Path | None:
        """Return the clip, an AVI file of JPEG pictures; it comes some seconds after the alert."""
        return self.file(event_id, CLIP)

    def file(self, event_id: str, name: str) -> Path | None:
        """Return one of the files that a record names."""
        place = self.place(event_id)
        record = _read(place) if place else None
        if not place or not record or name not in record["files"]:
            return None
        path = place / name
        return path if _is_own(path) else None

    def place(self, event_id: str) -> Path | None:
        """Return the folder of a record."""
        if not _ID.fullmatch(event_id):
            return None
        for day in reversed(_days(self.folder)):
            for place in day.glob(f"*-{event_id}"):
                if place.is_dir() and not place.is_symlink():
                    return place
        return None

    def _newest_first(self) -> Iterator[Path]:
        for day in reversed(_days(self.folder)):
            yield from reversed(_sorted(day, _NAME))

    def changed(self, event_id: str) -> tuple[str, ...]:
        """Return the files of a record that are missing or not as they were written.

        Raises:
            InputError: there is no such record.
        """
        place = self.place(event_id)
        record = _read(place) if place else None
        if not place or not record:
            raise InputError(f"there is no record of event {event_id!r} in {self.folder}")
        return tuple(
            name for name, entry in record["files"].items() if _sha256(place / name) != entry.get("sha256", "")
        )


def record_folders(folder: Path) -> list[Path]:
    """Return the folders of all whole records, oldest first; a folder's name begins with its time of the day."""
    return [place for day in _days(folder) for place in _sorted(day, _NAME)]


def _days(folder: Path) -> list[Path]:
    return _sorted(folder, _DAY)


def _sorted(folder: Path, pattern: re.Pattern[str]) -> list[Path]:
    """Return the folders in a folder whose names fit; what lies elsewhere, behind a link, is nobody's to remove."""
    try:
        with os.scandir(folder) as entries:
            names = [one.name for one in entries if pattern.fullmatch(one.name) and one.is_dir(follow_symlinks=False)]
        return [folder / name for name in sorted(names)]
    except OSError:
        # Retention may have removed it since; where nothing was ever kept there is no folder.
        return []


def _read(place: Path) -> Record | None:
    """Return what a record's file holds, None where it is none: somebody else may have written it."""
    path = place / RECORD
    try:
        record: Record = json.loads(path.read_text(encoding="utf-8")) if _is_own(path) else {}
    except (OSError, ValueError, RecursionError):
        return None
    event, files = (record.get("event"), record.get("files")) if isinstance(record, dict) else (None, None)
    if not isinstance(event, dict) or not isinstance(files, dict):
        return None
    named = all(isinstance(event.get(key), str) for key in ("id", "kind", "source"))
    safe = all(_FILE.fullmatch(name) and isinstance(entry, dict) for name, entry in files.items())
    return record if named and safe else None


def _is_own(path: Path) -> bool:
    """Tell whether a path is a file of the record itself: no link to what is none of its readers' business, no pipe."""
    return path.is_file() and not path.is_symlink()


def _sha256(path: Path) -> str | None:
    if not _is_own(path):
        return None
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
