"""What the page sends and gets, as the OpenAPI document describes it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from edge_runtime.api.bodies import Body

NAME = r"^[A-Za-z0-9_-]{1,64}$"
EVENT_ID = r"^[0-9a-f]{32}$"
MOST_ZONES = 32
MOST_CORNERS = 64

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]


class CameraReply(BaseModel):
    """How a camera is."""

    name: str
    status: str
    watching: bool
    width: int | None
    height: int | None
    seen: float | None = Field(description="Unix time of the last picture.")


class CamerasReply(BaseModel):
    """All cameras."""

    object: Literal["list"]
    data: list[CameraReply]


class EventReply(BaseModel):
    """An event."""

    id: str
    kind: str
    source: str
    at: float = Field(description="Unix time.")
    label: str | None
    score: float | None
    data: dict[str, Any]
    alert: bool = Field(description="Evidence of it is kept, where the settings say so.")
    snapshot: bool = Field(description="There is a picture of it.")
    clip: bool = Field(description="There is a film of it.")


class EventsReply(BaseModel):
    """Events, the newest first."""

    object: Literal["list"]
    data: list[EventReply]


class ZoneBody(Body):
    """A region of a camera's picture; what is left out is as in the settings."""

    name: str = Field(pattern=NAME)
    polygon: list[Annotated[list[Share], Field(min_length=2, max_length=2)]] = Field(
        min_length=3, max_length=MOST_CORNERS, description="Corners [x, y] as fractions of the picture."
    )
    labels: list[Annotated[str, Field(min_length=1, max_length=64)]] = Field(
        default=[], max_length=100, description="Only these objects count; empty means all."
    )
    min_score: Share = 0.0
    min_size: Share = 0.0
    max_size: Share = 1.0
    anchor: Literal["bottom", "centre"] = "bottom"
    schedule: list[Annotated[str, Field(max_length=100)]] = Field(default=[], max_length=50)
    dwell_s: Seconds = 0.0
    debounce_looks: int = Field(default=2, ge=1, le=100)
    debounce_s: Seconds = 0.0
    cooldown_s: Seconds = 10.0


class ZonesBody(Body):
    """All zones that are drawn on a camera; they take the place of those before."""

    zones: list[ZoneBody] = Field(max_length=MOST_ZONES)


class ZonesReply(BaseModel):
    """The zones of a camera."""

    camera: str
    settings: list[ZoneBody] = Field(description="Those of the settings, which stay as they are.")
    drawn: list[ZoneBody]
    labels: list[str] = Field(description="What the box can see.")


class FeedbackBody(Body):
    """A verdict: what happened was fine, and no alert next time; or the alert was right."""

    verdict: Literal["fine", "right"]


class FeedbackReply(BaseModel):
    """A verdict that was taken."""

    event: str
    verdict: Literal["fine", "right"]


class SwitchesBody(Body):
    """Switches to set; those that are not named stay as they are."""

    switches: dict[Annotated[str, Field(max_length=100)], bool] = Field(max_length=100)


class SwitchesReply(BaseModel):
    """All switches."""

    switches: dict[str, bool]


class TaughtReply(BaseModel):
    """What was learnt."""

    name: str
    pictures: int
    notes: list[str]


class CapReply(BaseModel):
    """A money cap."""

    name: str
    period: str
    spent_usd: float
    reserved_usd: float
    cap_usd: float


class LeftPicture(BaseModel):
    """A picture that left, told by its size."""

    width: int
    height: int
    bytes: int
    hidden: dict[str, int]


class LeftReply(BaseModel):
    """Something that left the box."""

    at: str
    source: str
    why: str
    policy: str
    to: str
    texts: list[str]
    masked: dict[str, int]
    picture: LeftPicture | None
    cost_usd: float | None
    outcome: str | None


class MachineReply(BaseModel):
    """What the machine measures; bytes and seconds."""

    processor_c: float | None
    memory_free: int
    memory_total: int
    disk_free: int
    disk_total: int
    running_s: float
    up_s: float


class BoxReply(BaseModel):
    """How the box is, what it spent, what left it."""

    name: str
    version: str
    model: str
    status: Literal["ok", "degraded", "unavailable"]
    parts: dict[str, str]
    machine: MachineReply
    spending: list[CapReply] | None
    left: list[LeftReply] = Field(description="What left last, the newest first.")
    labels: list[str]
    missing: dict[str, str] = Field(description="What this box cannot do, and why.")
