"""Put pictures, sounds and sentences into one space, and name a picture or a sound by the sentence nearest to it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.bundles.parts import AudioPart, ClassifyPart, ImagePart, TextPart
from edge_runtime.errors import InputError
from edge_runtime.inference.log_mel import HOP_SAMPLES, PATCH_SAMPLES, patches
from edge_runtime.inference.preprocess import model_input, read_tokenizer, token_ids
from edge_runtime.inference.session import OnnxSession

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    from edge_runtime.bundles.manifest import Manifest
    from edge_runtime.types import Image, Vector

BATCH = 32
_FAINTEST = 1e-6


class Embedder:
    """A bundle's towers, or the one that it has; each is loaded when it is first needed.

    Args:
        manifest: of the bundle.
        image: loads the session of the bundle's picture model, shared with the detector.
        audio: loads the session of its sound model, shared with the tagger.
        threads: processor threads of one run.
    """

    def __init__(
        self,
        manifest: Manifest,
        image: Callable[[], OnnxSession],
        audio: Callable[[], OnnxSession] | None = None,
        *,
        threads: int = 2,
    ) -> None:
        self._manifest = manifest
        self._image = image
        self._audio = audio
        self._threads = threads
        self._text: tuple[Tokenizer, OnnxSession] | None = None
        self._label_vectors = lru_cache(maxsize=16)(self._embed_labels)

    def embed_image(self, image: Image) -> Vector:
        """Return the unit vector of a picture, shape (d,); omni-nano's d is 384.

        Raises:
            BundleError: the bundle has no model that embeds pictures.
        """
        part = self._manifest.part(ImagePart)
        if part.embedding is None:
            raise self._manifest.lacks("picture embedding")
        tensor, _ = model_input(image, part)
        vector: Vector = _unit(self._image().run({part.input: tensor}, (part.embedding,))[part.embedding])[0]
        return vector

    def embed_audio(self, samples: NDArray[np.float32]) -> Vector:
        """Return the unit vector of a sound, shape (d,): the mean over its patches, louder ones counting more.

        Args:
            samples: float32 mono at 16 kHz in -1 to 1, shape (samples,).

        Raises:
            BundleError: the bundle has no sound model.
        """
        part = self._manifest.part(AudioPart)
        if self._audio is None:
            raise self._manifest.lacks("sound model")
        session = self._audio()
        rows = patches(samples)
        batches = [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]
        vectors = np.concatenate([session.run({part.input: batch})[part.embedding] for batch in batches])
        vector: Vector = _unit(_loudness(samples, len(rows)) @ _unit(vectors))
        return vector

    def embed_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the unit vectors of sentences, shape (n, d).

        Raises:
            BundleError: the bundle has no model that embeds sentences.
        """
        part = self._manifest.part(TextPart)
        tokenizer, session = self._text or self._load_text(part)
        # Sentences of a length share a batch, so that little of it is padding.
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        parts = []
        for start in range(0, len(order), BATCH):
            batch = [texts[row] for row in order[start : start + BATCH]]
            batch = [text.lower() for text in batch] if part.lowercase else batch
            ids, mask = token_ids(tokenizer, batch, part.max_tokens, pad_id=part.pad_id, pad_to=part.pad_to)
            feeds = {part.input: ids} if part.mask is None else {part.input: ids, part.mask: mask}
            parts.append(_unit(session.run(feeds)[part.embedding]))
        if not parts:
            return np.empty((0, self._manifest.embedding_size or 0), np.float32)
        found: NDArray[np.float32] = np.concatenate(parts)[np.argsort(order)]
        return found

    def classify(
        self, vector: Vector, labels: Sequence[str], templates: Sequence[str] = (), *, sound: bool = False
    ) -> dict[str, float]:
        """Return a probability for each label, summing to 1, given the unit vector of a picture, or of a sound.

        A label's vector is the mean over `templates` (the bundle's own when empty), each with one {} for the label.

        Raises:
            InputError: there are no labels, a label is empty or twice there, or a template has no {}.
            BundleError: the bundle cannot choose among any words.
        """
        part = self._manifest.part(AudioPart) if sound else self._manifest.part(ClassifyPart)
        chosen = tuple(templates) or part.templates
        _check(labels, chosen)
        logits = self._label_vectors(tuple(labels), chosen) @ vector / part.temperature
        weights = np.exp(logits - logits.max())
        return {label: float(p) for label, p in zip(labels, weights / weights.sum(), strict=True)}

    def label_vectors(self, labels: Sequence[str]) -> NDArray[np.float32]:
        """Return the unit vectors of labels, each the mean over the bundle's templates, shape (n, d).

        Raises:
            BundleError: the bundle cannot choose among any words.
        """
        return self._embed_labels(tuple(labels), self._manifest.part(ClassifyPart).templates)

    def _embed_labels(self, labels: tuple[str, ...], templates: tuple[str, ...]) -> NDArray[np.float32]:
        texts = [template.replace("{}", label) for label in labels for template in templates]
        return _unit(self.embed_text(texts).reshape(len(labels), len(templates), -1).mean(1))

    def _load_text(self, part: TextPart) -> tuple[Tokenizer, OnnxSession]:
        tokenizer = read_tokenizer(self._manifest.path(part.tokenizer))
        session = OnnxSession(self._manifest.path(part.file), threads=self._threads)
        session.expect(filter(None, (part.input, part.mask)), [part.embedding])
        self._text = (tokenizer, session)
        return self._text


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)
    return found


def _loudness(samples: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Return how much each of `count` patches counts, shape (count,): its effective value, never quite nothing."""
    windows = [samples[start : start + PATCH_SAMPLES] for start in range(0, count * HOP_SAMPLES, HOP_SAMPLES)]
    return np.array([np.sqrt(np.square(window).sum() / PATCH_SAMPLES) + _FAINTEST for window in windows], np.float32)


def _check(labels: Sequence[str], templates: Sequence[str]) -> None:
    if not labels or not all(label.strip() for label in labels):
        raise InputError("classify needs at least one label and no empty one; for example cat,dog")
    twice = sorted({label for label in labels if list(labels).count(label) > 1})
    if twice:
        raise InputError(f"label {twice[0]!r} is given twice; give each label once")
    for template in templates:
        if template.count("{}") != 1:
            raise InputError(f"template {template!r} needs exactly one {{}} where the label goes")
