"""How wrong the eyes are: boxes, classes, presence, labels and captions, each as one number."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

CANDIDATES = 10


def box_iou(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return IoU and generalised IoU (arXiv:1902.09630) of boxes (..., 4) that broadcast."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    inner = (high - low).clamp(min=0).prod(-1)
    union = (a[..., 2:] - a[..., :2]).clamp(min=0).prod(-1) + (b[..., 2:] - b[..., :2]).clamp(min=0).prod(-1) - inner
    hull = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    area = hull.prod(-1).clamp(min=1e-9)
    iou = inner / union.clamp(min=1e-9)
    return iou, iou - (area - union) / area


@dataclass(frozen=True)
class Boxes:
    """What is in one picture: boxes (n, 4) as fractions, their classes (n,) and weights (n,); unsure ones alike."""

    boxes: Tensor
    classes: Tensor
    weights: Tensor
    unsure: Tensor
    unsure_classes: Tensor


@torch.no_grad()
def assign(boxes: Tensor, scores: Tensor, centres: Tensor, truth: Boxes) -> tuple[Tensor, Tensor, Tensor]:
    """Choose the cells that answer for each object, by how well they already do (arXiv:2108.07755).

    Returns:
        target (N, C) from 0 to 1, owner (N,) index of the object or -1, judged (N, C) whether a cell's class counts.
    """
    target = torch.zeros_like(scores)
    owner = torch.full((len(boxes),), -1, dtype=torch.long)
    judged = torch.ones_like(scores)
    for box, label in zip(truth.unsure, truth.unsure_classes, strict=True):
        inside = (centres > box[:2]).all(1) & (centres < box[2:]).all(1)
        judged[inside, label] = 0
    if not len(truth.boxes):
        return target, owner, judged
    iou, _ = box_iou(truth.boxes[:, None], boxes[None])
    corner, far = truth.boxes[:, None, :2], truth.boxes[:, None, 2:]
    inside = ((centres[None] > corner) & (centres[None] < far)).all(-1)
    # An object smaller than a cell still has its nearest cell.
    middle = (truth.boxes[:, :2] + truth.boxes[:, 2:]) / 2
    nearest = (centres[None] - middle[:, None]).square().sum(-1).argmin(1)
    inside[torch.arange(len(nearest)), nearest] = True
    fit = scores[:, truth.classes].T.clamp(min=1e-4) ** 0.5 * iou.clamp(min=1e-3) ** 4 * inside
    best = fit.topk(min(CANDIDATES, fit.shape[1]), dim=1)
    chosen = torch.zeros_like(fit).scatter_(1, best.indices, 1.0) * (fit > 0)
    chosen[torch.arange(len(nearest)), nearest] = 1.0
    claim = torch.where(chosen > 0, iou.clamp(min=1e-3), torch.zeros_like(iou))
    value, index = claim.max(0)
    taken = value > 0
    owner[taken] = index[taken]
    strength = fit / fit.amax(1, keepdim=True).clamp(min=1e-9) * (iou * chosen).amax(1, keepdim=True)
    cells = taken.nonzero().flatten()
    objects = owner[cells]
    target[cells, truth.classes[objects]] = (strength[objects, cells] * 0.7 + 0.3).clamp(max=1) * truth.weights[objects]
    judged[cells, truth.classes[objects]] = 1
    return target, owner, judged


def detection_loss(boxes: Tensor, logits: Tensor, centres: Tensor, truths: list[Boxes | None]) -> dict[str, Tensor]:
    """Return the class and box losses of a batch; a picture whose truth is None is not judged."""
    classes = logits.new_zeros(())
    regression = logits.new_zeros(())
    total = logits.new_zeros(())
    for box, logit, truth in zip(boxes, logits, truths, strict=True):
        if truth is None:
            continue
        target, owner, judged = assign(box.detach(), logit.detach().sigmoid(), centres, truth)
        # Quality focal loss (arXiv:2006.04388): confident mistakes count most.
        focus = (target - logit.detach().sigmoid()).abs() ** 1.5
        classes = (
            classes
            + (functional.binary_cross_entropy_with_logits(logit, target, reduction="none") * focus * judged).sum()
        )
        cells = (owner >= 0).nonzero().flatten()
        if len(cells):
            weight = target[cells].amax(1)
            _, giou = box_iou(box[cells], truth.boxes[owner[cells]])
            regression = regression + ((1 - giou) * weight).sum()
            total = total + weight.sum()
    scale = total.clamp(min=4.0)
    return {"classes": classes / scale, "boxes": 2 * regression / scale}


def presence_loss(logits: Tensor, present: Tensor, say: Tensor) -> Tensor:
    """Compare each class's best cell (B, N, C) with whether it is in the picture (B, C): 1, 0, or -1 for unknown.

    `say` (C,) is how much each class has to say.
    """
    best = logits.amax(1)
    known = (present >= 0).float()
    loss = functional.binary_cross_entropy_with_logits(best, present.clamp(min=0), reduction="none")
    # Absent classes outnumber present ones ten to one.
    weight = known * torch.where(present > 0, 1.0, 0.1) * say
    return (loss * weight).sum() / weight.sum().clamp(min=1.0)


def soft_cross_entropy(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted mean cross-entropy of (B, K) logits against (B, K) distributions."""
    loss = -(target * logits.log_softmax(1)).sum(1)
    return (loss * weight).sum() / weight.sum().clamp(min=1.0)
