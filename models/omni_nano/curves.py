"""What the report draws: reliability, risk against coverage, confusions, and calibration by camera and list length."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from models.omni_nano import calibrating, exam, judging, scoring
from models.omni_nano.everyday import TEN
from models.omni_nano.judging import CAMERAS, NOUNS, SQUEEZED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.omni_nano.exam import Answers

LENGTHS = (2, 5, 10, 20, 50)


def curves(found: Answers, gate: float) -> dict[str, Any]:
    """Return everything that the report draws about one variant; `gate` is the confidence of local answers."""
    boxes = exam.box_table(found)
    squeezed = exam.people(found, SQUEEZED.name)
    everywhere = [exam.people(found, camera.name) for camera in CAMERAS]
    drawn, right = exam.dealt_tens(found)
    _, truth, ten = found.choose(TEN)
    sure, wrong = presence_questions(found)
    return {
        "reliability": {
            "person, 96 x 96": scoring.reliability(squeezed.sure, squeezed.there),
            "person, all sizes": scoring.reliability(
                np.concatenate([one.sure for one in everywhere]), np.concatenate([one.there for one in everywhere])
            ),
            "boxes after the first": scoring.reliability(boxes.score[~boxes.first], boxes.right[~boxes.first]),
            "zero-shot, the ten nouns": scoring.reliability(ten.max(1), ten.argmax(1) == truth),
            "zero-shot, ten nouns drawn": scoring.reliability(drawn.ravel(), right.ravel()),
        },
        "risk": {
            "is there a ...?": {**scoring.coverage(sure, wrong), "kept": scoring.kept_above(sure, wrong, gate)},
            "zero-shot, ten nouns drawn": {
                **scoring.coverage(drawn.ravel(), ~right.ravel()),
                "kept": scoring.kept_above(drawn.ravel(), ~right.ravel(), gate),
            },
        },
        "cameras": [by_camera(found, camera.name) for camera in CAMERAS],
        "lengths": [by_length(found, length) for length in (*LENGTHS, len(NOUNS))],
        "clips": on_clips(found),
        "confused": confused(found),
    }


def presence_questions(found: Answers) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return how sure the yes or no to "is there a ...?" is, and whether it is wrong, at all sizes."""
    labels = found.eyes.labels
    known = [judging.presence(found.known.labelled[i], labels) for i in found.known.photographs]
    truth = np.stack([row for row in known for _ in CAMERAS])
    looks = [found.looks[camera.name][n] for n in range(len(known)) for camera in CAMERAS]
    chances = np.array([[look.presence[label] for label in labels] for look in looks])
    chosen = calibrating.asked(truth, 1 / len(CAMERAS))
    sure = np.maximum(chances, 1 - chances)[chosen]
    return sure, np.asarray((chances >= 0.5) != (truth == 1))[chosen]


def by_camera(found: Answers, camera: str) -> dict[str, Any]:
    """Return what people and boxes are worth at one size of pictures."""
    seen, boxes = exam.people(found, camera), exam.box_table(found, camera)
    hits = int(boxes.right[boxes.reported].sum())
    numbers = {
        "accuracy": float(seen.right.mean()),
        "balanced": scoring.mean_of(seen.right, seen.there)(np.ones(len(seen.right))),
        "error": scoring.calibration_error(seen.sure, seen.there),
        "debiased": scoring.debiased_error(seen.sure, seen.there),
        "by_chance_95": scoring.error_by_chance(seen.sure)[1],
        "box_f1": 2 * hits / max(1, int(boxes.reported.sum()) + int(boxes.objects.sum())),
    }
    return {"camera": camera, "count": len(seen.right), **{name: round(v, 4) for name, v in numbers.items()}}


def on_clips(found: Answers) -> list[dict[str, Any]]:
    """Return what person boxes are worth on each clip at the shipped threshold; training has seen these frames."""
    clips: dict[str, list[int]] = {}
    for example, labelled in found.known.clips:
        boxes = [one for one in found.eyes.look(example.picture).detections if one.label == exam.PERSON]
        right = judging.hits(boxes, labelled)
        there = int(judging.objects(labelled, [exam.PERSON])[0])
        sums = clips.setdefault(example.name.split("/")[1], [0, 0, 0, 0, 0])
        empty = judging.presence(labelled, [exam.PERSON])[0] == 0
        for place, value in enumerate((1, int((right == 1).sum()), int((right >= 0).sum()), there)):
            sums[place] += value
        sums[4] += bool(empty and boxes)
    return [
        {
            "clip": name,
            "frames": n,
            "box_f1": round(2 * hit / (said + there), 4) if said + there else 1.0,
            "people": there,
            "false": false,
        }
        for name, (n, hit, said, there, false) in sorted(clips.items())
    ]


def by_length(found: Answers, length: int) -> dict[str, Any]:
    """Return what zero-shot is worth on the small pictures with lists of one length, at the one temperature."""
    chances, right = [], []
    for chosen in calibrating.lists_of(len(NOUNS), length, 2000):
        _, truth, likely = found.choose([NOUNS[n] for n in chosen])
        if len(truth):
            chances.append(likely.max(1))
            right.append(likely.argmax(1) == truth)
    p, y = np.concatenate(chances), np.concatenate(right)
    numbers = {
        "accuracy": float(y.mean()),
        "confidence": float(p.mean()),
        "error": scoring.calibration_error(p, y),
        "debiased": scoring.debiased_error(p, y),
        "by_chance_95": scoring.error_by_chance(p)[1],
    }
    return {"length": length, "count": len(p), **{name: round(value, 4) for name, value in numbers.items()}}


def confused(found: Answers, most: int = 10) -> list[dict[str, Any]]:
    """Return the nouns most often taken for one another, among all nouns at 32 x 32."""
    _, truth, chances = found.choose(NOUNS)
    wrong = Counter(zip(truth.tolist(), chances.argmax(1).tolist(), strict=True))
    shown = Counter(truth.tolist())
    pairs = [(pair, count) for pair, count in wrong.most_common() if pair[0] != pair[1]][:most]
    return [
        {"true": NOUNS[a], "taken_for": NOUNS[b], "count": count, "of": shown[a], "back": wrong[(b, a)]}
        for (a, b), count in pairs
    ]
