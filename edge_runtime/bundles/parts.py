"""The parts that a bundle may have: what each model eats and gives, as the manifest states it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Scale = tuple[Annotated[float, Field(gt=0)], float]
"""A logistic calibration: probability = sigmoid(scale * logit + bias)."""


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
        file: the ONNX file; input: name of its input, float32 (1, 3, rows, columns).
        fit: "area" keeps the aspect: about `area` pixels, sides multiples of `stride`; "stretch" gives exactly `size`;
            "letterbox" keeps the aspect inside `size`, top left or centred, the rest filled with `pad`; "crop" makes
            the shorter side `shorter` and cuts `size` out of the middle.
        size: rows and columns, for all but "area".
        interpolation: "bilinear" and "bicubic" widen their filter where the picture shrinks, as Pillow does; "auto",
            faster, averages whole areas there and blends where it grows.
        mean, std: per channel in units of 0 to 255; the input is (pixel - mean) / std, channels in `order`.
        embedding: output with the picture's vector; patches: those with feature maps (1, channels, rows, columns), fine
            ones first; ordinary: file with what the model makes of ordinary pictures.
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
    patches: tuple[str, ...] = ()
    ordinary: str | None = None

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


def _each_has_one(labels: tuple[str, ...], thresholds: dict[str, float]) -> None:
    without = [label for label in labels if label not in thresholds]
    if without:
        raise ValueError(f"label {without[0]!r} has no threshold")


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
        _each_has_one(self.labels, self.thresholds)
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
        encoder: `input_features` (1, mels, frames) or `input_values` (1, samples) in; out, for each of the decoder's
            layers, the keys and values that it attends to: `cross.N.key`, `cross.N.value` (1, any, any, any).
        decoder: `input_ids` (1, n), those keys and values, and `past` (m, 2 * layers, heads, head_size) in; `logits`
            (1, n, vocabulary) and `present` (n, 2 * layers, heads, head_size), the past of these n tokens, out.
        layers, heads, head_size: of the decoder's past.
        features: "log_mel" (Whisper: `mels` bands over `seconds` of sound) or "waveform" (Moonshine).
        seconds: the longest sound in one go, 30 when not given; "log_mel" needs it and fills shorter ones up to it.
        prompt: token ids that the transcript begins with; the first starts the decoder.
        languages, tasks: token ids by name, of a recogniser of several; `prompt` holds one of each.
        end_id: token that ends it.
        no_speech: token whose probability after the first of `prompt` is that of no speech at all, where there is one.
        suppress: token ids never written.
        begin_suppress: token ids that a transcript never begins with: Whisper's blank and end.
        max_tokens: the longest transcript of one go, `prompt` counted.
    """

    encoder: str
    decoder: str
    tokenizer: str
    layers: int = Field(gt=0)
    heads: int = Field(gt=0)
    head_size: int = Field(gt=0)
    features: Literal["log_mel", "waveform"]
    sample_rate: Literal[16000] = 16000
    mels: int | None = None
    seconds: float | None = None
    prompt: tuple[int, ...] = Field(min_length=1)
    languages: dict[str, int] = {}
    tasks: dict[str, int] = {}
    end_id: int
    no_speech: int | None = None
    suppress: tuple[int, ...] = ()
    begin_suppress: tuple[int, ...] = ()
    max_tokens: int

    @model_validator(mode="before")
    @classmethod
    def _remembers(cls, data: Any) -> Any:
        if isinstance(data, dict) and "decoder" in data and "layers" not in data:
            raise ValueError("its decoder has no memory of the tokens before; make it again with bundle make")
        return data

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.features == "log_mel" and None in (self.mels, self.seconds):
            raise ValueError("features 'log_mel' need mels and seconds")
        return self


class AudioPart(Part):
    """A sound model: patches of log-mel in, a vector of the joint space and a score for each kind of sound out.

    Attributes:
        file: the ONNX file.
        input: name of the input, float32 (patches, 96 frames, 64 bands).
        embedding: name of the output with each patch's vector, (patches, embedding_size), of length one.
        sounds: name of the output with each patch's logits, (patches, labels).
        labels: the kinds of sound, in channel order.
        thresholds: probability above which a sound counts as heard, by label.
        calibration: logistic, by label; a label without one is taken as it is.
        temperature: zero-shot classification divides cosines by it.
        templates: sentences around a label, each with one {}.
        background: file with vectors of ordinary sounds, to tell taught ones from, or None.
    """

    file: str
    input: str = "log_mel"
    embedding: str = "embedding"
    sounds: str = "sounds"
    labels: tuple[str, ...]
    thresholds: dict[str, float]
    calibration: dict[str, Scale] = {}
    temperature: float = Field(default=0.05, gt=0)
    templates: tuple[str, ...] = ("{}",)
    background: str | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        _each_has_one(self.labels, self.thresholds)
        return self


class PhonesPart(Part):
    """An acoustic model: the waveform in, the logarithm of each phone's probability in each frame out (CTC).

    Attributes:
        file: the ONNX file.
        input: name of the input, float32 (1, samples), 16 kHz, -1 to 1.
        output: name of the output, float32 (1, frames, 1 + phones); channel 0 is CTC's blank.
        hop: samples from one frame to the next.
        shortest: samples that the model needs at least; shorter sound is filled up with silence.
        phones: the phones of channels 1 onwards, ARPAbet without stress.
        lexicon: file with a word and its phones in each line, separated by spaces, xz-compressed: first the common
            words by how often they are said, in another stream the rest by the alphabet.
        spelling: file of the network that says words outside the lexicon, or None.
        background: file with phone probabilities of speech that is no command, to set thresholds by, or None.
        blank: taken off the logarithm of the blank's probability where sentences are sought.
        confidence: weights of the logistic model of "this sentence was said", by the name of the evidence.
    """

    file: str
    input: str = "samples"
    output: str = "log_probs"
    hop: int = Field(gt=0)
    shortest: int = Field(gt=0)
    phones: tuple[str, ...] = Field(min_length=1)
    lexicon: str
    spelling: str | None = None
    background: str | None = None
    blank: float = 0.0
    confidence: dict[str, float] = {}


class GeneratorPart(Part):
    """A language model that writes token by token.

    Attributes:
        decoder: `input_ids` (1, n), `places` (k), `total` (1) and `past.N.key`, `past.N.value` (1, heads, room,
            head_size) in; `logits` (1, k, vocabulary) after those places and `present.N.key`, `present.N.value`, shaped
            as the past, out.
        template: file of the chat template, None where the model has none.
        special: what the template knows by name, such as bos_token.
        layers, heads, head_size: of the keys and values.
        context: tokens that the model was made for, its reply counted.
        stop_ids: tokens that end a reply.
        stop_text: a character that ends one.
        bits: of the weights.
    """

    decoder: str
    tokenizer: str
    template: str | None = None
    special: dict[str, str] = {}
    layers: int = Field(gt=0)
    heads: int = Field(gt=0)
    head_size: int = Field(gt=0)
    context: int = Field(gt=1)
    vocabulary: int = Field(gt=1)
    stop_ids: tuple[int, ...] = Field(min_length=1)
    stop_text: str | None = Field(default=None, min_length=1, max_length=1)
    bits: Literal[4, 8, 32] = 32


class FacesPart(Part):
    """What finds faces: three networks, `faces` float32 (n, 3, height, width), RGB, -1 to 1 in, `scores`, `moves` out.

    `propose`, `refine`, `decide` are ONNX files; `thresholds`: the score that each needs to let a place through.
    """

    propose: str
    refine: str
    decide: str
    thresholds: tuple[float, float, float]


class GatePart(Part):
    """Answers stay local above `local_threshold`, so that at most a share `alpha` of them is wrong."""

    local_threshold: float
    alpha: float
