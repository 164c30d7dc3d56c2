"""Put pictures and sentences into one space, and name a picture by the sentence nearest to it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Tokenizer

from edge_runtime.errors import BundleError, InputError
from edge_runtime.inference.preprocess import image_tensor, token_ids
from edge_runtime.inference.session import OnnxSession

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_runtime.bundles.manifest import Manifest
    from edge_runtime.types import Image, Vector

BATCH = 32


class Embedder:
    """Omni-nano's towers; the text tower is loaded when the first sentence comes.

    Args:
        manifest: of the bundle.
        image: the session of the bundle's picture model, shared with the detector.
        threads: processor threads of one run.
    """

    def __init__(self, manifest: Manifest, image: OnnxSession, *, threads: int = 2) -> None:
        self._manifest = manifest
        self._image = image
        self._threads = threads
        self._text: tuple[Tokenizer, OnnxSession] | None = None
        self._label_vectors = lru_cache(maxsize=16)(self._embed_labels)

    def embed_image(self, image: Image) -> Vector:
        """Return the unit vector of a picture, shape (384,)."""
        outputs = self._image.run({"image": image_tensor(image, self._manifest.image.area)})
        vector: Vector = outputs["embedding"][0]
        return vector

    def embed_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the unit vectors of sentences, shape (n, 384)."""
        tokenizer, session = self._text or self._load_text()
        found = np.empty((len(texts), self._manifest.embedding_size), np.float32)
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            ids, mask = token_ids(tokenizer, [texts[row] for row in rows], self._manifest.text.max_tokens)
            found[rows] = session.run({"input_ids": ids, "attention_mask": mask})["embedding"]
        return found

    def classify(self, vector: Vector, labels: Sequence[str], templates: Sequence[str] = ()) -> dict[str, float]:
        """Return a probability for each label, summing to 1, given a picture's unit vector.

        A label's vector is the mean over `templates` (the bundle's own when empty), each with one {} for the label.

        Raises:
            InputError: there are no labels, a label is empty or twice there, or a template has no {}.
        """
        chosen = tuple(templates) or self._manifest.classify.templates
        _check(labels, chosen)
        logits = self._label_vectors(tuple(labels), chosen) @ vector / self._manifest.classify.temperature
        weights = np.exp(logits - logits.max())
        return {label: float(p) for label, p in zip(labels, weights / weights.sum(), strict=True)}

    def _embed_labels(self, labels: tuple[str, ...], templates: tuple[str, ...]) -> NDArray[np.float32]:
        texts = [template.replace("{}", label) for label in labels for template in templates]
        mean = self.embed_text(texts).reshape(len(labels), len(templates), -1).mean(1)
        unit: NDArray[np.float32] = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        return unit

    def _load_text(self) -> tuple[Tokenizer, OnnxSession]:
        part = self._manifest.text
        path = self._manifest.path(part.tokenizer)
        try:
            tokenizer = Tokenizer.from_str(path.read_text(encoding="utf-8"))
        except OSError:
            raise BundleError(f"tokenizer {path} is missing; reinstall the bundle") from None
        session = OnnxSession(self._manifest.path(part.file), threads=self._threads)
        self._text = (tokenizer, session)
        return self._text


def _check(labels: Sequence[str], templates: Sequence[str]) -> None:
    if not labels or not all(label.strip() for label in labels):
        raise InputError("classify needs at least one label and no empty one; for example cat,dog")
    twice = sorted({label for label in labels if list(labels).count(label) > 1})
    if twice:
        raise InputError(f"label {twice[0]!r} is given twice; give each label once")
    for template in templates:
        if template.count("{}") != 1:
            raise InputError(f"template {template!r} needs exactly one {{}} where the label goes")
