"""What the doors say of themselves: names, makers, versions and languages, as Wyoming's info event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wyoming.info import (
    AsrModel,
    AsrProgram,
    Attribution,
    HandleModel,
    HandleProgram,
    Info,
    IntentModel,
    IntentProgram,
    Satellite,
    TtsProgram,
    TtsVoice,
    WakeModel,
    WakeProgram,
)

from edge_runtime.api.services import Made

if TYPE_CHECKING:
    from edge_runtime.api.services import SatelliteParts, Services

PROGRAM = "edge-runtime"
_SELF = Made(PROGRAM, "the makers of edge-runtime", "")


def services_info(services: Services) -> Info:
    """Return the info event of a door that offers `services`."""
    info = Info()
    about = {kind: services.made.get(kind, _SELF) for kind in ("asr", "intent", "handle", "wake", "tts")}
    if services.transcribe is not None:
        model = AsrModel(**_model(about["asr"]))
        info.asr = [AsrProgram(**_program(services.version, "Speech to text"), models=[model])]
    if services.match is not None:
        meaning = IntentModel(**_model(about["intent"]))
        info.intent = [IntentProgram(**_program(services.version, "Sentences to intents"), models=[meaning])]
    if services.answer is not None:
        answers = HandleModel(**_model(about["handle"]))
        info.handle = [HandleProgram(**_program(services.version, "Questions to answers"), models=[answers])]
    if services.spotter is not None:
        info.wake = [_wake(services.version, about["wake"], services.wake_words)]
    if services.say is not None:
        voice = TtsVoice(**_model(about["tts"]))
        program = _program(services.version, "Text to speech")
        info.tts = [TtsProgram(**program, voices=[voice], supports_synthesize_streaming=True)]
    return info


def satellite_info(parts: SatelliteParts) -> Info:
    """Return the info event of the satellite's door."""
    words = [] if parts.always else list(parts.wake_words)
    satellite = Satellite(
        **{**_program(parts.version, "Microphone and speaker"), "name": parts.name},
        area=parts.area,
        has_vad=False,
        active_wake_words=words,
        max_active_wake_words=len(words),
        supports_trigger=False,
    )
    # Home Assistant looks here for the phrase behind the name of a detection.
    wake = [_wake(parts.version, _SELF, parts.wake_words)] if words else []
    return Info(satellite=satellite, wake=wake)


def _wake(version: str, made: Made, words: tuple[str, ...]) -> WakeProgram:
    models = [WakeModel(**{**_model(made), "name": word, "description": word}, phrase=word) for word in words]
    return WakeProgram(**_program(version, "Wake words"), models=models)


def _program(version: str, description: str) -> dict[str, Any]:
    about = Attribution(_SELF.by, _SELF.url)
    return {
        "name": PROGRAM,
        "attribution": about,
        "installed": True,
        "description": description,
        "version": version,
    }


def _model(made: Made) -> dict[str, Any]:
    return {
        "name": made.name,
        "attribution": Attribution(made.by, made.url),
        "installed": True,
        "description": made.name,
        "version": made.version,
        "languages": list(made.languages),
    }
