"""Name a picture by one of the labels that its model was trained on."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.bundles.parts import ImagePart, LabelsPart
from edge_runtime.errors import BundleError, InputError
from edge_runtime.inference.preprocess import model_input

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_runtime.bundles.manifest import Manifest
    from edge_runtime.inference.session import OnnxSession
    from edge_runtime.types import Image


class Classifier:
    """A picture classifier with fixed labels.

    Args:
        session: the bundle's picture model.
        manifest: its labels, their output and temperature.

    Raises:
        BundleError: the bundle has no fixed labels.
    """

    def __init__(self, session: OnnxSession, manifest: Manifest) -> None:
        self._session = session
        self._part = manifest.part(LabelsPart)
        self._image = manifest.part(ImagePart)

    def classify(self, image: Image, labels: Sequence[str] = ()) -> dict[str, float]:
        """Return a probability for each of `labels`, or of all that the model knows, summing to 1.

        Args:
            image: RGB picture of any size.
            labels: those to choose among; the others are ruled out.

        Raises:
            InputError: the model does not know a label.
            BundleError: the model does not give one number a label.
        """
        part = self._part
        unknown = [label for label in labels if label not in part.labels]
        if unknown:
            close = difflib.get_close_matches(unknown[0], part.labels, n=1)
            hint = (
                f"did you mean {close[0]!r}?" if close else f"it knows {len(part.labels)}, such as {part.labels[0]!r}"
            )
            raise InputError(f"the model's labels are fixed and {unknown[0]!r} is none of them; {hint}")
        tensor, _ = model_input(image, self._image)
        logits = self._session.run({self._image.input: tensor})[part.output][0].astype(np.float64)
        if logits.shape != (len(part.labels),):
            what = f"{len(part.labels)} labels, the model gives the shape {logits.shape} for a picture"
            raise BundleError(f"the manifest names {what}; correct the manifest")
        rows = [part.labels.index(label) for label in labels] if labels else list(range(len(part.labels)))
        chosen = logits[rows] / part.temperature
        weights = np.exp(chosen - chosen.max())
        names = [part.labels[row] for row in rows]
        return dict(zip(names, (weights / weights.sum()).tolist(), strict=True))
