"""The settings: one file, one frozen section per room, every key documented here and nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from edge_runtime.answer_sections import (
    ASKERS,
    AnsweringSettings,
    ApiSettings,
    CloudSettings,
    EgressSettings,
    EventLogSettings,
    KnowledgeSettings,
    MindSettings,
)
from edge_runtime.errors import ConfigError
from edge_runtime.sections import DictationSettings, Section, SpeechSettings, WyomingSettings
from edge_runtime.settings_file import read_settings
from edge_runtime.settings_help import explain_error
from edge_runtime.watch_sections import (
    AlertingSettings,
    AnomalySettings,
    CameraSettings,
    EvidenceSettings,
    Prompts,
    VisionSettings,
)

OWN_NAMES = frozenset({*ASKERS, "alerts", "answering", "home-assistant", "timers", "unusual-sounds", "usual", "vision"})
"""What parts of the box are called where they say how they are, or what may leave: a camera's state would be theirs."""


class DeviceSettings(Section):
    """This box."""

    name: str = Field(
        default="edge", pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Name in MQTT topics and Home Assistant."
    )
    data_dir: Path = Field(
        default=Path("~/.local/share/edge-runtime"), description="Folder for the event spool and the spending record."
    )
    threads: int = Field(
        default=2, ge=1, le=64, description="CPU threads for one model run; unless set, 1 for those of several cameras."
    )


class MicrophoneSettings(Section):
    """One microphone."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Name in topics and events.")
    device: str = Field(default="default", description="Sound device name or number, or a sound file.")
    realtime: bool = Field(
        default=False, description="Play a file at its own speed instead of as fast as it can be analysed."
    )


class VoiceSettings(Section):
    """How speech is understood."""

    sentences: Path | None = Field(
        default=None, description="Your own sentences: a YAML file or a folder of them, in Home Assistant's format."
    )
    builtin_sentences: bool = Field(default=True, description="Also understand Home Assistant's own English sentences.")
    areas: tuple[str, ...] = Field(
        default=("kitchen", "living room", "bedroom", "bathroom", "hall", "office"), description="Rooms of the home."
    )
    names: tuple[str, ...] = Field(
        default=("kitchen light", "bedroom light", "lamp", "fan", "television", "coffee machine"),
        description="Devices of the home.",
    )
    speech_threshold: float = Field(
        default=0.5, gt=0, lt=1, description="Probability above which sound counts as speech."
    )
    end_silence_s: float = Field(default=0.6, gt=0, description="Silence that ends an utterance.")
    max_utterance_s: float = Field(default=10.0, gt=0, description="An utterance is cut here.")
    min_confidence: float = Field(
        default=0.5, ge=0, le=1, description="A command heard with less confidence is not carried out."
    )
    wake_words: tuple[str, ...] = Field(
        default=(), max_length=8, description="Any words, such as 'hey pixel'; empty: everything said may be a command."
    )
    wake_window_s: float = Field(default=6.0, gt=0, le=60, description="Seconds after a wake word to begin a command.")
    wake_false_accepts_per_hour: float = Field(
        default=3.0, gt=0, le=1000, description="How often an hour of ordinary talk may be taken for a wake word."
    )
    dictation: DictationSettings = Field(
        default=DictationSettings(), description="Who writes down speech that is no command."
    )


class SoundSettings(Section):
    """Which sounds are told, besides speech that is understood."""

    enabled: bool = Field(default=True, description="Listen for sounds such as a dog, breaking glass or an alarm.")
    labels: tuple[str, ...] = Field(
        default=(), description="Tell only these sounds; empty means all that the model knows."
    )
    min_score: float | None = Field(
        default=None, ge=0, le=1, description="Probability a sound needs; the bundle's own thresholds when not set."
    )
    cooldown_s: float = Field(
        default=30.0, ge=0, description="Seconds before the same kind of sound may be told again by a microphone."
    )


class MqttSettings(Section):
    """Where events go."""

    enabled: bool = Field(default=True, description="Publish over MQTT.")
    host: str = Field(default="127.0.0.1", description="Broker address.")
    port: int = Field(default=1883, ge=1, le=65535, description="Broker port.")
    username: str | None = Field(default=None, description="Broker user; the password is EDGE_MQTT_PASSWORD.")
    tls: bool = Field(default=False, description="Encrypt, and check the broker's certificate.")
    ca_file: Path | None = Field(default=None, description="Certificate authority file; the system's when not set.")
    keepalive_s: int = Field(default=30, ge=5, le=3600, description="Seconds between signs of life.")
    inflight: int = Field(default=20, ge=1, le=1000, description="Events sent and not yet acknowledged, at most.")
    spool_events: int = Field(
        default=100_000, ge=1, description="Events kept on disk at most; beyond it the oldest go and are counted."
    )
    spool_mb: int = Field(default=64, ge=1, description="Disk space of the event spool at most.")
    embedded_broker: bool = Field(default=False, description="Start a broker on loopback when none is reachable.")


class HomeAssistantSettings(Section):
    """How Home Assistant finds this box."""

    enabled: bool = Field(default=True, description="Announce cameras and sensors.")
    prefix: str = Field(default="homeassistant", description="Home Assistant's discovery prefix.")
    pictures: bool = Field(
        default=True,
        description="Send pictures to the broker: of alerts, and now and then. To one outside the home only if set.",
    )
    picture_every_s: float = Field(
        default=10.0,
        ge=0,
        description="Seconds between two pictures of a camera; 0 sends those of alerts alone.",
    )
    picture_width: int = Field(default=640, ge=160, le=1920, description="Width of the pictures in pixels at most.")


class Secrets(BaseSettings):
    """Secrets come from the environment alone, so that the file can be shared."""

    model_config = SettingsConfigDict(env_prefix="EDGE_", frozen=True, extra="ignore")

    cloud_api_key: SecretStr | None = Field(
        default=None, description="Key of the cloud provider, where its `key_env` names no other variable."
    )
    api_token: SecretStr | None = Field(
        default=None, description="Token that clients of the HTTP API send; one is made and kept when not set."
    )
    mqtt_password: SecretStr | None = Field(default=None, description="Password of the MQTT broker.")


class Settings(Section):
    """All settings of one box."""

    device: DeviceSettings = Field(default=DeviceSettings(), description="This box.")
    cameras: tuple[CameraSettings, ...] = Field(default=(), description="The cameras.")
    microphones: tuple[MicrophoneSettings, ...] = Field(default=(), description="The microphones.")
    vision: VisionSettings = Field(default=VisionSettings(), description="How pictures are looked at.")
    alerts: Prompts = Field(
        default=(), max_length=50, description="What every camera shall tell of, in plain words: a dog on the sofa."
    )
    alerting: AlertingSettings = Field(default=AlertingSettings(), description="How alerts in plain words are judged.")
    anomaly: AnomalySettings = Field(default=AnomalySettings(), description="What is unusual, learnt from what is not.")
    evidence: EvidenceSettings = Field(default=EvidenceSettings(), description="What is kept of each alert.")
    voice: VoiceSettings = Field(default=VoiceSettings(), description="How speech is understood.")
    speech: SpeechSettings = Field(default=SpeechSettings(), description="How the box speaks.")
    sounds: SoundSettings = Field(default=SoundSettings(), description="Which sounds are told.")
    answering: AnsweringSettings = Field(default=AnsweringSettings(), description="When the box answers by itself.")
    mind: MindSettings = Field(default=MindSettings(), description="A bigger local model that writes answers.")
    knowledge: KnowledgeSettings = Field(default=KnowledgeSettings(), description="What the box may quote.")
    event_log: EventLogSettings = Field(default=EventLogSettings(), description="What the box remembers.")
    cloud: CloudSettings = Field(default=CloudSettings(), description="Whom to ask when the box is not sure.")
    egress: EgressSettings = Field(default=EgressSettings(), description="What may leave the box.")
    api: ApiSettings = Field(default=ApiSettings(), description="The OpenAI-compatible HTTP API.")
    mqtt: MqttSettings = Field(default=MqttSettings(), description="Where events go.")
    homeassistant: HomeAssistantSettings = Field(
        default=HomeAssistantSettings(), description="How Home Assistant finds it."
    )
    wyoming: WyomingSettings = Field(default=WyomingSettings(), description="Who may use the ears and the mouth.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="How much goes to the log."
    )
    secrets: Secrets = Field(default_factory=Secrets, exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _secrets_stay_out_of_files(cls, data: Any) -> Any:
        if isinstance(data, dict) and "secrets" in data and not isinstance(data["secrets"], Secrets):
            raise ValueError("secrets are read from EDGE_* environment variables, never from a file")
        return data

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [*(camera.name for camera in self.cameras), *(microphone.name for microphone in self.microphones)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two sources are called {twice[0]!r}; give each its own name")
        ours = sorted(set(names) & OWN_NAMES)
        if ours:
            raise ValueError(f"no source can be called {ours[0]!r}, as a part of the box is; give it another name")
        return self

    @model_validator(mode="after")
    def _policies_are_of_sources(self) -> Self:
        """A misspelt name would leave its source with the default, which may let more out."""
        cameras, microphones = (camera.name for camera in self.cameras), (one.name for one in self.microphones)
        known = [*cameras, *microphones, *ASKERS]
        strange = sorted(set(self.egress.sources) - set(known))
        if strange:
            raise ValueError(f"egress.sources names {strange[0]!r}, which asks nothing; known: {', '.join(known)}")
        return self

    @classmethod
    def load(cls, path: Path | None) -> Settings:
        """Read a YAML or TOML file, or the defaults for None; paths in it are relative to the file.

        Raises:
            ConfigError: the file is missing, is not YAML or TOML, or holds a wrong key or value.
        """
        if path is None:
            return cls()
        try:
            return cls.model_validate(read_settings(path))
        except ValidationError as error:
            raise ConfigError(f"{path}: {explain_error(error, cls)}") from None
