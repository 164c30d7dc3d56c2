"""What is unusual in one camera's view: pictures, places and times unlike all that was seen there."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.decision.lanes import WINDOWS_S, make_thresholds
from edge_runtime.decision.lingering import Lingering
from edge_runtime.decision.regions import around_peak, bounds
from edge_runtime.decision.sightings import Sightings
from edge_runtime.decision.telling import Telling
from edge_runtime.decision.view_memory import ViewMemory
from edge_runtime.types import Event, Step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from edge_runtime.decision.sightings import Odd
    from edge_runtime.decision.site_threshold import Judged
    from edge_runtime.decision.view_memory import View
    from edge_runtime.types import Sight

    Floats = NDArray[np.float32]
    Places = NDArray[np.bool_]

EVERY_S = 0.9
GAP_S = 90.0
"""After so long without a look, what was seen before it says nothing about what lasts."""
FLOOR = 0.15
"""Distances below this are the noise of a camera that has hardly any."""
HOT = 0.7
"""A place is part of something strange from this share of the threshold on."""
REMEMBERED = 16


@dataclass(frozen=True, slots=True)
class _Lane:
    """What one of the questions came to: how strange each place is, or the thing that is."""

    score: float
    judged: Judged
    strange: Floats | None = None
    odd: Odd | None = None


class Unusual:
    """Learns one camera's view and tells what is unlike it; a Decider of VisionPipeline.

    Four questions are asked of each look, each with a threshold of its own and a quarter of the false alarms: does
    something unknown stay at one place for some seconds, for most of a minute, is a kind of thing where it never
    was, or at an hour at which it never was. What was told is not told again before it was away for a minute.

    Args:
        alarms_per_day: false alarms that the camera may give in a day of watching.
        cooldown_s: seconds for each alarm, once some were told at once.

    Attributes:
        snapshot: what is worth keeping, as it was when last asked for.
    """

    name = "anomaly"
    features = True

    def __init__(self, alarms_per_day: float, cooldown_s: float) -> None:
        self._cooldown_s = cooldown_s
        self._alarms_per_day = alarms_per_day
        self._fines: deque[tuple[str, str, float]] = deque()
        self._forgets = self._asked = False
        self.snapshot: tuple[Mapping[str, object], Mapping[str, NDArray[Any]]] | None = None
        self._begin()

    def _begin(self) -> None:
        self._memory = ViewMemory()
        self._thresholds = make_thresholds(self._alarms_per_day)
        self._sightings = Sightings()
        self._recent = Lingering()
        self._telling = Telling(self._cooldown_s)
        self._looked_at = self._minute_at = float("-inf")
        self._minutes = 0
        self._alerts: OrderedDict[str, tuple[NDArray[np.intp], Floats]] = OrderedDict()
        self._strange: Places | None = None
        self._suspects = False

    @property
    def busy(self) -> bool:
        """Tell whether something strange is there that was not told, so that looking on is worth it."""
        return self._suspects

    def decide(self, sight: Sight) -> list[Event]:
        """Return what is unusual about this look; at most one look a second is judged."""
        at = sight.frame.at
        passed = at - self._looked_at
        if 0 <= passed < EVERY_S or not sight.look.patches:
            return []
        if not 0 <= passed <= GAP_S:
            self._recent = Lingering()
        self._looked_at = at
        if not 0 <= at - self._minute_at < 60:
            self._minute_at = at
            self._minutes += 1
        view = self._memory.see(sight.look.patches)
        self._strange, self._suspects = None, False
        odds = self._sightings.judge(at, sight.look.detections, self._minutes, sight.local)
        events, odd = self._judge(sight, view, odds) if self._memory.settled else ([], ())
        self._sightings.learn(self._minutes, sight.local, odd)
        self._memory.learn(view, at, self._minutes, self._strange)
        self._listen()
        return events

    def finish(self, source: str, at: float) -> list[Event]:  # noqa: ARG002 - as every decider is told
        """End nothing: an anomaly has no end."""
        return []

    def fine(self, event_id: str, gate: str, score: float) -> None:
        """Take note that an alarm was none, from any thread: the like of it does not alarm again."""
        self._fines.append((event_id, gate, score))

    def forget(self) -> None:
        """Begin anew with the next look, as in front of a new view; from any thread."""
        self._forgets = True

    def ask(self) -> None:
        """Have `snapshot` made with the next look; from any thread."""
        self._asked = True

    def state(self) -> tuple[Mapping[str, object], Mapping[str, NDArray[Any]]]:
        """Return all that the next decision depends on."""
        arrays = {**self._memory.arrays(), "told": self._telling.places}
        if self._recent.least is not None:
            arrays["recent"] = self._recent.least
        familiar = self._memory.familiar
        state = {
            "memory": self._memory.digest,
            "usual": familiar.usual if familiar else 0.0,
            "times": self._recent.times,
            "thresholds": {lane: threshold.state() for lane, threshold in self._thresholds.items()},
            "sightings": self._sightings.state(),
            "minutes": self._minutes,
            "telling": self._telling.state(),
            "at": [None if at == float("-inf") else at for at in (self._looked_at, self._minute_at)],
        }
        return state, arrays

    def restore(self, state: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take on a state that `state` returned."""
        self._begin()
        self._memory.restore(str(state["memory"]), float(state["usual"]), arrays)
        times = tuple((float(first), float(last)) for first, last in state["times"])
        self._recent = Lingering(times, arrays.get("recent"))
        self._telling.restore(state["telling"], arrays["told"])
        self._take(state)
        ats = [float("-inf") if at is None else float(at) for at in state["at"]]
        self._looked_at, self._minute_at = ats

    def kept(self) -> tuple[Mapping[str, object], Mapping[str, NDArray[Any]]]:
        """Return all that is worth keeping on disk; nothing of it changes later. Not while another thread decides."""
        arrays = self._memory.kept()
        for event_id, (places, rows) in self._alerts.items():
            arrays |= {f"places-{event_id}": places, f"rows-{event_id}": rows.astype(np.float16)}
        state = {
            "thresholds": {lane: threshold.state() for lane, threshold in self._thresholds.items()},
            "sightings": self._sightings.state(),
            "minutes": self._minutes,
        }
        return state, arrays

    def take(self, state: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take on what `kept` returned.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        self._begin()
        self._take(state)
        if "rows" in arrays:
            self._memory.take(arrays)
        for name in arrays:
            if name.startswith("places-"):
                event_id = name.removeprefix("places-")
                rows = np.asarray(arrays[f"rows-{event_id}"], np.float32)
                self._alerts[event_id] = np.asarray(arrays[name], np.intp), rows

    def _take(self, state: Mapping[str, Any]) -> None:
        for lane, threshold in self._thresholds.items():
            threshold.restore(state["thresholds"][lane])
        self._sightings.restore(state["sightings"])
        self._minutes = int(state["minutes"])

    def _judge(self, sight: Sight, view: View, odds: tuple[Odd, Odd]) -> tuple[list[Event], tuple[Odd, ...]]:
        """Return the alarm of this look, and the things that are where or when they never are."""
        at = sight.frame.at
        lanes = self._lanes(sight, view, odds)
        self._note_strange(at, lanes)
        alarms = {name: lane for name, lane in lanes.items() if lane.judged.alarm}
        strange = tuple(lane.odd for lane in alarms.values() if lane.odd)
        if strange and not self._telling.is_news(at):
            alarms = {name: lane for name, lane in alarms.items() if lane.odd is None}
        if not alarms or self._telling.left(at) < 1:
            return [], strange
        # The one that is the least probable speaks for all.
        best = min(alarms, key=lambda name: alarms[name].judged.p_value)
        return [self._event(sight, view, best, lanes)], strange

    def _lanes(self, sight: Sight, view: View, odds: tuple[Odd, Odd]) -> dict[str, _Lane]:
        """Return what each question comes to; those that nothing can be said to yet are left out."""
        at, lanes = sight.frame.at, {}
        familiar = self._memory.familiar
        if familiar and view.distances is not None:
            usual = np.maximum(familiar.spread + np.float32(familiar.usual), np.float32(FLOOR))
            # Where people walk, a thing of theirs that stays is hardly less strange than elsewhere.
            scales = {"brief": usual, "lasting": np.sqrt(usual)}
            self._recent = self._recent.then(at, view.distances)
            untold = self._telling.untold(at, view.grid)
            enough = self._thresholds["brief"].threshold
            if enough is not None:
                self._strange = view.distances > HOT * enough * usual
                self._suspects = bool(self._strange[untold].any())
            for name, seconds in WINDOWS_S.items():
                least = self._recent.over(seconds)
                if least is not None:
                    strange = least / scales[name]
                    score = float(f"{np.where(untold, strange, 0).max():.6g}")
                    lanes[name] = _Lane(score, self._thresholds[name].update(at, score), strange)
        for name, odd in zip(("place", "time"), odds, strict=True):
            if name == "place" or sight.local:
                score = float(f"{odd.score:.6g}")
                lanes[name] = _Lane(score, self._thresholds[name].update(at, score), odd=odd)
        return lanes

    def _note_strange(self, at: float, lanes: Mapping[str, _Lane]) -> None:
        """Note which places are strange, by this look alone where looks are too rare to say what stays."""
        strange: Places | None = None
        for lane in lanes.values():
            if lane.strange is not None and lane.judged.threshold is not None:
                hot = lane.strange > HOT * lane.judged.threshold
                strange = hot if strange is None else strange | hot
        if strange is not None:
            self._strange = strange
        if self._strange is not None:
            self._telling.stay(at, self._strange)

    def _event(self, sight: Sight, view: View, best: str, lanes: Mapping[str, _Lane]) -> Event:
        lane, at = lanes[best], sight.frame.at
        threshold = lane.judged.threshold or 1.0
        data: dict[str, object] = {"unusual": best, "score": lane.score, "threshold": round(threshold, 6)}
        data |= {"p_value": float(f"{lane.judged.p_value:.3g}"), "gate": best}
        heat, there, places = None, None, np.zeros(0, np.intp)
        if lane.strange is not None:
            there = around_peak(lane.strange, HOT * threshold)
            places = np.flatnonzero(there)
            known = self._memory.knows_elsewhere(view, int(lane.strange.argmax()))
            data |= {"unusual": "place" if known else "picture", "where": bounds(there)}
            heat = np.clip(lane.strange / np.float32(2 * threshold), 0, 1).astype(np.float32)
        elif lane.odd:
            data |= {"label": lane.odd.label, "where": [round(side, 4) for side in lane.odd.box]}
        self._telling.tell(at, there)
        event = Event("anomaly", sight.frame.source, at, data, steps=self._steps(sight, best, lanes), heat=heat)
        if view.rows is not None and len(places):
            self._alerts[event.id] = places, view.rows[places]
            while len(self._alerts) > REMEMBERED:
                self._alerts.popitem(last=False)
        return event

    def _steps(self, sight: Sight, best: str, lanes: Mapping[str, _Lane]) -> tuple[Step, ...]:
        steps = [
            Step("motion", {"area": round(sight.area, 5), "moving": sight.moving}),
            Step("memory", {"hash": self._memory.digest, "minutes": self._minutes}),
        ]
        for name, lane in lanes.items():
            judged = lane.judged
            facts: dict[str, object] = {"score": lane.score, "threshold": judged.threshold, "alarm": judged.alarm}
            facts |= {"p_value": float(f"{judged.p_value:.3g}"), "history_minutes": self._thresholds[name].minutes}
            if name in WINDOWS_S:
                facts["lasted_s"] = WINDOWS_S[name]
            steps.append(Step(name, facts))
        left = round(self._telling.left(sight.frame.at), 3)
        return (*steps, Step("allowance", {"seconds_each": self._cooldown_s, "left": left, "told_by": best}))

    def _listen(self) -> None:
        """Do what was asked for from other threads."""
        while self._fines:
            event_id, gate, score = self._fines.popleft()
            if gate in self._thresholds:
                self._thresholds[gate].fine(score)
            if event_id in self._alerts:
                self._memory.believe(*self._alerts.pop(event_id), self._minutes)
        if self._forgets:
            self._forgets, self.snapshot = False, None
            self._begin()
        if self._asked:
            self._asked, self.snapshot = False, self.kept()
