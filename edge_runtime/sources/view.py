"""What can be measured on one picture, and how the view of a camera usually is: sharpness, edges, smears."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_runtime.types import Image

    Field = NDArray[np.complex64]
    Plane = NDArray[np.float32]

_WIDTH = 160
_COARSE = 8  # pixels
_STRONGEST = 0.01
_FAINT_EDGE, _CLEAR_EDGE = 6.0, 24.0
_TILES = (5, 8)
_WHITE, _NO_COLOUR = 250, 2.5
_SMEAR_TILE = 16

_LEARN_LOOKS = 30
_FORGET_LOOKS = 300
_SHARP_SLACK = 0.5
_SHARP_SPREADS = 3.0
_PLAIN_TILE = 1.0
_GONE = 0.4
_SEEN = 0.5
_LEAST_TILES = 6
_LOST_SHARE = 0.85
_SUSPECT = 0.8
_SHIFT = 0.025
_FITS, _FITS_BETTER = 0.3, 1.25
_TURNS = (0.0, 4.0, -4.0, 8.0, -8.0, 13.0, -13.0, 20.0, -20.0, 30.0, -30.0)
"""Degrees; by which a view is turned back in search of the usual one."""


@dataclass(frozen=True, slots=True)
class View:
    """One picture, measured.

    Attributes:
        dark: level that 97 % of the picture stay below; `faint` the same at 99 %, of cells without noise.
        white: share of the picture that is white.
        contrast: from the darkest to the brightest 2 %, grey levels.
        steps: what the strongest 1 % of the steps between cells reach, grey levels.
        sharpness: log of how much of its strongest edges happens from one pixel to the next; None
            without clear edges.
        smeared: share of the tiles in which rows repeat although columns differ, as when a decoder lost its way.
        night: without colours.
        edges: direction (doubled, so that black on white is white on black) times strength 0 to 1, of each pixel.
    """

    dark: float
    faint: float
    white: float
    contrast: float
    steps: float
    sharpness: float | None
    smeared: float
    night: bool
    edges: Field


def measure(image: Image) -> View:
    """Return the measures of an RGB picture, uint8 (height, width, 3); about 1 ms for 1280x720."""
    height = max(round(image.shape[0] * _WIDTH / image.shape[1]), 16)
    small = np.asarray(cv2.resize(_halved(image), (_WIDTH, height), interpolation=cv2.INTER_AREA), np.float32)
    grey = np.ascontiguousarray(small[..., 1])
    cells = cv2.resize(grey, (_WIDTH // _COARSE, max(height // _COARSE, 2)), interpolation=cv2.INTER_AREA)
    steps = np.concatenate([np.abs(np.diff(cells, axis=axis)).ravel() for axis in (0, 1)])
    low, dark, high = np.percentile(grey, (2, 97, 98))
    colour = float(np.mean(np.abs(small[..., 0] - grey) + np.abs(small[..., 2] - grey)))
    return View(
        dark=float(dark),
        faint=float(np.percentile(cells, 99)),
        white=float(np.mean(grey >= _WHITE)),
        contrast=float(high - low),
        steps=float(np.percentile(steps, 99)),
        sharpness=_sharpness(image),
        smeared=_smeared(image),
        night=colour < _NO_COLOUR,
        edges=_edges(grey),
    )


class UsualView:
    """How one camera usually sees by one light; takes a look each second or so.

    A view has moved when the edges that always stood there are gone from most of the picture and others have come, or
    when all of them stand somewhere else. Someone in front of the lens hides edges of a part; a light that goes out
    takes edges away and brings none.
    """

    def __init__(self) -> None:
        self.looks = 0
        self.smeared = 0.0
        self._edges: Field | None = None
        self._usually_alike = 1.0
        self._sharpness = 0.0
        self._sharp_looks = 0
        self._spread = 0.1

    @property
    def known(self) -> bool:
        """Return whether enough was seen to judge by."""
        return self.looks >= _LEARN_LOOKS

    def learn(self, view: View) -> None:
        """Take in a picture with which nothing is wrong."""
        share = 1 / min(self.looks + 1, _FORGET_LOOKS)
        self.looks += 1
        if self._edges is None or self._edges.shape != view.edges.shape:
            self._edges, self.looks = view.edges.copy(), 1
        self._usually_alike += share * (_alike(self._edges, view.edges) - self._usually_alike)
        self._edges += np.complex64(share) * (view.edges - self._edges)
        if view.sharpness is not None:
            self._sharp_looks += 1
            part = max(share, 1 / self._sharp_looks)
            self._sharpness += part * (view.sharpness - self._sharpness)
            self._spread += part * (abs(view.sharpness - self._sharpness) - self._spread)
        self.smeared += share * (view.smeared - self.smeared)

    def softness(self, view: View) -> float | None:
        """Return how many times softer than usual the edges are, None where that is within the usual."""
        if view.sharpness is None or self._sharp_looks < _LEARN_LOOKS:
            return None
        lost = self._sharpness - view.sharpness
        return math.exp(lost) if lost > _SHARP_SLACK + _SHARP_SPREADS * self._spread else None

    def moved(self, view: View) -> str | None:
        """Return how the view differs from the usual one, in words, or None."""
        if self._edges is None:
            return None
        if self._edges.shape != view.edges.shape:
            return "the picture has another shape"
        alike = _alike(self._edges, view.edges)
        if alike > _SUSPECT * self._usually_alike:
            return None
        if (where := _found_elsewhere(self._edges, view.edges, alike)) is not None:
            return where
        usual, now = _by_tile(np.abs(self._edges) ** 2), _by_tile(np.abs(view.edges) ** 2)
        judged = (usual > _PLAIN_TILE) & (now > _SEEN * usual)
        gone = judged & (_by_tile(np.real(np.conj(self._edges) * view.edges)) < _GONE * usual)
        share = float(gone.sum() / max(judged.sum(), _LEAST_TILES))
        return f"the edges of {share:.0%} of the picture are gone" if share >= _LOST_SHARE else None


def _sharpness(image: Image) -> float | None:
    stride, height = max(image.shape[0] // 90, 4), image.shape[0] - 3
    # Four rows together have half the noise, which would pass for sharp edges.
    four = sum(image[row : height + row : stride, :, 1].astype(np.uint16) for row in range(4))
    rows = np.asarray(four // 4, np.uint8)
    far = max(image.shape[1] // 40, 2)
    highest = _top(cv2.absdiff(rows[:, far:], rows[:, :-far]))
    return (
        math.log(max(_top(cv2.absdiff(rows[:, 1:], rows[:, :-1])), 1.0) / highest) if highest >= _CLEAR_EDGE else None
    )


def _top(levels: Any) -> float:
    """Return the mean of the strongest 1 % of the levels, uint8."""
    count = max(int(levels.size * _STRONGEST), 1)
    # From the strongest down, as many of each level as still belong to them: far quicker than sorting.
    frequent = cv2.calcHist([levels], [0], None, [256], [0, 256]).ravel()[::-1]
    taken = np.diff(np.minimum(np.cumsum(frequent), count), prepend=0)
    return float(taken @ np.arange(255, -1, -1)) / count


def _halved(image: Image) -> Image:
    """Return a picture halved as long as twice its measured width is left: quick, where averaging at once is not."""
    while image.shape[1] >= 4 * _WIDTH and not (image.shape[0] % 2 or image.shape[1] % 2):
        size = image.shape[1] // 2, image.shape[0] // 2
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return image


def _smeared(image: Image) -> float:
    step = max(image.shape[1] // 320, 1)
    plane = np.ascontiguousarray(image[: image.shape[0] // _SMEAR_TILE * _SMEAR_TILE, ::step, 1])
    tiles = plane.reshape(-1, _SMEAR_TILE, plane.shape[1])
    if not tiles.size:
        return 0.0
    first = tiles[:, 0].astype(np.int16)
    across = np.abs(np.diff(first, axis=1))
    down = np.maximum(tiles.max(axis=1) - first, first - tiles.min(axis=1))[:, 1:]
    textured = across > 4
    return float(np.mean(down[textured] <= 1)) if textured.mean() > 0.01 else 0.0


def _edges(grey: Plane) -> Field:
    smooth = cv2.GaussianBlur(grey, (3, 3), 0)
    x, y = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    strength = np.hypot(x, y)
    doubled = (x + 1j * y) ** 2 / np.maximum(strength, 1e-6) ** 2
    field = doubled * (strength / (strength + 8 * _FAINT_EDGE))
    soft = [cv2.GaussianBlur(np.ascontiguousarray(part, np.float32), (5, 5), 0) for part in (field.real, field.imag)]
    return np.asarray(soft[0] + 1j * soft[1], np.complex64)


def _by_tile(values: Plane) -> Plane:
    rows, columns = _TILES
    height, width = values.shape[0] // rows, values.shape[1] // columns
    cut = values[: height * rows, : width * columns]
    return np.asarray(cut.reshape(rows, height, columns, width).sum(axis=(1, 3)), np.float32)


def _alike(usual: Field, now: Field) -> float:
    """Return how alike the edges of two views are, 1 for the same."""
    common = float(np.real(np.vdot(usual, now)))
    return common / max(float(np.linalg.norm(usual) * np.linalg.norm(now)), 1e-6)


def _found_elsewhere(usual: Field, now: Field, here: float) -> str | None:
    """Return where the usual view is found again, pushed or turned, if that fits far better than where it was."""
    best, found = max(_FITS, _FITS_BETTER * here), None
    spectrum = np.conj(np.fft.fft2(usual)) / max(float(np.linalg.norm(usual) * np.linalg.norm(now)), 1e-6)
    height, width = usual.shape
    for turn in _TURNS:
        fits = np.real(np.fft.ifft2(np.fft.fft2(_turned(now, turn)) * spectrum))
        y, x = (int(index) for index in np.unravel_index(int(fits.argmax()), fits.shape))
        x, y = (x + width // 2) % width - width // 2, (y + height // 2) % height - height // 2
        if fits.max() > best and (turn or max(abs(x) / width, abs(y) / height) >= _SHIFT):
            best, found = float(fits.max()), (turn, x / width, y / height)
    return None if found is None else _in_words(*found)


def _turned(field: Field, degrees: float) -> Field:
    if not degrees:
        return field
    height, width = field.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    parts = [cv2.warpAffine(np.ascontiguousarray(part), turn, (width, height)) for part in (field.real, field.imag)]
    # Directions are doubled, and y points down.
    return np.asarray((parts[0] + 1j * parts[1]) * np.exp(-2j * np.radians(degrees)), np.complex64)


def _in_words(turn: float, x: float, y: float) -> str:
    told = [f"turned by about {abs(turn):.0f} degrees"] if turn else []
    if abs(x) >= _SHIFT:
        told.append(f"moved {abs(x):.0%} to the {'right' if x > 0 else 'left'}")
    if abs(y) >= _SHIFT:
        told.append(f"moved {abs(y):.0%} {'down' if y > 0 else 'up'}")
    return f"what it shows has {' and '.join(told)}"
