"""What is unusual to hear at one microphone: bangs, squeals and silences in what is otherwise learnt as usual."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.decision.anomaly import AnomalyMemory
from edge_runtime.decision.site_threshold import SiteThreshold
from edge_runtime.decision.telling import Telling
from edge_runtime.types import SAMPLE_RATE_HZ, AudioChunk, Event, Step, Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

WINDOW, HOP = SAMPLE_RATE_HZ, SAMPLE_RATE_HZ // 2
"""A second is judged at a time, one each half second: every moment lies in two of them."""
BREAK_S = 0.5
"""Sound that is missing for longer than this is a new beginning."""
SIZE = 500
FIRST_MINUTES, YOUNG_MINUTES, DAY_MINUTES = 5, 60, 1440
"""What is usual is frozen after 5 minutes, then at 15, 30, 60 and so on, later once a day."""
LEAST = 0.5
"""No sound nearer to what is known alarms, whatever the history: half of the usual spread."""
SOON = 30
"""Minutes of scores from which something is promised."""
PATIENCE = 60
"""Alarms of one hour speak once against the threshold: an hour may hold as many true ones as it likes."""
STILL_S = 5.0
"""What is strange again within so many seconds goes on, and is not told again."""
DIGITS = 6


class UnusualSound:
    """Learns what one microphone hears and tells what is unlike it.

    Each second is two rows of numbers for a memory: how loud each band is, and how much it moves within the second.
    Two seconds in a row must be strange, so that what is told is no click of the line.

    Args:
        cells: sound, float32 (samples,) at 16 kHz, to its spectrum in small steps, float32 (steps, bands).
        alarms_per_day: false alarms that the microphone may give in a day of listening.
        cooldown_s: seconds for each alarm, once some were told at once.

    Attributes:
        snapshot: what is worth keeping, as it was when last asked for.
        score: of the last second and the one before it, the lower of the two.
    """

    name = "anomaly-sound"

    def __init__(self, cells: Callable[[Floats], Floats], alarms_per_day: float, cooldown_s: float) -> None:
        self._cells = cells
        self._alarms_per_day = alarms_per_day
        self._cooldown_s = cooldown_s
        self._fines: deque[float] = deque()
        self._forgets = self._asked = False
        self.snapshot: tuple[Mapping[str, object], Mapping[str, NDArray[Any]]] | None = None
        self._rest = np.zeros(0, np.float32)
        self._due = float("-inf")
        self._begin()

    def _begin(self) -> None:
        self._learning = AnomalyMemory(SIZE)
        self._usual: AnomalyMemory | None = None
        self._arrays: Mapping[str, NDArray[Any]] = {}
        self._digest = ""
        self._threshold = self._fresh()
        self._successor: SiteThreshold | None = None
        self._minutes = 0
        self._next = FIRST_MINUTES
        self._settled = False
        self._minute_at = float("-inf")
        self._telling = Telling(self._cooldown_s)
        self.score = self._before = 0.0

    def _fresh(self) -> SiteThreshold:
        return SiteThreshold(self._alarms_per_day, least=LEAST, enough=SOON, patience=PATIENCE)

    def step(self, chunk: AudioChunk) -> list[Event]:
        """Take the next chunk; return the alarms in what is complete with it."""
        if abs(chunk.at - self._due) > BREAK_S:
            self._rest, self._before = self._rest[:0], 0.0
        begun = chunk.at - len(self._rest) / SAMPLE_RATE_HZ
        self._rest = np.concatenate([self._rest, chunk.samples])
        self._due = chunk.at + len(chunk.samples) / SAMPLE_RATE_HZ
        told: list[Event] = []
        while len(self._rest) >= WINDOW:
            told += self._hear(AudioChunk(chunk.source, begun, self._rest[:WINDOW].copy()))
            self._rest = self._rest[HOP:]
            begun += HOP / SAMPLE_RATE_HZ
        return told

    def decide(self, heard: AudioChunk) -> list[Event]:
        """Judge one second: a pure function of the state and of what is heard."""
        return self._judge(heard, self._row(heard))[0]

    def fine(self, event_id: str, gate: str, score: float) -> None:  # noqa: ARG002 - as those who learn are told
        """Take note that an alarm was none, from any thread: the like of it does not alarm again."""
        self._fines.append(score)

    def forget(self) -> None:
        """Begin anew, as in front of a new machine; from any thread."""
        self._forgets = True

    def ask(self) -> None:
        """Have `snapshot` made with the next sound; from any thread."""
        self._asked = True

    def state(self) -> tuple[Mapping[str, object], Mapping[str, NDArray[Any]]]:
        """Return all that the next decision depends on."""
        state = {
            "memory": self._digest,
            "threshold": self._threshold.state(),
            "settled": self._settled,
            "before": self._before,
            "telling": self._telling.state(),
        }
        return state, self._arrays

    def restore(self, state: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take on a state that `state` returned."""
        self._begin()
        self._digest, self._settled = str(state["memory"]), bool(state["settled"])
        self._threshold.restore(state["threshold"])
        self._before = float(state["before"])
        self._telling.restore(state["telling"])
        self._arrays = arrays
        self._usual = AnomalyMemory.from_arrays(arrays) if arrays else None

    def kept(self) -> tuple[Mapping[str, object], Mapping[str, NDArray[Any]]]:
        """Return all that is worth keeping on disk. Not while another thread listens."""
        state = {"threshold": self._threshold.state(), "minutes": self._minutes, "next": self._next}
        state |= {"settled": self._settled, "successor": self._successor.state() if self._successor else None}
        return state, self._learning.to_arrays() if self._learning.count else {}

    def take(self, state: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take on what `kept` returned.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        self._begin()
        self._threshold.restore(state["threshold"])
        self._minutes, self._next, settled = int(state["minutes"]), int(state["next"]), bool(state["settled"])
        if state.get("successor"):
            self._successor = self._fresh()
            self._successor.restore(state["successor"])
        if arrays:
            self._learning = AnomalyMemory.from_arrays(arrays)
            if self._next > FIRST_MINUTES:
                self._freeze()
                self._settled = settled

    def _hear(self, heard: AudioChunk) -> list[Event]:
        if not 0 <= heard.at - self._minute_at < 60:
            self._minute_at = heard.at
            self._minutes += 1
        row = self._row(heard)
        before, arrays = self.state()
        events, strange = self._judge(heard, row)
        if not strange:
            self._learning.learn(row[None])
        if self._minutes >= self._next:
            # The first memory is too young for its scores to be history.
            self._settled = self._usual is not None
            self._freeze()
            if self._settled and self._minutes <= YOUNG_MINUTES:
                # What a memory that knew less found strange would set the threshold for a week.
                self._successor = self._fresh()
            self._next = max(min(2 * self._minutes, self._minutes + DAY_MINUTES), 3 * FIRST_MINUTES)
        self._listen()
        trace = Trace(self.name, before, arrays, heard=heard)
        return [Event(e.kind, e.source, e.at, e.data, e.id, e.steps, trace) for e in events]

    def _row(self, heard: AudioChunk) -> Floats:
        cells = self._cells(heard.samples)
        row: Floats = np.concatenate([cells.mean(0), cells.std(0)]).astype(np.float32)
        return row

    def _judge(self, heard: AudioChunk, row: Floats) -> tuple[list[Event], bool]:
        """Return the alarm, and whether it is too strange to be learnt."""
        if self._usual is None or not self._settled:
            return [], False
        now = self._usual.score(row[None])[0]
        self.score, self._before = float(f"{min(now, self._before):.{DIGITS}g}"), now
        score = self.score
        judged = self._threshold.update(heard.at, score)
        if self._successor and not judged.alarm:
            self._successor.update(heard.at, score)
            if self._successor.threshold is not None:
                self._threshold, self._successor = self._successor, None
        strange = judged.threshold is not None and now > judged.threshold
        news = judged.alarm and self._telling.is_news(heard.at, STILL_S)
        if not news or self._telling.left(heard.at) < 1:
            return [], strange
        self._telling.tell(heard.at)
        threshold, p_value = round(judged.threshold or 0.0, DIGITS), float(f"{judged.p_value:.3g}")
        steps = (
            Step("memory", {"hash": self._digest, "seconds_in_a_row": 2}),
            Step("sound", {"score": score, "threshold": threshold, "alarm": True, "p_value": p_value,
                           "history_minutes": self._threshold.minutes}),
            Step("allowance", {"seconds_each": self._cooldown_s, "left": round(self._telling.left(heard.at), 3)}),
        )  # fmt: skip
        data = {"unusual": "sound", "score": score, "threshold": threshold, "p_value": p_value, "gate": "sound"}
        return [Event("anomaly", heard.source, heard.at, data, steps=steps)], strange

    def _freeze(self) -> None:
        """Let what was learnt be usual from now on."""
        # What is read back is what is judged by, so that a record decides alike.
        self._arrays = self._learning.to_arrays()
        self._usual = AnomalyMemory.from_arrays(self._arrays)
        self._digest = self._usual.digest()[:16]

    def _listen(self) -> None:
        """Do what was asked for from other threads."""
        while self._fines:
            score = self._fines.popleft()
            self._threshold.fine(score)
            if self._successor:
                self._successor.fine(score)
        if self._forgets:
            self._forgets, self.snapshot = False, None
            self._begin()
        if self._asked:
            self._asked, self.snapshot = False, self.kept()
