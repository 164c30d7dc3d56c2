"""Basic colour words for what is in a box: its surroundings taken off, corrected for the light, in CIE L*a*b*."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from edge_runtime.types import Image

SIDE = 48
"""Pixels to which a box is thinned out."""
_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])

PROTOTYPES = (
    ("black", 8, 0, 0), ("black", 20, 1, -2), ("black", 30, 0, -3),
    ("grey", 45, 0, 0), ("grey", 55, 0, -2), ("grey", 65, 0, 0),
    ("white", 80, 0, 0), ("white", 87, 0, 2), ("white", 93, 0, 0), ("white", 99, 0, 0),
    ("red", 30, 42, 24), ("red", 42, 58, 38), ("red", 50, 68, 48), ("red", 24, 30, 16),
    ("pink", 72, 28, 2), ("pink", 80, 18, 2), ("pink", 60, 52, -4),
    ("orange", 62, 40, 60), ("orange", 56, 46, 56), ("orange", 70, 30, 62),
    ("yellow", 80, 2, 68), ("yellow", 88, -6, 60), ("yellow", 74, 6, 62), ("yellow", 90, -4, 40),
    ("yellow", 74, 15, 66), ("yellow", 66, 14, 56), ("yellow", 80, 8, 50),
    ("green", 40, -30, 26), ("green", 55, -36, 36), ("green", 30, -18, 16), ("green", 66, -28, 44),
    ("green", 48, -24, 6), ("green", 45, -14, 26),
    ("blue", 34, 8, -42), ("blue", 48, 0, -34), ("blue", 60, -8, -28), ("blue", 24, 12, -34), ("blue", 72, -10, -22),
    ("blue", 38, 0, -22), ("blue", 55, -22, -20),
    ("blue", 36, 20, -56), ("blue", 32, 60, -92),
    ("purple", 34, 34, -36), ("purple", 48, 32, -30), ("purple", 26, 22, -20), ("purple", 62, 24, -26),
    ("brown", 26, 10, 14), ("brown", 36, 14, 22), ("brown", 46, 14, 28), ("brown", 56, 14, 32), ("brown", 64, 12, 36),
    ("beige", 76, 4, 18), ("beige", 84, 2, 14), ("beige", 68, 5, 19),
)  # fmt: skip
"""Where each colour word lies in L*a*b*."""
NAMES = np.array([name for name, *_ in PROTOTYPES])
_POINTS = np.array([point for _, *point in PROTOTYPES], float)
_BAND = 10.0
"""Distance in L*a*b* over which one word gives way to another."""
_FUR = {"": 0.01, "black": 1.5, "white": 1.5, "brown": 1.5, "beige": 1.0, "grey": 0.4}
_SOFT = {"": 0.01, "black": 1.0, "white": 1.0, "brown": 1.0, "beige": 1.0, "grey": 0.8, "orange": 0.6}
_ANY = {"": 1.0, "grey": 0.7}
# Windows, tyres and shadows are dark whatever the paint is.
_PAINT = {"": 2.0, "black": 0.6, "grey": 0.8, "white": 1.2, "beige": 0.6, "brown": 0.5}
PRIORS: Mapping[str, Mapping[str, float]] = {
    **dict.fromkeys(("car", "bus", "truck", "motorcycle", "train", "bicycle"), _PAINT),
    **dict.fromkeys(("dog", "horse", "cow", "sheep"), _FUR),
    **dict.fromkeys(("cat", "bear", "hair"), _SOFT),
}
"""What is known before looking; fur in the shade looks grey or bluish, on grass greenish."""
_KERNEL = 9.0
_DIM, _TINTED = 0.35, 1.35
"""Darker or more coloured than this, the whitest pixels are no white thing, and tell nothing of the light."""
_RIM = 0.25
_AROUND = 1.0
_FEW = 50
_LEAST = 0.12
_LIGHTNESS = 0.75
"""Lightness counts less than hue: it changes with the light."""


def prior_of(thing: str) -> Mapping[str, float]:
    """Return how often a thing has each colour: animals and people's hair have no bright ones."""
    return PRIORS.get(thing, _ANY)


def colours_of(
    image: Image, box: tuple[float, float, float, float], prior: Mapping[str, float]
) -> list[tuple[str, float, float]]:
    """Return the colours of the thing in a box: (word, share of it, how clearly the first is one), largest first.

    Args:
        image: the whole picture, RGB uint8, shape (height, width, 3).
        box: left, top, right, bottom in pixels.
        prior: how often things of this kind have a colour; one that it does not name counts `prior[""]`.
    """
    patch, inside = _surroundings(image, box)
    lab = _lab(_corrected(patch / 255.0, image / 255.0))
    thing, around = lab[inside], lab[~inside]
    height, width = inside.any(1).sum(), inside.any(0).sum()
    weight = _centred(int(height), int(width)).reshape(-1)
    weight = weight * _own(thing, around, weight)
    distance = np.linalg.norm((thing[:, None] - _POINTS) * (_LIGHTNESS, 1.0, 1.0), axis=2)
    belongs = np.exp(-0.5 * np.square((distance - distance.min(1, keepdims=True)) / _BAND))
    shares = {}
    for name in np.unique(NAMES):
        mine = belongs[:, np.flatnonzero(name == NAMES)].max(1)
        shares[str(name)] = float((mine**2 * weight).sum()) * prior.get(str(name), prior.get("", 1.0))
    whole = sum(shares.values()) or 1.0
    ordered = sorted(((name, share / whole) for name, share in shares.items()), key=lambda pair: -pair[1])
    first, second = ordered[0][1], ordered[1][1]
    clear = first**2 / (first**2 + second**2) if first else 0.0
    return [(name, share, clear) for name, share in ordered if share >= _LEAST] or [(*ordered[0], clear)]


def _surroundings(
    image: Image, box: tuple[float, float, float, float]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the box with a rim around it, thinned out, and which of its pixels lie in the box."""
    left, top, right, bottom = box
    across, down = _RIM * (right - left), _RIM * (bottom - top)
    low = max(round(left - across), 0), max(round(top - down), 0)
    high = min(round(right + across), image.shape[1]), min(round(bottom + down), image.shape[0])
    patch, rows, columns = _thinned(image[low[1] : high[1], low[0] : high[0]])
    rows, columns = rows + low[1], columns + low[0]
    inside = ((rows >= top) & (rows < bottom))[:, None] & ((columns >= left) & (columns < right))[None, :]
    return patch, inside


def _own(thing: NDArray[np.float64], around: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how surely each pixel belongs to the thing: its colour is commoner in the middle than around."""
    if len(around) < _FEW:
        return np.ones(len(thing))
    inner = _density(thing, thing, weight)
    outer = _density(thing, around, np.ones(len(around)))
    own: NDArray[np.float64] = inner / (inner + _AROUND * outer + 1e-12)
    return own**2


def _density(at: NDArray[np.float64], of: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how common colours are, each counted with a Gaussian around it, shape (len(at),)."""
    squared = (np.square(at).sum(1)[:, None] + np.square(of).sum(1)[None, :]) - 2.0 * at @ of.T
    density: NDArray[np.float64] = np.exp(-0.5 * squared / _KERNEL**2) @ weight / weight.sum()
    return density


def _thinned(image: Image) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.intp]]:
    """Return about SIDE x SIDE pixels, each the mean of its surroundings, and their rows and columns."""
    rows = np.linspace(0, image.shape[0], min(SIDE, image.shape[0]) + 1).astype(int)
    columns = np.linspace(0, image.shape[1], min(SIDE, image.shape[1]) + 1).astype(int)
    sums = np.add.reduceat(np.add.reduceat(image.astype(float), rows[:-1], axis=0), columns[:-1], axis=1)
    means: NDArray[np.float64] = sums / (np.diff(rows)[:, None, None] * np.diff(columns)[None, :, None])
    return means, (rows[:-1] + rows[1:]) // 2, (columns[:-1] + columns[1:]) // 2


def _corrected(rgb: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return pixels with the picture's whitest ones brought half way to white, where they are nearly neutral."""
    every = whole[::4, ::4].reshape(-1, 3)
    whitest = every[every.min(1) >= np.percentile(every.min(1), 98)].mean(0)
    if whitest.min() < _DIM or whitest.max() > _TINTED * whitest.min():
        return rgb
    scaled: NDArray[np.float64] = np.clip(rgb * (1.0 / whitest) ** 0.5, 0.0, 1.0)
    return scaled


def _lab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return sRGB in 0 to 1 as CIE L*a*b* under D65 (IEC 61966-2-1, CIE 15)."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _TO_XYZ.T / _WHITE
    root = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = np.moveaxis(root, -1, 0)
    lab: NDArray[np.float64] = np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)
    return lab


def _centred(height: int, width: int) -> NDArray[np.float64]:
    """Return weights that fall from the middle of the box to its edges, where the background is."""
    rows, columns = (np.linspace(-1, 1, size) for size in (height, width))
    weights: NDArray[np.float64] = np.exp(-2.0 * (np.square(rows)[:, None] + np.square(columns)[None, :]))
    return weights
