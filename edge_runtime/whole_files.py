"""Files that are there as a whole or not at all, and arrays with facts in one of them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

MOST_BYTES = 2**28
"""An npz file unpacks to at most; a small file may claim to be any size."""
_FACTS = "facts"
_DAMAGED = (OSError, ValueError, KeyError, TypeError, RuntimeError, EOFError, MemoryError)


def write_whole(path: Path, content: str | bytes, *, durably: bool = True, private: bool = False) -> None:
    """Write a file, and the folder that it lies in: whatever is cut off, there is the old content or the new.

    Args:
        path: of the file.
        content: text is written as UTF-8.
        durably: once this returns, the content survives a power cut.
        private: for its owner's eyes alone.

    Raises:
        OSError: the disk refuses; nothing half-written is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two programs may write at the same time: each writes its own, and the last to be done counts.
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        with os.fdopen(
            os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if private else 0o666), "wb"
        ) as file:
            file.write(content.encode() if isinstance(content, str) else content)
            if durably:
                file.flush()
                os.fsync(file.fileno())
        fresh.replace(path)
        if durably:
            # Until then the old content may come back.
            sync_folder(path.parent)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Make sure that the names in a folder survive a power cut.

    Raises:
        OSError: the disk refuses.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def packed(arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, object] | None = None) -> bytes:
    """Return arrays, and facts that are JSON values, as the content of an npz file."""
    told = {} if facts is None else {_FACTS: np.array(json.dumps(facts))}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays, **told)
    return buffer.getvalue()


def unpacked(content: bytes) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return the arrays and the facts of an npz file's content; no facts where there are none.

    Raises:
        ValueError: it is damaged, or no such file.
    """
    arrays = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(member.file_size for member in archive.infolist()) > MOST_BYTES:
                raise ValueError(f"it unpacks to more than {MOST_BYTES >> 20} MB")
            for name in archive.namelist():
                # Read to its end first: only then has its checksum been compared.
                member = io.BytesIO(archive.read(name))
                arrays[name.removesuffix(".npy")] = np.load(member, allow_pickle=False)
        facts = dict(json.loads(str(arrays.pop(_FACTS)))) if _FACTS in arrays else {}
    except (*_DAMAGED, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"no whole npz file: {error}") from None
    return arrays, facts
