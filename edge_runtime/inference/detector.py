"""Find objects and the picture's meaning in one pass of the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge_runtime.errors import BundleError
from edge_runtime.inference.preprocess import image_tensor
from edge_runtime.types import Detection, Look, Vector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_runtime.bundles.manifest import Manifest
    from edge_runtime.inference.session import OnnxSession
    from edge_runtime.types import Image

    Floats = NDArray[np.float32]

FLOOR = 0.1
_MOST = 100


class ObjectDetector:
    """One look at a picture: boxes with calibrated scores, presence of every label, and the embedding.

    Args:
        session: the bundle's image model: `image` in, `embedding`, `boxes` (corner fractions) and `logits` out.
        manifest: labels in channel order, thresholds, calibration and the input's area.
        min_score: one threshold for all labels instead of the bundle's own.
        labels: report only these; empty for all the model knows.
        floor: what is weaker than this is not even `unsure`.

    Raises:
        BundleError: the manifest does not know one of the labels.
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
        known = manifest.detector.labels
        unknown = [label for label in labels if label not in known]
        if unknown:
            raise BundleError(f"the model cannot detect {unknown[0]!r}; it knows {', '.join(known)}")
        self.labels = known
        self._session = session
        self._area = manifest.image.area
        self._nms_iou = manifest.detector.nms_iou
        self._floor = floor
        self._wanted = np.array([not labels or label in labels for label in known])
        self._thresholds = {k: manifest.detector.thresholds[k] if min_score is None else min_score for k in known}
        self._scales = np.array([manifest.detector.calibration[label] for label in known], np.float32)
        self._presence = np.array([manifest.detector.presence[label] for label in known], np.float32)

    def detect(self, image: Image) -> tuple[Detection, ...]:
        """Return what reached its label's threshold, the surest first.

        Args:
            image: RGB picture of any size.
        """
        return self.look(image).detections

    def look(self, image: Image) -> Look:
        """Return everything one pass finds in an RGB picture of any size."""
        out = self._session.run({"image": image_tensor(image, self._area)})
        boxes, logits = out["boxes"][0], out["logits"][0]
        found = self._objects(boxes, _sigmoid(logits * self._scales[:, 0] + self._scales[:, 1]))
        best = _sigmoid(logits.max(0) * self._presence[:, 0] + self._presence[:, 1])
        embedding: Vector = np.asarray(out["embedding"][0], np.float32)
        return Look(
            tuple(d for d in found if d.score >= self._thresholds[d.label]),
            tuple(d for d in found if d.score < self._thresholds[d.label]),
            dict(zip(self.labels, (float(p) for p in best), strict=True)),
            embedding,
        )

    def _objects(self, boxes: Floats, scores: Floats) -> list[Detection]:
        """Keep each cell's wanted labels above the floor and drop boxes that repeat a better one of their label."""
        cells, classes = np.nonzero((scores >= self._floor) & self._wanted)
        values = scores[cells, classes]
        order = np.argsort(-values, kind="stable")[: 10 * _MOST]
        cells, classes, values = cells[order], classes[order], values[order]
        corners = np.clip(boxes[cells], 0.0, 1.0)
        sides = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], 1)
        if not len(cells):
            return []
        # OpenCV wants whole lists; boxes in thousandths keep its rounding harmless.
        chosen = cv2.dnn.NMSBoxesBatched(
            (sides * 1000).tolist(), values.tolist(), classes.tolist(), self._floor, self._nms_iou
        )
        return [
            Detection(self.labels[classes[i]], float(values[i]), _box(corners[i]))
            for i in np.asarray(chosen, np.int64).ravel()[:_MOST]
        ]


def _sigmoid(x: Floats) -> Floats:
    out: Floats = np.asarray(1.0 / (1.0 + np.exp(-np.clip(x, -50.0, 50.0))), np.float32)
    return out


def _box(corners: Floats) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (float(v) for v in corners)
    return x0, y0, x1, y1
