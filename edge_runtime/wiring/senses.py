"""What the skills about the scene and its history are handed, made of settings and models."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from edge_runtime.errors import SinkError
from edge_runtime.inference.everyday import EverydayNames
from edge_runtime.inference.reading import Reader
from edge_runtime.sinks.event_log import FILE, EventLog
from edge_runtime.sinks.event_past import Past

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.config import Settings
    from edge_runtime.skills.builtin import Means
    from edge_runtime.wiring.assembly import Models

logger = logging.getLogger(__name__)


def equipped(means: Means, settings: Settings, models: Models) -> Means:
    """Return `means` with the record of events and what the models can do; nothing is loaded before it is asked."""
    return replace(
        means,
        past=Past(events_file(settings)) if settings.event_log.enabled else None,
        sounds=_sounds(settings, models),
        namer=_namer(settings, models),
        read=Reader(),
    )


def make_event_log(settings: Settings) -> EventLog | None:
    """Return the sink that remembers events, None where it is switched off, or its folder cannot be written."""
    log = settings.event_log
    if not log.enabled:
        return None
    try:
        return EventLog(events_file(settings), log.days, log.mb)
    except SinkError as error:
        # A box that remembers nothing still sees and tells.
        logger.error("%s; nothing is remembered", error)  # noqa: TRY400 - the message says it all
        return None


def _namer(settings: Settings, models: Models) -> EverydayNames | None:
    """Return what names pictures, None where the bundle cannot choose among any words."""
    manifest = models.manifest
    if not (manifest.text and manifest.classify and manifest.image and manifest.image.embedding):
        return None
    return EverydayNames(manifest, models.embedder, settings.device.data_dir.expanduser())


def events_file(settings: Settings) -> Path:
    """Return where the event log is."""
    return settings.device.data_dir.expanduser() / FILE


def _sounds(settings: Settings, models: Models) -> tuple[str, ...]:
    """Return the sounds that are listened for."""
    if not settings.microphones or not settings.sounds.enabled:
        return ()
    return settings.sounds.labels or (models.manifest.audio.labels if models.manifest.audio else ())
