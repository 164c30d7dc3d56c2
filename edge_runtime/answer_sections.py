"""Settings of answers: who gives them, what they may cost, what may leave the box, and who may ask over HTTP."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pydantic reads the annotations
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from edge_runtime.sections import Section

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
ASKERS = ("mqtt", "http", "wyoming", "terminal")
"""Where questions come from besides the microphones."""
Leaving = Literal["nothing", "text", "redacted_picture", "picture"]


class AnsweringSettings(Section):
    """When the box answers by itself."""

    local_threshold: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Confidence needed to answer locally; not set: that of the gate, else the bundle's own, else 0.95.",
    )
    gate: Path | None = Field(
        default=None, description="What `gate fit` wrote; gate.json in device.data_dir, if there is one, when not set."
    )
    prompts: Path | None = Field(
        default=None, description="Folder with prompt files of your own, which replace those of the same name."
    )
    timezone: str | None = Field(default=None, description="For example Europe/Berlin; the system's when not set.")
    deadline_s: float = Field(default=30.0, gt=0, le=600, description="Seconds for one question, whoever answers it.")
    race_below_s: float = Field(
        default=0.0,
        ge=0,
        description="A question with less time than this starts the bigger local model and the cloud together.",
    )


class MindSettings(Section):
    """A bigger local model that writes answers, asked before the cloud is."""

    bundle: Path | None = Field(default=None, description="Generative bundle that `bundle make` made; none when unset.")
    max_output_tokens: int = Field(default=120, ge=1, le=4096, description="Longest reply.")
    temperature: float = Field(default=0.0, ge=0, le=2, description="0 always takes the likeliest word.")


class KnowledgeSettings(Section):
    """What the box may quote: your own questions with their answers, and your own documents."""

    paths: tuple[Path, ...] = Field(
        default=(),
        description="Lists of questions and answers (.jsonl, .csv, .yaml), documents (.md, .txt), or folders of them.",
    )
    mb: float = Field(
        default=16.0, gt=0, le=1024, description="Text read from them at most; what is beyond is refused."
    )


class EventLogSettings(Section):
    """What the box remembers of its events, to answer questions about the past."""

    enabled: bool = Field(default=True, description="Remember events on disk.")
    days: float = Field(default=30.0, gt=0, description="Older events are forgotten.")
    mb: int = Field(default=64, ge=1, description="Disk space at most; beyond it the oldest go.")


class ProviderSettings(Section):
    """One endpoint that speaks the OpenAI wire format, and one model there."""

    name: Name = Field(default="openai", description="Name in answers, metrics and the ledger.")
    base_url: str = Field(
        default="https://api.openai.com/v1", pattern=r"^https?://", description="Any OpenAI-compatible endpoint."
    )
    model: str = Field(default="gpt-4o-mini", min_length=1, description="Model name at that endpoint.")
    key_env: str = Field(
        default="EDGE_CLOUD_API_KEY",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="Environment variable that holds the key.",
    )
    usd_per_million_input: float = Field(default=0.15, ge=0, description="Price of a million input tokens.")
    usd_per_million_output: float = Field(default=0.60, ge=0, description="Price of a million output tokens.")
    picture_tokens: int = Field(default=2833, ge=0, description="Input tokens billed for one low-detail picture.")
    pictures: bool = Field(default=True, description="The model understands pictures.")
    limit_key: Literal["max_tokens", "max_completion_tokens"] = Field(
        default="max_tokens", description="Parameter for the longest reply; models that reason want the longer name."
    )


class BudgetSettings(Section):
    """What the cloud may cost; every call is reserved at its worst case before it is made."""

    usd_per_minute: float = Field(default=0.02, ge=0, description="Money cap for a minute.")
    usd_per_day: float = Field(default=0.10, ge=0, description="Money cap for a day (UTC).")
    usd_per_month: float = Field(default=2.00, ge=0, description="Money cap for a month (UTC).")


class CacheSettings(Section):
    """Answers of the cloud that are given again instead of being bought again."""

    enabled: bool = Field(default=True, description="Keep answers of the cloud on disk.")
    max_age_s: float = Field(default=86_400.0, gt=0, description="Older answers count no more.")
    max_entries: int = Field(default=2_000, ge=1, description="Answers kept at most; the oldest go beyond it.")
    similarity: float = Field(
        default=0.97,
        ge=0,
        le=1,
        description="Cosine from which a question counts as the same in other words; 1: the same words alone.",
    )


class CloudSettings(Section):
    """Whom to ask when the box is not sure; nothing leaves the box while `enabled` is false."""

    enabled: bool = Field(default=False, description="Allow questions to the cloud.")
    providers: tuple[ProviderSettings, ...] = Field(
        default=(ProviderSettings(),), min_length=1, description="Who may be asked; the first is asked first."
    )
    routing: Literal["order", "price", "latency"] = Field(
        default="order", description="Whom to ask first: as listed, the cheapest, or the fastest of late."
    )
    timeout_s: float = Field(default=15.0, gt=0, description="Seconds for one attempt.")
    attempts: int = Field(default=3, ge=1, le=10, description="Tries for one question at one provider.")
    hedge_after_s: float | None = Field(
        default=None, gt=0, description="Ask the next provider too when the first is silent for so long; costs twice."
    )
    max_output_tokens: int = Field(default=200, ge=1, le=100_000, description="Longest reply.")
    confidence: float = Field(
        default=0.8, ge=0, le=1, description="Confidence stated for an answer from the cloud: a prior, not measured."
    )
    budget: BudgetSettings = Field(default=BudgetSettings(), description="What it may cost.")
    cache: CacheSettings = Field(default=CacheSettings(), description="Answers given again.")

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [provider.name for provider in self.providers]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two providers are called {twice[0]!r}; give each its own name")
        return self


class EgressSettings(Section):
    """What may leave the box with a question, by where it comes from; sound never does."""

    default: Leaving = Field(
        default="text",
        description="What may leave from where `sources` does not say: nothing, text, redacted_picture or picture.",
    )
    sources: dict[str, Leaving] = Field(
        default={},
        description="The same for each camera, microphone, mqtt, http, wyoming or terminal.",
    )
    private_words: tuple[str, ...] = Field(
        default=(), description="Words that never leave, such as the names of those who live here."
    )
    ledger_mb: int = Field(default=32, ge=1, description="The ledger begins a new file at this size; none is deleted.")


class ApiSettings(Section):
    """The OpenAI-compatible HTTP API."""

    enabled: bool = Field(default=False, description="Serve it; `edge-runtime serve` does so too.")
    host: str = Field(default="127.0.0.1", description="Address to listen on; 0.0.0.0 is every network of this box.")
    port: int = Field(default=8471, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    names: tuple[str, ...] = Field(
        default=(), description="Names under which clients ask for this box, besides its host name and addresses."
    )
    max_body_mb: float = Field(default=16.0, gt=0, le=1024, description="Larger requests are refused.")
    requests_per_minute: int = Field(default=120, ge=1, description="Requests of one client a minute, at most.")
    remote_pictures: tuple[str, ...] = Field(
        default=(), description="Hosts that pictures may be fetched from; none: data URLs alone."
    )
