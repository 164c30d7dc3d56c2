"""The ledger of what left the box: JSON lines chained by their hashes, on disk before anything is sent."""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from edge_runtime.cloud.chain import Link, is_whole, read_line, seal
from edge_runtime.errors import CloudError
from edge_runtime.whole_files import sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

logger = logging.getLogger(__name__)

HEAD = "head.json"
LOCK = "lock"
NAME = "ledger-{:06d}.jsonl"
PATTERN = "ledger-[0-9][0-9][0-9][0-9][0-9][0-9].jsonl"
_TAIL = 1 << 16


class Ledger:
    """Appends entries to one chain; safe across threads, processes and crashes.

    A line that was cut short by a crash is put aside, and the chain goes on with an entry of the kind "repair". What a
    "repair" says is lost although it had been written can only have been removed or changed by somebody.

    Args:
        folder: holds ledger-000001.jsonl and so on, and the head, from which a missing end is told.
        file_bytes: a file that has grown to this size is followed by a new one; none is ever deleted.
    """

    def __init__(self, folder: Path, file_bytes: int = 32_000_000) -> None:
        self.folder = folder
        self._file_bytes = file_bytes

    def append(self, fields: Mapping[str, Any]) -> Link:
        """Write one entry and wait until the disk has it; returns its place in the chain.

        Args:
            fields: JSON values; "seq", "prev" and "hash" are added.

        Raises:
            CloudError: it cannot be written; nothing may be sent then.
        """
        try:
            with self._locked():
                path, last = self._open_end(str(fields["at"]))
                return self._write(path, fields, last)
        except (OSError, ValueError, TypeError) as error:
            raise CloudError(
                f"the ledger {self.folder} cannot be written ({error}), so nothing is sent; free space or mend "
                "device.data_dir"
            ) from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Another opening of the file excludes other threads as well as other processes.
        with (self.folder / LOCK).open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _open_end(self, at: str) -> tuple[Path, Link]:
        """Return the file to write to and where the chain stands, after mending what a crash left."""
        files = ledger_files(self.folder)
        head, last, torn = read_head(self.folder), Link(), {}
        path = files[-1] if files else self.folder / NAME.format(1)
        if files:
            if not path.is_file():
                raise OSError(f"{path.name} is no file")
            torn = _put_torn_aside(path, head)
            last = _last(path, head)
        if torn or head.seq > last.seq:
            last = self._repair(path, last, head, torn, at)
        if files and path.stat().st_size >= self._file_bytes:
            after = self.folder / NAME.format(int(path.stem[-6:]) + 1)
            begin = {"kind": "begin", "at": at, "after": path.name}
            path, last = after, self._write(after, begin, last)
        return path, last

    def _repair(self, path: Path, last: Link, head: Link, torn: Mapping[str, Any], at: str) -> Link:
        """Say in the chain what is missing from it."""
        fields: dict[str, Any] = {"kind": "repair", "at": at, **torn}
        if head.seq > last.seq:
            fields["lost"] = {"from": last.seq + 1, "to": head.seq}
            logger.warning("entries %d to %d are missing from the ledger %s", last.seq + 1, head.seq, path)
        return self._write(path, fields, head if head.seq > last.seq else last)

    def _write(self, path: Path, fields: Mapping[str, Any], last: Link) -> Link:
        line, now = seal(fields, last)
        new = not path.exists()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._write_head(now)
        if new:
            sync_folder(self.folder)
        return now

    def _write_head(self, now: Link) -> None:
        temporary = self.folder / f"{HEAD}.new"
        with temporary.open("w", encoding="ascii") as file:
            json.dump({"seq": now.seq, "hash": now.hash}, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.folder / HEAD)


def ledger_files(folder: Path) -> list[Path]:
    """Return the files of a ledger, the oldest first."""
    return sorted(folder.glob(PATTERN))


def read_head(folder: Path) -> Link:
    """Return where the chain stood when it was last written; its very beginning where that is not known."""
    try:
        head = json.loads((folder / HEAD).read_text(encoding="ascii"))
        return Link(int(head["seq"]), str(head["hash"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Link()


def _put_torn_aside(path: Path, head: Link) -> dict[str, Any]:
    """Move what follows the last line break to a file of its own; returns what to say about it."""
    with path.open("r+b") as file:
        end = _end_of_last_line(file.fileno())
        file.seek(end)
        torn = file.read()
        if not torn:
            return {}
        aside = path.with_name(f"{path.stem}.torn-{head.seq + 1}")
        with aside.open("ab") as kept:
            kept.write(torn)
            kept.flush()
            os.fsync(kept.fileno())
        file.truncate(end)
        os.fsync(file.fileno())
    logger.warning("a line of the ledger %s was cut short; it is kept in %s", path, aside)
    return {"torn": aside.name, "torn_sha256": hashlib.sha256(torn).hexdigest(), "torn_bytes": len(torn)}


def _last(path: Path, head: Link) -> Link:
    """Return where the chain stands by the file's last line, by the head where that line was changed."""
    with path.open("rb") as file:
        end = _end_of_last_line(file.fileno())
        start = _end_of_last_line(file.fileno(), end - 1) if end else 0
        file.seek(start)
        entry = read_line(file.read(end - start))
    if entry is not None and is_whole(entry):
        return Link(entry["seq"], entry["hash"])
    if head.seq or entry is None:
        return head
    return Link(entry["seq"], entry["hash"])


def _end_of_last_line(descriptor: int, before: int | None = None) -> int:
    """Return the place after the last line break among the bytes up to `before`."""
    at = os.fstat(descriptor).st_size if before is None else before
    while at > 0:
        start = max(at - _TAIL, 0)
        found = os.pread(descriptor, at - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        at = start
    return 0
