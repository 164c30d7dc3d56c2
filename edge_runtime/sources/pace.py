"""Whether a camera that delivers does so as it should: often enough, in time, and whole pictures."""

from __future__ import annotations

from collections import deque
from statistics import median
from typing import NamedTuple

SLOW, DAMAGED = "slow", "damaged"

_SETTLE_S = 1.0
_WINDOW_S = 4.0
_FIRST_WINDOW_S = 3.0
_FIRST_STEPS = range(2, 9)
_SLOW_SHARE, _WELL_SHARE = 0.45, 0.6
_NEW_USUAL_S = 1800.0
_RECOVERY_S = 1.5
_LASTS_S = 1.9
"""A network that holds its breath once and then catches up is not slow."""

_LEAST_FPS = 1.0
_LATE_S = 3.0
_GAP_S = 1.0
_DRIFT = 0.01
"""A camera's clock that goes wrong by so much is no delay."""


class Trouble(NamedTuple):
    """What is wrong with a source that still delivers, and why, in words for people."""

    state: str
    reason: str


class Arrival(NamedTuple):
    """The pictures of one camera up to one moment.

    Attributes:
        at: monotonic seconds.
        seen: pictures that have arrived since the camera was opened.
        damaged: how many of them were not whole.
        media_s: the camera's own time, None where it tells none.
    """

    at: float
    seen: int
    damaged: int
    media_s: float | None = None


class Pace:
    """What one camera usually delivers, and whether it does now.

    Slow is less than half of what is usual, for which the camera's own clock speaks at first. As long as nobody knows
    what is usual, it is a picture a second, or what is asked of the camera if that is less. What has been slow for half
    an hour is usual then, as when somebody has set the camera otherwise.
    """

    def __init__(self, fps: float) -> None:
        """`fps` pictures a second are asked for."""
        self._wanted = fps
        self._usual = 0.0
        self.begin()

    def begin(self) -> None:
        """Start anew with a camera that was opened just now; what is usual is remembered."""
        self._arrivals: deque[Arrival] = deque()
        self._newest: Arrival | None = None
        self._steps_s: list[float] = []
        self._settled_at: float | None = None
        self._lag: float | None = None
        self._least_lag = 0.0
        self._since: float | None = None
        self._trouble: Trouble | None = None

    def update(self, now: Arrival) -> Trouble | None:
        """Return what is wrong as of this picture."""
        if self._settled_at is None:
            # What a camera kept for its next viewer comes in one burst.
            self._settled_at = now.at + _SETTLE_S
        self._believe(now)
        if now.at < self._settled_at:
            self._arrivals = deque([now])
            return None
        late_s = self._late(now)
        self._arrivals.append(now)
        while len(self._arrivals) > 1 and now.at - self._arrivals[1].at >= _WINDOW_S:
            self._arrivals.popleft()
        if now.at - self._arrivals[0].at >= _FIRST_WINDOW_S:
            self._settle(self._judge(now, late_s), now.at)
        return self._trouble

    def _believe(self, now: Arrival) -> None:
        """Learn from the camera's own times of its first pictures how many it means to send."""
        before, self._newest = self._newest, now
        if before is None or before.media_s is None or now.media_s is None or len(self._steps_s) >= _FIRST_STEPS.stop:
            return
        step_s = (now.media_s - before.media_s) / max(1, now.seen - before.seen)
        if step_s > 0:
            self._steps_s.append(step_s)
            if len(self._steps_s) in _FIRST_STEPS:
                self._usual = max(self._usual, min(1 / median(self._steps_s), self._wanted))

    def _settle(self, found: Trouble | None, at: float) -> None:
        """Take for a trouble what lasts."""
        if found is None:
            self._since = self._trouble = None
            return
        self._since = at if self._since is None else self._since
        if at - self._since >= _LASTS_S:
            self._trouble = found
        if at - self._since >= _NEW_USUAL_S:
            self._usual = 0.0

    def _judge(self, now: Arrival, late_s: float) -> Trouble | None:
        window_s = min(_WINDOW_S, now.at - self._arrivals[0].at)
        before = self._before(now, window_s if self._trouble is None else _RECOVERY_S)
        rate = _rate(before, now)
        lately = _rate(self._before(now, _RECOVERY_S), now)
        damaged = (now.damaged - before.damaged) / max(1, now.seen - before.seen)
        expected = min(self._wanted, max(self._usual, _LEAST_FPS))
        # Half of it ends what a third began.
        if damaged >= (1 / 3 if self._trouble is None else 1 / 6):
            return Trouble(
                DAMAGED, f"{damaged:.0%} of its pictures arrive damaged: a weak network link, or a fault of the camera"
            )
        share = _SLOW_SHARE if self._trouble is None else _WELL_SHARE
        if rate < expected * share and lately < expected * _WELL_SHARE:
            return Trouble(SLOW, f"sends {rate:.2g} pictures a second, where {expected:.2g} are usual")
        if late_s > (_LATE_S if self._trouble is None else _LATE_S / 2):
            return Trouble(SLOW, f"its pictures arrive {late_s:.0f} s late: the network is too slow for them")
        if self._since is None:
            self._usual = max(self._usual, min(rate, self._wanted))
        return None

    def _before(self, now: Arrival, span_s: float) -> Arrival:
        """Return the last picture that is `span_s` older."""
        return next(each for each in reversed(self._arrivals) if now.at - each.at >= span_s)

    def _late(self, now: Arrival) -> float:
        """Return how much later than at its best this picture arrives, seconds."""
        if now.media_s is None:
            return 0.0
        lag = now.at - now.media_s
        if self._lag is None:
            self._lag = self._least_lag = lag
            return 0.0
        passed = now.at - self._arrivals[-1].at
        if passed > _GAP_S or abs(lag - self._lag) > _LATE_S:
            # A camera that paused, or set its clock, is not late.
            self._least_lag += lag - self._lag
        self._lag = lag
        self._least_lag = min(self._least_lag + passed * _DRIFT, lag)
        return lag - self._least_lag


def _rate(before: Arrival, now: Arrival) -> float:
    """Return the pictures a second between two of them."""
    return (now.seen - before.seen) / (now.at - before.at)
