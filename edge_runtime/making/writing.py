"""A bundle appears whole or not at all: it is written beside its place and put there in one move."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_runtime.bundles.manifest import Manifest
from edge_runtime.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LIBRARIES = ("edge-runtime", "onnx", "onnxruntime", "optimum-onnx", "torch", "transformers")
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Facts:
    """What a bundle is and where it came from.

    Attributes:
        name: of the model.
        version: of the model.
        license: of the model.
        source: where it came from, in words.
        parts: keys of the manifest with their values.
        numbers: what was measured, by file.
        how: what was done with each file, by file.
    """

    name: str
    version: str
    license: str
    source: str
    parts: Mapping[str, Any]
    numbers: Mapping[str, Any]
    how: Mapping[str, str]


def check_place(out: Path, *, force: bool) -> None:
    """Refuse a place where something would be lost.

    Raises:
        InputError: there is a file, or a folder that is not empty; with `force`, one that is no bundle.
    """
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise InputError(f"{out}: is no folder; name a new folder for the bundle")
    if not out.is_dir() or not any(out.iterdir()):
        return
    if not force:
        raise InputError(f"{out}: the folder is not empty; name a new one, or replace the bundle in it with --force")
    if not (out / "manifest.json").is_file() or any(path.is_dir() for path in out.iterdir()):
        raise InputError(f"{out}: --force replaces bundles alone, and this folder holds something else; empty it first")


@contextmanager
def appearing(out: Path, *, force: bool) -> Iterator[Path]:
    """Give a folder to write in, which becomes `out` if all goes well and vanishes if not.

    Raises:
        InputError: `out` is taken, or its parent cannot be written to.
    """
    check_place(out, force=force)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror}); choose another --out") from None
    try:
        staging.chmod(0o755)
        yield staging
        check_place(out, force=force)
        _swap(staging, out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _swap(staging: Path, out: Path) -> None:
    if not out.is_dir():
        staging.rename(out)
        return
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-old-", dir=out.parent) as old:
        out.rename(Path(old) / "bundle")
        staging.rename(out)


def write_manifest(folder: Path, facts: Facts) -> Manifest:
    """Write manifest.json for the files that lie in `folder`, and read it back as the runtime will."""
    names = sorted(path.name for path in folder.iterdir() if path.name != "manifest.json")
    data = {
        "format": 1,
        "name": facts.name,
        "version": facts.version,
        "created": datetime.now(UTC).date().isoformat(),
        "license": facts.license,
        "files": {name: {"sha256": _sha256(folder / name), "bytes": (folder / name).stat().st_size} for name in names},
        **facts.parts,
        "numbers": _rounded(facts.numbers),
        "teachers": [],
        "sources": [facts.source],
        "built": {"how": dict(facts.how), "versions": _versions()},
    }
    text = json.dumps(data, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    (folder / "manifest.json").write_text(text, encoding="utf-8")
    manifest = Manifest.load(folder)
    manifest.verify()
    return manifest


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    return {key: _rounded(inner) for key, inner in value.items()} if hasattr(value, "items") else value


def _versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
