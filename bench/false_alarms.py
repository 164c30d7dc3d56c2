"""How often a static camera cries wolf, and whether it tells what does happen: hours of both, after some to learn."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from planted import askew, cut_out, door, fire, flood, missing, parcel, poster, smoke, spill, visitor
from static_camera import StaticCamera, read_clip, visits

from edge_runtime.decision.motion import MotionGate
from edge_runtime.decision.scene import Scene
from edge_runtime.pipelines.unusual import Unusual
from edge_runtime.pipelines.vision import VisionPipeline
from edge_runtime.types import Frame
from edge_runtime.wiring.assembly import Models

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from planted import Planted

    from edge_runtime.types import Event

DEMO = Path(__file__).parents[1] / "edge_runtime" / "demo" / "clip.mp4"
HOUR_S, FIRST_S, LASTS_S = 3600.0, 240.0, 90.0
LATE_S = 15.0


@dataclass
class Watch:
    """One camera's pipeline, and what it cost."""

    pipeline: VisionPipeline
    decider: Unusual
    fps: float
    frames: int = 0
    seconds: float = 0.0
    at: float = 0.0
    spent: list[float] = field(default_factory=list)

    def hour(self, camera: StaticCamera, planted: tuple[Planted, ...] = ()) -> list[tuple[float, Event]]:
        """Watch an hour; return its alarms, each with its second in the hour."""

        def plant(scene: NDArray[np.float32], at: float) -> NDArray[np.float32]:
            for event in planted:
                scene = event(scene, at)
            return scene

        alarms = []
        for number in range(int(HOUR_S * self.fps)):
            second = number / self.fps
            frame = Frame("yard", self.at + second, camera.picture(second, plant))
            begun = time.perf_counter()
            alarms += [(second, one) for one in self.pipeline.step(frame) if one.kind == "anomaly"]
            self.seconds += time.perf_counter() - begun
            self.frames += 1
        self.at += HOUR_S
        return alarms


def main() -> None:
    """Run it and print a table and, last, JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clip", type=Path, action="append", help="film of a camera that stands still")
    parser.add_argument("--people", type=Path, default=DEMO, help="film whose visitor is planted")
    parser.add_argument("--learn-hours", type=int, default=3)
    parser.add_argument("--fps", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    people, _ = read_clip(arguments.people)
    person = cut_out(people, visits(people)[0])
    models = Models(threads=1)
    rows = []
    for clip in arguments.clip or [DEMO]:
        rows.append(judged(clip, person, models, arguments))
        print(words(rows[-1]), flush=True)
    hours = 3 * len(rows)
    found = sum(event["found"] for row in rows for event in row["events"])
    planted = sum(len(row["events"]) for row in rows)
    total = {
        "false_alarms": sum(row["false_alarms"] for row in rows), "hours": hours, "found": found, "planted": planted,
    }  # fmt: skip
    print(json.dumps({"clips": rows, "total": total}))


def judged(
    clip: Path, person: tuple[NDArray[np.float32], NDArray[np.float32]], models: Models, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Return what became of one clip: an hour in which all is well, then two in which things happen."""
    images, rate = read_clip(clip)
    decider = Unusual(alarms_per_day=1.0, cooldown_s=300.0)
    watch = Watch(VisionPipeline(models.detector, MotionGate(0.002, 10.0), [decider], Scene()), decider, arguments.fps)
    first = 1000 * arguments.seed
    learning = [
        len(watch.hour(StaticCamera(images, rate, HOUR_S, first + hour))) for hour in range(arguments.learn_hours)
    ]
    quiet = watch.hour(StaticCamera(images, rate, HOUR_S, first + 500))
    events, wrong, alarms = [], [], []
    for number, planner in ((501, plan), (511, plan_more)):
        camera = StaticCamera(images, rate, HOUR_S, first + number)
        planted = planner(camera, person, np.random.default_rng(first + number + 1))
        alarms = watch.hour(camera, planted)
        found, false = matched(planted, alarms, camera)
        events += found
        wrong += false
    return {
        "clip": clip.name,
        "seed": arguments.seed,
        "learnt_hours": arguments.learn_hours,
        "alarms_while_learning": learning,
        "false_alarms": len(quiet) + len(wrong),
        "false": [{"at": at, **one.data} for at, one in quiet + wrong],
        "events": events,
        "thresholds": {
            step.gate: step.facts.get("threshold")
            for _, one in alarms[-1:]
            for step in one.steps
            if "p_value" in step.facts
        },
        "frames": watch.frames,
        "looks": watch.pipeline.looks,
        "ms_a_frame": round(1000 * watch.seconds / watch.frames, 2),
    }


def plan(
    camera: StaticCamera, person: tuple[NDArray[np.float32], NDArray[np.float32]], rng: np.random.Generator
) -> tuple[Planted, ...]:
    """Return six true events, one after the other in one hour."""
    at = begins(6, rng)
    return (
        parcel(camera, at[0], LASTS_S, rng),
        visitor(camera, at[1], person, rng),
        door(camera, at[2], LASTS_S, rng),
        smoke(camera, at[3], LASTS_S, rng),
        flood(camera, at[4], LASTS_S, rng),
        missing(camera, at[5], LASTS_S, rng),
    )


def plan_more(
    camera: StaticCamera, person: tuple[NDArray[np.float32], NDArray[np.float32]], rng: np.random.Generator
) -> tuple[Planted, ...]:
    """Return eight shorter ones, of other kinds."""
    at = begins(8, rng)
    return (
        poster(camera, at[0], 60.0, rng),
        spill(camera, at[1], 60.0, rng),
        fire(camera, at[2], 30.0, rng),
        askew(camera, at[3], 60.0, rng),
        visitor(camera, at[4], person, rng),
        parcel(camera, at[5], 30.0, rng),
        missing(camera, at[6], 30.0, rng),
        door(camera, at[7], 30.0, rng),
    )


def begins(count: int, rng: np.random.Generator) -> list[float]:
    """Return the seconds at which so many events begin, in any order."""
    between = (HOUR_S - FIRST_S) / count
    return [FIRST_S + between * float(place) for place in rng.permutation(count)]


def matched(
    planted: tuple[Planted, ...], alarms: list[tuple[float, Event]], camera: StaticCamera
) -> tuple[list[dict[str, Any]], list[tuple[float, Event]]]:
    """Return what became of each event, and the alarms that none of them gave."""
    events, true = [], set()
    for event in planted:
        hits = [
            (at, one) for at, one in alarms if event.begin <= at <= event.end + LATE_S and overlap(event, one, camera)
        ]
        true |= {one.id for _, one in hits}
        told = {"after_s": round(hits[0][0] - event.begin, 1), "unusual": hits[0][1].data["unusual"]} if hits else {}
        events.append({"event": event.name, "found": bool(hits), **told})
    return events, [(at, one) for at, one in alarms if one.id not in true]


def overlap(event: Planted, alarm: Event, camera: StaticCamera) -> bool:
    """Tell whether an alarm points at the place of an event."""
    rows, columns = camera.view.shape[:2]
    x0, y0, x1, y1 = (float(side) for side in cast("Sequence[float]", alarm.data["where"]))
    left, top, right, bottom = event.where
    return bool(x0 * columns < right and x1 * columns > left and y0 * rows < bottom and y1 * rows > top)


def words(row: dict[str, Any]) -> str:
    """Return one clip's outcome as lines."""
    lines = [f"{row['clip']} seed {row['seed']}: {row['false_alarms']} false alarms in three hours, {row['false']}"]
    lines += [f"  {event}" for event in row["events"]]
    lines.append(f"  while learning {row['alarms_while_learning']}, thresholds {row['thresholds']}")
    lines.append(f"  {row['looks']} looks at {row['frames']} frames, {row['ms_a_frame']} ms a frame")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
