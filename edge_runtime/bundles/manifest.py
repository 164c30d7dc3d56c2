"""Read a model bundle's manifest.json and prove that the bundle's files are the ones it names."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, ValidationError

from edge_runtime.bundles.parts import (
    AudioPart,
    ClassifyPart,
    DetectorPart,
    FacesPart,
    FileEntry,
    GatePart,
    GeneratorPart,
    ImagePart,
    LabelsPart,
    Part,
    PhonesPart,
    SpeechPart,
    TextPart,
)
from edge_runtime.errors import BundleError

_PACKAGED = Path(__file__).resolve().parent / "omni_nano"
_SOURCE_TREE = Path(__file__).resolve().parents[2] / "models" / "omni_nano" / "bundle"

P = TypeVar("P", bound="Part")


def default_bundle() -> Path:
    """Return the folder of omni-nano as shipped: inside the installed package, else in the source tree."""
    return _PACKAGED if _PACKAGED.is_dir() else _SOURCE_TREE


_PARTS = {
    ImagePart: "picture model",
    TextPart: "text model",
    DetectorPart: "object detector",
    LabelsPart: "list of fixed labels",
    ClassifyPart: "zero-shot labels",
    SpeechPart: "speech recogniser",
    AudioPart: "sound model",
    PhonesPart: "acoustic model",
    GeneratorPart: "language model",
    FacesPart: "face finder",
    GatePart: "local threshold",
}


class Manifest(Part):
    """A bundle: `load` reads it, `verify` checks every file, `path` finds one, `part` says what it can do."""

    folder: Path = Field(exclude=True)
    format: Literal[1]
    name: str
    version: str
    created: str
    license: str
    files: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$")], FileEntry]
    embedding_size: int | None = None
    image: ImagePart | None = None
    text: TextPart | None = None
    detector: DetectorPart | None = None
    labels: LabelsPart | None = None
    classify: ClassifyPart | None = None
    speech: SpeechPart | None = None
    audio: AudioPart | None = None
    phones: PhonesPart | None = None
    generator: GeneratorPart | None = None
    faces: FacesPart | None = None
    gate: GatePart | None = None
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

    def part(self, kind: type[P]) -> P:
        """Return the bundle's part of one kind, such as `part(DetectorPart)`.

        Raises:
            BundleError: it has none.
        """
        for value in self._parts():
            if isinstance(value, kind):
                return value
        raise self.lacks(_PARTS[kind])

    def lacks(self, what: str) -> BundleError:
        """Return the error that names the bundle, what it lacks, what it has, and what to do."""
        have = ", ".join(_PARTS[type(part)] for part in self._parts()) or "nothing"
        advice = "name another with --bundle or in vision.bundle"
        return BundleError(f"bundle {self.name} ({self.folder}) has no {what}; it has: {have}; {advice}")

    def _parts(self) -> list[Part]:
        found = (self.image, self.text, self.detector, self.labels, self.classify, self.speech, self.audio, self.phones)
        return [part for part in (*found, self.generator, self.faces, self.gate) if part is not None]
