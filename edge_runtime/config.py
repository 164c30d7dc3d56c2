"""The settings: one file, one frozen section per room, every key documented here and nowhere else."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from edge_runtime.errors import ConfigError

Fraction = tuple[float, float]


class Section(BaseModel):
    """A group of settings; unknown keys are refused and values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DeviceSettings(Section):
    """This box."""

    name: str = Field("edge", pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Name in MQTT topics and Home Assistant.")
    data_dir: Path = Field(Path("~/.local/share/edge-runtime"), description="Folder for the event spool and the spending record.")
    threads: int = Field(2, ge=1, le=64, description="CPU threads for one model run.")


class ZoneSettings(Section):
    """A region of a camera's picture."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Name in the events.")
    polygon: tuple[Fraction, ...] = Field(min_length=3, description="Corners [x, y] as fractions of the picture, 0 to 1.")
    labels: tuple[str, ...] = Field((), description="Only these objects count; empty means all.")
    dwell_s: float = Field(0.0, ge=0, description="Seconds an object must stay before it counts.")
    cooldown_s: float = Field(10.0, ge=0, description="Seconds before the same zone and label may alert again.")


class LineSettings(Section):
    """A line across a camera's picture; crossing it is an event."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Name in the events.")
    start: Fraction = Field(description="One end [x, y] as fractions of the picture.")
    end: Fraction = Field(description="The other end [x, y].")
    labels: tuple[str, ...] = Field((), description="Only these objects count; empty means all.")


class CameraSettings(Section):
    """One camera."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Name in topics and events.")
    url: str = Field(description="rtsp:// or http:// address, /dev/video0, a camera number, or a video or picture file.")
    fps: float = Field(6.0, gt=0, le=60, description="Pictures a second handed to the model at most.")
    realtime: bool = Field(False, description="Play a file at its own speed instead of as fast as it can be analysed.")
    open_timeout_s: float = Field(10.0, gt=0, description="Seconds to wait for the first picture.")
    read_timeout_s: float = Field(5.0, gt=0, description="Seconds without a picture before the camera is restarted.")
    zones: tuple[ZoneSettings, ...] = Field((), description="Regions that raise events.")
    lines: tuple[LineSettings, ...] = Field((), description="Lines that raise events when crossed.")


class MicrophoneSettings(Section):
    """One microphone."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Name in topics and events.")
    device: str = Field("default", description="Sound device name or number, or a sound file.")
    realtime: bool = Field(False, description="Play a file at its own speed instead of as fast as it can be analysed.")


class VisionSettings(Section):
    """How pictures are looked at."""

    bundle: Path | None = Field(None, description="Model bundle folder; omni-nano as shipped when not set.")
    labels: tuple[str, ...] = Field((), description="Report only these objects; empty means all that the model knows.")
    min_score: float | None = Field(None, ge=0, le=1, description="Score an object needs; the bundle's own thresholds when not set.")
    motion_area: float = Field(0.002, ge=0, le=1, description="Fraction of the picture that must change to wake the model; 0 looks at every picture.")
    refresh_s: float = Field(10.0, gt=0, description="Look again after this many seconds even without motion.")
    confirm_frames: int = Field(3, ge=1, description="Sightings before a track is reported.")
    lost_s: float = Field(2.0, gt=0, description="Seconds unseen before a track ends.")


class VoiceSettings(Section):
    """How speech is understood."""

    sentences: Path | None = Field(None, description="Your own sentences: a YAML file or a folder of them, in Home Assistant's format.")
    builtin_sentences: bool = Field(True, description="Also understand Home Assistant's own English sentences.")
    areas: tuple[str, ...] = Field(("kitchen", "living room", "bedroom", "bathroom", "hall", "office"), description="Rooms of the home.")
    names: tuple[str, ...] = Field(("kitchen light", "bedroom light", "lamp", "fan", "television", "coffee machine"), description="Devices of the home.")
    speech_threshold: float = Field(0.5, gt=0, lt=1, description="Probability above which sound counts as speech.")
    end_silence_s: float = Field(0.6, gt=0, description="Silence that ends an utterance.")
    max_utterance_s: float = Field(10.0, gt=0, description="An utterance is cut here.")
    min_confidence: float = Field(0.5, ge=0, le=1, description="A command heard with less confidence is not carried out.")


class AnsweringSettings(Section):
    """When the box answers by itself."""

    local_threshold: float | None = Field(None, ge=0, le=1, description="Confidence needed to answer locally; the bundle's calibrated value when not set.")
    timezone: str | None = Field(None, description="For example Europe/Berlin; the system's when not set.")


class CloudSettings(Section):
    """Whom to ask when the box is not sure; nothing leaves the box while `enabled` is false."""

    enabled: bool = Field(False, description="Allow questions to the cloud.")
    base_url: str = Field("https://api.openai.com/v1", description="Any OpenAI-compatible endpoint.")
    model: str = Field("gpt-4o-mini", description="Model name at that endpoint.")
    send_pictures: bool = Field(False, description="Allow the current picture to go with a question.")
    timeout_s: float = Field(15.0, gt=0, description="Seconds for one attempt.")
    attempts: int = Field(3, ge=1, le=10, description="Tries for one question.")
    deadline_s: float = Field(30.0, gt=0, description="Seconds for all attempts of one question.")
    max_output_tokens: int = Field(200, ge=1, description="Longest reply.")
    usd_per_million_input: float = Field(0.15, ge=0, description="Price of a million input tokens.")
    usd_per_million_output: float = Field(0.60, ge=0, description="Price of a million output tokens.")
    picture_tokens: int = Field(2833, ge=0, description="Input tokens billed for one low-detail picture.")
    usd_per_day: float = Field(0.10, ge=0, description="Money cap for a day, reserved before each call.")


class MqttSettings(Section):
    """Where events go."""

    enabled: bool = Field(True, description="Publish over MQTT.")
    host: str = Field("127.0.0.1", description="Broker address.")
    port: int = Field(1883, ge=1, le=65535, description="Broker port.")
    username: str | None = Field(None, description="Broker user; the password is EDGE_MQTT_PASSWORD.")
    tls: bool = Field(False, description="Encrypt, and check the broker's certificate.")
    ca_file: Path | None = Field(None, description="Certificate authority file; the system's when not set.")
    keepalive_s: int = Field(30, ge=5, le=3600, description="Seconds between signs of life.")
    inflight: int = Field(20, ge=1, le=1000, description="Events sent and not yet acknowledged, at most.")
    spool_events: int = Field(100_000, ge=1, description="Events kept on disk at most; beyond it the oldest go and are counted.")
    spool_mb: int = Field(64, ge=1, description="Disk space of the event spool at most.")
    embedded_broker: bool = Field(False, description="Start a broker on loopback when none is reachable.")


class HomeAssistantSettings(Section):
    """How Home Assistant finds this box."""

    enabled: bool = Field(True, description="Announce cameras and sensors.")
    prefix: str = Field("homeassistant", description="Home Assistant's discovery prefix.")


class Secrets(BaseSettings):
    """Secrets come from the environment alone, so that the file can be shared."""

    model_config = SettingsConfigDict(env_prefix="EDGE_", frozen=True, extra="ignore")

    cloud_api_key: SecretStr | None = Field(None, description="EDGE_CLOUD_API_KEY: key of the cloud endpoint.")
    mqtt_password: SecretStr | None = Field(None, description="EDGE_MQTT_PASSWORD: password of the MQTT broker.")


class Settings(Section):
    """All settings of one box."""

    device: DeviceSettings = DeviceSettings()
    cameras: tuple[CameraSettings, ...] = ()
    microphones: tuple[MicrophoneSettings, ...] = ()
    vision: VisionSettings = VisionSettings()
    voice: VoiceSettings = VoiceSettings()
    answering: AnsweringSettings = AnsweringSettings()
    cloud: CloudSettings = CloudSettings()
    mqtt: MqttSettings = MqttSettings()
    homeassistant: HomeAssistantSettings = HomeAssistantSettings()
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="How much goes to the log.")
    secrets: Secrets = Field(default_factory=Secrets, exclude=True)
