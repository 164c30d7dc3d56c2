"""Find objects and the picture's meaning in one pass of the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge_runtime.bundles.parts import DetectorPart, ImagePart
from edge_runtime.errors import BundleError
from edge_runtime.inference.layouts import LOGITS, read_cells
from edge_runtime.inference.preprocess import model_input
from edge_runtime.types import Detection, Look

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from edge_runtime.bundles.manifest import Manifest
    from edge_runtime.inference.session import OnnxSession
    from edge_runtime.types import Image, Vector

    Floats = NDArray[np.float32]
    Numbers = NDArray[np.int64]

FLOOR = 0.1
_MOST = 100
_AS_IT_IS = (1.0, 0.0)


class ObjectDetector:
    """One look at a picture: boxes with calibrated scores, presence of every label, and the embedding.

    What a score means: the best box of a label carries the probability that the picture shows one at all, so the
    highest person score is the probability that a person is there. Each further box of the label carries the
    probability that it is another one, and never more than the box before it. A bundle without calibration has its
    scores taken as they are.

    Args:
        session: the bundle's picture model, with boxes and scores in the manifest's layout.
        manifest: labels in channel order, thresholds, calibration and how a picture becomes the input.
        min_score: one threshold for all labels instead of the bundle's own.
        labels: report only these; empty for all the model knows.
        floor: what is weaker than this is not even `unsure`.

    Raises:
        BundleError: the bundle has no detector, or does not know one of the labels.
    """

    def __init__(
        self,
        session: OnnxSession,
        manifest: Manifest,
        *,
        min_score: float | None = None,
        labels: Sequence[str] = (),
        floor: float = FLOOR,
    ) -> None:
        part = manifest.part(DetectorPart)
        known = part.labels
        unknown = [label for label in labels if label not in known]
        if unknown:
            raise BundleError(f"the model cannot detect {unknown[0]!r}; it knows {', '.join(known)}")
        self.labels = known
        self._session = session
        self._image = manifest.part(ImagePart)
        self._part = part
        self._usual = tuple(name for name in session.outputs if name not in self._image.patches)
        self._floor = floor
        self._wanted = np.array([not labels or label in labels for label in known])
        self._thresholds = {k: part.thresholds[k] if min_score is None else min_score for k in known}
        boxes = [part.calibration.get(label, _AS_IT_IS) for label in known]
        best = [part.presence.get(label, scale) for label, scale in zip(known, boxes, strict=True)]
        self._scales, self._presence = np.array(boxes, np.float32), np.array(best, np.float32)
        # The least raw score that may reach the floor: most cells are passed over by one comparison.
        least = (_logit(np.float32(floor)) - self._scales[:, 1]) / self._scales[:, 0]
        self._least = least if part.layout in LOGITS else _sigmoid(least)

    def detect(self, image: Image) -> tuple[Detection, ...]:
        """Return what reached its label's threshold, the surest first.

        Args:
            image: RGB picture of any size.
        """
        return self.look(image).detections

    def look(self, image: Image, *, features: bool = False) -> Look:
        """Return everything one pass finds in an RGB picture of any size, with its feature maps where wanted.

        Raises:
            BundleError: the model's outputs do not fit the manifest.
        """
        tensor, place = model_input(image, self._image)
        out = self._session.run({self._image.input: tensor}, () if features else self._usual)
        corners, raw = read_cells(out, self._part, (tensor.shape[2], tensor.shape[3]))
        best = raw.argmax(0), np.arange(raw.shape[1])
        presence = self._calibrated(raw[best], self._presence)
        near = raw >= self._least
        near[best] = presence >= self._floor
        cells, classes = np.nonzero(near & self._wanted)
        boxes = place.fractions(corners[cells])
        found = sorted(self._objects(boxes, raw[cells, classes], classes, presence), key=lambda d: -d.score)[:_MOST]
        vector: Vector | None = np.asarray(out[self._image.embedding][0], np.float32) if self._image.embedding else None
        maps = tuple(np.asarray(out[name][0], np.float32) for name in self._image.patches) if features else ()
        return Look(
            tuple(d for d in found if d.score >= self._thresholds[d.label]),
            tuple(d for d in found if d.score < self._thresholds[d.label]),
            dict(zip(self.labels, presence.tolist(), strict=True)),
            vector,
            maps,
        )

    def _objects(self, boxes: Floats, raw: Floats, classes: Numbers, presence: Floats) -> Iterator[Detection]:
        """Yield boxes that repeat no better one of their label, scored by their rank in it, down to the floor."""
        order = np.argsort(-raw, kind="stable")[: 10 * _MOST]
        boxes, raw, classes = boxes[order], raw[order], classes[order]
        if not len(order):
            return
        sides = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)
        # OpenCV wants whole lists and scores that tell the order; boxes in thousandths keep its rounding harmless.
        ranks = np.linspace(1.0, 0.5, len(order))
        chosen = cv2.dnn.NMSBoxesBatched(
            (sides * 1000).tolist(), ranks.tolist(), classes.tolist(), 0.0, self._part.nms_iou
        )
        rows = np.sort(np.asarray(chosen, np.int64).ravel())
        another = self._calibrated(raw[rows], self._scales[classes[rows]])
        last: dict[int, float] = {}
        for row, score in zip(rows.tolist(), another.tolist(), strict=True):
            label = int(classes[row])
            last[label] = min(score, last[label]) if label in last else float(presence[label])
            if last[label] >= self._floor:
                yield Detection(self.labels[label], last[label], _box(boxes[row]))

    def _calibrated(self, raw: Floats, scales: Floats) -> Floats:
        logits = raw if self._part.layout in LOGITS else _logit(raw)
        return _sigmoid(logits * scales[:, 0] + scales[:, 1])


def _sigmoid(x: Floats) -> Floats:
    out: Floats = np.asarray(1.0 / (1.0 + np.exp(-np.clip(x, -50.0, 50.0))), np.float32)
    return out


def _logit(p: Floats | np.float32) -> Floats:
    inside = np.clip(p, 1e-7, 1 - 1e-7).astype(np.float64)
    out: Floats = np.asarray(np.log(inside / (1.0 - inside)), np.float32)
    return out


def _box(corners: Floats) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (float(v) for v in corners)
    return x0, y0, x1, y1
