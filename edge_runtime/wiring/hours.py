"""What time it is where the box stands, and when it alerts nobody."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from edge_runtime.decision.schedule import Schedule
from edge_runtime.types import CLOCK_SET_AFTER

if TYPE_CHECKING:
    from edge_runtime.config import Settings
    from edge_runtime.watch_sections import CameraSettings


def quiet_hours(camera: CameraSettings | None, settings: Settings) -> Schedule | None:
    """Return when a camera, or a microphone where it is none, alerts nobody; None where it always does."""
    spans = settings.alerting.quiet_hours if camera is None or camera.quiet_hours is None else camera.quiet_hours
    return Schedule(spans) if spans else None


def wall_time(at: float) -> float:
    """Return the Unix time of a moment in monotonic seconds."""
    return time.time() - (time.monotonic() - at)


def local_time(at: float) -> datetime | None:
    """Return the wall time of a moment in monotonic seconds, in the box's time zone; None if no clock was ever set."""
    wall = wall_time(at)
    return datetime.fromtimestamp(wall, UTC).astimezone() if wall >= CLOCK_SET_AFTER else None
