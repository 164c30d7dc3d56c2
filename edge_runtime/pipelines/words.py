"""Alerts in plain words: what has changed in a camera's view is looked at closely and compared with each prompt."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from edge_runtime.decision.boxes import overlap
from edge_runtime.decision.changes import Changes
from edge_runtime.decision.prompted import FLOOR, QUIET, Glimpse, Lesson, weigh
from edge_runtime.decision.site_threshold import Judged, SiteThreshold
from edge_runtime.pipelines.rules import NOVEL
from edge_runtime.types import Event, Step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from edge_runtime.decision.prompted import Evidence, Sought
    from edge_runtime.pipelines.vision import Eyes
    from edge_runtime.types import Box, Image, Sight

EVERY_S = 1.0
"""Seconds between closer looks: each costs as much as a look at the whole picture."""
GLIMPSES = 3
LOOKS = 2
"""Closer looks in a row that an alert needs; a shadow or an insect is gone with the next."""
PATIENCE_S = 5.0
"""Looks further apart than this are not in a row."""
EARLY = 2
"""Alerts in the first hour of a prompt that words alone speak for; what is like them later in that hour is usual."""
_NEAR, _WIDE = 1.25, 2.2
_LEAST_SIDE = 24
_SAME = 0.5


@dataclass(frozen=True, slots=True)
class AlertRules:
    """How alerts are judged.

    Attributes:
        alarms_per_day: false alarms a day of each prompt at most.
        cooldown_s: seconds before the same prompt alerts again.
    """

    alarms_per_day: float
    cooldown_s: float


class Words:
    """Tells when what a prompt names comes into view; a Decider of VisionPipeline.

    Args:
        sought: what the prompts look for.
        eyes: look at parts of the picture.
        rules: how alerts are judged.
    """

    name = "words"
    features = False

    def __init__(self, sought: Sequence[Sought], eyes: Eyes, rules: AlertRules) -> None:
        self._sought = {one.prompt: one for one in sought}
        self._eyes = eyes
        self._rules = rules
        self._wide = any(one.place is not None for one in sought)
        self._changes = Changes()
        self._thresholds = {prompt: self._fresh(prompt) for prompt in self._sought}
        self._looked_at = float("-inf")
        self._seen: dict[str, tuple[float, float, int]] = {}
        self._told_at: dict[str, float] = {}
        self._early: dict[str, int] = {}
        self._fines: deque[tuple[str, float]] = deque()

    @property
    def busy(self) -> bool:
        """Tell whether something was seen once, so that looking on is worth it."""
        return bool(self._seen)

    def decide(self, sight: Sight) -> list[Event]:
        """Return the alerts of this look; at most one look a second is a close one."""
        at = sight.frame.at
        if 0 <= at - self._looked_at < EVERY_S:
            return []
        self._take_fines()
        if not 0 <= at - self._looked_at <= PATIENCE_S:
            self._seen = {}
        self._looked_at = at
        boxes = self._boxes(sight)
        glimpses = [self._glimpse(sight.frame.image, box) for box in boxes]
        seen = (*sight.look.detections, *sight.look.unsure)
        events = []
        for prompt, sought in self._sought.items():
            evidence = [weigh(sought, glimpse, seen) for glimpse in glimpses]
            best = max(evidence, key=lambda one: one.score, default=None)
            events += self._judge(sight, prompt, best, len(boxes))
        return events

    def finish(self, source: str, at: float) -> list[Event]:  # noqa: ARG002 - as every decider is told
        """Forget what was seen once; an alert has no end."""
        self._seen = {}
        return []

    def fine(self, prompt: str, score: float) -> None:
        """Take note that an alert with this score was none, from any thread; it counts from the next look on."""
        if prompt in self._sought:
            self._fines.append((prompt, score))

    def thresholds(self) -> Mapping[str, Mapping[str, object]]:
        """Return what the site has taught, by prompt: what is worth keeping on disk."""
        return {prompt: threshold.state() for prompt, threshold in self._thresholds.items()}

    def learned(self, kept: Mapping[str, Mapping[str, Any]]) -> None:
        """Take on what the site has taught before, as far as its prompts are still asked for.

        Raises:
            KeyError, TypeError, ValueError: it is no such thing.
        """
        for prompt in self._sought.keys() & kept.keys():
            threshold = self._fresh(prompt)
            threshold.restore(kept[prompt])
            self._thresholds[prompt] = threshold

    def state(self) -> tuple[Mapping[str, object], Mapping[str, NDArray[Any]]]:
        """Return all that the next decision depends on."""
        self._take_fines()
        changes, arrays = self._changes.state()
        state = {
            "changes": changes,
            "looked_at": None if self._looked_at == float("-inf") else self._looked_at,
            "seen": dict(self._seen),
            "told_at": dict(self._told_at),
            "early": dict(self._early),
            "thresholds": self.thresholds(),
            "lessons": {prompt: (lesson.bias, lesson.scale) for prompt, lesson in self._lessons().items()},
        }
        weights = {f"lesson {prompt}": lesson.weights for prompt, lesson in self._lessons().items()}
        return state, {**arrays, **weights}

    def restore(self, state: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take on a state that `state` returned."""
        self._changes.restore(state["changes"], arrays)
        self._looked_at = float("-inf") if state["looked_at"] is None else float(state["looked_at"])
        self._seen = {prompt: (float(a), float(b), int(n)) for prompt, (a, b, n) in state["seen"].items()}
        self._told_at = {prompt: float(at) for prompt, at in state["told_at"].items()}
        self._early = {prompt: int(count) for prompt, count in state["early"].items()}
        self.learned(state["thresholds"])
        for prompt, sought in self._sought.items():
            taught = state["lessons"].get(prompt)
            lesson = Lesson(arrays[f"lesson {prompt}"], float(taught[0]), float(taught[1])) if taught else None
            self._sought[prompt] = replace(sought, lesson=lesson)

    def _lessons(self) -> dict[str, Lesson]:
        return {prompt: sought.lesson for prompt, sought in self._sought.items() if sought.lesson is not None}

    def _fresh(self, prompt: str) -> SiteThreshold:
        # What goes on being there was told and is part of the view soon; it must not become what is usual.
        sure = self._sought[prompt].sure
        return SiteThreshold(self._rules.alarms_per_day, least=FLOOR, persists=None, believed=sure)

    def _may_tell_early(self, prompt: str) -> bool:
        """Tell whether there may be an alert before there is a history: some, where words alone count."""
        return self._sought[prompt].trusted or self._early.get(prompt, 0) < EARLY

    def _take_fines(self) -> None:
        while self._fines:
            prompt, score = self._fines.popleft()
            self._thresholds[prompt].fine(score)

    def _boxes(self, sight: Sight) -> list[Box]:
        """Return the parts of the picture that are worth a closer look: new things first, then other changes."""
        changed = self._changes.update(sight.frame.image, sight.frame.at)
        found = [one.box for one, novelty in zip(sight.look.detections, sight.novelty, strict=True) if novelty >= NOVEL]
        boxes: list[Box] = []
        for box in (*found[: GLIMPSES - 1], *changed, *found[GLIMPSES - 1 :]):
            if not any(overlap(box, other)[1] > _SAME for other in boxes):
                boxes.append(box)
        return boxes[:GLIMPSES]

    def _glimpse(self, image: Image, box: Box) -> Glimpse:
        near = self._eyes.look(cut(image, box, _NEAR))
        wide = self._eyes.look(cut(image, box, _WIDE)).embedding if self._wide else None
        return Glimpse(box, near, wide)

    def _judge(self, sight: Sight, prompt: str, best: Evidence | None, parts: int) -> list[Event]:
        """Return the alert of one prompt, if this look makes one; what is none teaches the site's threshold."""
        at, threshold = sight.frame.at, self._thresholds[prompt]
        score = QUIET if best is None else best.score
        judged = threshold.judge(score)
        sure = self._sought[prompt].sure
        above = judged.alarm if judged.threshold is not None else score >= sure and self._may_tell_early(prompt)
        # What is surely the thing itself is nothing to learn from, nor the first alerts: they would make it usual.
        trusted = score >= sure and self._sought[prompt].trusted
        if not (above and (trusted or judged.threshold is None)):
            threshold.update(at, max(score, FLOOR))
        if best is None or not above:
            self._seen.pop(prompt, None)
            return []
        first, highest, looks = self._seen.get(prompt, (at, score, 0))
        self._seen[prompt] = (first, max(score, highest), looks + 1)
        if looks + 1 < LOOKS:
            return []
        del self._seen[prompt]
        last = self._told_at.get(prompt)
        rested_s = None if last is None else round(at - last, 3)
        if rested_s is not None and 0 <= rested_s < self._rules.cooldown_s:
            return []
        self._told_at[prompt] = at
        if judged.threshold is None:
            self._early[prompt] = self._early.get(prompt, 0) + 1
        lasted = {"looks": looks + 1, "needed": LOOKS, "seconds": round(at - first, 3), "highest": max(score, highest)}
        steps = (
            Step("change", {"parts": parts, "where": _rounded(best.box), "moving": sight.moving}),
            _likeness(self._sought[prompt], best),
            _threshold(judged, best.score, threshold.minutes, sure),
            Step("persistence", lasted),
            Step("cooldown", {"since_last_s": rested_s, "cooldown_s": self._rules.cooldown_s}),
        )
        needed = sure if judged.threshold is None else judged.threshold
        return [_alert(sight, prompt, best, needed, steps)]


def _alert(sight: Sight, prompt: str, best: Evidence, threshold: float, steps: tuple[Step, ...]) -> Event:
    data = {
        "prompt": prompt,
        "score": best.score,
        "threshold": round(threshold, 4),
        "where": _rounded(best.box),
        "confirmed": None,
    }
    return Event("alert", sight.frame.source, sight.frame.at, data, steps=steps)


def cut(image: Image, box: Box, wider: float) -> Image:
    """Return the square part of a picture around a box, `wider` times its longer side, as far as there is picture."""
    height, width = image.shape[:2]
    x, y = (box[0] + box[2]) / 2 * width, (box[1] + box[3]) / 2 * height
    side = max((box[2] - box[0]) * width, (box[3] - box[1]) * height, _LEAST_SIDE)
    half = side * wider / 2
    left, right = max(int(x - half), 0), min(int(x + half) + 1, width)
    top, bottom = max(int(y - half), 0), min(int(y + half) + 1, height)
    return image[top:bottom, left:right]


def _rounded(box: Box) -> list[float]:
    return [round(side, 4) for side in box]


def _likeness(sought: Sought, best: Evidence) -> Step:
    facts = {
        "likeness": round(best.likeness, 4),
        "detector": round(best.detector, 4),
        "place": round(best.place, 4),
        "score": best.score,
        "labels": list(sought.labels),
        "taught": sought.lesson is not None,
        "otherwise_like": best.like,
    }
    return Step("likeness", facts)


def _threshold(judged: Judged, score: float, minutes: int, sure: float) -> Step:
    facts = {
        "score": score,
        "threshold": None if judged.threshold is None else round(judged.threshold, 4),
        "p_value": round(judged.p_value, 8),
        "minutes": minutes,
        "floor": FLOOR,
        "sure": round(sure, 4),
    }
    return Step("threshold", facts)
