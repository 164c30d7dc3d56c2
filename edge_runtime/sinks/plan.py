"""A camera's picture to draw zones on: a grid in fractions of it, and the zones and lines that there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_runtime.types import Image
    from edge_runtime.watch_sections import LineSettings, ZoneSettings

_WIDTH = 1280
_MARGIN = 56
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_PAPER = (245, 245, 245)
_INK = (40, 40, 40)
_GRID = (255, 255, 255)
_COLOURS = ((255, 120, 80), (90, 200, 110), (110, 160, 255), (250, 200, 60), (210, 120, 250), (70, 220, 220))
_LINE = (255, 60, 160)
_ARROW = 0.06

Pixel = tuple[int, int]


def draw_plan(image: Image, zones: Sequence[ZoneSettings], lines: Sequence[LineSettings]) -> Image:
    """Return the RGB picture about 1280 pixels wide with zones, lines, a grid, and a margin that names it."""
    height = max(1, round(image.shape[0] * _WIDTH / image.shape[1]))
    shrinks = image.shape[1] > _WIDTH
    resized = cv2.resize(image, (_WIDTH, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    picture = np.array(resized, np.uint8)
    _draw_grid(picture)
    for number, zone in enumerate(zones):
        _draw_zone(picture, zone, _COLOURS[number % len(_COLOURS)])
    for line in lines:
        _draw_line(picture, line)
    return _framed(picture)


def _draw_grid(picture: Image) -> None:
    """Rule every tenth, stronger in the middle, half transparent so that the picture stays readable."""
    height, width = picture.shape[:2]
    over = picture.copy()
    for tenth in range(1, 10):
        x, y, thick = round(width * tenth / 10), round(height * tenth / 10), 2 if tenth == 5 else 1
        cv2.line(over, (x, 0), (x, height), _GRID, thick)
        cv2.line(over, (0, y), (width, y), _GRID, thick)
    cv2.addWeighted(over, 0.45, picture, 0.55, 0, dst=picture)


def _draw_zone(picture: Image, zone: ZoneSettings, colour: tuple[int, int, int]) -> None:
    corners = [_pixel(picture, corner) for corner in zone.polygon]
    outline = [np.array(corners, np.int32)]
    over = picture.copy()
    cv2.fillPoly(over, outline, colour)
    cv2.addWeighted(over, 0.3, picture, 0.7, 0, dst=picture)
    cv2.polylines(picture, outline, isClosed=True, color=colour, thickness=2, lineType=cv2.LINE_AA)
    for corner, at in zip(zone.polygon, corners, strict=True):
        cv2.circle(picture, at, 5, colour, cv2.FILLED, cv2.LINE_AA)
        _write(picture, f"{corner[0]:g}, {corner[1]:g}", at, 0.45, colour)
    x, y = (sum(values) // len(corners) for values in zip(*corners, strict=True))
    _write(picture, zone.name, (x, y), 0.8, colour)


def _draw_line(picture: Image, line: LineSettings) -> None:
    """Draw a line from its start, a dot, to its end, with an arrow for each direction that counts."""
    start, end = _pixel(picture, line.start), _pixel(picture, line.end)
    cv2.line(picture, start, end, _LINE, 3, cv2.LINE_AA)
    cv2.circle(picture, start, 7, _LINE, cv2.FILLED, cv2.LINE_AA)
    middle = np.array([(start[0] + end[0]) / 2, (start[1] + end[1]) / 2])
    along = np.array([end[0] - start[0], end[1] - start[1]], float)
    # Looking from start to end, right is where y grows for a line to the right: pictures count rows downwards.
    right = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1.0) * _ARROW * picture.shape[1]
    for way, sign in (("left_to_right", 1), ("right_to_left", -1)):
        if line.direction in {"both", way}:
            tip = middle + sign * right
            cv2.arrowedLine(picture, _whole(middle), _whole(tip), _LINE, 2, cv2.LINE_AA, tipLength=0.25)
            _write(picture, way, _whole(tip), 0.45, _LINE)
    _write(picture, line.name, start, 0.8, _LINE)


def _framed(picture: Image) -> Image:
    """Add a margin on all sides that says which fraction each rule of the grid is."""
    height, width = picture.shape[:2]
    paper = np.full((height + 2 * _MARGIN, width + 2 * _MARGIN, 3), _PAPER, np.uint8)
    paper[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN] = picture
    for tenth in range(11):
        x, y = _MARGIN + round(width * tenth / 10), _MARGIN + round(height * tenth / 10)
        text = f"{tenth / 10:g}"
        for top in (_MARGIN - 12, height + 2 * _MARGIN - 28):
            cv2.putText(paper, text, (x - 6 * len(text), top), _FONT, 0.6, _INK, 1, cv2.LINE_AA)
        for left in (8, width + _MARGIN + 12):
            cv2.putText(paper, text, (left, y + 7), _FONT, 0.6, _INK, 1, cv2.LINE_AA)
    cv2.putText(paper, "x", (width + 2 * _MARGIN - 26, 24), _FONT, 0.7, _INK, 2, cv2.LINE_AA)
    cv2.putText(paper, "y", (12, height + 2 * _MARGIN - 12), _FONT, 0.7, _INK, 2, cv2.LINE_AA)
    return paper


def _write(picture: Image, text: str, at: Pixel, scale: float, colour: tuple[int, int, int]) -> None:
    """Write beside a point, on a dark ground and never over the edge."""
    (wide, high), below = cv2.getTextSize(text, _FONT, scale, 1)
    x = min(max(at[0] + 8, 0), picture.shape[1] - wide - 4)
    y = min(max(at[1] - 8, high + 4), picture.shape[0] - below - 2)
    cv2.rectangle(picture, (x - 3, y - high - 3), (x + wide + 3, y + below), (25, 25, 25), cv2.FILLED)
    cv2.putText(picture, text, (x, y), _FONT, scale, colour, 1, cv2.LINE_AA)


def _pixel(picture: Image, point: tuple[float, float]) -> Pixel:
    height, width = picture.shape[:2]
    return round(point[0] * (width - 1)), round(point[1] * (height - 1))


def _whole(point: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Pixel:
    return round(float(point[0])), round(float(point[1]))
