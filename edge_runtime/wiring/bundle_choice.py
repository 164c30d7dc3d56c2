"""Other versions of the model that lie on this box, and which one is used from the next start on."""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING

from edge_runtime.bundles.manifest import Manifest
from edge_runtime.errors import BundleError, InputError, SinkError
from edge_runtime.whole_files import write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.config import Settings

log = logging.getLogger(__name__)

FOLDER, FILE = "bundles", "bundle.json"


class BundleChoice:
    """The bundles in `<data_dir>/bundles/`, a folder each, that have the name of the one in use; nothing is downloaded.

    Args:
        settings: a bundle that they name stays, whatever was chosen.
        used: the bundle in use.
    """

    def __init__(self, settings: Settings, used: Manifest) -> None:
        self._folder = settings.device.data_dir.expanduser()
        self._fixed = settings.vision.bundle is not None
        self.used = used
        self._damaged: set[Path] = set()

    def newest(self) -> Manifest:
        """Return the newest version there is, perhaps the one in use."""
        return max([self.used, *self._others()], key=lambda bundle: _order(bundle.version))

    def told(self) -> dict[str, str]:
        """Return what Home Assistant's update entity shows."""
        newest = self.newest()
        chosen = _chosen(self._folder)
        waits = newest.version != self.used.version and chosen == newest.folder
        summary = f"{newest.version} is chosen and will be used from the next start on" if waits else ""
        return {
            "installed_version": self.used.version,
            "latest_version": newest.version,
            "title": self.used.name,
            "release_summary": summary,
        }

    def install(self) -> str:
        """Choose the newest version, once each of its files is proved whole; return which.

        Raises:
            InputError: there is none, or the settings name a bundle.
            BundleError: it is damaged.
            SinkError: the choice cannot be kept.
        """
        newest = self.newest()
        if newest.version == self.used.version:
            raise InputError(f"{self.used.name} {self.used.version} is the newest version on this box")
        newest.verify()
        _keep(self._folder / FILE, newest.folder.name)
        return newest.version

    def _others(self) -> list[Manifest]:
        if self._fixed:
            return []
        found = []
        for folder in _bundles(self._folder):
            try:
                bundle = Manifest.load(folder)
            except BundleError as error:
                # It is asked for again and again; once is enough to be told.
                if folder not in self._damaged:
                    log.warning("passed over: %s", error)
                self._damaged.add(folder)
                continue
            if bundle.name == self.used.name:
                found.append(bundle)
        return found


def chosen_bundle(settings: Settings) -> Path | None:
    """Return the bundle of the settings, else the one that was chosen if it is whole, else None: the one shipped."""
    if settings.vision.bundle is not None:
        return settings.vision.bundle
    folder = _chosen(settings.device.data_dir.expanduser())
    if folder is None:
        return None
    try:
        Manifest.load(folder).verify()
    except BundleError as error:
        log.error("the chosen bundle cannot be used (%s); the one that was shipped is", error)  # noqa: TRY400
        return None
    return folder


def _chosen(data: Path) -> Path | None:
    """Return the folder that was chosen: one of those beneath `data`, whatever the file says."""
    try:
        name = json.loads((data / FILE).read_text(encoding="utf-8"))["folder"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return next((folder for folder in _bundles(data) if folder.name == name), None)


def _bundles(data: Path) -> list[Path]:
    try:
        return sorted(folder for folder in (data / FOLDER).iterdir() if (folder / "manifest.json").is_file())
    except OSError:
        return []


def _order(version: str) -> tuple[list[int], str]:
    return [int(number) for number in re.findall(r"\d+", version)], version


def _keep(path: Path, name: str) -> None:
    try:
        write_whole(path, json.dumps({"folder": name}))
    except OSError as error:
        raise SinkError(
            f"the choice of a bundle cannot be kept in {path} ({error.strerror}); free or unlock it"
        ) from None
