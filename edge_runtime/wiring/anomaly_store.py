"""What was learnt as normal, on disk: one file for each name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from edge_runtime.decision.anomaly_levels import LevelMemory
from edge_runtime.errors import InputError
from edge_runtime.whole_files import packed, unpacked, write_whole

if TYPE_CHECKING:
    from pathlib import Path

Kind: TypeAlias = Literal["picture", "sound"]

FOLDER = "anomaly"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Normal:
    """What was learnt under a name.

    Attributes:
        memory: of its cells.
        kind: what files it was learnt from.
        model: sha256 of the model that made the cells; cells of another model mean nothing to it.
        files: how many it was learnt from.
    """

    memory: LevelMemory
    kind: Kind
    model: str
    files: int


class AnomalyStore:
    """The folder of all that was learnt, NAME.npz each.

    Args:
        folder: of the box's data; made when something is learnt.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER

    def names(self) -> list[str]:
        """Return what things were learnt under, by the alphabet."""
        return sorted(path.stem for path in self._folder.glob("*.npz")) if self._folder.is_dir() else []

    def load(self, name: str) -> Normal | None:
        """Return what was learnt under a name, None where nothing was.

        Raises:
            InputError: this is no name, or the file is damaged.
        """
        path = self._path(name)
        try:
            arrays, facts = unpacked(path.read_bytes())
            memory = LevelMemory.from_arrays(arrays)
            return Normal(memory, facts["kind"], str(facts["model"]), int(facts["files"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} is damaged ({error}); forget {name} and learn it again") from None

    def find(self, name: str) -> Normal:
        """Return what was learnt under a name.

        Raises:
            InputError: nothing was, or the file is damaged.
        """
        found = self.load(name)
        if found is None:
            known = ", ".join(self.names()) or "nothing"
            raise InputError(f"nothing is learnt under {name!r}; learnt: {known}; use: anomaly learn {name} PATH...")
        return found

    def save(self, name: str, normal: Normal) -> None:
        """Keep it; the file appears whole or not at all.

        Raises:
            InputError: this is no name, or the disk refuses.
        """
        path = self._path(name)
        facts = {"kind": normal.kind, "model": normal.model, "files": normal.files}
        try:
            write_whole(path, packed(normal.memory.to_arrays(), facts))
        except OSError as error:
            advice = "free space or mend device.data_dir"
            raise InputError(f"{path} cannot be written ({error.strerror}); {advice}") from None

    def forget(self, name: str) -> None:
        """Remove what was learnt under a name, be it damaged.

        Raises:
            InputError: nothing was, or the disk refuses.
        """
        path = self._path(name)
        if not path.exists():
            self.find(name)
        try:
            path.unlink()
        except OSError as error:
            raise InputError(f"{path} cannot be removed ({error.strerror})") from None

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise InputError(
                f"name {name!r}: give 1 to 64 of the letters a to z, digits, '.', '_' and '-', a letter or digit first"
            )
        return self._folder / f"{name}.npz"
