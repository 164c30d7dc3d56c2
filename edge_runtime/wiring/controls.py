"""What the owner switches on and off, by page or MQTT: kept on disk, so that a restart changes nothing."""

from __future__ import annotations

import json
import logging
import threading
import time
from typing import TYPE_CHECKING

from edge_runtime.errors import InputError, SinkError
from edge_runtime.types import Event
from edge_runtime.whole_files import write_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from edge_runtime.pipelines.vision import VisionPipeline

log = logging.getLogger(__name__)

FILE = "switches.json"
_DETECTION = "_detection"


class Controls:
    """The switches of a box; from any thread.

    Each camera has one, `<camera>_detection`: while it is off, the camera's pictures are not looked at.

    Args:
        views: what looks at each camera's pictures.
        tell: publishes the event that says what was switched.
        folder: where `switches.json` is kept; None keeps it in memory alone.
    """

    def __init__(
        self, views: Mapping[str, VisionPipeline], tell: Callable[[Event], None], folder: Path | None = None
    ) -> None:
        self._views = {f"{camera}{_DETECTION}": (camera, view) for camera, view in views.items()}
        self._tell = tell
        self._path = folder / FILE if folder else None
        self._lock = threading.Lock()
        for name, on in self._kept().items():
            if name in self._views:
                self._views[name][1].enabled = on

    def switches(self) -> Mapping[str, bool]:
        """Return each switch and whether it is on."""
        return {name: view.enabled for name, (_, view) in self._views.items()}

    def names(self) -> Mapping[str, str]:
        """Return what each switch is called, for people."""
        return {name: f"{camera} detection" for name, (camera, _) in self._views.items()}

    def set(self, name: str, *, on: bool) -> None:
        """Switch, at once and for good.

        Raises:
            InputError: there is no such switch.
            SinkError: it is switched, but not kept beyond the next start.
        """
        if name not in self._views:
            known = ", ".join(self._views) or "none"
            raise InputError(f"there is no switch {name[:80]!r}; known: {known}")
        camera, view = self._views[name]
        with self._lock:
            changed = view.enabled is not on
            view.enabled = on
            if changed:
                self._tell(Event("switch", camera, time.monotonic(), {"switch": name, "on": on}))
                self._keep()

    def _kept(self) -> dict[str, bool]:
        """Return what was kept; a damaged file leaves everything on, for a box that looks away watches nothing."""
        if self._path is None:
            return {}
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            return {str(name): on for name, on in kept.items() if isinstance(on, bool)}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError, RecursionError) as error:
            log.warning("%s cannot be read (%s); everything is switched on", self._path, error)
            return {}

    def _keep(self) -> None:
        if self._path is None:
            return
        try:
            write_whole(self._path, json.dumps(dict(self.switches()), indent=1))
        except OSError as error:
            why = f"switches cannot be kept in {self._path} ({error.strerror}); they hold until the next start"
            raise SinkError(why) from None
