"""An alert as a picture for people: boxes, what is unusual, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge_runtime.sinks.snapshot import annotate
from edge_runtime.types import Observation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_runtime.types import Event, Image

_MOST_HEAT = 0.6
_HOT = (255, 40, 20)


def alert_picture(event: Event) -> Image | None:
    """Return the RGB picture that an alert was made of, with boxes and heat; None for one that has no picture."""
    sight = event.trace.sight if event.trace else None
    if sight is None:
        return None
    frame, look = sight.frame, sight.look
    image = annotate(frame, Observation(frame.source, frame.at, look.detections))
    if event.heat is not None:
        image = heated(image, event.heat)
    where = event.data.get("where")
    if isinstance(where, list | tuple) and len(where) == 4:
        height, width = image.shape[:2]
        x0, y0, x1, y1 = (round(float(side) * size) for side, size in zip(where, (width, height) * 2, strict=True))
        cv2.rectangle(image, (x0, y0), (x1, y1), _HOT, max(2, height // 240), cv2.LINE_AA)
    return image


def heated(image: Image, heat: NDArray[np.float32]) -> Image:
    """Tint a picture by how unusual each place is, 0 to 1, shape (rows, columns)."""
    height, width = image.shape[:2]
    strength = cv2.resize(np.clip(heat, 0, 1).astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    tint = cv2.cvtColor(cv2.applyColorMap((strength * 255).astype(np.uint8), cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    share = (strength * _MOST_HEAT)[..., None]
    mixed: Image = (image * (1 - share) + tint * share).astype(np.uint8)
    return mixed
