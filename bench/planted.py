"""Things that do happen, put into the pictures of a static camera: each from a second on, at a place of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from static_camera import StaticCamera

    Image = NDArray[np.uint8]
    Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Planted:
    """One true event: what `put` makes of the scene, from `begin` to `end`; `where` are its pixels x0 y0 x1 y1."""

    name: str
    begin: float
    end: float
    where: tuple[int, int, int, int]
    put: Callable[[Floats, float], Floats]

    def __call__(self, scene: Floats, at: float) -> Floats:
        """Return the scene with it in, as long as it lasts."""
        return self.put(scene, at - self.begin) if self.begin <= at < self.end else scene


def unvisited(camera: StaticCamera, height: int, width: int, rng: np.random.Generator) -> tuple[int, int]:
    """Return the top left corner of a place of this size in which the clip changes least, one of the best few."""
    view = camera.view.astype(np.int16)
    some = camera.images[:: max(1, len(camera.images) // 80)]
    changed = np.mean([np.abs(image - view).max(2) > 30 for image in some], axis=0).astype(np.float32)
    inside = cv2.boxFilter(changed, -1, (width, height), anchor=(0, 0), normalize=True, borderType=cv2.BORDER_CONSTANT)
    rows, columns = changed.shape
    inside = inside[: rows - height, : columns - width]
    # Far up is ceiling and sky as often as not.
    inside[: rows // 4] += 1.0
    best = np.argsort(inside, axis=None)[: max(1, inside.size // 20)]
    y, x = np.unravel_index(rng.choice(best), inside.shape)
    return int(x), int(y)


def parcel(camera: StaticCamera, begin: float, lasts: float, rng: np.random.Generator) -> Planted:
    """A box that somebody left."""
    high, wide = (int(side) for side in rng.uniform(0.14, 0.2) * np.array([camera.view.shape[0], 460]))
    x, y = unvisited(camera, high, wide, rng)
    box = np.full((high, wide, 3), rng.choice([[150, 105, 60], [70, 75, 85], [40, 60, 110]]), np.float32)
    box += cv2.GaussianBlur(rng.normal(0, 25, box.shape), (0, 0), 2).astype(np.float32)
    box[: high // 3] *= 1.2
    box[:, wide // 2 - 2 : wide // 2 + 3] = (190, 175, 140)
    cv2.rectangle(box, (0, 0), (wide - 1, high - 1), (30, 25, 20), 2)

    def put(scene: Floats, _: float) -> Floats:
        out = scene.copy()
        out[y : y + high, x : x + wide] = box
        return out

    return Planted("parcel", begin, begin + lasts, (x, y, x + wide, y + high), put)


def cut_out(images: list[Image], view: Image) -> tuple[Floats, Floats]:
    """Return the largest thing that a clip shows before its view: pixels and how much of it each is, 0 to 1."""
    unlike = [float((np.abs(image[::4, ::4].astype(int) - view[::4, ::4]).max(2) > 40).mean()) for image in images]
    # Not the one that fills the picture.
    index = int(np.argmin(np.abs(np.array(unlike) - 0.6 * max(unlike))))
    mask = (np.abs(images[index].astype(int) - view).max(2) > 25).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((15, 15), np.uint8))
    _, parts, stats, _ = cv2.connectedComponentsWithStats(mask)
    part = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    x, y, wide, high, _ = stats[part]
    whole = (parts[y : y + high, x : x + wide] == part).astype(np.float32)
    return images[index][y : y + high, x : x + wide].astype(np.float32), cv2.GaussianBlur(whole, (0, 0), 1.5)


def visitor(camera: StaticCamera, begin: float, thing: tuple[Floats, Floats], rng: np.random.Generator) -> Planted:
    """A person where nobody walks, for twelve seconds."""
    high = int(camera.view.shape[0] * rng.uniform(0.4, 0.5))
    wide = max(8, round(high * thing[0].shape[1] / thing[0].shape[0]))
    wide = min(wide, camera.view.shape[1] // 2)
    pixels, mask = (cv2.resize(layer, (wide, high), interpolation=cv2.INTER_AREA) for layer in thing)
    x, y = unvisited(camera, high, wide, rng)

    def put(scene: Floats, passed: float) -> Floats:
        out = scene.copy()
        step = int(3 * np.sin(2 * passed))
        left = min(max(0, x + step), scene.shape[1] - wide)
        under = out[y : y + high, left : left + wide]
        out[y : y + high, left : left + wide] = under + mask[:, :, None] * (pixels - under)
        return out

    return Planted("person", begin, begin + 12.0, (x, y, x + wide, y + high), put)


def door(camera: StaticCamera, begin: float, lasts: float, rng: np.random.Generator) -> Planted:
    """A door that stands open: a dark room and the edge of the door, within a second."""
    high, wide = int(camera.view.shape[0] * 0.45), int(camera.view.shape[0] * 0.22)
    x, y = unvisited(camera, high, wide, rng)
    corners = np.array([[x, y], [x + wide, y + high // 16], [x + wide, y + high - high // 16], [x, y + high]])

    def put(scene: Floats, _: float) -> Floats:
        out = scene.copy()
        room = np.linspace(35, 70, high, dtype=np.float32)[:, None, None]
        mask = np.zeros(scene.shape[:2], np.uint8)
        cv2.fillConvexPoly(mask, corners, 1)
        out[y : y + high, x : x + wide] = np.where(
            mask[y : y + high, x : x + wide, None], room, scene[y : y + high, x : x + wide]
        )
        cv2.line(out, (x + wide, y), (x + wide, y + high), (110, 90, 70), 5)
        return out

    return Planted("door", begin, begin + lasts, (x, y, x + wide, y + high), put)


def smoke(camera: StaticCamera, begin: float, lasts: float, rng: np.random.Generator) -> Planted:
    """Smoke that rises from a place and hides what is behind it."""
    rows, columns = camera.view.shape[:2]
    clouds = cv2.GaussianBlur(rng.normal(0, 1, (rows * 2, columns)).astype(np.float32), (0, 0), 22)
    clouds = np.clip(0.55 + 0.35 * clouds / clouds.std(), 0, 1)
    high, wide = rows // 2, columns // 4
    x, y = unvisited(camera, high, wide, rng)
    middle = x + wide / 2

    def put(scene: Floats, passed: float) -> Floats:
        grown = min(1.0, passed / 8.0)
        across = np.exp(-(((np.arange(columns) - middle) / (0.15 * columns * (0.5 + grown))) ** 2))
        down = 1 / (1 + np.exp((np.arange(rows) - (y + high)) / 12.0))
        drift = int(passed * 12) % rows
        thick = (grown * 0.9 * across[None, :] * down[:, None] * clouds[drift : drift + rows]).astype(np.float32)
        out: Floats = scene + thick[:, :, None] * (np.float32(165.0) - scene)
        return out

    return Planted("smoke", begin, begin + lasts, (x, 0, x + wide, y + high), put)


def flood(camera: StaticCamera, begin: float, lasts: float, rng: np.random.Generator) -> Planted:
    """Water on the ground: the lowest part of the picture turns dark and shows what is above it."""
    rows, columns = camera.view.shape[:2]
    high = rows // 5
    ripples = cv2.GaussianBlur(rng.normal(0, 1, (high, columns)).astype(np.float32), (0, 0), 4)
    ripples = 60 * ripples / np.abs(ripples).max()

    def put(scene: Floats, passed: float) -> Floats:
        out = scene.copy()
        above = scene[rows - 2 * high : rows - high][::-1]
        out[rows - high :] = 0.55 * above + 25 + np.roll(ripples, int(25 * passed), 1)[:, :, None]
        return out

    return Planted("flood", begin, begin + lasts, (0, rows - high, columns, rows), put)


def detailed(camera: StaticCamera, rng: np.random.Generator) -> tuple[int, int, int]:
    """Return the top left corner and the side of a square of the view with many edges."""
    rows = camera.view.shape[0]
    side = rows // 4
    edges = cv2.Laplacian(cv2.cvtColor(camera.view, cv2.COLOR_RGB2GRAY), cv2.CV_32F)
    detail = cv2.boxFilter(np.abs(edges), -1, (side, side), anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
    detail = detail[: rows - side, : camera.view.shape[1] - side].copy()
    best = np.argsort(-detail, axis=None)[: max(1, detail.size // 50)]
    y, x = (int(v) for v in np.unravel_index(rng.choice(best), detail.shape))
    return x, y, side


def missing(camera: StaticCamera, begin: float, lasts: float, rng: np.random.Generator) -> Planted:
    """Something of the view is gone: the part with the most edges where nobody walks, and wall in its place."""
    x, y, side = detailed(camera, rng)
    mask = np.zeros(camera.view.shape[:2], np.uint8)
    mask[y : y + side, x : x + side] = 1
    filled = cv2.inpaint(camera.view, mask, 9, cv2.INPAINT_TELEA).astype(np.float32)

    def put(scene: Floats, _: float) -> Floats:
        out = scene.copy()
        out[y : y + side, x : x + side] = filled[y : y + side, x : x + side]
        return out

    return Planted("missing", begin, begin + lasts, (x, y, x + side, y + side), put)


def poster(camera: StaticCamera, begin: float, lasts: float, rng: np.random.Generator) -> Planted:
    """Something flat and many-coloured on a wall."""
    high, wide = int(camera.view.shape[0] * 0.25), int(camera.view.shape[0] * 0.18)
    x, y = unvisited(camera, high, wide, rng)
    fields = rng.uniform(40, 220, (6, 5, 3)).astype(np.float32)
    picture = cv2.resize(fields, (wide, high), interpolation=cv2.INTER_NEAREST)

    def put(scene: Floats, _: float) -> Floats:
        out = scene.copy()
        out[y : y + high, x : x + wide] = picture
        return out

    return Planted("poster", begin, begin + lasts, (x, y, x + wide, y + high), put)


def spill(camera: StaticCamera, begin: float, lasts: float, rng: np.random.Generator) -> Planted:
    """A dark stain that spreads on the ground within four seconds."""
    rows, columns = camera.view.shape[:2]
    high, wide = rows // 9, columns // 6
    x, y = unvisited(camera, high, wide, rng)
    y = min(max(y, int(rows * 0.6)), rows - high)
    stain = np.zeros((rows, columns), np.float32)
    middle, half = (x + wide // 2, y + high // 2), (wide // 2, high // 2)
    cv2.ellipse(stain, middle, half, float(rng.uniform(-20, 20)), 0, 360, 1.0, -1)
    soft = np.asarray(cv2.GaussianBlur(stain, (0, 0), 3), np.float32)[:, :, None]

    def put(scene: Floats, passed: float) -> Floats:
        out: Floats = scene * (1 - np.float32(0.55 * min(1.0, passed / 4)) * soft)
        return out

    return Planted("spill", begin, begin + lasts, (x, y, x + wide, y + high), put)


def fire(camera: StaticCamera, begin: float, lasts: float, rng: np.random.Generator) -> Planted:
    """Flames that never look the same twice."""
    rows, columns = camera.view.shape[:2]
    high, wide = rows // 6, rows // 7
    x, y = unvisited(camera, high, wide, rng)

    def put(scene: Floats, passed: float) -> Floats:
        now = np.random.default_rng(int(passed * 7))
        flames = np.zeros((rows, columns), np.float32)
        for _ in range(5):
            middle = (int(x + wide * now.uniform(0.3, 0.7)), int(y + high * now.uniform(0.4, 0.8)))
            half = (int(wide * now.uniform(0.15, 0.3)), int(high * now.uniform(0.2, 0.5)))
            cv2.ellipse(flames, middle, half, 0, 0, 360, 1.0, -1)
        soft = np.asarray(cv2.GaussianBlur(flames, (0, 0), 4), np.float32)[:, :, None]
        out: Floats = scene * (1 - 0.8 * soft) + soft * np.array([225, 135, 36], np.float32)
        return out

    return Planted("fire", begin, begin + lasts, (x, y, x + wide, y + high), put)


def askew(camera: StaticCamera, begin: float, lasts: float, rng: np.random.Generator) -> Planted:
    """A part of the view, with many edges, hangs at a slant."""
    x, y, side = detailed(camera, rng)
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), 25, 1.0)
    disc = np.zeros((side, side), np.float32)
    cv2.circle(disc, (side // 2, side // 2), side // 2 - 2, 1.0, -1)
    soft = np.asarray(cv2.GaussianBlur(disc, (0, 0), 2), np.float32)[:, :, None]

    def put(scene: Floats, _: float) -> Floats:
        out = scene.copy()
        part = np.ascontiguousarray(scene[y : y + side, x : x + side])
        turned = cv2.warpAffine(part, turn, (side, side), borderMode=cv2.BORDER_REFLECT)
        out[y : y + side, x : x + side] = part + soft * (turned - part)
        return out

    return Planted("askew", begin, begin + lasts, (x, y, x + side, y + side), put)
