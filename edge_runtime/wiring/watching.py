"""What one camera's pictures go through, made of settings and models."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import cv2

from edge_runtime.decision.motion import MotionGate
from edge_runtime.decision.places import Line, Zone
from edge_runtime.decision.schedule import Schedule
from edge_runtime.decision.tracking import Tracker
from edge_runtime.decision.zones import ZoneMonitor
from edge_runtime.errors import ConfigError
from edge_runtime.pipelines.rules import Rules
from edge_runtime.pipelines.vision import VisionPipeline
from edge_runtime.wiring.alerts import make_alerts
from edge_runtime.wiring.assembly import check_labels
from edge_runtime.wiring.drawn_zones import DrawnZones
from edge_runtime.wiring.hours import local_time, quiet_hours
from edge_runtime.wiring.live_anomalies import make_anomaly

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge_runtime.config import Settings
    from edge_runtime.decision.scene import Scene
    from edge_runtime.pipelines.vision import Decider
    from edge_runtime.watch_sections import CameraSettings, LineSettings, PlaceSettings, ZoneSettings
    from edge_runtime.wiring.assembly import Models

log = logging.getLogger(__name__)


def save_threads() -> None:
    """Let OpenCV work in the thread that calls it: for pictures this small its own ones cost more than they save."""
    cv2.setNumThreads(1)


def make_view(camera: CameraSettings, settings: Settings, models: Models, scene: Scene) -> VisionPipeline:
    """Return the pipeline of one camera.

    Raises:
        ConfigError: a rule names objects that are never told of.
    """
    gate = MotionGate(settings.vision.motion_area, settings.vision.refresh_s)
    alerts = make_alerts(camera, settings, models)
    anomaly = make_anomaly(camera, settings, models)
    deciders: list[Decider] = [make_rules(camera, settings, models), *(one for one in (alerts, anomaly) if one)]
    return VisionPipeline(models.detector, gate, deciders, scene, local_time, quiet=quiet_hours(camera, settings))


def make_rules(camera: CameraSettings, settings: Settings, models: Models) -> Rules:
    """Return the rules of one camera, with what was drawn on the page.

    Raises:
        ConfigError: one of the settings names objects that are never told of.
    """
    vision = settings.vision
    for place in (*camera.zones, *camera.lines):
        check_place(place, camera, settings, models)
    drawn = []
    for zone in DrawnZones(settings.device.data_dir.expanduser()).of(camera.name):
        try:
            check_place(zone, camera, settings, models)
            drawn.append(zone)
        except ConfigError as error:
            # The model may have changed since; a box that does not start for it would watch nothing at all.
            log.error("%s; this zone, drawn on the page, is not watched", error)  # noqa: TRY400 - no fault of the code
    zones = with_drawn(camera, drawn)
    monitor = ZoneMonitor(as_zones(zones), as_lines(camera.lines))
    return Rules(Tracker(vision.confirm_frames, vision.lost_s), monitor, quiet_hours(camera, settings))


def check_place(place: PlaceSettings, camera: CameraSettings, settings: Settings, models: Models) -> None:
    """Refuse a zone or line that nothing could ever be told of.

    Raises:
        ConfigError: it names objects that the model does not know, or that `vision.labels` leaves out.
    """
    key = f"camera {camera.name}, {place.name}"
    check_labels(key, place.labels, models.labels)
    for label in place.labels:
        if settings.vision.labels and label not in settings.vision.labels:
            raise ConfigError(f"{key}: {label!r} is never told of, as vision.labels leaves it out; add it there")


def with_drawn(camera: CameraSettings, drawn: Iterable[ZoneSettings]) -> tuple[ZoneSettings, ...]:
    """Return the zones of the settings and those drawn besides; where names meet, the settings count."""
    taken = {place.name for place in (*camera.zones, *camera.lines)}
    return (*camera.zones, *(zone for zone in drawn if zone.name not in taken))


def redraw(view: VisionPipeline, camera: CameraSettings, drawn: Iterable[ZoneSettings]) -> None:
    """Let a running camera watch what was drawn besides what its settings say; from any thread."""
    for decider in view.deciders:
        if isinstance(decider, Rules):
            decider.redraw(as_zones(with_drawn(camera, drawn)), as_lines(camera.lines))


def as_zones(zones: Iterable[ZoneSettings]) -> list[Zone]:
    """Return zones as they are watched."""
    return [Zone(**{**zone.model_dump(), "schedule": Schedule(zone.schedule)}) for zone in zones]


def as_lines(lines: Iterable[LineSettings]) -> list[Line]:
    """Return lines as they are watched."""
    known = [{**line.model_dump(), "schedule": Schedule(line.schedule)} for line in lines]
    return [Line(**{**line, "direction": None if line["direction"] == "both" else line["direction"]}) for line in known]
