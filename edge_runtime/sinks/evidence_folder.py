"""The folder of records on disk: each appears whole or not at all, and the oldest go by age and by bytes."""

from __future__ import annotations

import bisect
import hashlib
import os
import shutil
from collections import OrderedDict
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from edge_runtime.errors import SinkError
from edge_runtime.sinks.records import record_folders
from edge_runtime.types import CLOCK_SET_AFTER
from edge_runtime.whole_files import sync_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LEAST_FREE = 100_000_000
"""Bytes of the disk that are left to the spool and all else."""

_BLOCK = 4096
_DAY_S = 86_400.0
_NEW = ".new-"
_REMEMBERED = 64


class EvidenceFolder:
    """Writes and removes records; one thread at a time may call it.

    Equal files of several records, such as one clip of three alerts, share their bytes through hard links where the
    disk has them; whichever record goes first, the others keep theirs.

    Args:
        path: the folder; only its owner may read it.
        days: older records go.
        mb: disk space at most, in 10^6 bytes; the oldest records go.
    """

    def __init__(self, path: Path, days: float, mb: float) -> None:
        self.path = path
        self.opened = False
        self.used = 0
        self.written = 0
        self._keep_s = days * _DAY_S
        self._most = round(mb * 1_000_000)
        self._known: OrderedDict[str, Path] = OrderedDict()
        self._places: list[Path] = []

    def open(self, now: float) -> None:
        """Make the folder, take away what a power cut left half-written, count what is there, forget what is too old.

        Raises:
            SinkError: the folder cannot be made or read.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.path.chmod(0o700)
            for left in self.path.glob(f"{_NEW}*"):
                shutil.rmtree(left, ignore_errors=True)
            self._places = record_folders(self.path)
            self.used = self._count()
        except OSError as error:
            raise SinkError(f"evidence folder {self.path} cannot be used ({error.strerror})") from None
        self.opened = True
        self.tidy(now)

    def add(self, event_id: str, wall: float, files: Mapping[str, bytes]) -> Path:
        """Write a new record and return its folder; `wall` is the Unix time of its event.

        Raises:
            SinkError: there is no space, or the disk takes nothing.
        """
        need = sum(_size(len(data)) for data in files.values())
        self._make_room(need, wall)
        when = datetime.fromtimestamp(wall, UTC)
        day = self.path / when.strftime("%Y-%m-%d")
        scratch, before = self.path / f"{_NEW}{event_id}", self.used
        place = day / f"{when:%H%M%S}{when.microsecond // 1000:03d}-{event_id}"
        try:
            scratch.mkdir(mode=0o700)
            for name, data in files.items():
                self._place(scratch / name, data)
            sync_folder(scratch)
            day.mkdir(exist_ok=True, mode=0o700)
            scratch.rename(place)
            sync_folder(day)
        except OSError as error:
            shutil.rmtree(scratch, ignore_errors=True)
            self.used = before
            raise SinkError(f"evidence folder {self.path} takes no record ({error.strerror})") from None
        for digest, path in self._known.items():
            if path.parent == scratch:
                self._known[digest] = place / path.name
        # The clock may have been put back.
        bisect.insort(self._places, place)
        return place

    def extend(self, place: Path, files: Mapping[str, bytes]) -> None:
        """Add files to a record, or put new ones in their place, each at once or not at all.

        Raises:
            SinkError: the record has gone, there is no space, or the disk takes nothing.
        """
        need = sum(_size(len(data)) for data in files.values())
        self._make_room(need, None)
        for name, data in files.items():
            scratch = place / f"{_NEW}{name}"
            try:
                self._place(scratch, data)
                with suppress(FileNotFoundError):
                    self.used -= _size((place / name).stat().st_size)
                scratch.replace(place / name)
            except OSError as error:
                with suppress(OSError):
                    scratch.unlink()
                raise SinkError(f"record {place} takes no {name} ({error.strerror})") from None
            for digest, path in self._known.items():
                if path == scratch:
                    self._known[digest] = place / name

    def tidy(self, now: float) -> None:
        """Forget what is older than the days allow; `now` is Unix time, and before 2024 it was never set."""
        if now < CLOCK_SET_AFTER:
            return
        today = f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d}"
        limit = datetime.fromtimestamp(max(now - self._keep_s, 0.0), UTC)
        oldest = f"{limit:%Y-%m-%d}/{limit:%H%M%S}"
        while self._places:
            place = self._places[0]
            if place.parent.name < f"{datetime.fromtimestamp(CLOCK_SET_AFTER, UTC):%Y-%m-%d}":
                # Kept while the clock was not set: its days begin now.
                self._redate(place, today)
            elif f"{place.parent.name}/{place.name}" < oldest:
                self._remove_oldest()
            else:
                return

    def _count(self) -> int:
        """Return the bytes that all records take, what they share counted once."""
        used, seen = 0, set()
        for place in self._places:
            for entry in os.scandir(place):
                info = entry.stat(follow_symlinks=False)
                if entry.name.startswith(_NEW) and entry.is_file(follow_symlinks=False):
                    (place / entry.name).unlink()
                elif info.st_ino not in seen:
                    seen.add(info.st_ino)
                    used += _size(info.st_size)
        return used

    def _make_room(self, need: int, now: float | None) -> None:
        if now is not None:
            self.tidy(now)
        while self._places and self.used + need > self._most:
            self._remove_oldest()
        if self.used + need > self._most:
            raise SinkError(f"a record of {need / 1e6:.1f} MB is more than evidence.mb = {self._most / 1e6:.0f} allows")
        try:
            free = shutil.disk_usage(self.path).free
        except OSError as error:
            raise SinkError(f"evidence folder {self.path} cannot be used ({error.strerror})") from None
        if free < need + LEAST_FREE:
            raise SinkError(
                f"the disk of {self.path} has {free / 1e6:.0f} MB left; no evidence is kept until it has more"
            )

    def _remove_oldest(self) -> None:
        place = self._places.pop(0)
        try:
            for entry in os.scandir(place):
                info = entry.stat(follow_symlinks=False)
                self.used -= _size(info.st_size) if info.st_nlink == 1 else 0
            shutil.rmtree(place)
        except FileNotFoundError:
            return
        except OSError as error:
            raise SinkError(f"record {place} cannot be removed ({error.strerror})") from None
        with suppress(OSError):
            place.parent.rmdir()

    def _redate(self, place: Path, today: str) -> None:
        self._places.pop(0)
        target = self.path / today / place.name
        try:
            target.parent.mkdir(exist_ok=True, mode=0o700)
            place.rename(target)
        except OSError as error:
            raise SinkError(f"record {place} cannot be given a date ({error.strerror})") from None
        self._known = OrderedDict((d, target / p.name if p.parent == place else p) for d, p in self._known.items())
        with suppress(OSError):
            place.parent.rmdir()
        bisect.insort(self._places, target)

    def _place(self, path: Path, data: bytes) -> None:
        """Write a file, or link it to an equal one of an earlier record."""
        digest = hashlib.sha256(data).hexdigest()
        known = self._known.get(digest)
        if known is not None:
            with suppress(OSError):
                path.hardlink_to(known)
                return
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(file, "wb") as out:
            out.write(data)
            out.flush()
            # One for each file of an alert: what somebody pulls the plug for should be there afterwards.
            os.fsync(out.fileno())
        self.used += _size(len(data))
        self.written += _size(len(data))
        self._known[digest] = path
        self._known.move_to_end(digest)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)


def _size(length: int) -> int:
    """Return what a file takes on the disk: whole blocks."""
    return -(-length // _BLOCK) * _BLOCK
