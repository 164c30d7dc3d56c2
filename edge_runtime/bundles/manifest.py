"""Read a model bundle's manifest.json and prove that the bundle's files are the ones it names."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge_runtime.errors import BundleError

_PACKAGED = Path(__file__).resolve().parent / "omni_nano"
_SOURCE_TREE = Path(__file__).resolve().parents[2] / "models" / "omni_nano" / "bundle"

Scale = tuple[float, float]
"""A logistic calibration: probability = sigmoid(scale * logit + bias)."""


def default_bundle() -> Path:
    """Return the folder of omni-nano as shipped: inside the installed package, else in the source tree."""
    return _PACKAGED if _PACKAGED.is_dir() else _SOURCE_TREE


class Part(BaseModel):
    """A table of the manifest; unknown keys are refused and values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FileEntry(Part):
    """One file of the bundle."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int


class ImagePart(Part):
    """The picture tower and detector: pictures are resized to `area` pixels, sides multiples of `stride`."""

    file: str
    area: int
    stride: int


class TextPart(Part):
    """The text tower: its model, its tokenizer, and the longest sentence in tokens."""

    file: str
    tokenizer: str
    max_tokens: int


class DetectorPart(Part):
    """What the detector knows: labels in channel order, the rest by label."""

    labels: tuple[str, ...]
    thresholds: dict[str, float]
    calibration: dict[str, Scale]
    presence: dict[str, Scale]
    nms_iou: float


class ClassifyPart(Part):
    """Zero-shot classification: cosines are divided by `temperature`; each template holds one {}."""

    temperature: float = Field(gt=0)
    templates: tuple[str, ...] = Field(min_length=1)


class GatePart(Part):
    """Answers stay local above `local_threshold`, chosen so that at most a share `alpha` of them is wrong."""

    local_threshold: float
    alpha: float


class Manifest(Part):
    """A bundle: `load` reads it, `verify` checks every file, `path` finds one."""

    folder: Path = Field(exclude=True)
    format: Literal[1]
    name: str
    version: str
    created: str
    license: str
    files: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$")], FileEntry]
    embedding_size: int
    image: ImagePart
    text: TextPart
    detector: DetectorPart
    classify: ClassifyPart
    gate: GatePart
    numbers: dict[str, Any]
    teachers: tuple[str, ...]
    sources: tuple[str, ...]
    built: dict[str, Any]

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read `folder`/manifest.json; says nothing yet about the other files.

        Raises:
            BundleError: there is no manifest, or a key is missing, unknown or of the wrong type.
        """
        path = folder / "manifest.json"
        try:
            return cls.model_validate({**json.loads(path.read_text(encoding="utf-8")), "folder": folder})
        except OSError:
            raise BundleError(f"bundle {folder} has no readable manifest.json; reinstall the bundle") from None
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise BundleError(f"{path}: {key}: {first['msg'].lower()}; reinstall the bundle") from None
        except (ValueError, TypeError) as error:
            raise BundleError(f"{path} is not a JSON object ({error}); reinstall the bundle") from None

    def verify(self) -> None:
        """Check the sha256 of every file.

        Raises:
            BundleError: naming the first file that is missing or changed, what was expected and what was found.
        """
        for name, entry in self.files.items():
            try:
                with (self.folder / name).open("rb") as file:
                    found = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError:
                raise BundleError(f"bundle {self.folder}: {name} is missing; reinstall the bundle") from None
            if found != entry.sha256:
                expected = f"the manifest says {entry.sha256}"
                raise BundleError(f"bundle {self.folder}: {name} has sha256 {found}, {expected}; reinstall the bundle")

    def path(self, name: str) -> Path:
        """Return the path of one of the bundle's files.

        Raises:
            BundleError: the manifest does not list it, so nothing vouches for it.
        """
        if name not in self.files:
            raise BundleError(f"bundle {self.folder}: {name} is not listed in the manifest; reinstall the bundle")
        return self.folder / name
