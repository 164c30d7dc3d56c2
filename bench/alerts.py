"""Alerts in plain words on a static camera: false alarms an hour, and how many of the things that come are told.

The camera plays a clip's visits in new orders with noise, light, rain, insects and headlights (static_camera.py). First
every alert is false but those that name what the clip shows. Then things are put into the view, and each prompt is told
from the others.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from planted import parcel
from static_camera import StaticCamera, read_clip

import edge_runtime.demo
from edge_runtime.decision.motion import MotionGate
from edge_runtime.decision.prompted import QUIET
from edge_runtime.decision.scene import Scene
from edge_runtime.pipelines.vision import VisionPipeline
from edge_runtime.pipelines.words import AlertRules, Words
from edge_runtime.types import Frame
from edge_runtime.wiring.alerts import Seekers
from edge_runtime.wiring.assembly import Models

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from edge_runtime.decision.prompted import Evidence
    from edge_runtime.types import Event, Sight

    Image = NDArray[np.uint8]
    Floats = NDArray[np.float32]
    Plant = Callable[[Floats, float], Floats]
    Planted = tuple[str, Plant]
    # What was put there, which prompts told it, and the score of each.
    Trial = tuple[str, set[str], dict[str, float]]

PROMPTS = (
    *("a dog on the doorstep", "a cat in the garden", "a person at the door", "a bird in the garden"),
    *("a car in the driveway", "a bicycle by the fence", "a parcel on the doorstep", "a fox in the garden"),
    *("smoke", "a fire", "a man with a gun", "a child near the pool"),
)
LASTS_S, REST_S = 6, 14
HEIGHTS = (0.12, 0.2, 0.3)


class Watched(Words):
    """Words that tell their scores."""

    scores: dict[str, list[float]]

    def _judge(self, sight: Sight, prompt: str, best: Evidence | None, parts: int) -> list[Event]:
        self.scores.setdefault(prompt, []).append(QUIET if best is None else best.score)
        return super()._judge(sight, prompt, best, parts)


def pasted(thing: Image, place: tuple[int, int], high: int) -> Plant:
    """Return what puts a picture, RGB or RGBA, into a scene with its foot at a place."""
    wide = max(4, round(thing.shape[1] * high / thing.shape[0]))
    small = cv2.resize(thing, (wide, high), interpolation=cv2.INTER_AREA).astype(np.float32)
    opacity = small[..., 3:] / 255 if small.shape[2] == 4 else np.ones((high, wide, 1), np.float32)

    def put(scene: Floats, _: float) -> Floats:
        x = min(max(place[0] - wide // 2, 0), scene.shape[1] - 1)
        y = min(max(place[1] - high, 0), scene.shape[0] - 1)
        part = scene[y : y + high, x : x + wide]
        rows, columns = part.shape[:2]
        mask = opacity[:rows, :columns]
        part[:] = part * (1 - mask) + small[:rows, :columns, :3] * mask
        return scene

    return put


def things_of(folder: Path | None) -> dict[str, list[Image]]:
    """Return pictures of things by their folder's name."""
    found: dict[str, list[Image]] = {}
    for path in sorted(folder.glob("*/*")) if folder else ():
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if image is not None and image.ndim == 3:
            order = cv2.COLOR_BGRA2RGBA if image.shape[2] == 4 else cv2.COLOR_BGR2RGB
            found.setdefault(path.parent.name, []).append(np.asarray(cv2.cvtColor(image, order), np.uint8))
    return found


def watch(
    view: VisionPipeline, camera: StaticCamera, times: Sequence[float], plant: Plant | None = None
) -> list[Event]:
    """Return the alerts of these seconds."""
    found = []
    for at in times:
        found += [e for e in view.step(Frame("cam", at, camera.picture(at, plant))) if e.kind == "alert"]
    return found


def trials(
    words: Watched, view: VisionPipeline, camera: StaticCamera, begin: float, plants: Sequence[Planted]
) -> list[Trial]:
    """Put one thing after the other into the view, each with the history of before; what was told, and the scores."""
    history, found = words.state()[0]["thresholds"], []
    for name, plant in plants:
        state, arrays = words.state()
        words.restore({**state, "thresholds": history, "told_at": {}}, arrays)
        words.scores = {}
        told = watch(view, camera, [begin + second for second in range(LASTS_S)], plant)
        # An alert takes two looks, so the second highest score counts.
        best = {prompt: sorted([QUIET, QUIET, *scores])[-2] for prompt, scores in words.scores.items()}
        found.append((name, {str(event.data["prompt"]) for event in told}, best))
        watch(view, camera, [begin + LASTS_S + second for second in range(REST_S)])
        begin += LASTS_S + REST_S
    return found


def auc(own: Floats, others: Floats) -> float:
    """Return how probable one of the first scores more than one of the second."""
    return float((own[:, None] > others).mean() + 0.5 * (own[:, None] == others).mean())


def planted_things(camera: StaticCamera, arguments: argparse.Namespace, rng: np.random.Generator) -> list[Planted]:
    """Return drawn parcels and the pictures of --pictures, each at a place of its own."""
    plants = [("parcel", parcel(camera, 0.0, float("inf"), rng).put) for _ in range(arguments.each)]
    rows, columns = camera.view.shape[:2]
    for name, images in things_of(arguments.pictures).items():
        for number in range(arguments.each):
            place = int(rng.uniform(0.2, 0.8) * columns), int(rng.uniform(0.6, 0.95) * rows)
            high = int(HEIGHTS[number % len(HEIGHTS)] * rows)
            plants.append((name, pasted(images[int(rng.integers(len(images)))], place, high)))
    return [plants[at] for at in rng.permutation(len(plants))]


def told_of(prompt: str, alerts: Sequence[Event], tried: Sequence[Trial]) -> dict[str, object]:
    """Return how often a prompt told in the hours, of the things that it names, and of others."""
    named = next((thing for thing, _, _ in tried if thing in prompt.split()), None)
    own = np.array([best.get(prompt, QUIET) for thing, _, best in tried if thing == named], np.float32)
    others = np.array([best.get(prompt, QUIET) for thing, _, best in tried if thing != named], np.float32)
    return {
        "alerts_in_the_hours": sum(event.data["prompt"] == prompt for event in alerts),
        "planted": len(own),
        "told": sum(prompt in found for thing, found, _ in tried if thing == named),
        "auc": round(auc(own, others), 3) if len(own) and len(others) else None,
        "score": round(float(np.median(own)), 2) if len(own) else None,
        "others_highest": round(float(np.max(others)), 2) if len(others) else None,
        "others_planted": len(others),
        "others_told": sum(prompt in found for thing, found, _ in tried if thing != named),
    }


def measure(arguments: argparse.Namespace) -> Mapping[str, object]:
    """Watch, put things into the view, and count."""
    rng = np.random.default_rng(arguments.seed)
    models = Models(threads=1)
    seconds = arguments.hours * 3600
    camera = StaticCamera(*read_clip(arguments.clip), seconds, arguments.seed)
    sought = Seekers(models, arguments.cache).all(arguments.prompt or PROMPTS)
    words = Watched(sought, models.detector, AlertRules(1.0, 300.0))
    words.scores = {}
    view = VisionPipeline(models.detector, MotionGate(0.002, 10.0), [words], Scene())
    begun = time.process_time()
    alerts = watch(view, camera, list(np.arange(0, seconds, 1 / arguments.fps)))
    took = time.process_time() - begun
    tried = trials(words, view, camera, seconds + 60.0, planted_things(camera, arguments, rng))
    return {
        "hours": arguments.hours,
        "fps": arguments.fps,
        "seed": arguments.seed,
        "looks": view.looks,
        "cpu_seconds": round(took, 1),
        "prompts": {one.prompt: told_of(one.prompt, alerts, tried) for one in sought},
    }


def main() -> None:
    """Print a table, and JSON with --json."""
    parser = argparse.ArgumentParser(description=__doc__)
    demo = Path(str(edge_runtime.demo.__path__[0])) / "clip.mp4"
    parser.add_argument("--clip", type=Path, default=demo, help="what the camera sees")
    parser.add_argument("--pictures", type=Path, help="pictures of things, PNG with opacity best: NAME/*.png")
    parser.add_argument("--hours", type=float, default=1.0, help="watched before things come")
    parser.add_argument("--fps", type=float, default=2.0)
    parser.add_argument("--each", type=int, default=20, help="times that each thing comes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--prompt", action="append", help="in place of the usual dozen; may be repeated")
    parser.add_argument("--cache", type=Path, help="folder that keeps the vectors of names")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = measure(arguments)
    prompts = found["prompts"]
    assert isinstance(prompts, dict)
    print(f"{'prompt':28} {'alerts':>6} {'told':>8} {'AUC':>6} {'others told':>12}")
    for prompt, row in prompts.items():
        told = f"{row['told']}/{row['planted']}" if row["planted"] else "-"
        area = "-" if row["auc"] is None else f"{row['auc']:.3f}"
        others = f"{row['others_told']}/{row['others_planted']}"
        print(f"{prompt:28} {row['alerts_in_the_hours']:>6} {told:>8} {area:>6} {others:>12}")
    if arguments.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
