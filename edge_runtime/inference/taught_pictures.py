"""Things learned from a few pictures, in the picture model's own vectors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from edge_runtime.inference.embedder import Embedder
    from edge_runtime.types import Image

    Floats = NDArray[np.float32]

LEAST_PICTURES = 3
MOST_PICTURES = 20
_SHRINK = 0.6
"""Share of the vectors' spread that is taken to be alike in all directions: there are about as many as directions."""
_HIGH = 0.995
_MARGIN = 0.3
_MIDDLE_LOGIT = 3.0
"""The logit of a picture like those it was taught with; 0 is the threshold."""
_NEAR = 0.8


@dataclass(frozen=True, slots=True)
class PictureEstimate:
    """How well a taught thing will be told, each picture judged by what the others taught (leave one out).

    Attributes:
        clips: pictures it was taught with.
        found: of these, how many the others would find.
        background: other pictures that were tried: ordinary ones, and those said not to show it.
        false: of these, how many were taken for it.
        confused: of those said not to show it, how many were taken for it.
    """

    clips: int
    found: int
    background: int
    false: int
    confused: int = 0

    def shortage(self) -> str | None:
        """Return why this is not enough to rely on, or None where it is."""
        if self.clips < LEAST_PICTURES:
            return f"{self.clips} pictures are too few; give {LEAST_PICTURES} at least, 10 are better"
        if self.found < math.ceil(0.7 * self.clips):
            return f"only {self.found} of {self.clips} would be found by the others; give more, of it and little else"
        if self.confused:
            return f"{self.confused} of the pictures that do not show it would be taken for it; give more of both"
        if self.false > max(1, 0.01 * self.background):
            return f"{self.false} of {self.background} ordinary pictures would be taken for it; give clearer pictures"
        return None


@dataclass(frozen=True, slots=True)
class PictureLesson:
    """What pictures of a thing teach: one shows it where `weights` . vector + `bias` is above 0.

    Attributes:
        weights: (embedding size,), of length one.
        bias: added to the product.
        scale: logits for each unit of it.
        estimate: how well it will do.
    """

    weights: Floats
    bias: float
    scale: float
    estimate: PictureEstimate


def views(embedder: Embedder, image: Image) -> Floats:
    """Return the unit vectors of a picture as it is, mirrored, and of its middle: (3, embedding size)."""
    height, width = image.shape[:2]
    top, left = round(height * (1 - _NEAR) / 2), round(width * (1 - _NEAR) / 2)
    middle = np.ascontiguousarray(image[top : height - top, left : width - left])
    shown = (image, np.ascontiguousarray(image[:, ::-1]), middle)
    return np.stack([embedder.embed_image(one) for one in shown])


def learn_picture(pictures: Sequence[Floats], ordinary: Floats, others: Sequence[Floats] = ()) -> PictureLesson:
    """Return what pictures teach: a linear discriminant, as for taught sounds.

    The direction leads from other pictures to these, in units of how much pictures differ anyway (Fisher 1936, the
    spread shrunk as Ledoit and Wolf 2004 do); the threshold lies between the highest of the others and these.

    Args:
        pictures: of each picture the vectors of its views, (views, embedding size).
        ordinary: vectors of ordinary pictures, (n, embedding size).
        others: of each picture that does not show it, though it may seem so, the vectors of its views.
    """
    aside = np.concatenate(others) if others else ordinary[:0]
    inverse = _inverse_spread(ordinary)
    found = 0
    for at in range(len(pictures)):
        rest = [picture for number, picture in enumerate(pictures) if number != at]
        if rest:
            weights = _direction(rest, ordinary, aside, inverse)
            found += float((pictures[at] @ weights).mean()) >= _threshold(weights, rest, ordinary, aside)
    weights = _direction(pictures, ordinary, aside, inverse)
    threshold = _threshold(weights, pictures, ordinary, aside)
    confused = sum(float((picture @ weights).max()) >= threshold for picture in others)
    false = int((ordinary @ weights >= threshold).sum()) + confused
    middle = float(np.mean([(picture @ weights).mean() for picture in pictures]))
    estimate = PictureEstimate(len(pictures), found, len(ordinary) + len(others), false, confused)
    return PictureLesson(weights, -threshold, _MIDDLE_LOGIT / max(middle - threshold, 1e-3), estimate)


def _inverse_spread(ordinary: Floats) -> NDArray[np.float64]:
    apart = (ordinary - ordinary.mean(axis=0)).astype(np.float64)
    covariance = apart.T @ apart / len(ordinary)
    alike = np.trace(covariance) / len(covariance)
    inverse: NDArray[np.float64] = np.linalg.inv((1 - _SHRINK) * covariance + _SHRINK * alike * np.eye(len(covariance)))
    return inverse


def _direction(pictures: Sequence[Floats], ordinary: Floats, aside: Floats, inverse: NDArray[np.float64]) -> Floats:
    middle = ordinary.mean(axis=0)
    if len(aside):
        # What may be taken for it counts as much as everything else.
        middle = (middle + aside.mean(axis=0)) / 2
    apart = inverse @ (np.mean([picture.mean(axis=0) for picture in pictures], axis=0) - middle)
    weights: Floats = (apart / np.linalg.norm(apart)).astype(np.float32)
    return weights


def _threshold(weights: Floats, pictures: Sequence[Floats], ordinary: Floats, aside: Floats) -> float:
    high = float(np.quantile(ordinary @ weights, _HIGH))
    if len(aside):
        high = max(high, float((aside @ weights).max()))
    own = float(np.mean([(picture @ weights).mean() for picture in pictures]))
    return high + _MARGIN * (own - high)


def picture_arrays(lesson: PictureLesson) -> dict[str, Floats]:
    """Return what a lesson is on disk."""
    return {"weights": lesson.weights, "line": np.array([lesson.bias, lesson.scale], np.float32)}


def taught_line(arrays: Mapping[str, NDArray[np.float32]]) -> tuple[Floats, float, float]:
    """Return the weights, bias and scale of a lesson that is on disk."""
    bias, scale = (float(number) for number in arrays["line"])
    return arrays["weights"], bias, scale
