"""Rooms put together into the parts that the running box and the single verbs share: models and ears."""

from __future__ import annotations

import difflib
from functools import cached_property, partial
from typing import TYPE_CHECKING, Literal

from edge_runtime.bundles.manifest import Manifest, default_bundle
from edge_runtime.bundles.parts import AudioPart, DetectorPart, ImagePart
from edge_runtime.decision.scene import Scene
from edge_runtime.errors import ConfigError
from edge_runtime.inference.acoustic import AcousticModel
from edge_runtime.inference.classifier import Classifier
from edge_runtime.inference.detector import ObjectDetector
from edge_runtime.inference.embedder import Embedder
from edge_runtime.inference.lexicon import Lexicon
from edge_runtime.inference.session import OnnxSession
from edge_runtime.inference.sounds import SoundStream, SoundTagger
from edge_runtime.pipelines.sound import SoundPipeline
from edge_runtime.types import Frame, Observation
from edge_runtime.wiring.bundle_choice import chosen_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from edge_runtime.config import Settings


class Models:
    """The bundle's models, each loaded when it is first needed; one that it lacks raises BundleError then.

    Raises:
        BundleError: at once, when the bundle is not whole, or `labels` are given and it has no detector.
        ConfigError: at once, when `labels` names objects that the model does not know.
    """

    def __init__(
        self,
        bundle: Path | None = None,
        *,
        threads: int = 2,
        min_score: float | None = None,
        labels: Sequence[str] = (),
    ) -> None:
        self.manifest = Manifest.load(bundle or default_bundle())
        self.manifest.verify()
        self._threads = threads
        self._min_score = min_score
        self._labels = tuple(labels)
        if labels:
            check_labels("vision.labels", labels, self.manifest.part(DetectorPart).labels)

    @classmethod
    def of(cls, settings: Settings) -> Models:
        """Return the models as the settings want them."""
        vision, device = settings.vision, settings.device
        # Several cameras keep the processor busy between them: sharing out each run would only cost more.
        one = len(settings.cameras) > 1 and "threads" not in device.model_fields_set
        threads = 1 if one else device.threads
        return cls(chosen_bundle(settings), threads=threads, min_score=vision.min_score, labels=vision.labels)

    @property
    def labels(self) -> tuple[str, ...]:
        """What the detector knows, nothing where there is none."""
        return self.manifest.detector.labels if self.manifest.detector else ()

    @cached_property
    def image(self) -> OnnxSession:
        """The picture model, shared by detector, embedder and classifier."""
        part, detector, labels = self.manifest.part(ImagePart), self.manifest.detector, self.manifest.labels
        session = OnnxSession(self.manifest.path(part.file), threads=self._threads)
        outputs = {part.embedding, labels.output if labels else None}
        if detector:
            outputs |= {"boxes", "logits"} if detector.layout == "omni" else {detector.output}
        session.expect([part.input], filter(None, outputs))
        return session

    @cached_property
    def detector(self) -> ObjectDetector:
        """Finds objects."""
        return ObjectDetector(self.image, self.manifest, min_score=self._min_score, labels=self._labels)

    @cached_property
    def embedder(self) -> Embedder:
        """Puts pictures and texts into the joint space."""
        return Embedder(self.manifest, lambda: self.image, lambda: self.hearing, threads=self._threads)

    @cached_property
    def hearing(self) -> OnnxSession:
        """The sound model, shared by tagger and embedder."""
        part = self.manifest.part(AudioPart)
        session = OnnxSession(self.manifest.path(part.file), threads=self._threads)
        session.expect([part.input], [part.embedding, part.sounds])
        return session

    def tagger(self, labels: Sequence[str] = (), min_score: float | None = None) -> SoundTagger:
        """Return what names sounds, all or `labels` alone, by their own thresholds or by `min_score`.

        Raises:
            ConfigError: `labels` names sounds that the model does not know.
        """
        check_labels("sounds.labels", labels, self.manifest.part(AudioPart).labels)
        return SoundTagger(self.hearing, self.manifest, min_score=min_score, labels=labels)

    @cached_property
    def classifier(self) -> Classifier:
        """Names pictures by fixed labels."""
        return Classifier(self.image, self.manifest)

    @cached_property
    def ears(self) -> Manifest:
        """The bundle whose acoustic model listens."""
        return self.holder("phones")

    def holder(self, part: Literal["phones", "faces"]) -> Manifest:
        """Return the bundle that is used for a part: this one, or the one shipped where this one has none."""
        if getattr(self.manifest, part) is not None or self.manifest.folder == default_bundle():
            return self.manifest
        shipped = Manifest.load(default_bundle())
        shipped.verify()
        return shipped

    @cached_property
    def acoustic(self) -> AcousticModel:
        """Hears phones."""
        return AcousticModel(self.ears)

    @cached_property
    def lexicon(self) -> Lexicon:
        """Says words."""
        return Lexicon.of(self.ears)

    def scene_of(self, frame: Frame) -> Scene:
        """Return a scene that holds one picture alone."""
        look = self.detector.look(frame.image)
        scene = Scene()
        seen = Observation(frame.source, frame.at, look.detections, look.embedding)
        scene.observe(seen, frame, look.presence)
        return scene


def check_labels(key: str, labels: Iterable[str], known: Sequence[str]) -> None:
    """Refuse labels that the model does not know.

    Raises:
        ConfigError: naming the label and the nearest known one.
    """
    for label in labels:
        if label not in known:
            close = difflib.get_close_matches(label, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it knows {', '.join(known)}"
            raise ConfigError(f"{key}: the model has no label {label!r}; {hint}")


def make_sounds(settings: Settings, models: Models) -> tuple[Callable[[], SoundPipeline], tuple[str, ...]] | None:
    """Return what makes the pipeline of one microphone, and the sounds it tells; None where it is switched off.

    A bundle of other people's that has no sound model leaves this to omni-nano.

    Raises:
        ConfigError: the settings name sounds that the model does not know.
    """
    sounds = settings.sounds
    if not sounds.enabled:
        return None
    from edge_runtime.wiring.listening import Listening  # noqa: PLC0415 - it builds on what is here

    tagger = Listening(settings, models).tagger(sounds.labels, sounds.min_score)
    make = partial(SoundPipeline, partial(SoundStream, tagger), tagger.thresholds, sounds.cooldown_s)
    return make, tagger.labels
