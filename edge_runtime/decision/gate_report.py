"""What a gate does on rows that it has not seen: risk, coverage, and what it saves of the cloud."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.decision.guarantee import interval
from edge_runtime.decision.routing_curves import aurc, auroc, cloud_need, quality_by_cloud, risk_by_coverage
from edge_runtime.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_runtime.decision.gate_table import GateTable
    from edge_runtime.decision.learned_gate import LearnedGate

    Floats = NDArray[np.float64]

SHARES = (0.95, 0.99)
_POINTS = 200


def report(gate: LearnedGate, table: GateTable, vectors: NDArray[np.float32] | None) -> dict[str, Any]:
    """Return every number and curve of a gate on a table, as JSON values.

    Args:
        gate: the gate.
        table: its rows.
        vectors: unit vectors of the prompts, shape (n, d), where the gate needs them.

    Raises:
        InputError: rows lack the score that the gate judges them by.
    """
    _check_scored(gate, table)
    confidence = gate.confidences(table.prompts, table.skills, table.scores, vectors)
    right, count = table.local, len(table)
    kept = confidence >= gate.threshold
    wrong = int((kept & ~right).sum())
    low, high = interval(wrong, count)
    alpha = float(gate.facts["alpha"])
    strange = {skill for skill in table.skills if gate.judge_of(skill) is None}
    found: dict[str, Any] = {
        "rows": count,
        "local_accuracy": float(right.mean()),
        "cloud_accuracy": None if table.cloud is None else float(table.cloud.mean()),
        "alpha": alpha,
        "delta": gate.facts["delta"],
        "threshold": gate.threshold,
        "kept": int(kept.sum()),
        "kept_wrong": wrong,
        "risk": wrong / count,
        "risk_low": low,
        "risk_high": high,
        "risk_within_alpha": wrong / count <= alpha,
        "unjudged": {skill: table.skills.count(skill) for skill in sorted(strange)},
        "coverage": float(kept.mean()),
        "cloud_share": float((~kept).mean()),
        "selective_accuracy": float(right[kept].mean()) if kept.any() else None,
        "auroc": auroc(confidence, right),
        "aurc": aurc(confidence, right),
        "aurc_random": float((~right).mean()),
        "aurc_oracle": aurc(right.astype(np.float64), right),
        "calibration_error": _calibration_error(confidence, right),
    }
    risks = risk_by_coverage(confidence, right)
    coverages = np.arange(1, count + 1) / count
    found["curves"] = {"risk_by_coverage": _thinned(coverages, risks)}
    if table.cloud is not None:
        found |= _savings(confidence, kept, table, table.cloud)
        shares = np.arange(count + 1) / count
        found["curves"]["quality_by_cloud_share"] = _thinned(shares, quality_by_cloud(confidence, right, table.cloud))
    return found


def _check_scored(gate: LearnedGate, table: GateTable) -> None:
    for skill in dict.fromkeys(skill for skill, has in zip(table.skills, table.scored, strict=True) if not has):
        judge = gate.judge_of(skill)
        if judge is not None and judge.scale is not None:
            raise InputError(f"rows of skill {skill!r} have no score, and this gate judges them by it; add the scores")


def _savings(confidence: Floats, kept: NDArray[np.bool_], table: GateTable, cloud: NDArray[np.bool_]) -> dict[str, Any]:
    needs = {f"{share:.0%}": asdict(cloud_need(confidence, table.local, cloud, share)) for share in SHARES}
    quality = float(np.where(kept, table.local, cloud).mean())
    return {
        "quality": quality,
        "share_of_cloud_quality": quality / float(cloud.mean()) if cloud.any() else None,
        "at_cloud_quality": {
            share: {**need, "cost_saved": 1 - need["gate"], "cost_saved_random": 1 - need["random"]}
            for share, need in needs.items()
        },
    }


def _calibration_error(confidence: Floats, right: NDArray[np.bool_]) -> float:
    """Return the mean distance of confidence and share right over ten groups of equal size."""
    order = np.argsort(confidence, kind="stable")
    groups = [group for group in np.array_split(order, 10) if len(group)]
    gaps = [abs(float(confidence[group].mean()) - float(right[group].mean())) * len(group) for group in groups]
    return sum(gaps) / len(right)


def _thinned(across: Floats, up: Floats) -> list[list[float]]:
    places = np.unique(np.linspace(0, len(across) - 1, min(_POINTS, len(across))).astype(int))
    return [[round(float(across[place]), 5), round(float(up[place]), 5)] for place in places]
