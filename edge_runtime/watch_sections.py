"""The settings of watching: cameras and their rules, alerts, what is unusual, what is kept of it."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pydantic reads the annotations
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from edge_runtime.decision.places import checked_polygon
from edge_runtime.decision.schedule import Schedule
from edge_runtime.sections import Section

Share = Annotated[float, Field(ge=0, le=1)]
Fraction = tuple[Share, Share]
Prompt = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=200)]


def _prompts(prompts: tuple[str, ...]) -> tuple[str, ...]:
    seen: set[str] = set()
    for prompt in prompts:
        if not any(letter.isalpha() for letter in prompt):
            raise ValueError(f"{prompt!r} says nothing; write what to tell of, such as a parcel on the doorstep")
        if prompt.casefold() in seen:
            raise ValueError(f"{prompt!r} is there twice; once is enough")
        seen.add(prompt.casefold())
    return prompts


Prompts = Annotated[tuple[Prompt, ...], AfterValidator(_prompts)]


def _hours(spans: tuple[str, ...]) -> tuple[str, ...]:
    Schedule(spans)
    return spans


def _one_alone(spans: object) -> object:
    return (spans,) if isinstance(spans, str) else spans


Hours = Annotated[tuple[str, ...], Field(max_length=50), BeforeValidator(_one_alone), AfterValidator(_hours)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class PlaceSettings(Section):
    """What a thing must be to count at a zone or a line, and when."""

    name: Name = Field(description="Name in the events.")
    labels: tuple[str, ...] = Field(default=(), description="Only these objects count; empty means all.")
    min_score: Share = Field(default=0.0, description="Score that the best sighting of an object must have reached.")
    min_size: Share = Field(default=0.0, description="Fraction of the picture that an object must fill at least.")
    max_size: Share = Field(default=1.0, description="Fraction of the picture that an object may fill at most.")
    anchor: Literal["bottom", "centre"] = Field(
        default="bottom", description="Point of an object that counts: where it stands, or its centre."
    )
    schedule: Hours = Field(
        default=(),
        description="When it counts, in local time: 'mon-fri 22:00-06:00', 'sat,sun', '08:00-17:30'; empty: always.",
    )

    @model_validator(mode="after")
    def _sizes_leave_room(self) -> Self:
        if self.min_size >= self.max_size:
            raise ValueError(f"min_size {self.min_size} is not below max_size {self.max_size}: no object would count")
        return self


class ZoneSettings(PlaceSettings):
    """A region of a camera's picture."""

    polygon: Annotated[tuple[Fraction, ...], AfterValidator(checked_polygon)] = Field(
        min_length=3, max_length=100, description="Corners [x, y] as fractions of the picture, 0 to 1."
    )
    dwell_s: float = Field(default=0.0, ge=0, description="Seconds an object must stay before it counts.")
    debounce_looks: int = Field(
        default=2, ge=1, le=100, description="Looks at an object inside before it is in, or outside before it is out."
    )
    debounce_s: float = Field(default=0.0, ge=0, description="Seconds that these looks must span at least.")
    cooldown_s: float = Field(default=10.0, ge=0, description="Seconds before the same zone and label may alert again.")


class LineSettings(PlaceSettings):
    """A line across a camera's picture; crossing it is an event."""

    start: Fraction = Field(description="One end [x, y] as fractions of the picture.")
    end: Fraction = Field(description="The other end [x, y].")
    direction: Literal["both", "left_to_right", "right_to_left"] = Field(
        default="both", description="Which crossings count, seen when looking from start to end."
    )
    cooldown_s: float = Field(
        default=0.0, ge=0, description="Seconds before the same line, label and direction may alert again."
    )

    @model_validator(mode="after")
    def _has_a_length(self) -> Self:
        if self.start == self.end:
            raise ValueError(f"line {self.name!r} starts and ends at {list(self.start)}; nothing can cross a point")
        return self


class CameraSettings(Section):
    """One camera."""

    name: Name = Field(description="Name in topics and events.")
    url: str = Field(
        description="rtsp:// or http:// address, /dev/video0, a camera number, a GStreamer pipeline, or a file."
    )
    fps: float = Field(default=6.0, gt=0, le=60, description="Pictures a second handed to the model at most.")
    realtime: bool = Field(
        default=False, description="Play a file at its own speed instead of as fast as it can be analysed."
    )
    transport: Literal["auto", "tcp", "udp"] = Field(
        default="auto", description="How an RTSP camera sends: auto takes TCP where the camera can, else UDP."
    )
    hardware: bool = Field(default=True, description="Decode in hardware where there is some that OpenCV can use.")
    fixed: bool = Field(
        default=True, description="It stays where it looks: tell when its view moves or blurs; false for one that pans."
    )
    open_timeout_s: float = Field(default=8.0, gt=0, description="Seconds to wait for the first picture.")
    read_timeout_s: float = Field(
        default=5.0, gt=0, description="Seconds without a picture before the camera is restarted."
    )
    login_retry_s: float = Field(
        default=2.0,
        ge=0,
        description="Seconds between tries while the camera refuses the password; after two minutes, up to 10 min.",
    )
    zones: tuple[ZoneSettings, ...] = Field(default=(), description="Regions that raise events.")
    lines: tuple[LineSettings, ...] = Field(default=(), description="Lines that raise events when crossed.")
    alerts: Prompts = Field(
        default=(), max_length=50, description="What this camera alone shall tell of, in plain words."
    )
    anomaly: bool = Field(default=True, description="Learn what is usual here and tell what is not.")
    quiet_hours: Hours | None = Field(
        default=None, description="Quiet hours of this camera instead of alerting.quiet_hours; [] for none."
    )

    @model_validator(mode="after")
    def _no_name_twice(self) -> Self:
        names = [place.name for place in (*self.zones, *self.lines)]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"camera {self.name}: two zones or lines are called {name!r}; rename one")
        return self


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
    lost_s: float = Field(
        default=2.0,
        gt=0,
        description="Seconds unseen before a track ends; half as long again inside it, where it may be hidden.",
    )


class AlertingSettings(Section):
    """How alerts in plain words are judged, and when nothing is an alert."""

    alarms_per_day: float = Field(
        default=1.0, gt=0, le=1000, description="False alarms a day that one alert of one camera may give at most."
    )
    cooldown_s: float = Field(default=300.0, ge=0, description="Seconds before the same alert may come again.")
    second_look: bool = Field(
        default=False, description="Ask the cloud whether it is so, within its budget and what may leave the box."
    )
    second_look_s: float = Field(
        default=8.0, gt=0, le=60, description="Seconds that an alert waits for the cloud; then it is told unconfirmed."
    )
    quiet_hours: Hours = Field(
        default=(),
        description="Hours, written as in zones, in which what cameras and microphones tell is no alert.",
    )


class AnomalySettings(Section):
    """What is unusual for a camera or a microphone, learnt from what is not."""

    enabled: bool = Field(default=True, description="Learn what is usual and tell what is not.")
    sounds: bool = Field(default=True, description="Learn what microphones usually hear, too.")
    alarms_per_day: float = Field(
        default=1.0, gt=0, le=1000, description="False alarms a day that one camera or microphone may give at most."
    )
    cooldown_s: float = Field(
        default=300.0, ge=0, description="Seconds for each alarm of a source, once six have come at once."
    )


class EvidenceSettings(Section):
    """What is kept of each alert."""

    enabled: bool = Field(default=True, description="Keep pictures, sound and decisions of each alert.")
    days: float = Field(default=30.0, gt=0, description="Days that they are kept at most.")
    mb: int = Field(default=1000, ge=10, description="Disk space that they take at most, in MB of 10^6 bytes.")
    mb_per_day: int = Field(
        default=500,
        ge=10,
        description="MB written in 24 hours at most; further alerts are kept with a small picture alone, beyond twice"
        " as much not at all.",
    )
    before_s: float = Field(default=5.0, ge=0, le=60, description="Seconds of the clip before the alert.")
    after_s: float = Field(default=5.0, ge=0, le=60, description="Seconds of the clip after the alert.")
    sound: bool = Field(default=True, description="Keep the sound of alerts that were heard.")
