"""What clients get, as the OpenAPI document describes it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field


class Fault(BaseModel):
    """What is wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorReply(BaseModel):
    """Any error."""

    error: Fault


class Edge(BaseModel):
    """Who answered, how sure, and at what price."""

    origin: Literal["local", "cloud", "abstained"]
    confidence: float = Field(ge=0, le=1)
    cost_usd: float = Field(ge=0)
    skill: str | None
    model: str | None
    prompt: str | None
    cached: bool
    sources: list[str]
    elapsed_s: float = Field(ge=0)


class Said(BaseModel):
    """The answer."""

    role: Literal["assistant"]
    content: str | None
    refusal: str | None


class Choice(BaseModel):
    """The one answer there is."""

    index: int
    message: Said
    logprobs: None
    finish_reason: Literal["stop", "length"]


class Usage(BaseModel):
    """A quarter of the bytes of all words, rounded up; what the cloud charged is in `edge`."""

    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(default=0, ge=0)
    total_tokens: int = Field(ge=0)


class ChatReply(BaseModel):
    """An answer."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    edge: Edge


class EmbeddingReply(BaseModel):
    """One vector: numbers, or float32 little-endian as base64."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingsReply(BaseModel):
    """Vectors, in the order of what was sent."""

    object: Literal["list"]
    data: list[EmbeddingReply]
    model: str
    usage: Usage


class ModelReply(BaseModel):
    """A model."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelsReply(BaseModel):
    """All models."""

    object: Literal["list"]
    data: list[ModelReply]


class HealthReply(BaseModel):
    """How the box is."""

    status: Literal["ok", "degraded", "unavailable"]
    parts: dict[str, str]


class TranscriptReply(BaseModel):
    """What was said."""

    text: str


ERRORS = {
    400: "Something in the request is wrong",
    401: "The token is missing or wrong",
    404: "There is no such address or model",
    405: "The address does not know this method",
    408: "The request did not arrive in time",
    413: "The request is too large",
    421: "The Host header does not name this box",
    429: "Too many requests",
    500: "A fault of this program",
    503: "The box cannot do it now",
}


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the errors of an address for the OpenAPI document, all of them unless some are named."""
    return {status: {"model": ErrorReply, "description": ERRORS[status]} for status in statuses or ERRORS}
