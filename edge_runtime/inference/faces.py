"""Find faces in a picture: three small networks, each looking closer at what the one before let through (MTCNN)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge_runtime.bundles.parts import FacesPart
from edge_runtime.inference.session import OnnxSession

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_runtime.bundles.manifest import Manifest
    from edge_runtime.types import Box, Image

    Floats = NDArray[np.float32]

SHRINK = 0.709
"""From one size of the picture to the next: half the area, as the networks were trained for."""

_CELL, _STRIDE = 12, 2
_NEAR, _CLOSE = 24, 48
_BATCH = 128
_GROWN = 2.0


@dataclass(frozen=True, slots=True)
class Face:
    """A face; `score` is the last network's, no calibrated probability."""

    score: float
    box: Box


class FaceFinder:
    """Finds faces of a tenth of a picture's longer side and smaller ones, down to `least` of it.

    Args:
        manifest: a bundle with networks for faces.
        threads: processor threads of one run.
        least: side of the smallest face that is sought, as a share of the picture's longer side.

    Raises:
        BundleError: the bundle has none.
    """

    def __init__(self, manifest: Manifest, threads: int = 2, least: float = 1 / 50) -> None:
        part = manifest.part(FacesPart)
        self._sessions = [
            OnnxSession(manifest.path(file), threads=threads) for file in (part.propose, part.refine, part.decide)
        ]
        for session in self._sessions:
            session.expect(["faces"], ["scores", "moves"])
        self._thresholds = part.thresholds
        self._side = round(_CELL / least)

    def find(self, image: Image) -> list[Face]:
        """Return the faces in an RGB picture of any size, the surest first."""
        height, width = image.shape[:2]
        scale = min(self._side / max(height, width), _GROWN)
        # Small faces are judged by the pixels that there are, large pictures at twice the size of the first look.
        near = _resized(image, min(2 * scale, max(scale, 1.0)))
        boxes = self._proposed(image, scale)
        size = np.array([near.shape[1], near.shape[0]] * 2, np.float32)
        scores = np.zeros(len(boxes), np.float32)
        for session, side, threshold in zip(self._sessions[1:], (_NEAR, _CLOSE), self._thresholds[1:], strict=True):
            squares = _squared(boxes * size)
            scores, moves = self._looked(session, near, squares, side)
            kept = scores >= threshold
            squares, scores, moves = squares[kept], scores[kept], moves[kept]
            # The first of the two still has many looks at each face; the last sees what is left as it is.
            kept_rows = _best(squares, scores, 0.7)
            boxes = _moved(squares[kept_rows], moves[kept_rows]) / size
            scores = scores[kept_rows]
        rows = _best(boxes * size, scores, 0.5)
        return [Face(float(scores[row]), _box(boxes[row])) for row in rows]

    def _proposed(self, image: Image, scale: float) -> Floats:
        """Return boxes, as fractions (n, 4), where the first network sees something like a face in any size."""
        found, scores = [np.zeros((0, 4), np.float32)], [np.zeros(0, np.float32)]
        while min(image.shape[:2]) * scale >= _CELL:
            small = _resized(image, scale)
            out = self._sessions[0].run({"faces": _tensor(small[None])})
            score = out["scores"][0, 1]
            rows, columns = np.nonzero(score >= self._thresholds[0])
            place = np.stack([columns, rows, columns, rows], 1).astype(np.float32) * _STRIDE
            place[:, 2:] += _CELL
            best = _best(place, score[rows, columns], 0.5)
            moved = _moved(place[best], out["moves"][0][:, rows[best], columns[best]].T)
            found.append(np.asarray(moved / np.array([small.shape[1], small.shape[0]] * 2), np.float32))
            scores.append(score[rows, columns][best])
            scale *= SHRINK
        boxes, ranks = np.concatenate(found), np.concatenate(scores)
        return boxes[_best(boxes * 1000, ranks, 0.7)]

    @staticmethod
    def _looked(session: OnnxSession, image: Image, squares: Floats, side: int) -> tuple[Floats, Floats]:
        """Return the scores (n,) and moves (n, 4) of squares in pixels."""
        scores, moves = [np.zeros(0, np.float32)], [np.zeros((0, 4), np.float32)]
        for start in range(0, len(squares), _BATCH):
            patches = np.stack([_patch(image, square, side) for square in squares[start : start + _BATCH]])
            out = session.run({"faces": _tensor(patches)})
            scores.append(out["scores"][:, 1])
            moves.append(out["moves"])
        return np.concatenate(scores), np.concatenate(moves)


def _tensor(patches: NDArray[np.uint8]) -> Floats:
    return np.ascontiguousarray((patches.transpose(0, 3, 1, 2).astype(np.float32) - 127.5) / 128)


def _resized(image: Image, scale: float) -> Image:
    size = (max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return image if scale == 1 else np.asarray(cv2.resize(image, size, interpolation=way), np.uint8)


def _patch(image: Image, square: Floats, side: int) -> Image:
    """Return what is in a square, black where it reaches out of the picture."""
    left, top, right, bottom = (int(v) for v in np.round(square))
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    inside = image[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if inside.shape[:2] != (bottom - top, right - left):
        whole = np.zeros((bottom - top, right - left, 3), np.uint8)
        y, x = max(-top, 0), max(-left, 0)
        whole[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
        inside = whole
    way = cv2.INTER_AREA if right - left > side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(inside, (side, side), interpolation=way), np.uint8)


def _moved(boxes: Floats, moves: Floats) -> Floats:
    sides = boxes[:, 2:] - boxes[:, :2]
    return np.asarray(boxes + moves * np.concatenate([sides, sides], 1), np.float32)


def _squared(boxes: Floats) -> Floats:
    middle, side = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True)
    return np.asarray(np.concatenate([middle - side / 2, middle + side / 2], 1), np.float32)


def _best(boxes: Floats, scores: Floats, overlap: float) -> list[int]:
    """Return the rows of boxes that no better one covers, the best first."""
    if not len(boxes):
        return []
    sides = np.concatenate([boxes[:, :2], np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-3)], 1)
    order = np.argsort(-scores, kind="stable")
    # OpenCV sorts by score, and not always stably; ranks have no equals.
    ranks = np.linspace(1.0, 0.5, len(order))
    chosen = cv2.dnn.NMSBoxes(sides[order].tolist(), ranks.tolist(), 0.0, overlap)
    return [int(order[row]) for row in np.sort(np.asarray(chosen, np.int64).ravel())]


def _box(corners: Floats) -> Box:
    x0, y0, x1, y1 = (float(v) for v in np.clip(corners, 0.0, 1.0))
    return x0, y0, x1, y1
