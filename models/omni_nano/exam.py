"""What a built model is asked about pictures that no training has seen, INT8 and FP32 side by side."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from models.omni_nano import calibrating, judging, scoring
from models.omni_nano.everyday import TEN
from models.omni_nano.judging import CAMERAS, NOUNS, SQUEEZED, TINY, WHOLE
from models.omni_nano.scoring import Row
from scripts.stage import progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_runtime.types import Detection, Look
    from models.omni_nano.judging import Eyes, Material

# How many times the nouns are dealt anew into lists of ten.
DEALS = 3
NEAREST = 10
PERSON = "person"


@dataclass
class Answers:
    """What one variant, INT8 or FP32, says about all held-out pictures.

    Attributes:
        looks: by camera, one for each photograph.
        small: the vectors of the 64-pixel pictures that have a noun, seen at 32 x 32.
    """

    eyes: Eyes
    known: Material
    looks: dict[str, list[Look]] = field(default_factory=dict)
    small: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 384), np.float32))

    def fold(self, index: int) -> int:
        """Return the fold of a picture."""
        return calibrating.fold_of(self.known.examples[index].name)

    @cached_property
    def tiny(self) -> list[tuple[int, int]]:
        """Return number and noun of the 64-pixel pictures."""
        return [(i, noun) for i, noun in self.known.named if self.known.examples[i].kind == "tiny"]

    def choose(self, labels: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Classify the small pictures whose noun is among the labels.

        Returns:
            Rows of `tiny`, the place of each one's noun, and the probabilities, (rows, labels).
        """
        place = {NOUNS.index(label): number for number, label in enumerate(labels)}
        rows = [row for row, (_, noun) in enumerate(self.tiny) if noun in place]
        chances = [self.eyes.classify(self.small[row], labels, self.fold(self.tiny[row][0])) for row in rows]
        truth = [place[self.tiny[row][1]] for row in rows]
        return np.array(rows), np.array(truth), np.array(chances).reshape(len(rows), len(labels))


def answers(eyes: Eyes, known: Material, title: str) -> Answers:
    """Show a variant every held-out picture."""
    found = Answers(eyes, known)
    for camera in CAMERAS:
        found.looks[camera.name] = [
            eyes.look(camera.show(known.examples[i].picture), found.fold(i))
            for i in progress(known.photographs, f"{title}, {camera.name}")
        ]
    pictures = [TINY.show(known.examples[i].picture) for i, _ in found.tiny]
    found.small = np.stack([eyes.embedder.embed_image(picture) for picture in progress(pictures, f"{title}, small")])
    return found


Pair = tuple[Answers, Answers]


@dataclass(frozen=True)
class People:
    """Person or no person in photographs: what was reported, how sure it was, and the truth."""

    said: NDArray[np.bool_]
    sure: NDArray[np.float64]
    there: NDArray[np.bool_]

    @property
    def right(self) -> NDArray[np.bool_]:
        """Tell for every picture whether what was reported is true."""
        return np.asarray(self.said == self.there)


def people(found: Answers, camera: str) -> People:
    """Return what a camera's photographs show of people; those that the teachers disagree on are left out."""
    channel = found.eyes.labels.index(PERSON)
    truth = [judging.presence(found.known.labelled[i], found.eyes.labels)[channel] for i in found.known.photographs]
    rows = [row for row, value in enumerate(truth) if value >= 0]
    looks = [found.looks[camera][row] for row in rows]
    said = [any(one.label == PERSON for one in look.detections) for look in looks]
    sure = [look.presence[PERSON] for look in looks]
    return People(np.array(said), np.array(sure), np.array([truth[row] == 1 for row in rows]))


def about_people(pair: Pair) -> list[Row]:
    """Ask for people in photographs squeezed to 96 x 96, by the boxes that `detect` reports."""
    one, other = (people(found, SQUEEZED.name) for found in pair)
    count, where = len(one.there), "person or none on 96 x 96 photographs, detect at the bundle's threshold"

    plain = scoring.mean_of(one.right), scoring.mean_of(other.right)
    sides = scoring.mean_of(one.right, one.there), scoring.mean_of(other.right, other.there)
    errors = scoring.error_of(one.sure, one.there), scoring.error_of(other.sure, other.there)
    noise = scoring.error_by_chance(one.sure)[1]
    what = "calibration error of the person score, 96 x 96"
    return [
        Row("person_96_accuracy", where, count, *plain, 0.88),
        Row("person_96_balanced", "the same, with and without people counting alike", count, *sides),
        Row("person_96_ece", what, count, *errors, 0.05, least=False, chance=noise),
    ]


def about_nouns(pair: Pair) -> list[Row]:
    """Ask for the noun of 32-pixel pictures: the ten, ten drawn at random, and all."""
    rows: list[Row] = []
    ten = [found.choose(TEN) for found in pair]
    _, truth, _ = ten[0]
    hits = [scoring.mean_of(chances.argmax(1) == truth, truth) for _, _, chances in ten]
    errors = [scoring.error_of(chances.max(1), chances.argmax(1) == truth) for _, _, chances in ten]
    what = f"zero-shot, ten everyday nouns at 32 x 32, classes alike ({len(set(truth.tolist()))} of them have pictures)"
    rows.append(Row("ten_32_accuracy", what, len(truth), hits[0], hits[1], 0.55))
    what = "calibration error of the best label, the ten nouns"
    noise = scoring.error_by_chance(ten[0][2].max(1))[1]
    rows.append(Row("ten_32_ece", what, len(truth), errors[0], errors[1], 0.05, least=False, chance=noise))
    dealt = [dealt_tens(found) for found in pair]
    means = [scoring.mean_of(right.mean(1)) for _, right in dealt]
    errors = [scoring.error_of(chances, right) for chances, right in dealt]
    count = len(dealt[0][1])
    what = f"zero-shot, ten nouns drawn from all {len(NOUNS)}, 32 x 32"
    rows.append(Row("drawn_ten_32_accuracy", what, count, means[0], means[1]))
    what = "calibration error of the best label, ten nouns drawn"
    noise = scoring.error_by_chance(dealt[0][0].ravel())[1]
    rows.append(Row("drawn_ten_32_ece", what, count, errors[0], errors[1], 0.05, least=False, chance=noise))
    every = [found.choose(NOUNS) for found in pair]
    hits = [scoring.mean_of(chances.argmax(1) == truth) for _, truth, chances in every]
    rows.append(
        Row("everyday_32_accuracy", f"zero-shot among all {len(NOUNS)} nouns, 32 x 32", count, hits[0], hits[1])
    )
    return rows


def dealt_tens(found: Answers) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return each small picture's best probability, and whether it is right, in DEALS lists of about ten nouns."""
    chances = np.zeros((len(found.tiny), DEALS))
    right = np.zeros((len(found.tiny), DEALS), bool)
    for deal in range(DEALS):
        for chosen in calibrating.lists_of(len(NOUNS), 10, 1000 + deal):
            rows, truth, likely = found.choose([NOUNS[n] for n in chosen])
            if len(rows):
                chances[rows, deal] = likely.max(1)
                right[rows, deal] = likely.argmax(1) == truth
    return chances, right


def about_captions(pair: Pair) -> list[Row]:
    """Ask which of 5,000 captions are nearest to a photograph squeezed to 96 x 96."""
    known = pair[0].known
    described = [row for row, i in enumerate(known.photographs) if known.examples[i].captions]
    owners = np.array([name for _, name in known.captions])
    found = []
    for one in pair:
        captions = one.eyes.embedder.embed_text([text for text, _ in known.captions])
        hits = []
        for row in described:
            vector = np.asarray(one.looks[SQUEEZED.name][row].embedding, np.float32)
            nearest = np.argsort(-(captions @ vector))[:NEAREST]
            hits.append(bool((owners[nearest] == known.examples[known.photographs[row]].name).any()))
        found.append(scoring.mean_of(np.array(hits)))
    what = f"a 96 x 96 picture's caption among the nearest {NEAREST} of {len(owners)}"
    return [Row("caption_96_recall_at_10", what, len(described), found[0], found[1], 0.2)]


@dataclass(frozen=True)
class BoxTable:
    """Boxes of many photographs beside the objects: one row a box, one row a photograph.

    Attributes:
        first: it is the best of its label, so that its score is the label's presence.
        reported: it reached its label's threshold.
    """

    score: NDArray[np.float64]
    right: NDArray[np.int64]
    label: NDArray[np.int64]
    picture: NDArray[np.int64]
    first: NDArray[np.bool_]
    reported: NDArray[np.bool_]
    objects: NDArray[np.int64]


def box_table(found: Answers, camera: str = WHOLE.name) -> BoxTable:
    """Return what a camera's photographs show; boxes of which nobody knows whether they are right are left out."""
    rows: list[tuple[float, int, int, int, bool, bool]] = []
    for number, index in enumerate(found.known.photographs):
        look = found.looks[camera][number]
        boxes: list[Detection] = judging.everything(look)
        good = judging.hits(boxes, found.known.labelled[index]).tolist()
        shown, started = set(map(id, look.detections)), set[str]()
        for box, value in zip(boxes, good, strict=True):
            first, label = box.label not in started, found.eyes.labels.index(box.label)
            started.add(box.label)
            if value >= 0:
                rows.append((box.score, value, label, number, first, id(box) in shown))
    objects = np.stack([judging.objects(found.known.labelled[i], found.eyes.labels) for i in found.known.photographs])
    columns: list[NDArray[Any]] = [np.array(column) for column in zip(*rows, strict=True)]
    score, right, labels, picture, best, reported = columns
    return BoxTable(score, right, labels, picture, best, reported, objects)


def about_boxes(pair: Pair) -> list[Row]:
    """Compare boxes with what both teachers agree on: F1 at the bundle's thresholds, AP at half overlap."""
    f1, person, mean = [], [], []
    labels = pair[0].eyes.labels
    tables = [box_table(found) for found in pair]
    count = len(tables[0].objects)
    often = [n for n in range(len(labels)) if tables[0].objects[:, n].sum() >= 10]
    for seen in tables:
        kept = seen.reported
        found = np.bincount(seen.picture[kept], seen.right[kept], count)
        f1.append(scoring.f1_of(found, np.bincount(seen.picture[kept], minlength=count), seen.objects.sum(1)))
        mine = {n: seen.label == n for n in often}
        each = {
            n: scoring.precision_of(seen.score[m], seen.right[m], seen.picture[m], seen.objects[:, n])
            for n, m in mine.items()
        }
        person.append(each[labels.index(PERSON)])
        mean.append(scoring.average_of(list(each.values())))
    return [
        Row("box_f1", "boxes at the bundle's thresholds, F1", count, f1[0], f1[1]),
        Row("box_ap50_person", "average precision of person boxes", count, person[0], person[1]),
        Row("box_ap50_mean", f"mean average precision, {len(often)} labels seen ten times", count, mean[0], mean[1]),
    ]
