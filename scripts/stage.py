"""The frame of the model factory: what a stage reads, what it writes, and when it need not run again."""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import time
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    from tqdm import tqdm

REPOSITORY = Path(__file__).resolve().parent.parent
LIBRARIES = (
    "numpy",
    "torch",
    "transformers",
    "optimum-onnx",
    "onnx",
    "onnxruntime",
    "tokenizers",
    "opencv-python-headless",
)

T = TypeVar("T")


def sha256(path: Path) -> str:
    """Return the hex sha256 of a file, or of a folder's names and contents."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    digest = hashlib.sha256()
    for part in sorted(p for p in path.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
        digest.update(f"{part.relative_to(path).as_posix()} {sha256(part)}\n".encode())
    return digest.hexdigest()


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that a kill leaves the old one or the new one, never half of either."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def versions() -> dict[str, str]:
    """Return the versions of the libraries that decide what a stage produces."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@dataclass(frozen=True)
class Workshop:
    """Where one recipe finds its material and leaves its work.

    Attributes:
        recipe: the recipe.toml; its folder is the model's, its `name` names the build folder.
        data: folder of the training data.
        teachers: folder of the teacher models.
        build: folder that holds one folder per model, and in it one per stage.
        force: run a stage although nothing has changed.
    """

    recipe: Path
    data: Path
    teachers: Path
    build: Path
    force: bool = False

    @classmethod
    def from_arguments(cls, description: str, arguments: list[str] | None = None) -> Self:
        """Read the options that every stage has in common."""
        parser = argparse.ArgumentParser(description=description)
        shared = REPOSITORY.parent / "shared"
        recipe = REPOSITORY / "models" / "omni_nano" / "recipe.toml"
        parser.add_argument("--recipe", type=Path, default=recipe, help="what to build")
        parser.add_argument("--data", type=Path, default=shared / "data", help="training data")
        parser.add_argument("--teachers", type=Path, default=shared / "teachers", help="teacher models")
        parser.add_argument("--build", type=Path, default=REPOSITORY / "build", help="where the stages write")
        parser.add_argument("--force", action="store_true", help="run although nothing has changed")
        given = parser.parse_args(arguments)
        return cls(given.recipe, given.data, given.teachers, given.build, given.force)

    @property
    def settings(self) -> dict[str, Any]:
        """Return the whole recipe."""
        with self.recipe.open("rb") as file:
            return tomllib.load(file)

    @property
    def model(self) -> Path:
        """Return the folder of the model's own files, such as models/omni_nano."""
        return self.recipe.resolve().parent

    def folder(self, stage: str) -> Path:
        """Return the folder that a stage writes, such as build/omni-nano/distil."""
        return self.build / str(self.settings["name"]) / stage

    def output(self, stage: str, name: str) -> Path:
        """Return a file that another stage wrote.

        Raises:
            SystemExit: that stage has not run yet.
        """
        path = self.folder(stage) / name
        if not path.exists():
            raise SystemExit(f"{path} is missing; run scripts/{stage}.py first")
        return path


@dataclass
class Stage:
    """One step of a recipe, used as a context: leaving it without an error writes stage.json.

    Attributes:
        inputs: files and folders read, by a name that does not depend on the machine.
        code: source files that decide the result.
        tables: names of the recipe's tables that this stage reads.
        outputs: file names that it leaves in its folder.
        numbers: what it measured.
        part: names the record when two stages share a folder: stage.<part>.json.
    """

    workshop: Workshop
    name: str
    inputs: Mapping[str, Path]
    code: Iterable[Path] = ()
    tables: Iterable[str] = ()
    outputs: tuple[str, ...] = ()
    part: str = ""
    numbers: dict[str, Any] = field(default_factory=dict)
    _started: float = 0.0
    _read: dict[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Return the folder that this stage writes."""
        return self.workshop.folder(self.name)

    @property
    def record_path(self) -> Path:
        """Return the path of this stage's stage.json."""
        return self.folder / (f"stage.{self.part}.json" if self.part else "stage.json")

    def settings(self) -> dict[str, Any]:
        """Return the recipe's tables that this stage reads."""
        recipe = self.workshop.settings
        return {name: recipe[name] for name in self.tables if name in recipe}

    def _identity(self) -> dict[str, Any]:
        missing = [f"{name} ({path})" for name, path in self.inputs.items() if not path.exists()]
        if missing:
            raise SystemExit(f"{self.name} needs {', '.join(missing)}")
        return {
            "inputs": {name: sha256(path) for name, path in sorted(self.inputs.items())},
            "code": {path.name: sha256(path) for path in sorted(self.code)},
            "settings": self.settings(),
        }

    def fresh(self) -> bool:
        """Tell whether the last run had the same inputs, code and settings and its outputs are still there."""
        if self.workshop.force or not self.record_path.exists():
            return False
        record = json.loads(self.record_path.read_text(encoding="utf-8"))
        if any(record.get(key) != value for key, value in self._identity().items()):
            return False
        found = {name: sha256(self.folder / name) for name in self.outputs if (self.folder / name).exists()}
        return bool(record["outputs"] == found)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._started = time.monotonic()
        self._read = self._identity()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is not None:
            return
        record = {
            "stage": self.name,
            "model": self.workshop.settings["name"],
            **self._read,
            "versions": versions(),
            "outputs": {name: sha256(self.folder / name) for name in self.outputs},
            "numbers": self.numbers,
            "seconds": round(time.monotonic() - self._started, 1),
        }
        write_atomically(self.record_path, json.dumps(record, indent=1, sort_keys=True) + "\n")
        print(f"{self.name}: {json.dumps(self.numbers)} in {record['seconds']} s")


def progress(steps: Iterable[T], title: str, *, total: int | None = None, done: int = 0) -> tqdm[T]:
    """Show how far a long loop is and how long it still takes."""
    from tqdm import tqdm  # noqa: PLC0415  # the build extra; reading a stage.json must not need it

    return tqdm(steps, desc=title, total=total, initial=done, mininterval=2.0, smoothing=0.05)


def save_checkpoint(path: Path, **state: Any) -> None:
    """Save training state so that a kill at any moment leaves a whole checkpoint."""
    import torch  # noqa: PLC0415  # the build extra

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    torch.save(state, partial)
    partial.replace(path)


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """Return the state saved last, or None when there is none."""
    import torch  # noqa: PLC0415  # the build extra

    if not path.exists():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=False)
    return state
