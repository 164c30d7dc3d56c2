"""What Home Assistant was told before, on disk: what is not there any more is taken back."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from edge_runtime.whole_files import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

log = logging.getLogger(__name__)

FILE = "homeassistant.json"
MOST = 1000


class ToldHome:
    """Platforms of the components that were ever announced, and the topics that hold something.

    Args:
        folder: where `homeassistant.json` is kept; None keeps it in memory alone.
    """

    def __init__(self, folder: Path | None) -> None:
        self._path = folder / FILE if folder else None
        self._components: dict[str, str] = {}
        self._topics: list[str] = []
        self._load()

    @property
    def known(self) -> bool:
        """Return whether anything was ever told."""
        return bool(self._components)

    def gone(self, components: Mapping[str, str]) -> dict[str, str]:
        """Return what was announced once and is none of these, and remember these.

        A box that was away would miss it if a component was taken back but once; so it is said with each start.
        """
        gone = {key: platform for key, platform in self._components.items() if key not in components}
        self._components = dict([*gone.items(), *components.items()][-MOST:])
        self._save()
        return gone

    def empty(self, topics: Iterable[str]) -> list[str]:
        """Return the topics that held something and are none of these, and remember these."""
        now = list(topics)
        old = [topic for topic in self._topics if topic not in now]
        self._topics = now
        self._save()
        return old

    def forget(self) -> list[str]:
        """Return all topics that hold something, and remember nothing."""
        old, self._components, self._topics = self._topics, {}, []
        self._save()
        return old

    def _load(self) -> None:
        if self._path is None:
            return
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            self._components = {str(key): str(platform) for key, platform in kept["components"].items()}
            self._topics = [str(topic) for topic in kept["topics"]]
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            log.warning("%s cannot be read (%s); what is gone may stay in Home Assistant", self._path, error)

    def _save(self) -> None:
        if self._path is None:
            return
        try:
            write_whole(self._path, json.dumps({"components": self._components, "topics": self._topics}))
        except OSError as error:
            log.warning("%s cannot be written (%s); what goes may stay in Home Assistant", self._path, error.strerror)
