"""The zones of the cameras as the page draws them: checked, kept, and watched at once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from edge_runtime.errors import ConfigError, InputError
from edge_runtime.wiring.drawn_zones import DrawnZones, as_settings
from edge_runtime.wiring.watching import check_place, redraw

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_runtime.config import Settings
    from edge_runtime.pipelines.vision import VisionPipeline
    from edge_runtime.wiring.assembly import Models


class PageZones:
    """Draws zones; safe across threads.

    Args:
        settings: of the box.
        models: know the labels.
        views: what looks at each camera's pictures.
    """

    def __init__(self, settings: Settings, models: Models, views: Mapping[str, VisionPipeline]) -> None:
        self._cameras = {camera.name: camera for camera in settings.cameras}
        self._settings = settings
        self._models = models
        self._views = views
        self._kept = DrawnZones(settings.device.data_dir.expanduser())
        self._drawing = threading.Lock()

    def of_settings(self, camera: str) -> Sequence[Mapping[str, Any]]:
        """Return those that stand in the settings."""
        return [zone.model_dump(mode="json") for zone in self._cameras[camera].zones]

    def drawn(self, camera: str) -> Sequence[Mapping[str, Any]]:
        """Return those that were drawn."""
        return [zone.model_dump(mode="json") for zone in self._kept.of(camera)]

    def draw(self, camera: str, zones: Sequence[Mapping[str, Any]]) -> None:
        """Put these in place of the drawn ones, at once and for good.

        Raises:
            InputError: one cannot be, and why.
            SinkError: they cannot be written.
        """
        drawn = as_settings(zones)
        here = self._cameras[camera]
        taken = {place.name for place in (*here.zones, *here.lines)}
        for zone in drawn:
            if zone.name in taken:
                raise InputError(f"zone {zone.name}: the settings have one of this name; choose another")
            try:
                check_place(zone, here, self._settings, self._models)
            except ConfigError as error:
                raise InputError(str(error)) from None
        with self._drawing:
            self._kept.draw(camera, drawn)
            redraw(self._views[camera], here, drawn)
