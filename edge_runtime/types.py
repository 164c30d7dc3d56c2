"""What walks through the house; these types know nothing of the outside."""

from __future__ import annotations

import enum
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

Image: TypeAlias = NDArray[np.uint8]
"""RGB picture, uint8, shape (height, width, 3)."""

Vector: TypeAlias = NDArray[np.float32]
"""Embedding in the bundle's joint space, float32, shape (d,), unit length; omni-nano's d is 384."""

Box: TypeAlias = tuple[float, float, float, float]
"""x0, y0, x1, y1 as fractions of the picture's width and height, 0 to 1."""

SAMPLE_RATE_HZ = 16_000

CLOCK_SET_AFTER = 1_704_067_200.0
"""Unix time of 2024: an earlier wall clock was never set. A Raspberry Pi starts in 1970 or at its last shutdown."""


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
    embedding. `patches` are the feature maps of some stages of the backbone, float32 (channels, rows, columns), from
    fine to coarse; empty where nobody asked for them, or the model gives none.
    """

    detections: tuple[Detection, ...]
    unsure: tuple[Detection, ...]
    presence: Mapping[str, float]
    embedding: Vector | None = None
    patches: tuple[NDArray[np.float32], ...] = ()


@dataclass(frozen=True, slots=True)
class Sight:
    """One look at one frame, and all else that a decision about it may use.

    Attributes:
        area: fraction of the picture that changed.
        moving: whether that is motion.
        novelty: how unlike the view of the last minutes the box of each of `look.detections` is, 0 to 1.
        local: wall time of the frame in the box's own time zone, None as long as the clock was never set.
    """

    frame: Frame
    look: Look
    area: float
    moving: bool
    novelty: tuple[float, ...]
    local: datetime | None = None


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
class Turn:
    """One earlier message of a conversation."""

    role: Literal["system", "user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """Something to be answered, with what was seen and heard as it was asked.

    Attributes:
        history: what was said before, oldest first.
        schema: JSON schema that the answer's text must satisfy, as JSON.
        wait_s: seconds the asker waits at most, None where the settings decide.
        local_only: nobody outside this box may be asked.
    """

    text: str
    source: str
    at: float
    frame: Frame | None = None
    chunk: AudioChunk | None = None
    history: tuple[Turn, ...] = ()
    schema: Mapping[str, object] | None = None
    wait_s: float | None = None
    local_only: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """A question on its way to a mind that writes its answer: the bigger local model, or the cloud.

    Attributes:
        skill: the skill that understood the question, None where none did; its prompt is used.
        deadline: monotonic seconds by which there is an answer or an error.
        subject: what the question is about in its picture, where that is known.
        on_text: gets the answer piece by piece as it is written.
        cancelled: tells that nobody waits any more.
    """

    question: Question
    skill: str | None
    deadline: float
    subject: Box | None = None
    on_text: Callable[[str], None] | None = None
    cancelled: Callable[[], bool] = bool


class Origin(enum.StrEnum):
    """Who answered."""

    LOCAL = "local"
    CLOUD = "cloud"
    ABSTAINED = "abstained"


@dataclass(frozen=True, slots=True)
class Answer:
    """The reply to a question; `confidence` is the calibrated probability that `text` is right.

    Attributes:
        skill: the skill that understood the question.
        model: who wrote the text: a skill's model, the bigger local one, or "provider/model" of the cloud.
        prompt: name, version and hash of the prompt it was written by, "general@1:0123456789ab".
        cached: it was bought earlier.
        sources: what is quoted.
        events: what the box does besides answering: a command carried out, a timer set.
    """

    text: str
    confidence: float
    origin: Origin
    cost_usd: float = 0.0
    elapsed_s: float = 0.0
    skill: str | None = None
    model: str | None = None
    prompt: str | None = None
    cached: bool = False
    sources: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()


def new_id() -> str:
    """Return an id that no other event has, the same through retries, restarts and every sink."""
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True)
class Step:
    """What one gate decided on the way to an alert, and by which figures: JSON values only."""

    gate: str
    facts: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Trace:
    """What a decision can be made once more from.

    Attributes:
        decider: whose decision it is, such as "rules".
        before: the decider's state just before it, JSON values only.
        arrays: what `before` refers to by name: large, and never changed.
        sight: what was seen.
        heard: what was heard.
    """

    decider: str
    before: Mapping[str, object]
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    sight: Sight | None = None
    heard: AudioChunk | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something worth telling; `data` holds JSON values only and `at` is monotonic seconds.

    Attributes:
        steps: every gate on the way to an alert, in their order; empty for what is no alert.
        trace: what an alert can be decided from once more.
        heat: where in the picture it is, 0 to 1, float32 (rows, columns).
    """

    kind: str
    source: str
    at: float
    data: Mapping[str, object]
    id: str = field(default_factory=new_id)
    steps: tuple[Step, ...] = field(default=(), compare=False, repr=False)
    trace: Trace | None = field(default=None, compare=False, repr=False)
    heat: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)
