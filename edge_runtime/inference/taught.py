"""What the owner has taught this box, on disk: one small file of facts and one of numbers for each thing."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from edge_runtime.errors import BundleError, InputError
from edge_runtime.whole_files import packed, unpacked, write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

Kind: TypeAlias = Literal["wake", "sound", "command", "picture"]

MOST = 64
MOST_BYTES = 262_144
LONGEST_NAME = 64
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class TaughtThing:
    """One thing that was taught.

    Attributes:
        name: as the owner calls it; one name is one thing.
        kind: a wake word, a sound, a command, or what pictures show.
        model: sha256 of the model that heard its recordings; no other model can use what it heard or saw.
        facts: JSON values, such as a command's intent and how well it did.
        arrays: numbers, such as the phones of a phrase or the weights of a sound.
    """

    name: str
    kind: Kind
    model: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def check(self, model: str) -> None:
        """Refuse to be used with another model than it was taught with.

        Raises:
            BundleError: the bundle's model has changed since.
        """
        if self.model != model:
            raise BundleError(
                f"{self.kind} {self.name!r} was taught with another model ({self.model[:12]}, now {model[:12]}); "
                f"teach it again, or forget it with: edge-runtime teach remove {self.name!r}"
            )


class TaughtThings:
    """The folder of all that was taught.

    Args:
        folder: made when something is taught.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def all(self) -> list[TaughtThing]:
        """Return everything by name.

        Raises:
            InputError: a file is damaged.
        """
        files = sorted(self._folder.glob("*.json")) if self._folder.is_dir() else []
        return sorted((self._read(file) for file in files), key=lambda thing: thing.name)

    def of(self, kind: Kind) -> list[TaughtThing]:
        """Return everything of one kind by name.

        Raises:
            InputError: a file is damaged.
        """
        return [thing for thing in self.all() if thing.kind == kind]

    def keep(self, thing: TaughtThing) -> None:
        """Write it down, whole or not at all, in place of what had its name.

        Raises:
            InputError: the name is no name, too much was taught, or the disk refuses.
        """
        check_name(thing.name)
        names = {one.name for one in self.all()}
        if thing.name not in names and len(names) >= MOST:
            raise InputError(f"{len(names)} things are taught already; forget one with: edge-runtime teach remove NAME")
        numbers = packed(thing.arrays)
        if len(numbers) > MOST_BYTES:
            raise InputError(
                f"{thing.name!r} takes {len(numbers)} bytes, more than {MOST_BYTES}; give fewer recordings"
            )
        facts = {
            "format": _FORMAT,
            "name": thing.name,
            "kind": thing.kind,
            "model": thing.model,
            # The two files belong together: one of them may be old after a crash between them.
            "numbers": sha256(numbers).hexdigest(),
            **thing.facts,
        }
        path, told = self._path(thing.name), json.dumps(facts, ensure_ascii=False, indent=1)
        try:
            write_whole(path.with_suffix(".npz"), numbers)
            write_whole(path, told)
        except OSError as error:
            raise InputError(
                f"{path} cannot be written ({error.strerror}); free space or mend device.data_dir"
            ) from None

    def remove(self, name: str) -> None:
        """Forget it.

        Raises:
            InputError: there is no such thing, or the disk refuses.
        """
        path = self._path(name)
        if not path.exists():
            known = ", ".join(thing.name for thing in self.all()) or "nothing"
            raise InputError(f"nothing is taught under the name {name!r}; taught: {known}")
        try:
            path.unlink()
            path.with_suffix(".npz").unlink(missing_ok=True)
        except OSError as error:
            raise InputError(f"{path} cannot be removed ({error.strerror})") from None

    def _path(self, name: str) -> Path:
        plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40]
        return self._folder / f"{plain}-{sha256(name.encode()).hexdigest()[:8]}.json"

    def _read(self, path: Path) -> TaughtThing:
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            numbers = path.with_suffix(".npz").read_bytes()
            whole = facts.pop("numbers") == sha256(numbers).hexdigest()
            fits = whole and facts.pop("format") == _FORMAT and facts["kind"] in get_args(Kind)
            arrays, _ = unpacked(numbers)
            name, kind, model = (str(facts.pop(key)) for key in ("name", "kind", "model"))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path} is damaged ({error}); delete it and teach it again") from None
        if not fits:
            raise InputError(f"{path} and its .npz file do not belong together; delete both and teach it again")
        return TaughtThing(name, kind, model, facts, arrays)  # type: ignore[arg-type]


def check_name(name: str) -> None:
    """Refuse what is no name.

    Raises:
        InputError: it is empty, too long, or holds control characters.
    """
    if not name.strip() or name != name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise InputError(f"name {name!r}: give one of 1 to {LONGEST_NAME} letters, without spaces at its ends")
