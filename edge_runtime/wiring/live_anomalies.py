"""What is unusual for each source of a running box: made of settings, kept on disk, and told what was fine."""

from __future__ import annotations

import logging
import queue
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from edge_runtime.inference.patches import sound_cells
from edge_runtime.pipelines.unusual import Unusual
from edge_runtime.pipelines.unusual_sound import UnusualSound
from edge_runtime.pipelines.vision import hushed
from edge_runtime.whole_files import packed, unpacked, write_whole
from edge_runtime.wiring.hours import local_time, quiet_hours

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping
    from contextlib import ExitStack
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_runtime.config import Settings
    from edge_runtime.decision.schedule import Schedule
    from edge_runtime.house import House
    from edge_runtime.types import AudioChunk
    from edge_runtime.watch_sections import CameraSettings
    from edge_runtime.wiring.assembly import Models
    from edge_runtime.wiring.feedback import Alert, Verdict

log = logging.getLogger(__name__)

FOLDER = "usual"
KEEP_EVERY_S = 3600.0
"""Seconds between writes: about half a megabyte for each camera, for the sake of SD cards."""
SOUND_MODEL = "log-mel-1"
CHUNKS_KEPT = 256
"""So many pieces of sound wait at most, some seconds of it; what is more is not judged."""
_SOUND = ".sound"
"""A camera and a microphone may have one name, and no name holds a dot."""
_TICK_S = 1.0
_FORMAT = 1


class Learns(Protocol):
    """Learns what is usual for one source; `kept` and `take` are of the thread that judges, the others of any."""

    def fine(self, event_id: str, gate: str, score: float) -> None:
        """Take note that an alarm was none."""

    def forget(self) -> None:
        """Begin anew."""

    def ask(self) -> None:
        """Have `snapshot` made with the next look or sound."""

    @property
    def snapshot(self) -> tuple[Mapping[str, object], Mapping[str, NDArray[Any]]] | None:
        """Return what is worth keeping, as it was when last asked for."""

    def kept(self) -> tuple[Mapping[str, object], Mapping[str, NDArray[Any]]]:
        """Return what is worth keeping now."""

    def take(self, state: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take on what `kept` returned."""


def make_anomaly(camera: CameraSettings, settings: Settings, models: Models) -> Unusual | None:
    """Return what learns one camera's view and tells what is unlike it, with what it learnt before.

    None where that is switched off, or the bundle gives no feature maps.
    """
    image = models.manifest.image
    if not (settings.anomaly.enabled and camera.anomaly and image and image.patches):
        return None
    unusual = Unusual(settings.anomaly.alarms_per_day, settings.anomaly.cooldown_s)
    _recall(unusual, usual_file(settings, camera.name), models.manifest.files[image.file].sha256)
    return unusual


def usual_file(settings: Settings, source: str) -> Path:
    """Return where what is usual for a camera is kept, or for a microphone, whose name is followed by ".sound"."""
    return settings.device.data_dir.expanduser() / FOLDER / f"{source}.npz"


def forget_usual(settings: Settings, source: str) -> bool:
    """Remove what is usual for a camera, a microphone or both of one name, for a running box to notice.

    Returns:
        Whether there was anything.
    """
    cameras, ears = ([one.name for one in settings.cameras], [one.name for one in settings.microphones])
    paths = [usual_file(settings, name) for name in cameras if name == source]
    paths += [usual_file(settings, f"{name}{_SOUND}") for name in ears if name == source]
    there = [path for path in paths if path.exists()]
    for path in there:
        path.unlink()
    return bool(there)


def attend_anomalies(house: House, settings: Settings, models: Models, closing: ExitStack, *, once: bool) -> None:
    """Let microphones learn what is usual, those who learn hear what was fine, and keep what they learnt on disk.

    Whoever reads recordings `once` hears too little of a place to learn it.
    """
    learners: dict[str, tuple[Learns, str]] = {}
    image = models.manifest.image
    for name, view in house.views.items():
        for decider in view.deciders:
            if isinstance(decider, Unusual) and image:
                learners[name] = decider, models.manifest.files[image.file].sha256
    if not once and settings.anomaly.enabled and settings.anomaly.sounds:
        ears = {microphone.name: _make_ear(microphone.name, settings) for microphone in settings.microphones}
        learners |= {f"{name}{_SOUND}": (ear, SOUND_MODEL) for name, ear in ears.items()}
        _listen_along(house, ears, quiet_hours(None, settings))
    if house.feedback:
        house.feedback.register(lambda alert, verdict: _hear(learners, alert, verdict))
    if learners and not once:
        keeper = _Keeper(learners, settings)
        house.add_server("usual", keeper.serve)
        closing.callback(keeper.save)


def _make_ear(name: str, settings: Settings) -> UnusualSound:
    unusual = UnusualSound(sound_cells, settings.anomaly.alarms_per_day, settings.anomaly.cooldown_s)
    _recall(unusual, usual_file(settings, f"{name}{_SOUND}"), SOUND_MODEL)
    return unusual


def _listen_along(house: House, ears: Mapping[str, UnusualSound], quiet: Schedule | None) -> None:
    """Judge what the microphones hear in a thread of its own: learning may take longer than sound can wait."""
    if not ears:
        return
    chunks: queue.Queue[AudioChunk] = queue.Queue(CHUNKS_KEPT)

    def tap(chunk: AudioChunk) -> None:
        with suppress(queue.Full):
            chunks.put_nowait(chunk)

    def serve(stopping: threading.Event, alive: Callable[[], None]) -> None:
        while not stopping.is_set():
            alive()
            try:
                chunk = chunks.get(timeout=_TICK_S)
            except queue.Empty:
                continue
            for event in ears[chunk.source].step(chunk):
                hushes = quiet is not None and quiet.holds(local_time(event.at), unknown=False)
                house.publish(hushed(event) if hushes else event)

    for name in ears:
        house.listen_along(name, tap)
    house.add_server("unusual-sounds", serve)


def _hear(learners: Mapping[str, tuple[Learns, str]], alert: Alert, verdict: Verdict) -> None:
    name = f"{alert.source}{_SOUND if alert.data.get('unusual') == 'sound' else ''}"
    if alert.kind == "anomaly" and verdict == "fine" and name in learners:
        learner, _ = learners[name]
        learner.fine(alert.id, str(alert.data["gate"]), float(alert.data["score"]))


class _Keeper:
    """Writes down now and then what is usual, and notices when somebody had it forgotten."""

    def __init__(self, learners: Mapping[str, tuple[Learns, str]], settings: Settings) -> None:
        self._learners = {name: learner for name, (learner, _) in learners.items()}
        self._models = {name: model for name, (_, model) in learners.items()}
        self._paths = {name: usual_file(settings, name) for name in learners}
        self._written = {name for name, path in self._paths.items() if path.exists()}
        self._taken: dict[str, object] = {}

    def serve(self, stopping: threading.Event, alive: Callable[[], None]) -> None:
        """Do so until told to stop."""
        waited_s = 0.0
        while not stopping.wait(_TICK_S):
            alive()
            waited_s += _TICK_S
            self._notice()
            if waited_s >= KEEP_EVERY_S:
                waited_s = 0.0
                for learner in self._learners.values():
                    learner.ask()
            # Made with the next look or sound, which nobody waits for.
            for name, learner in self._learners.items():
                snapshot = learner.snapshot
                if snapshot and snapshot is not self._taken.get(name):
                    self._taken[name] = snapshot
                    self._write(name, *snapshot)

    def save(self) -> None:
        """Write all down as it is; nobody judges any more."""
        self._notice()
        for name, learner in self._learners.items():
            self._write(name, *learner.kept())

    def _notice(self) -> None:
        for name in [name for name in self._written if not self._paths[name].exists()]:
            self._learners[name].forget()
            self._taken[name] = self._learners[name].snapshot
            self._written.discard(name)
            log.info("%s: what is usual was forgotten and is learnt anew", name)

    def _write(self, name: str, state: Mapping[str, object], arrays: Mapping[str, NDArray[Any]]) -> None:
        facts = {"format": _FORMAT, "model": self._models[name], "state": state}
        path = self._paths[name]
        try:
            write_whole(path, packed(arrays, facts))
        except OSError as error:
            log.warning("what is usual for %s cannot be kept in %s (%s); free space or mend it", name, path, error)
        else:
            self._written.add(name)


def _recall(learner: Learns, path: Path, model: str) -> None:
    """Take on what was kept, as far as it is whole and of the same model."""
    try:
        arrays, facts = unpacked(path.read_bytes())
        if facts["format"] == _FORMAT and facts["model"] == model:
            learner.take(facts["state"], arrays)
        else:
            log.info("%s is of another model or version; what is usual is learnt anew", path)
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError) as error:
        # Part of it may have been taken on.
        learner.forget()
        log.warning("%s is damaged (%s); what is usual is learnt anew", path, error)
