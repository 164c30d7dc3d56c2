"""The recorder of one box: where it keeps evidence, and which settings and models an alert came from."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from edge_runtime import __version__
from edge_runtime.sinks.evidence_folder import EvidenceFolder
from edge_runtime.sinks.record_file import Origin, canonical
from edge_runtime.sinks.recorder import Extent, Recorder
from edge_runtime.sinks.records import Records
from edge_runtime.sources.camera import mask_credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_runtime.bundles.manifest import Manifest
    from edge_runtime.config import Settings
    from edge_runtime.house import House
    from edge_runtime.metrics import Metrics
    from edge_runtime.types import Event
    from edge_runtime.wiring.assembly import Models

SLACK_S = 3.0
SECTIONS = {"vision", "alerts", "alerting", "anomaly", "sounds"}
"""What decisions about pictures and sounds depend on, besides the section of their camera or microphone."""


def make_recorder(settings: Settings, models: Models, metrics: Metrics) -> Recorder | None:
    """Return the sink that keeps evidence of alerts, None where it is switched off."""
    wanted = settings.evidence
    if not wanted.enabled:
        return None
    folder = EvidenceFolder(evidence_folder(settings), wanted.days, wanted.mb)
    extent = Extent(wanted.before_s, wanted.after_s, wanted.mb_per_day, _late_s(settings))
    return Recorder(folder, extent, _Origins(settings, models.manifest).of, metrics)


def _late_s(settings: Settings) -> float:
    """Return how long after it happened an alert may be told: somebody else may be asked about it first."""
    asks = settings.alerting.second_look and (settings.alerts or any(camera.alerts for camera in settings.cameras))
    return SLACK_S + (settings.alerting.second_look_s if asks else 0.0)


def record_along(recorder: Recorder, house: House, settings: Settings) -> None:
    """Let the recorder see and hear what comes before and after an alert."""
    house.watch_along(recorder.see)
    if settings.evidence.sound:
        for microphone in settings.microphones:
            house.listen_along(microphone.name, recorder.hear)


def evidence_folder(settings: Settings) -> Path:
    """Return the folder of all records."""
    return settings.device.data_dir.expanduser() / "evidence"


def records_of(settings: Settings) -> Records:
    """Return what is kept, to be read."""
    return Records(evidence_folder(settings))


def bundle_facts(manifest: Manifest) -> dict[str, object]:
    """Return a bundle's name, version, and the hash of its manifest, which holds those of its files."""
    digest = hashlib.sha256((manifest.folder / "manifest.json").read_bytes()).hexdigest()
    return {"name": manifest.name, "version": manifest.version, "sha256": digest}


@cache
def program_facts() -> Mapping[str, object]:
    """Return what the last digits of the model's numbers may depend on, besides the model."""
    libraries = {"onnxruntime": _version("onnxruntime"), "numpy": np.__version__, "opencv": cv2.__version__}
    return {"edge-runtime": __version__, **libraries, "machine": platform.machine(), "processor": _processor()}


def _version(name: str) -> str | None:
    """Return an installed library's version; builds for special hardware go by other names."""
    return next((one.version for one in distributions(name=name)), None)


def _processor() -> str:
    """Return the processor's name: kernels are chosen by what it can."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "CPU part")))
    return next(named, platform.processor())


class _Origins:
    """What every alert of this run came from."""

    def __init__(self, settings: Settings, manifest: Manifest) -> None:
        self._all = masked(settings.model_dump(mode="json", exclude={"secrets"}))
        self._sha256 = hashlib.sha256(canonical(self._all)).hexdigest()
        self._bundle = bundle_facts(manifest)
        self._program = program_facts()

    def of(self, event: Event) -> Origin:
        """Return what one alert came from: of cameras and microphones its own alone."""
        kept: dict[str, Any] = {name: self._all[name] for name in sorted(SECTIONS)}
        kept["device"] = {"threads": self._all["device"]["threads"]}
        for kind in ("cameras", "microphones"):
            kept[kind] = [source for source in self._all[kind] if source["name"] == event.source]
        return Origin(kept, self._sha256, self._bundle, self._program)


def masked(value: Any) -> Any:
    """Return settings with the passwords in addresses replaced by stars."""
    if isinstance(value, dict):
        return {key: masked(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [masked(inner) for inner in value]
    return mask_credentials(value) if isinstance(value, str) else value
