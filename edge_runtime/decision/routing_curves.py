"""How good an order of questions is: what is wrong among those kept, and what is right with some sent to the cloud.

AURC is the mean share wrong among the kept over all coverages (Geifman and El-Yaniv 2017). Questions of equal
confidence count as in random order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class CloudNeed:
    """The share of questions that must go to the cloud for a share of its quality.

    Attributes:
        quality: the quality wanted, as a share right.
        gate: by the gate's order; `random` and `oracle` by chance and by knowing who is right.
    """

    quality: float
    gate: float
    random: float
    oracle: float


def evened(confidence: Floats, values: Floats) -> Floats:
    """Return values in the order of falling confidence, equally confident ones as their mean, shape (n,)."""
    order = np.argsort(-confidence, kind="stable")
    _, group, sizes = np.unique(-confidence[order], return_inverse=True, return_counts=True)
    sums = np.bincount(group, values[order], len(sizes))
    found: Floats = (sums / sizes)[group]
    return found


def risk_by_coverage(confidence: Floats, right: Bools) -> Floats:
    """Return the share wrong among the i surest, for i = 1 to n, shape (n,)."""
    wrong = evened(confidence, (~right).astype(np.float64))
    risks: Floats = np.cumsum(wrong) / np.arange(1, len(wrong) + 1)
    return risks


def aurc(confidence: Floats, right: Bools) -> float:
    """Return the area under the curve of risk by coverage; smaller is better."""
    return float(risk_by_coverage(confidence, right).mean())


def auroc(confidence: Floats, right: Bools) -> float | None:
    """Return P(a right answer is surer than a wrong one), None where all are right or all wrong."""
    good, bad = int(right.sum()), int((~right).sum())
    if not good or not bad:
        return None
    _, group, sizes = np.unique(confidence, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(sizes) - (sizes - 1) / 2)[group]
    return float((ranks[right].sum() - good * (good + 1) / 2) / (good * bad))


def quality_by_cloud(confidence: Floats, local: Bools, cloud: Bools) -> Floats:
    """Return the share right with the i least sure questions sent to the cloud, for i = 0 to n, shape (n + 1,)."""
    gain = evened(-confidence, cloud.astype(np.float64) - local.astype(np.float64))
    found: Floats = (local.sum() + np.concatenate([[0.0], np.cumsum(gain)])) / len(local)
    return found


def cloud_need(confidence: Floats, local: Bools, cloud: Bools, share: float) -> CloudNeed:
    """Return how many questions must go to the cloud for `share` of its quality."""
    wanted = share * float(cloud.mean())
    own, far = float(local.mean()), float(cloud.mean())
    by_chance = 0.0 if own >= wanted else (wanted - own) / (far - own)
    knowing = local.astype(np.float64) - cloud.astype(np.float64)
    return CloudNeed(
        wanted,
        _first(quality_by_cloud(confidence, local, cloud), wanted),
        by_chance,
        _first(quality_by_cloud(knowing, local, cloud), wanted),
    )


def _first(quality: Floats, wanted: float) -> float:
    return float(np.argmax(quality >= wanted - 1e-12)) / (len(quality) - 1)
