"""What cameras do to pictures: crops, low resolution, night, noise, blur, JPEG; boxes follow along."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_runtime.inference.preprocess import resized

if TYPE_CHECKING:
    from models.omni_nano.data import Picture

Floats = NDArray[np.float32]
Window = tuple[int, int, int, int]
VISIBLE = 0.4


def cropped(boxes: Floats, window: Window, shape: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Return the boxes (n, 6) as fractions of a window in pixels, and those that lose too much of themselves."""
    if not len(boxes):
        return boxes, boxes
    height, width = shape[:2]
    x0, y0, x1, y1 = window
    out = boxes.copy()
    out[:, [0, 2]] = (boxes[:, [0, 2]] * width - x0) / (x1 - x0)
    out[:, [1, 3]] = (boxes[:, [1, 3]] * height - y0) / (y1 - y0)
    whole = (out[:, 2:4] - out[:, :2]).prod(1)
    out[:, :4] = out[:, :4].clip(0, 1)
    part = (out[:, 2:4] - out[:, :2]).prod(1)
    share = part / np.maximum(whole, 1e-9)
    return out[share >= VISIBLE], out[(share > 0.02) & (share < VISIBLE)]


def mirrored(boxes: Floats) -> Floats:
    """Mirror boxes left to right."""
    out = boxes.copy()
    out[:, 0], out[:, 2] = 1 - boxes[:, 2], 1 - boxes[:, 0]
    return out


def low_resolution(picture: Picture, side: int) -> Picture:
    """Shrink a picture so that its longer side has `side` pixels, if it is larger."""
    scale = side / max(picture.shape[:2])
    if scale >= 1:
        return picture
    size = (max(8, round(picture.shape[0] * scale)), max(8, round(picture.shape[1] * scale)))
    return resized(picture, size)


def jpeg(picture: Picture, quality: int) -> Picture:
    """Pass a picture through JPEG."""
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    out: Picture = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return out


def blur(picture: Picture, rng: np.random.Generator) -> Picture:
    """Blur by defocus or by motion in a random direction."""
    if rng.random() < 0.5:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.4, 1.4))), np.uint8)
    length = int(rng.integers(3, 8))
    kernel = np.zeros((length, length), np.float32)
    angle = rng.uniform(0, math.pi)
    for step in np.linspace(-1, 1, 4 * length):
        row = round((length - 1) / 2 * (1 + step * math.sin(angle)))
        column = round((length - 1) / 2 * (1 + step * math.cos(angle)))
        kernel[row, column] = 1
    return np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum()), np.uint8)


def light(picture: Picture, rng: np.random.Generator) -> Picture:
    """Change exposure, contrast, white balance and saturation; sometimes make it night or grey."""
    x = picture.astype(np.float32)
    grey = x.mean(2, keepdims=True)
    saturation = 0.0 if rng.random() < 0.06 else rng.uniform(0.5, 1.5)
    x = grey + (x - grey) * saturation
    x = (x - 127) * rng.uniform(0.7, 1.3) + 127 + rng.uniform(-25, 25)
    x *= rng.uniform(0.9, 1.1, 3).astype(np.float32)
    if rng.random() < 0.08:
        x = x.clip(0, 255) * rng.uniform(0.2, 0.6)
    out: Picture = x.clip(0, 255).astype(np.uint8)
    return out


def noise(picture: Picture, rng: np.random.Generator) -> Picture:
    """Add sensor noise."""
    spread = rng.uniform(2, 14)
    x = picture + rng.standard_normal(picture.shape, np.float32) * np.float32(spread)
    out: Picture = x.clip(0, 255).astype(np.uint8)
    return out


def camera(picture: Picture, side: int, rng: np.random.Generator) -> Picture:
    """Take a picture again with a worse camera; `side` is its longer side in pixels, 0 to leave it."""
    if rng.random() < 0.8:
        picture = light(picture, rng)
    if side:
        picture = low_resolution(picture, side)
    if rng.random() < 0.15:
        picture = blur(picture, rng)
    if rng.random() < 0.2:
        picture = noise(picture, rng)
    if rng.random() < 0.3:
        picture = jpeg(picture, int(rng.integers(35, 95)))
    return picture
