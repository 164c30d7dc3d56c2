"""Whether a source that delivers still sees and hears well; what is wrong is said with its reason."""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.sources.stillness import Stillness
from edge_runtime.sources.view import UsualView, View, measure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from edge_runtime.types import AudioChunk, Frame

_LOOK_EVERY_S = 1.0
_LONGEST_GAP_S = 5.0
_GOOD_LOOKS = 5
_NEW_VIEW_S = 1800.0
_BLACK_LEVEL = 20.0
_DARK_LEVEL = 30.0
_WHITE_SHARE = 0.6
_LEAST_CONTRAST = 30.0
_EDGE_STEP = 5.0
_SMEARED_SHARE = 0.4
_SMEARED_TIMES = 3.0
_SMALLEST = 32  # pixels

_FULL_SCALE = 0.999
_CLIPPED_SHARE = 0.02
_STUCK = 1e-6
_STUCK_SHARE = 0.99
_FAINT = 4 / 32768
"""The loudest moment of a microphone whose gain is off: a few steps of its converter."""
_LONGEST_PATIENCE_S = 600.0
_LOSS_MEMORY_S = 30.0
_MANY_LOSSES = 3


class PictureStatus(enum.StrEnum):
    """What is wrong with a camera's picture."""

    OK = "ok"
    FROZEN = "frozen"
    BLACK = "black"
    COVERED = "covered"
    GARBLED = "garbled"
    DARK = "dark"
    BRIGHT = "bright"
    FADED = "faded"
    BLURRED = "blurred"
    MOVED = "moved"


_AFTER_S = {
    PictureStatus.BLACK: 2.0,
    PictureStatus.COVERED: 2.0,
    PictureStatus.GARBLED: 3.0,
    PictureStatus.MOVED: 10.0,
    PictureStatus.BRIGHT: 10.0,
    PictureStatus.BLURRED: 20.0,
    PictureStatus.DARK: 60.0,
    PictureStatus.FADED: 60.0,
}
_AT_ONCE = {PictureStatus.BLACK, PictureStatus.COVERED, PictureStatus.GARBLED}


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a source, and the reason in words; empty where nothing is."""

    status: PictureStatus
    reason: str = ""


class SoundStatus(enum.StrEnum):
    """What is wrong with a microphone's sound."""

    OK = "ok"
    DEAD = "dead"
    QUIET = "quiet"
    CLIPPED = "clipped"
    CHOPPY = "choppy"


class PictureHealth:
    """Watches one live camera; a trouble counts once it has lasted, and is over after some good looks.

    Args:
        fixed: the camera stays where it looks, so that a view which moves or blurs is a trouble.
    """

    def __init__(self, *, fixed: bool = True) -> None:
        self._fixed = fixed
        self._stillness = Stillness()
        self._usual = {False: UsualView(), True: UsualView()}
        self._looked_at = float("-inf")
        self._since: dict[PictureStatus, float] = {}
        self._told = Finding(PictureStatus.OK)
        self._good_looks = 0
        self._moved_since: float | None = None

    def check(self, frame: Frame) -> Finding:
        """Return what is wrong as of this frame; the first of several troubles, gravest first."""
        still = self._stillness.check(frame)
        if min(frame.image.shape[:2]) >= _SMALLEST and frame.at - self._looked_at >= _LOOK_EVERY_S:
            if frame.at - self._looked_at > _LONGEST_GAP_S:
                self._since.clear()
            self._looked_at = frame.at
            self._look(measure(frame.image), frame.at)
        if self._told.status is PictureStatus.OK and still:
            return Finding(PictureStatus.FROZEN, f"the picture has been the same for {self._stillness.after_s:.0f} s")
        return self._told

    def _look(self, view: View, at: float) -> None:
        usual = self._usual[view.night]
        found = dict(_troubles(view, usual))
        if self._fixed and usual.known and not found:
            found = dict(_strange(view, usual))
        self._since = {status: self._since.get(status, at) for status in found}
        lasting = next((status for status in found if at - self._since[status] >= _AFTER_S[status]), None)
        if lasting:
            self._told, self._good_looks = Finding(lasting, found[lasting]), 0
        elif self._told.status not in found:
            self._good_looks += 1
            if self._good_looks >= _GOOD_LOOKS or self._told.status in _AT_ONCE:
                self._told = Finding(PictureStatus.OK)
        if not found:
            usual.learn(view)
        self._settle(at, moved=self._told.status is PictureStatus.MOVED)

    def _settle(self, at: float, *, moved: bool) -> None:
        """Take a view that stays for half an hour for the camera's own, as when someone has hung it elsewhere."""
        if not moved:
            self._moved_since = None
        elif self._moved_since is None:
            self._moved_since = at
        elif at - self._moved_since >= _NEW_VIEW_S:
            self._usual = {False: UsualView(), True: UsualView()}


def _troubles(view: View, usual: UsualView) -> Iterator[tuple[PictureStatus, str]]:
    if view.faint < _BLACK_LEVEL:
        yield PictureStatus.BLACK, "the picture is black"
        return
    # A hand on the lens still lets a soft gradient through; any real view has a few edges.
    if view.steps < _EDGE_STEP and view.white <= _WHITE_SHARE:
        yield PictureStatus.COVERED, "nothing in the picture has an edge"
    if usual.known and view.smeared > max(_SMEARED_SHARE, _SMEARED_TIMES * usual.smeared):
        yield PictureStatus.GARBLED, f"{view.smeared:.0%} of the picture is smeared"
    if view.dark < _DARK_LEVEL:
        yield PictureStatus.DARK, "97 % of the picture is nearly black"
    elif view.white > _WHITE_SHARE:
        yield PictureStatus.BRIGHT, f"{view.white:.0%} of the picture is white"
    elif view.contrast < _LEAST_CONTRAST:
        yield PictureStatus.FADED, f"from dark to bright there are {view.contrast:.0f} grey levels of 255"


def _strange(view: View, usual: UsualView) -> Iterator[tuple[PictureStatus, str]]:
    softer = usual.softness(view)
    if softer:
        yield PictureStatus.BLURRED, f"edges are {softer:.1f} times softer than usual"
    elif moved := usual.moved(view):
        yield PictureStatus.MOVED, moved


class SoundHealth:
    """Watches one live microphone and judges every `window_s` of sound.

    A microphone that is dead for a while and comes back by itself may have a noise gate, which gives digital silence
    between two sounds; each time this happens it is given twice as long before it counts as dead again.
    """

    def __init__(self, *, window_s: float = 2.0, quiet_after_s: float = 60.0) -> None:
        self._window_s = window_s
        self._quiet_after_s = quiet_after_s
        self._window: list[AudioChunk] = []
        self._status = SoundStatus.OK
        self._patience_s = window_s
        self._dead_since: float | None = None
        self._heard_at: float | None = None
        self._losses: deque[tuple[float, int]] = deque()

    def check(self, chunk: AudioChunk, lost: int = 0) -> SoundStatus:
        """Return the status as of the last whole window.

        Args:
            chunk: the next sound.
            lost: how often sound was lost since the beginning.
        """
        self._window.append(chunk)
        began_at = self._window[0].at
        if chunk.at - began_at >= self._window_s:
            samples = np.concatenate([each.samples for each in self._window])
            self._window.clear()
            self._losses.append((began_at, lost))
            while chunk.at - self._losses[0][0] > _LOSS_MEMORY_S:
                self._losses.popleft()
            self._status = self._judge(began_at, chunk.at, samples)
        return self._status

    def _judge(self, began_at: float, at: float, samples: NDArray[np.float32]) -> SoundStatus:
        middle = np.median(samples)
        away = np.abs(samples - middle)
        # A living microphone always has noise; one constant value, zero or not, is a dead or muted one.
        if np.mean(away < _STUCK) > _STUCK_SHARE:
            self._dead_since = began_at if self._dead_since is None else self._dead_since
            return SoundStatus.DEAD if at - self._dead_since >= self._patience_s else self._status
        if self._status is SoundStatus.DEAD:
            self._patience_s = min(2 * self._patience_s, _LONGEST_PATIENCE_S)
        self._dead_since = None
        if self._heard_at is None or away.max() > _FAINT:
            self._heard_at = at
        if self._losses[-1][1] - self._losses[0][1] >= _MANY_LOSSES:
            return SoundStatus.CHOPPY
        if np.mean(np.abs(samples) >= _FULL_SCALE) > _CLIPPED_SHARE:
            return SoundStatus.CLIPPED
        return SoundStatus.QUIET if at - self._heard_at >= self._quiet_after_s else SoundStatus.OK
