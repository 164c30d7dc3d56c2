"""The gate in force: what `gate fit` wrote, else the bundle's own threshold, else a cautious one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_runtime.decision.confidence import ConfidenceGate

if TYPE_CHECKING:
    from edge_runtime.assembly import Models
    from edge_runtime.config import Settings

CAUTIOUS = 0.95
"""Confidence from which the box answers by itself where the bundle has no threshold that was proved on held-out data:
scores taken at their word are then wrong once in twenty answers at most."""


def make_gate(settings: Settings, models: Models) -> ConfidenceGate:
    """Return the gate that the settings want."""
    threshold = settings.answering.local_threshold
    if threshold is None:
        threshold = models.manifest.gate.local_threshold if models.manifest.gate else CAUTIOUS
    return ConfidenceGate(threshold)
