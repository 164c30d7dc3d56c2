"""Zones that were drawn on the page: kept on disk beside those of the settings."""

from __future__ import annotations

import json
import logging
import threading
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from edge_runtime.errors import InputError, SinkError
from edge_runtime.settings_help import explain_error
from edge_runtime.watch_sections import ZoneSettings
from edge_runtime.whole_files import write_whole

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

log = logging.getLogger(__name__)

FILE = "drawn_zones.json"
MOST = 50


class DrawnZones:
    """The drawn zones of all cameras in one file; from any thread.

    Args:
        folder: where `drawn_zones.json` is kept; made when the first zone is drawn.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._lock = threading.Lock()

    def of(self, camera: str) -> tuple[ZoneSettings, ...]:
        """Return what was drawn for a camera."""
        with self._lock:
            return tuple(self._read().get(camera, ()))

    def draw(self, camera: str, zones: Sequence[ZoneSettings]) -> None:
        """Keep these zones for a camera instead of those drawn before.

        Raises:
            InputError: a name is there twice, or there are too many.
            SinkError: they cannot be written.
        """
        names = [zone.name for zone in zones]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InputError(f"camera {camera}: two drawn zones are called {twice[0]!r}; rename one")
        if len(zones) > MOST:
            raise InputError(f"camera {camera}: {len(zones)} drawn zones are more than the {MOST} that are kept")
        with self._lock:
            drawn = {**self._read(), camera: tuple(zones)}
            self._write({name: [zone.model_dump(mode="json") for zone in kept] for name, kept in drawn.items() if kept})

    def _read(self) -> dict[str, tuple[ZoneSettings, ...]]:
        try:
            data = json.loads(self._path.read_text())
            return {str(camera): as_settings(zones) for camera, zones in data.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError, RecursionError, InputError) as error:
            self._set_aside(error)
            return {}

    def _set_aside(self, error: Exception) -> None:
        """Keep a damaged file for its owner to mend; a box that does not start would watch nothing at all."""
        aside = self._path.with_suffix(".damaged")
        log.error("%s cannot be read (%s): no drawn zone is watched; it is kept as %s", self._path, error, aside)
        try:
            self._path.replace(aside)
        except OSError:
            log.exception("%s cannot be set aside", self._path)

    def _write(self, content: dict[str, Any]) -> None:
        try:
            write_whole(self._path, json.dumps(content, indent=1))
        except OSError as error:
            raise SinkError(
                f"drawn zones cannot be kept in {self._path} ({error.strerror}); free or unlock it"
            ) from None


def as_settings(zones: object) -> tuple[ZoneSettings, ...]:
    """Return zones written as JSON objects, such as a page sends.

    Raises:
        InputError: saying which one is wrong and why, in one line.
    """
    if not isinstance(zones, (list, tuple)):
        raise InputError(f"zones are a list of objects, not a {type(zones).__name__}")
    checked: list[ZoneSettings] = []
    for number, zone in enumerate(zones, 1):
        try:
            checked.append(ZoneSettings.model_validate(zone))
        except ValidationError as error:
            name = zone.get("name") if isinstance(zone, dict) else None
            raise InputError(f"zone {name or number}: {explain_error(error, ZoneSettings)}") from None
    return tuple(checked)
