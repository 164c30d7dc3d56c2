"""What one camera's pictures go through, made of settings and models."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from edge_runtime.decision.motion import MotionGate
from edge_runtime.decision.tracking import Tracker
from edge_runtime.decision.zones import Line, Zone, ZoneMonitor
from edge_runtime.pipelines.rules import Rules
from edge_runtime.pipelines.vision import VisionPipeline
from edge_runtime.sinks.topics import CLOCK_SET_AFTER
from edge_runtime.wiring.assembly import check_labels

if TYPE_CHECKING:
    from edge_runtime.config import Settings
    from edge_runtime.decision.scene import Scene
    from edge_runtime.watch_sections import CameraSettings
    from edge_runtime.wiring.assembly import Models


def make_view(camera: CameraSettings, settings: Settings, models: Models, scene: Scene) -> VisionPipeline:
    """Return the pipeline of one camera.

    Raises:
        ConfigError: a rule names objects that the model does not know.
    """
    gate = MotionGate(settings.vision.motion_area, settings.vision.refresh_s)
    return VisionPipeline(models.detector, gate, [make_rules(camera, settings, models)], scene, local_time)


def make_rules(camera: CameraSettings, settings: Settings, models: Models) -> Rules:
    """Return the rules of one camera.

    Raises:
        ConfigError: one names objects that the model does not know.
    """
    vision = settings.vision
    for labels in (*(zone.labels for zone in camera.zones), *(line.labels for line in camera.lines)):
        check_labels(f"camera {camera.name}", labels, models.labels)
    zones = [Zone(zone.name, zone.polygon, zone.labels, zone.dwell_s, zone.cooldown_s) for zone in camera.zones]
    lines = [Line(line.name, line.start, line.end, line.labels) for line in camera.lines]
    return Rules(Tracker(vision.confirm_frames, vision.lost_s), ZoneMonitor(zones, lines))


def local_time(at: float) -> datetime | None:
    """Return the wall time of a moment in monotonic seconds, in the box's time zone; None if no clock was ever set."""
    wall = time.time() - (time.monotonic() - at)
    return datetime.fromtimestamp(wall, UTC).astimezone() if wall >= CLOCK_SET_AFTER else None
