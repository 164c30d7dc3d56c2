"""Measure a built model on held-out pictures, INT8 beside FP32, as a table and as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from edge_runtime.inference.session import OnnxSession
from models.omni_nano import data, judging, lessons, text
from models.omni_nano.batches import agreed, group_matrix
from models.omni_nano.everyday import GROUPS, TEN
from models.omni_nano.words import encoder
from scripts.stage import Stage, Workshop, progress, write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    from models.omni_nano.lessons import Labelled

SMALL_PHOTOGRAPH = 96
SMALLEST = 32


@dataclass
class Exam:
    """What a model is asked: pictures, what is true of them, and how its raw scores become probabilities."""

    examples: list[data.Example]
    labelled: list[Labelled]
    labels: list[str]
    area: int
    calibration: dict[str, Any]
    encode: Callable[[list[str]], Tensor]
    templates: list[str]

    @property
    def photographs(self) -> list[int]:
        """Return the numbers of the photographs kept for this."""
        return judging.held_out(self.examples, "evaluate")

    def named(self, nouns: tuple[str, ...]) -> list[tuple[int, int]]:
        """Return (number, place in nouns) of the pictures kept for this whose true label is one of the nouns."""
        matrix = group_matrix()
        groups = [next(i for i, (names, _) in enumerate(GROUPS) if names[0] == noun) for noun in nouns]
        found = []
        for index, example in enumerate(self.examples):
            if example.part == "evaluate" and example.label >= 0:
                held = [place for place, group in enumerate(groups) if matrix[example.label, group] > 0]
                found += [(index, held[0])] if len(held) == 1 else []
        return found

    def chances(self, seen: judging.Look) -> NDArray[np.float32]:
        """Return every box's calibrated probability."""
        scale = np.array([self.calibration["detector"]["calibration"][label] for label in self.labels])
        z = seen.logits * scale[seen.classes, 0] + scale[seen.classes, 1]
        return np.asarray(1 / (1 + np.exp(-z)), np.float32)

    def person(self, seen: judging.Look) -> float:
        """Return the calibrated probability that a person is in the picture."""
        scale, bias = self.calibration["detector"]["presence"]["person"]
        return float(1 / (1 + np.exp(-(seen.best[self.labels.index("person")] * scale + bias))))


def people(session: OnnxSession, exam: Exam) -> dict[str, float]:
    """Measure person or no person on photographs squeezed to 96 x 96, by the boxes above the bundle's threshold."""
    limit = exam.calibration["detector"]["thresholds"]["person"]
    channel = exam.labels.index("person")
    said, sure, truth = [], [], []
    for index in exam.photographs:
        known = judging.presence(exam.labelled[index], exam.labels)[channel]
        if known < 0:
            continue
        picture = judging.sizes(exam.examples[index].picture, SMALL_PHOTOGRAPH, square=True)
        seen = judging.look(session, picture, exam.area)
        said.append(bool((exam.chances(seen)[seen.classes == channel] >= limit).any()))
        sure.append(exam.person(seen))
        truth.append(int(known))
    right = np.array(said) == np.array(truth)
    positive = np.array(truth) == 1
    return {
        "person_96_accuracy": float(right.mean()),
        "person_96_balanced": float((right[positive].mean() + right[~positive].mean()) / 2),
        "person_96_ece": judging.calibration_error(np.array(sure, np.float32), np.array(truth)),
        "person_96_pictures": len(truth),
    }


def everyday(session: OnnxSession, exam: Exam) -> dict[str, float]:
    """Measure zero-shot on 32 x 32 pictures of ten everyday things; classes count alike."""
    vectors = [exam.encode([t.format(noun) for t in exam.templates]).mean(0) for noun in TEN]
    nouns = functional.normalize(torch.stack(vectors), dim=1).numpy()
    right: list[list[bool]] = [[] for _ in TEN]
    best = []
    for index, place in exam.named(TEN):
        picture = judging.sizes(exam.examples[index].picture, SMALLEST, square=True)
        z = nouns @ judging.look(session, picture, exam.area).embedding / exam.calibration["classify"]["temperature"]
        chances = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
        right[place].append(bool(chances.argmax() == place))
        best.append(float(chances.max()))
    flat = np.array([r for row in right for r in row], np.int64)
    order = np.array(best, np.float32)
    # Chances were gathered in the order of the pictures, hits by class: put them side by side again.
    places = np.argsort([place for _, place in exam.named(TEN)], kind="stable")
    return {
        "ten_32_accuracy": float(np.mean([np.mean(row) for row in right if row])),
        "ten_32_classes": sum(bool(row) for row in right),
        "ten_32_ece": judging.calibration_error(order[places], flat),
        "ten_32_pictures": len(flat),
        **{f"ten_32_{noun}": float(np.mean(row)) for noun, row in zip(TEN, right, strict=True) if row},
    }


def retrieval(session: OnnxSession, exam: Exam) -> dict[str, float]:
    """Measure how often one of a 96-pixel picture's captions is among the ten nearest of all 5,000."""
    owners = [i for i, e in enumerate(exam.examples) for _ in e.captions]
    captions = exam.encode([c for e in exam.examples for c in e.captions]).numpy()
    hits = []
    for index in exam.photographs:
        if exam.examples[index].captions:
            picture = judging.sizes(exam.examples[index].picture, SMALL_PHOTOGRAPH)
            nearest = np.argsort(-(captions @ judging.look(session, picture, exam.area).embedding))[:10]
            hits.append(any(owners[n] == index for n in nearest))
    return {"caption_96_recall_at_10": float(np.mean(hits)), "caption_96_pictures": len(hits)}


def boxes(session: OnnxSession, exam: Exam) -> dict[str, float]:
    """Measure boxes against what both detectors agree on: F1 at the bundle's thresholds and mean AP at half overlap."""
    chances, right, owner, counts = [], [], [], np.zeros(len(exam.labels), np.int64)
    for index in exam.photographs:
        seen = judging.look(session, exam.examples[index].picture, exam.area)
        hit, count = judging.hits(seen, exam.labelled[index], exam.labels)
        chances.append(exam.chances(seen))
        right.append(hit)
        owner.append(seen.classes)
        counts += count
    p, y, c = np.concatenate(chances), np.concatenate(right), np.concatenate(owner)
    limits = np.array([exam.calibration["detector"]["thresholds"][label] for label in exam.labels])
    kept = (p >= limits[c]) & (y >= 0)
    precisions = {}
    for channel, label in enumerate(exam.labels):
        if counts[channel] >= 5:
            precisions[label] = average_precision(p[c == channel], y[c == channel], int(counts[channel]))
    found = int((y[kept] == 1).sum())
    return {
        "box_f1": 2 * found / max(1, int(kept.sum()) + int(counts.sum())),
        "box_precision": found / max(1, int(kept.sum())),
        "box_recall": found / max(1, int(counts.sum())),
        "box_ap50_person": precisions.get("person", 0.0),
        "box_ap50_mean": float(np.mean(list(precisions.values()))),
        "box_ap50_labels": len(precisions),
        "box_ece": judging.calibration_error(p[y >= 0], y[y >= 0]),
    }


def average_precision(chances: NDArray[Any], right: NDArray[Any], count: int) -> float:
    """Return the area under precision over recall."""
    known = right >= 0
    order = np.argsort(-chances[known], kind="stable")
    hit = np.cumsum(right[known][order] == 1)
    precision = np.maximum.accumulate((hit / np.arange(1, len(hit) + 1))[::-1])[::-1]
    recall = np.concatenate([[0.0], hit / count])
    return float((np.diff(recall) * precision).sum())


def evaluate(workshop: Workshop) -> dict[str, dict[str, float]]:
    """Return the numbers of INT8 and FP32, and those of the text tower."""
    recipe = workshop.settings
    examples = data.load(workshop.data)
    answers = lessons.lessons(examples, workshop.teachers, workshop.folder("train") / "cache")
    calibration = json.loads(workshop.output("calibrate", "calibration.json").read_text(encoding="utf-8"))
    exam = Exam(
        examples,
        agreed(examples, answers),
        list(recipe["vision"]["labels"]),
        int(recipe["image"]["area"]),
        calibration,
        encoder(workshop),
        list(recipe["classify"]["templates"]),
    )
    found: dict[str, dict[str, float]] = {}
    for name, stage in (("int8", "quantize"), ("fp32", "export")):
        session = OnnxSession(workshop.output(stage, "image.onnx"))
        found[name] = {}
        for measure in progress((people, everyday, retrieval, boxes), name):
            found[name] |= {key: round(value, 4) for key, value in measure(session, exam).items()}
    words = encoder(workshop)
    found["text"] = text.evaluate(lambda texts: words(list(texts)).numpy(), workshop)
    return found


def table(found: dict[str, dict[str, float]]) -> str:
    """Return the numbers as a Markdown table."""
    lines = ["| what | INT8 | FP32 |", "|---|---|---|"]
    lines += [f"| {name} | {value} | {found['fp32'][name]} |" for name, value in found["int8"].items()]
    lines += [f"| {name} | {value} | |" for name, value in found["text"].items()]
    return "\n".join(lines)


def main() -> None:
    """Measure the parts of a recipe as they are built."""
    workshop = Workshop.from_arguments(__doc__)
    torch.set_num_threads(int(workshop.settings["vision"]["threads"]))
    stages = (("quantize", "image.onnx"), ("quantize", "text.onnx"), ("export", "image.onnx"))
    inputs = {f"{stage}/{name}": workshop.output(stage, name) for stage, name in stages}
    inputs["calibrate/calibration.json"] = workshop.output("calibrate", "calibration.json")
    code = [Path(__file__), workshop.model / "judging.py", workshop.model / "data.py", workshop.model / "text.py"]
    stage = Stage(workshop, "evaluate", inputs, code, ("image", "classify"), ("evaluation.json",))
    if stage.fresh():
        print("evaluate: nothing has changed")
        return
    with stage:
        found = evaluate(workshop)
        write_atomically(stage.folder / "evaluation.json", json.dumps(found, indent=1) + "\n")
        print(table(found))
        stage.numbers |= found


if __name__ == "__main__":
    main()
