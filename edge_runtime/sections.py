"""Groups of settings that config.py has no room for, and what every group has in common."""

from __future__ import annotations

import ipaddress
from pathlib import Path  # noqa: TC003 - pydantic reads the annotations
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


class Section(BaseModel):
    """A group of settings; unknown keys are refused and values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _network(text: str) -> str:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError("no address and no network; write 192.168.1.20 or 192.168.1.0/24") from None
    return text


Network = Annotated[str, AfterValidator(_network)]


class SatelliteSettings(Section):
    """The box as a voice satellite: live sound goes to the server that runs it."""

    enabled: bool = Field(
        default=False, description="Let a server use the microphone and the speaker: live sound leaves this box."
    )
    port: int = Field(default=10700, ge=1, le=65535, description="Port of the satellite.")
    microphone: str | None = Field(default=None, description="Which microphone; the first one when not set.")
    area: str | None = Field(default=None, description="Room that the box stands in.")
    always_stream: bool = Field(
        default=False, description="Send all sound all the time, not only what follows a wake word."
    )


class WyomingSettings(Section):
    """Who may use the box's ears, mouth and answers over the Wyoming protocol."""

    enabled: bool = Field(default=False, description="Serve Wyoming, for Home Assistant's voice pipelines.")
    host: str = Field(default="127.0.0.1", description="Address to listen on; 0.0.0.0 is every network of this box.")
    port: int = Field(default=10300, ge=1, le=65535, description="Port of the services.")
    services: tuple[Literal["asr", "intent", "handle", "wake", "tts"], ...] = Field(
        default=("asr", "intent", "handle", "wake", "tts"), description="Which services to offer."
    )
    allowed_clients: tuple[Network, ...] = Field(
        default=("127.0.0.0/8", "::1/128"), description="Addresses and networks of those who may connect."
    )
    max_clients: int = Field(default=20, ge=1, le=1000, description="Clients at once, at each port.")
    max_audio_s: float = Field(default=60.0, gt=0, le=600, description="Longest utterance of a client.")
    idle_s: float = Field(default=60.0, gt=0, description="Seconds of silence after which a client is sent away.")
    satellite: SatelliteSettings = Field(default=SatelliteSettings(), description="The box as a voice satellite.")


class DictationSettings(Section):
    """Who writes down speech that is no command; what is written becomes a question."""

    backend: Literal["none", "bundle", "vosk"] = Field(
        default="none",
        description="Nobody, a bundle that `bundle make` made of Whisper or Moonshine, or vosk (pip install vosk).",
    )
    folder: Path | None = Field(default=None, description="The bundle, or vosk's unpacked model.")
    language: str | None = Field(
        default=None, description="Of a Whisper of many, such as de, or auto; the bundle's own when not set."
    )
    task: Literal["transcribe", "translate"] = Field(
        default="transcribe", description="Of a Whisper of many: translate writes English, whatever is spoken."
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.backend != "none" and self.folder is None:
            raise ValueError(f"backend {self.backend!r} needs its folder")
        return self


class SpeechSettings(Section):
    """How the box speaks."""

    enabled: bool = Field(default=False, description="Speak the answers to spoken questions, and what MQTT says.")
    backend: Literal["espeak-ng", "piper"] = Field(
        default="espeak-ng", description="Who speaks: espeak-ng (a system package), or piper (pip install piper-tts)."
    )
    voice: str = Field(default="en-us", description="Voice of espeak-ng; `espeak-ng --voices` lists them.")
    piper_voice: Path | None = Field(
        default=None, description="Voice of piper: an .onnx file with its .onnx.json file beside it."
    )
    rate: float = Field(default=1.0, ge=0.5, le=2.5, description="Speed; 2 is twice as fast.")
    pitch: int = Field(default=50, ge=0, le=99, description="Pitch; espeak-ng only.")
    volume: float = Field(default=1.0, ge=0, le=1, description="Loudness; 0 is silent.")
    device: str = Field(default="default", description="Sound output, by name or number.")
    max_queue: int = Field(default=3, ge=1, le=100, description="Texts that wait at most; the oldest go beyond it.")
    timeout_s: float = Field(default=20.0, gt=0, description="Seconds without sound before the synthesiser is killed.")
    confirm: Literal["none", "tone", "word"] = Field(
        default="tone", description="How a spoken command is confirmed: not at all, by a short tone, or by a word."
    )
    stop_words: tuple[str, ...] = Field(
        default=("stop", "stop talking", "be quiet"), description="Words that silence the box while it speaks."
    )
