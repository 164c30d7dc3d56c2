"""Does a thing keep its track, also behind a pillar, past another, and while something stands before the camera?

python bench/tracking.py [one-by-one=VIDEO]    (the embedded demo clip always; truths are in tracking_truth.tsv)

The boxes of the truth were drawn around what differs from the empty room and checked by eye, at 6 pictures a second;
between two of them they are interpolated. Scenes with a pillar, a bar or two people are made from the clips: there,
what is hidden to 70 % or more need not be found, but has to keep its name. The last rows are simulated people of
tracking_walkers.py, seen by no model.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from tracking_scores import Boxes, score
from tracking_walkers import world

import edge_runtime
from edge_runtime.decision.boxes import overlap
from edge_runtime.decision.motion import MotionGate
from edge_runtime.decision.scene import Scene
from edge_runtime.decision.tracking import Tracker
from edge_runtime.decision.zones import ZoneMonitor
from edge_runtime.pipelines.rules import Rules
from edge_runtime.pipelines.vision import VisionPipeline
from edge_runtime.sources.opening import open_camera
from edge_runtime.types import Frame, Image
from edge_runtime.watch_sections import CameraSettings, VisionSettings
from edge_runtime.wiring.assembly import Models

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from edge_runtime.types import Box

CLIP = Path(edge_runtime.__file__).parent / "demo" / "clip.mp4"
TRUTH = Path(__file__).parent / "tracking_truth.tsv"
FPS = 6
OVERLAPS = (0.5, 0.3)
VISIBLE = 0.3
SOLID = 0.5
WALK, REST = 40, 24
ACTOR, FLOOR = 0.55, 0.95
EMPTY, POSES = {"demo": 2, "one-by-one": 32}, {"demo": (30, 30), "one-by-one": (84, 590)}


@dataclass(frozen=True)
class Clip:
    """Pictures, what is to be found in each, and what is mostly hidden there and need not be."""

    name: str
    pictures: Sequence[Image]
    truth: Boxes
    hidden: Boxes


@dataclass(frozen=True)
class Cutout:
    """A thing cut out of a picture: RGB, and what of it is not background, 0 to 1."""

    image: NDArray[np.float32]
    mask: NDArray[np.float32]


def clips(name: str, video: Path) -> Iterator[Clip]:
    """Yield a clip as it is, and the scenes made of it."""
    pictures = [frame.image for frame in open_camera(CameraSettings(name=name, url=str(video), fps=FPS)).frames()]
    truth = read_truth(name, len(pictures))
    yield Clip(name, pictures, truth, [{} for _ in truth])
    yield barred(f"{name}, barred 1.5 s", pictures, truth)
    room = pictures[EMPTY[name]]
    first, second = (cut_out(pictures[number], room) for number in POSES[name])
    yield staged(f"{name}, pillar", room, [(first, lambda t: 0.1 + 0.8 * t)], pillar=(0.35, 0.65))
    yield staged(f"{name}, crossing", room, [(first, lambda t: 0.1 + 0.8 * t), (second, lambda t: 0.9 - 0.8 * t)])


def read_truth(name: str, pictures: int) -> Boxes:
    """Return the boxes of each picture, by thing, between those that were drawn by interpolation."""
    rows = [line.split("\t") for line in TRUTH.read_text().splitlines()[1:]]
    truth: Boxes = [{} for _ in range(pictures)]
    for thing in {int(row[2]) for row in rows if row[0] == name}:
        drawn = [
            (int(row[1]), [float(side) for side in row[4:]]) for row in rows if row[0] == name and int(row[2]) == thing
        ]
        numbers, boxes = [number for number, _ in drawn], np.array([box for _, box in drawn])
        for number in range(numbers[0], numbers[-1] + 1):
            x0, y0, x1, y1 = (float(np.interp(number, numbers, boxes[:, side])) for side in range(4))
            truth[number][thing] = (x0, y0, x1, y1)
    return truth


def barred(name: str, pictures: Sequence[Image], truth: Boxes) -> Clip:
    """Paint a bar over all but the edges for 1.5 s in the middle of each visit, as when a van stops there."""
    hidden: set[int] = set()
    for thing in {thing for there in truth for thing in there}:
        numbers = [number for number, there in enumerate(truth) if thing in there]
        begin = numbers[len(numbers) // 2] - round(0.75 * FPS)
        hidden |= set(range(begin, begin + round(1.5 * FPS)))
    painted = [picture.copy() for picture in pictures]
    for number in hidden:
        width = painted[number].shape[1]
        painted[number][:, width // 20 : -width // 20] = (96, 104, 112)
    split = [({}, there) if number in hidden else (there, {}) for number, there in enumerate(truth)]
    return Clip(name, painted, [there for there, _ in split], [there for _, there in split])


def cut_out(picture: Image, room: Image) -> Cutout:
    """Return the largest thing that is not in the empty room."""
    step = np.abs(cv2.GaussianBlur(picture, (5, 5), 0).astype(np.float32) - cv2.GaussianBlur(room, (5, 5), 0)).max(
        axis=2
    )
    solid = cv2.morphologyEx((step > 30).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((15, 9), np.uint8))
    _, parts, stats, _ = cv2.connectedComponentsWithStats(solid)
    part = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    x, y, wide, high = (int(value) for value in stats[part, :4])
    soft = cv2.GaussianBlur((parts == part).astype(np.float32), (3, 3), 0)
    return Cutout(picture[y : y + high, x : x + wide].astype(np.float32), soft[y : y + high, x : x + wide])


def staged(
    name: str,
    room: Image,
    actors: Sequence[tuple[Cutout, Callable[[float], float]]],
    pillar: tuple[float, float] | None = None,
) -> Clip:
    """Let cut-outs walk through the room, later ones before earlier ones, all behind a pillar from x to x.

    Each walk says where the middle of its actor is, as a fraction of the width, from time 0 to 1; before it and after
    it the room is empty.
    """
    height, width = room.shape[:2]
    room = room.copy()
    wall = np.s_[:, round(pillar[0] * width) : round(pillar[1] * width)] if pillar else np.s_[:, :0]
    room[wall] = (120, 116, 108)
    pictures, truth, hidden = [room] * REST, *([dict[int, "Box"]() for _ in range(REST)] for _ in range(2))
    scaled = [_scaled(actor, ACTOR * height / actor.mask.shape[0]) for actor, _ in actors]
    for tick in range(WALK + 1):
        picture, owner, whole = room.copy(), np.zeros((height, width), np.int32), dict[int, "Box"]()
        for number, (actor, (_, walk)) in enumerate(zip(scaled, actors, strict=True), 1):
            whole[number] = _place(picture, owner, actor, (walk(tick / WALK), FLOOR - 0.02 * number), number)
        picture[wall], owner[wall] = room[wall], 0
        pictures.append(picture)
        shown = {n: (owner == n).sum() / (scaled[n - 1].mask > SOLID).sum() for n in whole}
        truth.append({number: _visible(owner == number) for number in whole if shown[number] > VISIBLE})
        hidden.append({number: box for number, box in whole.items() if shown[number] <= VISIBLE})
    empty: Boxes = [{} for _ in range(REST)]
    return Clip(name, [*pictures, *[room] * REST], [*truth, *empty], [*hidden, *empty])


def _visible(mask: NDArray[np.bool_]) -> Box:
    """Return the box around the pixels of a thing."""
    rows, columns = np.nonzero(mask)
    height, width = mask.shape
    x0, x1 = float(columns.min() / width), float((columns.max() + 1) / width)
    return (x0, float(rows.min() / height), x1, float((rows.max() + 1) / height))


def _scaled(actor: Cutout, scale: float) -> Cutout:
    image, mask = (cv2.resize(part, None, fx=scale, fy=scale) for part in (actor.image, actor.mask))
    return Cutout(np.asarray(image, np.float32), np.asarray(mask, np.float32))


def _place(picture: Image, owner: NDArray[np.int32], actor: Cutout, at: tuple[float, float], number: int) -> Box:
    """Paint an actor whose feet are in the middle of `at`, note which pixels are its own, and return its box."""
    height, width = picture.shape[:2]
    high, wide = actor.mask.shape
    left, top = round(at[0] * width - wide / 2), round(at[1] * height - high)
    seen = slice(max(0, -left), min(wide, width - left))
    there = np.s_[top : top + high, left + seen.start : left + seen.stop]
    alpha = actor.mask[:, seen, None]
    picture[there] = (alpha * actor.image[:, seen] + (1 - alpha) * picture[there]).astype(np.uint8)
    owner[there][actor.mask[:, seen] > SOLID] = number
    return ((left + seen.start) / width, top / height, (left + seen.stop) / width, (top + high) / height)


class Followed(Tracker):
    """A tracker that remembers what it followed at each look."""

    boxes: dict[int, Box]

    def update(self, at: float, *args: Any, **kwargs: Any) -> Any:
        """Follow, and remember what was seen."""
        changes = super().update(at, *args, **kwargs)
        self.boxes = {track.number: track.box for track in (*changes.new, *changes.seen)}
        return changes


def follow(clip: Clip, models: Models) -> Boxes:
    """Return what was followed in each picture, by track, less the boxes on what is mostly hidden."""
    settings = VisionSettings()
    tracker = Followed(settings.confirm_frames, settings.lost_s)
    view = VisionPipeline(models.detector, MotionGate(0.0, 10.0), [Rules(tracker, ZoneMonitor([], []))], Scene())
    found: Boxes = []
    for number, picture in enumerate(clip.pictures):
        view.step(Frame(clip.name, number / FPS, picture))
        there, hidden = clip.truth[number].values(), clip.hidden[number].values()
        spared = {
            track
            for track, box in tracker.boxes.items()
            if any(overlap(box, other)[1] > SOLID for other in hidden)
            and not any(overlap(box, other)[0] >= OVERLAPS[-1] for other in there)
        }
        found.append({track: box for track, box in tracker.boxes.items() if track not in spared})
    return found


def simulated(seeds: Sequence[int]) -> dict[str, float]:
    """Return the mean figures over worlds of simulated people."""
    rows: list[dict[str, float]] = []
    for seed in seeds:
        looks, truth = world(seed)
        settings = VisionSettings()
        tracker = Followed(settings.confirm_frames, settings.lost_s)
        found: Boxes = []
        for number, (sure, unsure) in enumerate(looks):
            tracker.update(number / FPS, sure, unsure)
            found.append(tracker.boxes)
        rows.append(asdict(score(truth, found, OVERLAPS[0])))
    return {key: sum(row[key] for row in rows) / len(rows) for key in rows[0]}


def main() -> None:
    """Print a table and one JSON line."""
    videos = {"demo": CLIP} | {name: Path(path) for name, _, path in (word.partition("=") for word in sys.argv[1:])}
    models, rows = Models(), list[dict[str, Any]]()
    for name, video in videos.items():
        for clip in clips(name, video):
            found = follow(clip, models)
            figures = (asdict(score(clip.truth, found, least)) for least in OVERLAPS)
            rows += [{"scene": clip.name, "iou": least} | row for least, row in zip(OVERLAPS, figures, strict=True)]
    for name, seeds in (("simulated people", range(0, 80, 2)), ("simulated, a pillar", range(1, 81, 2))):
        rows.append({"scene": name, "iou": OVERLAPS[0]} | simulated(seeds))
    columns = [*rows[0]]
    print("  ".join(f"{column:>{26 if column == 'scene' else 12}}" for column in columns))
    for row in rows:
        print("  ".join(_cell(column, row[column]) for column in columns))
    print(json.dumps({"bench": "tracking", "rows": rows}))


def _cell(column: str, value: Any) -> str:
    if column in {"idf1", "mota"}:
        return f"{value:>12.1%}"
    return f"{value:>26}" if column == "scene" else f"{value:>12.3g}"


if __name__ == "__main__":
    main()
