"""Files that are whole or not there, whatever ends the program, and words for a disk without room."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield where to write; a kill or a full disk leaves the old file or the new one, never half of either.

    Raises:
        SystemExit: the file cannot be written; the message says why and how much room there is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"partial-{path.name}")
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        free = shutil.disk_usage(path.parent).free >> 20
        hint = f"{free} MB are free there; make room and run the same command again"
        raise SystemExit(f"cannot write {path}: {error.strerror or error}; {hint}") from error
    finally:
        partial.unlink(missing_ok=True)


def room_for(folder: Path, size: int) -> None:
    """Stop before large files are begun that their disk has no room for.

    Args:
        folder: where they will lie.
        size: bytes they will have.

    Raises:
        SystemExit: there is not that much room.
    """
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < size:
        need = f"{folder} needs {size >> 20} MB and {free >> 20} MB are free"
        raise SystemExit(f"{need}; make room, or give another folder with --build")
