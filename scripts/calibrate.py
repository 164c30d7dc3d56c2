"""Turn raw scores into probabilities: boxes, presence, zero-shot labels and the gate of local answers."""

from __future__ import annotations

import json
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


def thresholds(
    chances: NDArray[Any], right: NDArray[Any], owner: NDArray[Any], counts: NDArray[Any], labels: list[str]
) -> dict[str, float]:
    """Choose the score of the best F1 for each label; rare labels share one."""
    grid = np.arange(0.2, 0.76, 0.02)

    def best(rows: NDArray[Any], total: int) -> float:
        scores = []
        for limit in grid:
            kept = rows & (chances >= limit) & (right >= 0)
            hit = int((right[kept] == 1).sum())
            scores.append(2 * hit / max(1, int(kept.sum()) + total))
        return float(grid[int(np.argmax(np.convolve(np.pad(scores, 1, mode="edge"), [0.25, 0.5, 0.25], "valid")))])

    everything = best(np.ones(len(owner), bool), int(counts.sum()))
    chosen = {}
    for channel, label in enumerate(labels):
        plenty = counts[channel] >= 30
        chosen[label] = round(best(owner == channel, int(counts[channel])) if plenty else everything, 2)
    return chosen


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


def calibrate(workshop: Workshop, cache: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the manifest's calibration tables and what was measured."""
    recipe = workshop.settings
    labels, area = list(recipe["vision"]["labels"]), int(recipe["image"]["area"])
    session = OnnxSession(workshop.output("quantize", "image.onnx"))
    examples = data.load(workshop.data)
    labelled = agreed(examples, lessons.lessons(examples, workshop.teachers, cache))
    logits, right, owner, best, present, counts = [], [], [], [], [], np.zeros(len(labels), np.int64)
    for index in progress(judging.held_out(examples, "calibrate"), "boxes"):
        for side in CAMERAS:
            seen = judging.look(session, judging.sizes(examples[index].picture, side, square=side == 96), area)
            hit, count = judging.hits(seen, labelled[index], labels)
            logits.append(seen.logits)
            right.append(hit)
            owner.append(seen.classes)
            counts += count
            best.append(seen.best)
            present.append(judging.presence(labelled[index], labels))
    z, y, c = np.concatenate(logits), np.concatenate(right), np.concatenate(owner)
    boxes = per_label(z, y, c, labels)
    scale = np.array([boxes[label] for label in labels])
    chances = 1 / (1 + np.exp(-(z * scale[c, 0] + scale[c, 1])))
    tops, truth = np.stack(best), np.stack(present)
    channel = np.broadcast_to(np.arange(len(labels)), tops.shape)
    presence = per_label(tops.ravel(), truth.ravel(), channel.ravel(), labels)
    scale = np.array([presence[label] for label in labels])
    sure = 1 / (1 + np.exp(-(tops * scale[:, 0] + scale[:, 1])))
    # Questions are about what might be there: every present label, and one absent label a picture.
    asked = (truth == 1) | ((truth == 0) & (channel == np.arange(len(tops))[:, None] % len(labels)))
    asked[:, 0] |= truth[:, 0] >= 0
    vectors, groups = [], []
    small = [i for i, e in enumerate(examples) if e.part == "calibrate" and e.label >= 0]
    matrix = group_matrix()
    for index in progress([i for i in small if float(matrix[examples[i].label].sum()) > 0], "labels"):
        for side in (32, 0):
            picture = judging.sizes(examples[index].picture, side, square=True)
            vectors.append(judging.look(session, picture, area).embedding)
            groups.append(int(matrix[examples[index].label].argmax()))
    encode = encoder(workshop)
    templates = recipe["classify"]["templates"]
    nouns = torch.stack(
        [functional.normalize(encode([t.format(n[0]) for t in templates]).mean(0), dim=0) for n, _ in GROUPS]
    )
    heat = temperature(torch.tensor(np.stack(vectors)), torch.tensor(groups), nouns, recipe["vision"]["seed"])
    table = {
        "detector": {
            "labels": labels,
            "thresholds": thresholds(chances, y, c, counts, labels),
            "calibration": boxes,
            "presence": presence,
            "nms_iou": judging.NMS_IOU,
        },
        "classify": {"temperature": heat},
        "gate": gate(sure[asked], truth[asked]),
    }
    known = y >= 0
    numbers: dict[str, Any] = {
        "box_ece": round(judging.calibration_error(chances[known], y[known]), 4),
        "person_presence_ece": round(
            judging.calibration_error(sure[:, 0][truth[:, 0] >= 0], truth[:, 0][truth[:, 0] >= 0]), 4
        ),
        "pictures": len(tops) // len(CAMERAS),
        "temperature": heat,
        **table["gate"],
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
        table, numbers = calibrate(workshop, workshop.folder("train") / "cache")
        write_atomically(stage.folder / "calibration.json", json.dumps(table, indent=1) + "\n")
        stage.numbers |= numbers


if __name__ == "__main__":
    main()
