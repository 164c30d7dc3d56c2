"""What walks through the house; these types know nothing of the outside."""

from __future__ import annotations

import enum
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping

Image: TypeAlias = NDArray[np.uint8]
"""RGB picture, uint8, shape (height, width, 3)."""

Vector: TypeAlias = NDArray[np.float32]
"""Embedding in the bundle's joint space, float32, shape (d,), unit length; omni-nano's d is 384."""

Box: TypeAlias = tuple[float, float, float, float]
"""x0, y0, x1, y1 as fractions of the picture's width and height, 0 to 1."""

SAMPLE_RATE_HZ = 16_000


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture from one camera; `at` is monotonic seconds."""

    source: str
    at: float
    image: Image


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """A stretch of sound: float32 mono in -1 to 1 at 16 kHz, shape (n,); `at` is the time of its first sample."""

    source: str
    at: float
    samples: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Sound:
    """Sound to be played or kept: float32 mono in -1 to 1, shape (n,), at any rate."""

    samples: NDArray[np.float32]
    rate_hz: int


@dataclass(frozen=True, slots=True)
class Detection:
    """One object in a picture.

    `score` is a calibrated probability: of the best box of a label, that the picture shows one at all; of each further
    box, that it is another one.
    """

    label: str
    score: float
    box: Box


@dataclass(frozen=True, slots=True)
class Look:
    """What one pass of the model over one picture found.

    `detections` reached their labels' thresholds, `unsure` did not but may keep a known track alive, and `presence`
    is the calibrated probability per label that the picture holds at least one. A model that detects alone gives no
    embedding.
    """

    detections: tuple[Detection, ...]
    unsure: tuple[Detection, ...]
    presence: Mapping[str, float]
    embedding: Vector | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """What one look at one frame found."""

    source: str
    at: float
    detections: tuple[Detection, ...]
    embedding: Vector | None = None
    anomaly: float | None = None


@dataclass(frozen=True, slots=True)
class Wake:
    """A wake word that was heard from `start` to `end`, in the seconds of the chunks; `score` is 0 to 1."""

    word: str
    score: float
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Question:
    """Something to be answered, with what was seen and heard as it was asked."""

    text: str
    source: str
    at: float
    frame: Frame | None = None
    chunk: AudioChunk | None = None


class Origin(enum.StrEnum):
    """Who answered."""

    LOCAL = "local"
    CLOUD = "cloud"
    ABSTAINED = "abstained"


@dataclass(frozen=True, slots=True)
class Answer:
    """The reply to a question; `confidence` is the calibrated probability that `text` is right."""

    text: str
    confidence: float
    origin: Origin
    cost_usd: float = 0.0
    elapsed_s: float = 0.0


def new_id() -> str:
    """Return an id that no other event has, the same through retries, restarts and every sink."""
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True)
class Event:
    """Something worth telling; `data` holds JSON values only and `at` is monotonic seconds."""

    kind: str
    source: str
    at: float
    data: Mapping[str, object]
    id: str = field(default_factory=new_id)
