"""The settings of watching: cameras and their rules, alerts, what is unusual, what is kept of it."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pydantic reads the annotations
from typing import Annotated

from pydantic import Field, StringConstraints

from edge_runtime.sections import Section

Share = Annotated[float, Field(ge=0, le=1)]
Fraction = tuple[Share, Share]
Prompt = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=200)]


class ZoneSettings(Section):
    """A region of a camera's picture."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Name in the events.")
    polygon: tuple[Fraction, ...] = Field(
        min_length=3, description="Corners [x, y] as fractions of the picture, 0 to 1."
    )
    labels: tuple[str, ...] = Field(default=(), description="Only these objects count; empty means all.")
    dwell_s: float = Field(default=0.0, ge=0, description="Seconds an object must stay before it counts.")
    cooldown_s: float = Field(default=10.0, ge=0, description="Seconds before the same zone and label may alert again.")


class LineSettings(Section):
    """A line across a camera's picture; crossing it is an event."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Name in the events.")
    start: Fraction = Field(description="One end [x, y] as fractions of the picture.")
    end: Fraction = Field(description="The other end [x, y].")
    labels: tuple[str, ...] = Field(default=(), description="Only these objects count; empty means all.")


class CameraSettings(Section):
    """One camera."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Name in topics and events.")
    url: str = Field(
        description="rtsp:// or http:// address, /dev/video0, a camera number, or a video or picture file."
    )
    fps: float = Field(default=6.0, gt=0, le=60, description="Pictures a second handed to the model at most.")
    realtime: bool = Field(
        default=False, description="Play a file at its own speed instead of as fast as it can be analysed."
    )
    open_timeout_s: float = Field(default=10.0, gt=0, description="Seconds to wait for the first picture.")
    read_timeout_s: float = Field(
        default=5.0, gt=0, description="Seconds without a picture before the camera is restarted."
    )
    zones: tuple[ZoneSettings, ...] = Field(default=(), description="Regions that raise events.")
    lines: tuple[LineSettings, ...] = Field(default=(), description="Lines that raise events when crossed.")
    alerts: tuple[Prompt, ...] = Field(
        default=(), max_length=50, description="What this camera alone shall tell of, in plain words."
    )
    anomaly: bool = Field(default=True, description="Learn what is usual here and tell what is not.")


class VisionSettings(Section):
    """How pictures are looked at."""

    bundle: Path | None = Field(default=None, description="Model bundle folder; omni-nano as shipped when not set.")
    labels: tuple[str, ...] = Field(
        default=(), description="Report only these objects; empty means all that the model knows."
    )
    min_score: float | None = Field(
        default=None, ge=0, le=1, description="Score an object needs; the bundle's own thresholds when not set."
    )
    motion_area: float = Field(
        default=0.002,
        ge=0,
        le=1,
        description="Fraction of the picture that must change to wake the model; 0 looks at every picture.",
    )
    refresh_s: float = Field(default=10.0, gt=0, description="Look again after this many seconds even without motion.")
    confirm_frames: int = Field(default=3, ge=1, description="Sightings before a track is reported.")
    lost_s: float = Field(default=2.0, gt=0, description="Seconds unseen before a track ends.")


class AlertingSettings(Section):
    """How alerts in plain words are judged."""

    alarms_per_day: float = Field(
        default=1.0, gt=0, le=1000, description="False alarms a day that one alert of one camera may give at most."
    )
    cooldown_s: float = Field(default=300.0, ge=0, description="Seconds before the same alert may come again.")
    second_look: bool = Field(
        default=False, description="Ask the cloud whether it is so, within its budget and what may leave the box."
    )


class AnomalySettings(Section):
    """What is unusual for a camera or a microphone, learnt from what is not."""

    enabled: bool = Field(default=True, description="Learn what is usual and tell what is not.")
    alarms_per_day: float = Field(
        default=1.0, gt=0, le=1000, description="False alarms a day that one camera or microphone may give at most."
    )
    cooldown_s: float = Field(default=300.0, ge=0, description="Seconds before the same source may alarm again.")


class EvidenceSettings(Section):
    """What is kept of each alert."""

    enabled: bool = Field(default=True, description="Keep pictures, sound and decisions of each alert.")
    days: float = Field(default=30.0, gt=0, description="Days that they are kept at most.")
    mb: int = Field(default=1000, ge=10, description="Disk space that they take at most, in MB of 10^6 bytes.")
    before_s: float = Field(default=5.0, ge=0, le=60, description="Seconds of the clip before the alert.")
    after_s: float = Field(default=5.0, ge=0, le=60, description="Seconds of the clip after the alert.")
    sound: bool = Field(default=True, description="Keep the sound of alerts that were heard.")
