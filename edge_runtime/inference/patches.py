"""What a picture or a sound is made of, cell by cell and in several levels, as a memory of what is normal wants it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.bundles.parts import ImagePart
from edge_runtime.inference.log_mel import log_mel
from edge_runtime.inference.preprocess import model_input

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_runtime.bundles.manifest import Manifest
    from edge_runtime.inference.session import OnnxSession
    from edge_runtime.types import Image

    Floats = NDArray[np.float32]

STEP_S = 0.1
"""Seconds of one cell of a sound."""

_FRAMES = 10
_SHORTEST_SAMPLES = 400 + 160 * (_FRAMES - 1)
_CLOSER = 2.25


class PatchEyes:
    """Sees pictures as cells, in three levels.

    The first two are maps of one look, those in the middle of the backbone and its coarsest; the third are the middle
    ones of a look at the picture one and a half times as large, for small faults. Finer maps tell dust from faults no
    better. bench/anomaly.py measures it, docs/anomaly.md tells what else was tried.

    Args:
        session: the bundle's picture model.
        manifest: of the bundle.

    Raises:
        BundleError: the bundle gives no feature maps.
    """

    def __init__(self, session: OnnxSession, manifest: Manifest) -> None:
        part = manifest.part(ImagePart)
        if not part.patches:
            raise manifest.lacks("feature maps of patches")
        session.expect([part.input], part.patches)
        self._session = session
        self._looks = [part]
        if part.fit == "area" and part.area is not None:
            self._looks.append(part.model_copy(update={"area": round(part.area * _CLOSER)}))

    @property
    def weights(self) -> tuple[float, ...]:
        """How much each level counts: what is coarse sees large faults best and small ones least."""
        return (1.0, 0.5, 1.0)[: 1 + len(self._looks)]

    def cells(self, image: Image) -> tuple[Floats, ...]:
        """Return the cells of an RGB picture of any size in each level, float32 (rows, columns, features)."""
        found: list[Floats] = []
        for place, part in enumerate(self._looks):
            tensor, _ = model_input(image, part)
            maps = list(self._session.run({part.input: tensor}, part.patches).values())
            middle = maps[len(maps) // 2].shape
            found.append(_cells([one for one in maps if one.shape[2:] == middle[2:]]))
            if place == 0:
                found.append(_cells([min(maps, key=lambda one: math.prod(one.shape[2:]))]))
        return tuple(found)


def _cells(maps: list[Floats]) -> Floats:
    return np.ascontiguousarray(np.concatenate([one[0] for one in maps]).transpose(1, 2, 0), np.float32)


def sound_cells(samples: Floats) -> Floats:
    """Return the cells of a sound, float32 (steps of 0.1 s, 64 bands): its log-mel spectrum, averaged.

    Args:
        samples: float32 mono at 16 kHz in -1 to 1, shape (samples,); shorter ones than a step are followed by silence.
    """
    frames = log_mel(np.pad(samples, (0, max(0, _SHORTEST_SAMPLES - len(samples)))))
    steps = len(frames) // _FRAMES
    cells: Floats = frames[: steps * _FRAMES].reshape(steps, _FRAMES, -1).mean(1)
    return cells
