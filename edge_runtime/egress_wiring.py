"""The egress gate as the settings want it: policies, what finds faces and letters, and the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_runtime.cloud.egress import EgressGate
from edge_runtime.cloud.ledger import Ledger
from edge_runtime.cloud.picture import Area

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.assembly import Models
    from edge_runtime.config import Settings
    from edge_runtime.types import Image

LEDGER = "ledger"


def ledger_folder(settings: Settings) -> Path:
    """Return the folder that holds the ledger."""
    return settings.device.data_dir.expanduser() / LEDGER


def make_egress(settings: Settings, models: Models) -> EgressGate:
    """Return the gate that the settings want."""

    def find(image: Image) -> list[Area]:
        look = models.detector.look(image)
        people = [found.box for found in (*look.detections, *look.unsure) if found.label == "person"]
        return [Area("head", (x0, y0, x1, y0 + (y1 - y0) / 3)) for x0, y0, x1, y1 in people]

    ledger = Ledger(ledger_folder(settings), settings.egress.ledger_mb * 1_000_000)
    return EgressGate(settings.egress, ledger, find, [camera.name for camera in settings.cameras])
