"""Turn raw scores into probabilities: boxes, presence, zero-shot labels and the gate of local answers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from edge_runtime.inference.session import OnnxSession
from models.omni_nano import data, judging, lessons
from models.omni_nano.batches import agreed, group_matrix
from models.omni_nano.everyday import GROUPS, TEN
from models.omni_nano.words import encoder
from scripts.stage import Stage, Workshop, progress, write_atomically

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Sizes of the pictures that calibration is made for: as they are, and as small cameras give them.
CAMERAS = (0, 160, 96)
SQUEEZED = 96
# A label seen in this many calibration pictures is common.
COMMON = 30
ALPHA = 0.05


def platt(logits: Tensor, right: Tensor, prior: tuple[float, float] | None = None) -> tuple[float, float]:
    """Fit probability = sigmoid(scale * logit + bias) (Platt, 1999), held near a prior where there is little to see."""
    start = prior or (1.0, 0.0)
    values = torch.tensor(start, requires_grad=True)
    solver = torch.optim.LBFGS([values], max_iter=60, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        solver.zero_grad()
        z = values[0] * logits + values[1]
        total = functional.binary_cross_entropy_with_logits(z, right, reduction="sum") if len(z) else z.sum()
        if prior is not None:
            pull = values - torch.tensor(prior)
            total = total + 10 * pull[0] ** 2 + 2 * pull[1] ** 2
        total = total + 0.01 * values.square().sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    solver.step(loss)  # type: ignore[no-untyped-call]
    return max(0.05, float(values[0])), float(values[1])


def per_label(logits: NDArray[Any], right: NDArray[Any], owner: NDArray[Any], labels: list[str]) -> dict[str, Any]:
    """Fit one calibration for all labels, then one per label that leans on it."""
    known = right >= 0
    z, y = torch.tensor(logits[known], dtype=torch.float32), torch.tensor(right[known], dtype=torch.float32)
    shared = platt(z, y)
    fitted = {}
    for channel, label in enumerate(labels):
        mine = torch.tensor(owner[known] == channel)
        fitted[label] = [round(v, 4) for v in platt(z[mine], y[mine], shared)]
    return fitted


def thresholds(seen: Evidence, table: dict[str, list[float]]) -> dict[str, float]:
    """Choose each label's score by what serves boxes (F1) and "is there one?" (balanced accuracy); rare ones share."""
    grid = np.arange(0.2, 0.76, 0.02)
    chances = scaled(seen.logits, seen.owner, table)
    channel = np.broadcast_to(np.arange(len(table)), seen.best.shape)
    tops = scaled(seen.best, channel, table)

    def worth(rows: NDArray[Any], columns: NDArray[Any], limit: float) -> float:
        kept = rows & (chances >= limit) & (seen.right >= 0)
        hit = int((seen.right[kept] == 1).sum())
        f1 = 2 * hit / max(1, int(kept.sum()) + int(seen.counts[columns].sum()))
        said, truth = tops[:, columns] >= limit, seen.present[:, columns]
        return f1 + float(said[truth == 1].mean() + (~said[truth == 0]).mean()) / 2

    def best(rows: NDArray[Any], columns: NDArray[Any]) -> float:
        scores = [worth(rows, columns, float(limit)) for limit in grid]
        smooth = np.convolve(np.pad(scores, 1, mode="edge"), [0.25, 0.5, 0.25], "valid")
        return round(float(grid[int(np.argmax(smooth))]), 2)

    numbers = np.arange(len(table))
    shared = best(np.ones(len(seen.owner), bool), numbers)
    plenty = {n for n in numbers.tolist() if seen.counts[n] >= 30 and (seen.present[:, n] == 0).sum() >= 30}
    return {
        label: best(seen.owner == number, numbers == number) if number in plenty else shared
        for number, label in enumerate(table)
    }


def gate(chances: NDArray[Any], truth: NDArray[Any]) -> dict[str, float]:
    """Choose the confidence above which a yes or no is wrong in at most a share ALPHA (arXiv:2208.02814)."""
    confidence = np.maximum(chances, 1 - chances)
    wrong = (chances >= 0.5) != (truth == 1)
    for limit in np.arange(0.5, 0.991, 0.01):
        kept = confidence >= limit
        if (wrong[kept].sum() + 1) / (kept.sum() + 1) <= ALPHA:
            return {"local_threshold": round(float(limit), 2), "alpha": ALPHA}
    return {"local_threshold": 0.99, "alpha": ALPHA}


def temperature(vectors: Tensor, groups: Tensor, nouns: Tensor, seed: int) -> float:
    """Choose the temperature of zero-shot labels over many random lists of 5 to 20 nouns."""
    rng = np.random.default_rng(seed)
    similarity = vectors @ nouns.T
    ten = [i for i, (names, _) in enumerate(GROUPS) if names[0] in TEN]
    lists = []
    for number in range(40):
        chosen = (
            ten if number % 2 else sorted(rng.choice(len(GROUPS), int(rng.integers(5, 21)), replace=False).tolist())
        )
        rows = torch.tensor([g in chosen for g in groups.tolist()])
        if rows.sum() > 5:
            target = torch.tensor([chosen.index(g) for g in groups[rows].tolist()])
            lists.append((similarity[rows][:, chosen], target))
    grid = np.geomspace(0.01, 0.3, 60)
    losses = [float(torch.stack([functional.cross_entropy(z / t, y) for z, y in lists]).mean()) for t in grid]
    return round(float(grid[int(np.argmin(losses))]), 5)


@dataclass
class Evidence:
    """Raw scores of the calibration pictures beside the truth: one row a box, one row a picture."""

    logits: NDArray[Any]
    right: NDArray[Any]
    owner: NDArray[Any]
    counts: NDArray[Any]
    best: NDArray[Any]
    present: NDArray[Any]


def gather(session: OnnxSession, workshop: Workshop, examples: list[data.Example]) -> Evidence:
    """Look at every calibration photograph at three resolutions."""
    labels, area = list(workshop.settings["vision"]["labels"]), int(workshop.settings["image"]["area"])
    cache = workshop.folder("train") / "cache"
    labelled = agreed(examples, lessons.lessons(examples, workshop.teachers, cache))
    logits, right, owner, best, present, counts = [], [], [], [], [], np.zeros(len(labels), np.int64)
    for index in progress(judging.held_out(examples, "calibrate"), "boxes"):
        for side in CAMERAS:
            picture = judging.sizes(examples[index].picture, side, square=side == SQUEEZED)
            seen = judging.look(session, picture, area)
            hit, count = judging.hits(seen, labelled[index], labels)
            counts += count
            logits.append(seen.logits)
            right.append(hit)
            owner.append(seen.classes)
            best.append(seen.best)
            present.append(judging.presence(labelled[index], labels))
    rows = (np.concatenate(logits), np.concatenate(right), np.concatenate(owner))
    return Evidence(*rows, counts, np.stack(best), np.stack(present))


def named_vectors(session: OnnxSession, examples: list[data.Example], area: int) -> tuple[Tensor, Tensor]:
    """Return the embeddings of labelled calibration pictures, tiny and as they are, and their everyday groups."""
    matrix = group_matrix()
    vectors, groups = [], []
    kept = [e for e in examples if e.part == "calibrate" and e.label >= 0 and float(matrix[e.label].sum()) > 0]
    for example in progress(kept, "labels"):
        for side in (32, 0):
            picture = judging.sizes(example.picture, side, square=True)
            vectors.append(judging.look(session, picture, area).embedding)
            groups.append(int(matrix[example.label].argmax()))
    return torch.tensor(np.stack(vectors)), torch.tensor(groups)


def scaled(logits: NDArray[Any], channels: NDArray[Any], table: dict[str, list[float]]) -> NDArray[Any]:
    """Return calibrated probabilities; `table` is in the order of the channels."""
    scale = np.array(list(table.values()))
    return np.asarray(1 / (1 + np.exp(-(logits * scale[channels, 0] + scale[channels, 1]))))


def calibrate(workshop: Workshop) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the manifest's calibration tables and what was measured."""
    recipe = workshop.settings
    labels = list(recipe["vision"]["labels"])
    session = OnnxSession(workshop.output("quantize", "image.onnx"))
    examples = data.load(workshop.data)
    seen = gather(session, workshop, examples)
    boxes = per_label(seen.logits, seen.right, seen.owner, labels)
    chances = scaled(seen.logits, seen.owner, boxes)
    channel = np.broadcast_to(np.arange(len(labels)), seen.best.shape)
    presence = per_label(seen.best.ravel(), seen.present.ravel(), channel.ravel(), labels)
    sure = scaled(seen.best, channel, presence)
    # Questions are about what is common enough to be judged here: half of them about what is there.
    common = np.nonzero((seen.present == 1).sum(0) >= COMMON)[0]
    turn = common[np.arange(len(sure)) % len(common)][:, None]
    asked = np.isin(channel, common) & ((seen.present == 1) | ((seen.present == 0) & (channel == turn)))
    templates, encode = recipe["classify"]["templates"], encoder(workshop)
    nouns = [functional.normalize(encode([t.format(n[0]) for t in templates]).mean(0), dim=0) for n, _ in GROUPS]
    vectors, groups = named_vectors(session, examples, int(recipe["image"]["area"]))
    table = {
        "detector": {
            "labels": labels,
            "thresholds": thresholds(seen, boxes),
            "calibration": boxes,
            "presence": presence,
            "nms_iou": judging.NMS_IOU,
        },
        "classify": {"temperature": temperature(vectors, groups, torch.stack(nouns), recipe["vision"]["seed"])},
        "gate": gate(sure[asked], seen.present[asked]),
    }
    known, people = seen.right >= 0, seen.present[:, 0] >= 0
    numbers = {
        "box_ece": round(judging.calibration_error(chances[known], seen.right[known]), 4),
        "person_ece": round(judging.calibration_error(sure[people, 0], seen.present[people, 0]), 4),
        "pictures": len(sure) // len(CAMERAS),
    }
    return table, numbers


def main() -> None:
    """Calibrate the quantised picture model of a recipe on the held-out calibration pictures."""
    workshop = Workshop.from_arguments(__doc__)
    torch.set_num_threads(int(workshop.settings["vision"]["threads"]))
    code = [
        Path(__file__),
        *(workshop.model / f"{n}.py" for n in ("judging", "data", "lessons", "batches", "everyday")),
    ]
    inputs = {"quantize/image.onnx": workshop.output("quantize", "image.onnx"), "vision": workshop.data / "vision"}
    text = workshop.folder("quantize") / "text.onnx"
    if text.exists():
        inputs["quantize/text.onnx"] = text
    stage = Stage(workshop, "calibrate", inputs, code, ("vision", "image", "classify"), ("calibration.json",))
    if stage.fresh():
        print("calibrate: nothing has changed")
        return
    with stage:
        table, numbers = calibrate(workshop)
        write_atomically(stage.folder / "calibration.json", json.dumps(table, indent=1) + "\n")
        stage.numbers |= numbers


if __name__ == "__main__":
    main()
