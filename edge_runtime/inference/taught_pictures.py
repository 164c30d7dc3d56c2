"""Things learned from a few pictures, in the picture model's own vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.inference.lessons import Estimate, LineLesson, direction, inverse_spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_runtime.inference.embedder import Embedder
    from edge_runtime.types import Image

    Floats = NDArray[np.float32]

MOST_PICTURES = 20
_SHRINK = 0.6
"""Share of the vectors' spread that is taken to be alike in all directions: there are about as many as directions."""
_HIGH = 0.995
_MARGIN = 0.3
_MIDDLE_LOGIT = 3.0
"""The logit of a picture like those it was taught with; 0 is the threshold."""
_NEAR = 0.8


def views(embedder: Embedder, image: Image) -> Floats:
    """Return the unit vectors of a picture as it is, mirrored, and of its middle: (3, embedding size)."""
    height, width = image.shape[:2]
    top, left = round(height * (1 - _NEAR) / 2), round(width * (1 - _NEAR) / 2)
    middle = np.ascontiguousarray(image[top : height - top, left : width - left])
    shown = (image, np.ascontiguousarray(image[:, ::-1]), middle)
    return np.stack([embedder.embed_image(one) for one in shown])


def learn_picture(pictures: Sequence[Floats], ordinary: Floats, others: Sequence[Floats] = ()) -> LineLesson:
    """Return what pictures teach: a linear discriminant, as for taught sounds.

    The direction leads from other pictures to these, in units of how much pictures differ anyway (Fisher 1936, the
    spread shrunk as Ledoit and Wolf 2004 do); the threshold lies between the highest of the others and these.

    Args:
        pictures: of each picture the vectors of its views, (views, embedding size).
        ordinary: vectors of ordinary pictures, (n, embedding size).
        others: of each picture that does not show it, though it may seem so, the vectors of its views.
    """
    aside = np.concatenate(others) if others else ordinary[:0]
    middle, inverse = ordinary.mean(axis=0), inverse_spread(ordinary, _SHRINK)
    if others:
        # What may be taken for it counts as much as everything else.
        middle = (middle + aside.mean(axis=0)) / 2
    found = 0
    for at in range(len(pictures)):
        rest = [picture for number, picture in enumerate(pictures) if number != at]
        if rest:
            weights = direction(rest, middle, inverse)
            found += float((pictures[at] @ weights).mean()) >= _threshold(weights, rest, ordinary, aside)
    weights = direction(pictures, middle, inverse)
    threshold = _threshold(weights, pictures, ordinary, aside)
    confused = sum(float((picture @ weights).max()) >= threshold for picture in others)
    false = int((ordinary @ weights >= threshold).sum()) + confused
    inside = float(np.mean([(picture @ weights).mean() for picture in pictures]))
    estimate = Estimate(len(pictures), found, len(ordinary) + len(others), false, confused, "pictures")
    return LineLesson(weights, -threshold, _MIDDLE_LOGIT / max(inside - threshold, 1e-3), estimate)


def _threshold(weights: Floats, pictures: Sequence[Floats], ordinary: Floats, aside: Floats) -> float:
    high = float(np.quantile(ordinary @ weights, _HIGH))
    if len(aside):
        high = max(high, float((aside @ weights).max()))
    own = float(np.mean([(picture @ weights).mean() for picture in pictures]))
    return high + _MARGIN * (own - high)
