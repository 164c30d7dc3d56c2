"""Read a model bundle's manifest.json and prove that the bundle's files are the ones it names."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edge_runtime.errors import BundleError

_PACKAGED = Path(__file__).resolve().parent / "omni_nano"
_SOURCE_TREE = Path(__file__).resolve().parents[2] / "models" / "omni_nano" / "bundle"

Scale = tuple[Annotated[float, Field(gt=0)], float]
"""A logistic calibration: probability = sigmoid(scale * logit + bias)."""

P = TypeVar("P", bound="Part")


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
    """A picture model and how a picture becomes its input.

    Attributes:
        file: the ONNX file.
        input: name of the input, float32 (1, 3, rows, columns).
        fit: "area" keeps the aspect with about `area` pixels and sides that are multiples of `stride`; "stretch" gives
            exactly `size`; "letterbox" keeps the aspect inside `size`, top left or centred, the rest filled with `pad`;
            "crop" makes the shorter side `shorter` and cuts `size` out of the middle.
        size: rows and columns, for all but "area".
        interpolation: "bilinear" and "bicubic" widen their filter where the picture shrinks, as Pillow does; "auto"
            is faster: it averages whole areas where the picture shrinks and blends where it grows.
        mean, std: per channel of the input in units of 0 to 255; the input is (pixel - mean) / std.
        order: of the input's channels.
        embedding: name of the output with the picture's vector, if there is one.
    """

    file: str
    input: str = "image"
    fit: Literal["area", "stretch", "letterbox", "crop"] = "area"
    area: int | None = None
    stride: int | None = None
    size: tuple[int, int] | None = None
    shorter: int | None = None
    centred: bool = False
    pad: int = 114
    interpolation: Literal["auto", "bilinear", "bicubic"] = "auto"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    order: Literal["rgb", "bgr"] = "rgb"
    embedding: str | None = "embedding"

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed = {"area": (self.area, self.stride), "crop": (self.size, self.shorter)}.get(self.fit, (self.size,))
        if None in needed:
            keys = {"area": "area and stride", "crop": "size and shorter"}.get(self.fit, "size")
            raise ValueError(f"fit {self.fit!r} needs {keys}")
        return self


class TextPart(Part):
    """A text model: its tokenizer, the longest sentence in tokens, and the names of its inputs and output.

    Attributes:
        mask: name of the attention mask's input, or None where the model has none.
        pad_id: token that fills shorter sentences.
        pad_to: every sentence is filled up to this many tokens (CLIP and SigLIP learned so), or None.
        lowercase: put texts into lower case first.
    """

    file: str
    tokenizer: str
    max_tokens: int
    input: str = "input_ids"
    mask: str | None = "attention_mask"
    embedding: str = "embedding"
    pad_id: int = 0
    pad_to: int | None = None
    lowercase: bool = False


class DetectorPart(Part):
    """What the detector knows: labels in channel order, the rest by label.

    Attributes:
        layout: how boxes and scores lie in the outputs: "omni" (corner fractions and logits, calibrated here), "yolox"
            (cells x (box, objectness, classes), undecoded or decoded), "yolov8" ((box, classes) x cells, decoded).
        output: name of the output of a YOLO layout; the model's only one when not given.
        decoded: "yolox" alone: boxes come in pixels, not as steps from their cells.
        calibration: logistic, for boxes after the first of their label; empty for scores that are taken as they are.
        presence: logistic, for a label's best box: is there one at all? Where it is missing, `calibration` counts.
    """

    labels: tuple[str, ...]
    layout: Literal["omni", "yolox", "yolov8"] = "omni"
    output: str | None = None
    decoded: bool = False
    thresholds: dict[str, float]
    calibration: dict[str, Scale] = {}
    presence: dict[str, Scale] = {}
    nms_iou: float

    @model_validator(mode="after")
    def _complete(self) -> Self:
        without = [label for label in self.labels if label not in self.thresholds]
        if without:
            raise ValueError(f"label {without[0]!r} has no threshold")
        return self


class LabelsPart(Part):
    """A picture classifier with fixed labels: the output with its logits, and their temperature."""

    labels: tuple[str, ...]
    output: str = "logits"
    temperature: float = Field(default=1.0, gt=0)


class ClassifyPart(Part):
    """Zero-shot classification: cosines are divided by `temperature`; each template holds one {}."""

    temperature: float = Field(gt=0)
    templates: tuple[str, ...] = Field(min_length=1)


class SpeechPart(Part):
    """A speech recogniser of two files: the encoder hears, the decoder writes token by token.

    Attributes:
        encoder: `input_features` (1, mels, frames) or `input_values` (1, samples) in, `last_hidden_state` out.
        decoder: `input_ids` (1, n) and `encoder_hidden_states` in, `logits` (1, n, vocabulary) out.
        features: "log_mel" (Whisper: `mels` bands over `seconds` of sound) or "waveform" (Moonshine).
        seconds: the longest sound in one go, 30 when not given; "log_mel" needs it and fills shorter ones up to it.
        prompt: token ids that the transcript begins with; the first starts the decoder.
        end_id: token that ends it.
        suppress: token ids never written.
        begin_suppress: token ids that a transcript never begins with: Whisper's blank and end.
        max_tokens: the longest transcript of one go, `prompt` counted.
    """

    encoder: str
    decoder: str
    tokenizer: str
    features: Literal["log_mel", "waveform"]
    sample_rate: Literal[16000] = 16000
    mels: int | None = None
    seconds: float | None = None
    prompt: tuple[int, ...] = Field(min_length=1)
    end_id: int
    suppress: tuple[int, ...] = ()
    begin_suppress: tuple[int, ...] = ()
    max_tokens: int

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.features == "log_mel" and None in (self.mels, self.seconds):
            raise ValueError("features 'log_mel' need mels and seconds")
        return self


class GatePart(Part):
    """Answers stay local above `local_threshold`, chosen so that at most a share `alpha` of them is wrong."""

    local_threshold: float
    alpha: float


_PARTS = {
    ImagePart: "picture model",
    TextPart: "text model",
    DetectorPart: "object detector",
    LabelsPart: "list of fixed labels",
    ClassifyPart: "zero-shot labels",
    SpeechPart: "speech recogniser",
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
        found = (self.image, self.text, self.detector, self.labels, self.classify, self.speech, self.gate)
        return [part for part in found if part is not None]
