"""What the page is handed, made of the rooms of a running box."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from edge_runtime.api.page_services import BoxNow, PageServices
from edge_runtime.cloud.chain import read_line
from edge_runtime.cloud.ledger import ledger_files
from edge_runtime.errors import CloudError
from edge_runtime.wiring.cloud import spent_now
from edge_runtime.wiring.egress import ledger_folder
from edge_runtime.wiring.live_pictures import LivePictures
from edge_runtime.wiring.machine import health
from edge_runtime.wiring.page_evidence import KeptEvidence
from edge_runtime.wiring.page_teaching import PageTeaching
from edge_runtime.wiring.page_zones import PageZones

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from edge_runtime.config import Settings
    from edge_runtime.decision.scene import Scene
    from edge_runtime.house import House
    from edge_runtime.wiring.assembly import Models
    from edge_runtime.wiring.event_feed import EventFeed

LEFT = 20
"""So many of the last things that left are told."""
_TAIL_BYTES = 256 * 2**10
_SHOWN_TEXT = 300


def make_page(settings: Settings, models: Models, house: House, scene: Scene, feed: EventFeed) -> PageServices:
    """Return what the page shows and does."""
    cameras = LivePictures([camera.name for camera in settings.cameras], house.views, scene, house.states)
    house.watch_along(cameras.look_on)
    return PageServices(
        labels=tuple(settings.vision.labels or models.labels),
        cameras=cameras,
        events=feed,
        evidence=KeptEvidence(settings) if settings.evidence.enabled else "evidence.enabled is off in the settings",
        zones=PageZones(settings, models, house.views),
        give_feedback=house.feedback.give if house.feedback else "nobody here takes it",
        switches=house.controls or "there is nothing to switch",
        teach_picture=PageTeaching(settings, models) if models.manifest.image else "the bundle has no model for it",
        box=partial(box_now, settings, models),
    )


def box_now(settings: Settings, models: Models) -> BoxNow:
    """Return how the box is, what it spent, what left it."""
    manifest, measured = models.manifest, health(settings.device.data_dir.expanduser())
    machine = {
        "processor_c": measured.processor_c,
        "memory_free": measured.memory[0],
        "memory_total": measured.memory[1],
        "disk_free": measured.disk[0],
        "disk_total": measured.disk[1],
        "running_s": round(measured.running_s, 1),
        "up_s": round(measured.up_s, 1),
    }
    model = f"{manifest.name} {manifest.version}"
    return BoxNow(settings.device.name, model, machine, _spent(settings), last_left(ledger_folder(settings), LEFT))


def _spent(settings: Settings) -> Sequence[Mapping[str, Any]] | str:
    """Return each cap and what of it is spent, or why there is none."""
    if not settings.cloud.enabled:
        return "the cloud is switched off; nothing is spent"
    try:
        return [
            {
                "name": cap.name, "period": cap.period, "spent_usd": cap.spent, "reserved_usd": cap.reserved,
                "cap_usd": cap.cap,
            }
            for cap in spent_now(settings)
        ]  # fmt: skip
    except CloudError as error:
        return str(error)


def last_left(folder: Path, most: int) -> list[dict[str, Any]]:
    """Return the last things that left the box, the newest first, from the end of the newest file of the ledger."""
    files = ledger_files(folder)
    if not files:
        return []
    try:
        with files[-1].open("rb") as file:
            start = max(file.seek(0, 2) - _TAIL_BYTES, 0)
            file.seek(start)
            lines = file.read(_TAIL_BYTES).splitlines()
    except OSError:
        return []
    outcomes: dict[str, Mapping[str, Any]] = {}
    found: list[dict[str, Any]] = []
    # The first line may have been cut.
    for line in reversed(lines[1:] if start else lines):
        entry = read_line(line) or {}
        if entry.get("kind") == "settle":
            outcomes[str(entry.get("of"))] = entry
        elif entry.get("kind") == "send" and len(found) < most:
            found.append(_left(entry, outcomes.get(str(entry.get("id")), {})))
    return found


def _left(entry: Mapping[str, Any], outcome: Mapping[str, Any]) -> dict[str, Any]:
    picture = entry.get("picture")
    return {
        "at": str(entry.get("at", "")),
        "source": str(entry.get("source", "")),
        "why": str(entry.get("why", "")),
        "policy": str(entry.get("policy", "")),
        "to": _whom(entry.get("to") or {}),
        "texts": [str(text)[:_SHOWN_TEXT] for text in entry.get("texts", ())],
        "masked": dict(entry.get("masked") or {}),
        "picture": {key: picture[key] for key in ("width", "height", "bytes", "hidden")} if picture else None,
        "cost_usd": outcome.get("cost_usd"),
        "outcome": outcome.get("outcome"),
    }


def _whom(to: Mapping[str, Any]) -> str:
    return f"{to.get('provider')}/{to.get('model')} at {to.get('host')}"
