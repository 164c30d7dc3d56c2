"""Whether a camera shows one and the same picture again and again, even if the sender encodes it anew each time."""

from __future__ import annotations

import zlib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_runtime.types import Frame

_SAMPLES_ACROSS = 160
_CELL = 8  # samples
_REAL_CHANGE = 6.0
"""Grey levels; the mean of a cell changes by more when anything moves, and by less at the keyframes of a still."""
_OTHER_LIGHT = 20.0
_REPEATED_SHARE = 0.8
_NEAR_SHARE = 0.5
_NEAR_LEVELS = 0.6
_KEY_FRAMES_A_S = 1.0
_LEAST_SHARE, _STILL_SHARE = 0.4, 0.7
_PARTS = 3
_RECALLED, _PIXELS = 24, 512
_RECALLED_SHARE = 0.3
_BLOCK_S = 4.0
_LEARNED_BLOCKS = 5
_CALM_BLOCKS = 3
_CALM_PATIENCE_S = 60.0
_WRONG_TIMES = 4
_UNTOUCHED_SHARE = 0.5
_REMEMBER_S = 3600.0


@dataclass(frozen=True, slots=True)
class _Span:
    """How a picture changed from one to the next: `change` in grey levels, `repeated` where it came before."""

    at: float
    change: float
    repeated: bool


@dataclass(frozen=True, slots=True)
class _Block:
    """Some seconds of life: how much it changed from picture to picture, and whether they repeated themselves."""

    at: float
    change: float
    calm: bool


class Stillness:
    """Takes every frame of one camera, about 0.2 ms each.

    Noise makes each picture of a living sensor unlike all before it. A frozen one comes again bit by bit or, where the
    sender encodes it anew, changes by less than half of what this camera did in its stillest seconds. A camera whose
    encoder leaves the noise away repeats itself now and then in ordinary life; it is given a minute more. So is one
    whose picture was taken for frozen a few times, and then changed while most of it stayed as it was, bit by bit: in
    one that thaws everything is new.
    """

    def __init__(self, after_s: float = 6.0) -> None:
        self.after_s = after_s
        self._last: NDArray[np.uint8] | None = None
        self._anchor: NDArray[np.float32] | None = None
        self._known: deque[int] = deque(maxlen=64)
        self._lately = np.full((_RECALLED, _PIXELS), 1000, np.int16)
        self._count = 0
        self._recent: deque[_Span] = deque()
        self._moved_at = 0.0
        self._same_since: float | None = None
        self._block_at = 0.0
        self._pending: deque[_Block] = deque()
        self._life: deque[_Block] = deque()
        self._wrong: deque[float] = deque(maxlen=_WRONG_TIMES)

    def check(self, frame: Frame) -> bool:
        """Return whether the picture has been the same for `after_s`."""
        step = max(frame.image.shape[1] // _SAMPLES_ACROSS, 1)
        samples = np.ascontiguousarray(frame.image[::step, ::step, 1])
        mark, cells = zlib.crc32(samples.tobytes()), _cells(samples)
        if self._last is None or self._anchor is None or self._last.shape != samples.shape:
            self._stir(cells, frame.at)
        else:
            change = float(cv2.absdiff(samples, self._last).mean())
            repeated = mark in self._known or self._recalled(samples, change)
            self._recent.append(_Span(frame.at, change, repeated))
            apart = np.abs(cells - self._anchor)
            if apart.max() > _REAL_CHANGE:
                if np.median(apart) > _OTHER_LIGHT:
                    self._life.clear()  # by another light the noise is another
                self._stir(cells, frame.at)
        self._known.append(mark)
        frozen = self._judge(frame.at, samples)
        self._last = samples
        return frozen

    def _recalled(self, samples: NDArray[np.uint8], change: float) -> bool:
        """Tell whether a picture is more like one of some seconds ago than like the one before it, `change` away.

        From key frame to key frame an encoder draws a still picture in the same steps again; noise never comes again.
        """
        pixels = np.resize(samples.reshape(-1)[:: max(samples.size // _PIXELS, 1)], _PIXELS).astype(np.int16)
        apart = np.abs(self._lately - pixels).mean(axis=1)
        self._lately[self._count % _RECALLED] = pixels
        self._count += 1
        return bool(apart.min() <= _RECALLED_SHARE * change)

    def _stir(self, cells: NDArray[np.float32], at: float) -> None:
        self._anchor, self._moved_at = cells, at

    def _judge(self, at: float, samples: NDArray[np.uint8]) -> bool:
        while self._recent and at - self._recent[0].at > self.after_s:
            self._recent.popleft()
        same = at - self._moved_at >= self.after_s and self._repeats(at)
        if same:
            self._pending.clear()
            self._same_since = at if self._same_since is None else self._same_since
        else:
            if self._same_since is not None and np.mean(samples == self._last) > _UNTOUCHED_SHARE:
                self._wrong.append(at)
            self._same_since = None
        self._learn(at)
        wrong = len(self._wrong) == _WRONG_TIMES and at - self._wrong[0] < _REMEMBER_S
        calm = wrong or sum(block.calm for block in self._life) >= _CALM_BLOCKS
        return self._same_since is not None and at - self._same_since >= (_CALM_PATIENCE_S if calm else 0.0)

    def _repeats(self, at: float) -> bool:
        learned = len(self._life) >= _LEARNED_BLOCKS
        usual = min(block.change for block in self._life) if learned else 0.0
        limit = min(_NEAR_SHARE * usual, _NEAR_LEVELS)
        # Half of what began it lets it last.
        enough = 1.0 if self._same_since is None else 0.5
        near = sum(span.repeated or span.change < limit for span in self._recent)
        if near >= enough * _REPEATED_SHARE * max(len(self._recent), 1):
            return True
        # In every part of the time: what came before it stood still shall not be outvoted.
        part_s = self.after_s / _PARTS
        parts: list[list[bool]] = [[] for _ in range(_PARTS)]
        for span in self._recent:
            parts[min(int((at - span.at) / part_s), _PARTS - 1)].append(span.repeated)
        return all(sum(part) >= max(1.0, enough * _needed(len(part), part_s)) for part in parts)

    def _learn(self, at: float) -> None:
        """Keep what life looks like; the beginning of a freeze is not part of it, hence the wait."""
        if at - self._block_at >= _BLOCK_S:
            block = [span for span in self._recent if span.at > self._block_at]
            self._block_at = at
            if block:
                self._pending.append(_whole(block, at))
        while self._pending and at - self._pending[0].at > 2 * self.after_s:
            self._life.append(self._pending.popleft())
        while self._life and at - self._life[0].at > _REMEMBER_S:
            self._life.popleft()


def _whole(spans: list[_Span], at: float) -> _Block:
    change = float(np.median([span.change for span in spans]))
    return _Block(at, change, sum(span.repeated for span in spans) >= _needed(len(spans), _BLOCK_S))


def _needed(spans: int, during_s: float) -> float:
    """Return how many of the spans between pictures must be repeated in what stands still.

    A key frame, of which there may be one a second, shows even a still picture a little otherwise.
    """
    others = max(spans - 1 - during_s * _KEY_FRAMES_A_S, _LEAST_SHARE * spans)
    return _STILL_SHARE * others


def _cells(samples: NDArray[np.uint8]) -> NDArray[np.float32]:
    height, width = (max(size // _CELL, 1) for size in samples.shape)
    cut = samples[: height * _CELL, : width * _CELL].astype(np.float32)
    if min(samples.shape) < _CELL:
        return cut
    return np.asarray(cv2.resize(cut, (width, height), interpolation=cv2.INTER_AREA), np.float32)
