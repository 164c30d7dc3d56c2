"""An alert is decided once more, from its record alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from edge_runtime.bundles.manifest import default_bundle
from edge_runtime.config import Settings
from edge_runtime.decision.second_look import settled_again
from edge_runtime.errors import EdgeError, InputError
from edge_runtime.inference.patches import sound_cells
from edge_runtime.pipelines.unusual_sound import UnusualSound
from edge_runtime.sinks import record_file
from edge_runtime.sources.files import read_picture
from edge_runtime.types import AudioChunk
from edge_runtime.wiring.alerts import make_words
from edge_runtime.wiring.assembly import Models
from edge_runtime.wiring.evidence import bundle_facts, program_facts
from edge_runtime.wiring.live_anomalies import make_anomaly
from edge_runtime.wiring.watching import make_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from edge_runtime.pipelines.vision import Decider
    from edge_runtime.sinks.records import Records
    from edge_runtime.types import Event, Look, Sight
    from edge_runtime.watch_sections import CameraSettings

    Record = Mapping[str, Any]
    MakeDecider = Callable[[CameraSettings, Settings, Models], Decider | None]

DECIDERS: dict[str, MakeDecider] = {"rules": make_rules, "words": make_words, "anomaly": make_anomaly}


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of deciding once more.

    Attributes:
        record: what was kept of it.
        reproduced: the files are as they were written, the same model on the same machine sees in the picture what it
            saw, and the event that was decided is the recorded one, byte for byte.
        look: "same" where the model sees the very same numbers, "differs" where it does not, "other machine" where it
            does not and processor or libraries are others, "other bundle" where another model looked, "not kept" where
            there is no picture, "heard" where a sound decided.
        changed: files that are missing or not as they were written.
        differences: where the decisions differ: path, as recorded, as decided now.
        problem: why it could not be decided, None where it could.
    """

    record: Record
    reproduced: bool
    look: str
    changed: tuple[str, ...] = ()
    differences: tuple[tuple[str, object, object], ...] = ()
    problem: str | None = None


class Replayer:
    """Decides alerts once more; keeps the models loaded between them.

    Args:
        bundle: the model that looks again; the one that the record's settings name where not given.
    """

    def __init__(self, bundle: Path | None = None) -> None:
        self._bundle = bundle
        self._models: dict[tuple[object, ...], Models] = {}

    def replay(self, records: Records, event_id: str) -> Replayed:
        """Decide one of the recorded alerts once more and compare.

        Raises:
            InputError: there is no such record.
        """
        record, place = records.read(event_id), records.place(event_id)
        if record is None or place is None:
            raise InputError(f"there is no record of event {event_id!r} in {records.folder}")
        if missing := _NEEDED - record.keys():
            raise InputError(f"the record in {place} is damaged: it lacks {', '.join(sorted(missing))}")
        changed = records.changed(event_id)
        if not record.get("whole"):
            return Replayed(record, reproduced=False, look="not kept", changed=changed, problem=_TOO_MUCH)
        try:
            return self._decide(record, place, changed)
        except EdgeError as error:
            problem = str(error)
        except _DAMAGED as error:
            # Somebody may have written it by hand.
            problem = f"the record is damaged, or of another version ({error!r:.200})"
        return Replayed(record, reproduced=False, look="not kept", changed=changed, problem=problem)

    def _decide(self, record: Record, place: Path, changed: tuple[str, ...]) -> Replayed:
        settings = _settings(record, place)
        models = self._models_of(settings)
        if record["heard"] is None:
            sight, look = _seen(record, place, models)
            decider = _decider(record, settings, models)
            decided = _decided(lambda: decider.decide(sight), decider, record, place)
        else:
            look, heard, ear = "heard", _heard(record, place), _ear(record, settings)
            decided = _decided(lambda: ear.decide(heard), ear, record, place)
        events = [settled_again(event, record["steps"]) for event in decided]
        expected = {**_without_name(record["event"]), "steps": record["steps"]}
        wanted = record_file.canonical(expected)
        if any(record_file.decision(event) == wanted for event in events):
            sound = not changed and look != "differs"
            return Replayed(record, reproduced=sound, look=look, changed=changed)
        differences = tuple(_differences(expected, _nearest(expected, events)))
        return Replayed(record, reproduced=False, look=look, changed=changed, differences=differences)

    def _models_of(self, settings: Settings) -> Models:
        vision = settings.vision
        named = self._bundle or vision.bundle
        bundle = named if named and (self._bundle or named.is_dir()) else default_bundle()
        key = (bundle, settings.device.threads, vision.min_score, vision.labels)
        if key not in self._models:
            self._models[key] = Models(
                bundle, threads=settings.device.threads, min_score=vision.min_score, labels=vision.labels
            )
        return self._models[key]


_DAMAGED = (KeyError, TypeError, ValueError, IndexError, AttributeError, ArithmeticError, RecursionError)
_NEEDED = {"event", "steps", "decider", "before", "arrays", "sight", "heard", "settings", "settings_sha256", "bundle"}
_TOO_MUCH = "more alerts came that day than evidence.mb_per_day allows, so that its picture alone was kept"


def _settings(record: Record, place: Path) -> Settings:
    """Return the settings that the alert was decided by; nothing of what this box keeps today joins them."""
    kept = dict(record["settings"])
    kept["device"] = {**kept["device"], "data_dir": str(place)}
    try:
        return Settings.model_validate(kept)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InputError(f"the recorded settings do not fit this version: {key}: {first['msg']}") from None


def _seen(record: Record, place: Path, models: Models) -> tuple[Sight, str]:
    """Return the recorded sight, and how the model's look at its picture compares with the recorded one.

    Raises:
        InputError: no picture was kept.
        BundleError: the feature maps that the decision needs cannot be had from this model.
    """
    facts = record["sight"]
    if facts is None:
        raise InputError("no picture belongs to this record")
    image = read_picture(place / record_file.FRAME)
    features = bool(facts["patches"])
    now = models.detector.look(image, features=features)
    source = record["event"]["source"]
    look = record_file.look_of(facts, now.patches)
    return record_file.sight_of(facts, source, image, look), _compared(record, now, models)


def _compared(record: Record, now: Look, models: Models) -> str:
    if bundle_facts(models.manifest) != record["bundle"]:
        return "other bundle"
    facts = record["sight"]
    seen = record_file.look_facts(now)
    same = record_file.canonical(seen) == record_file.canonical({key: facts[key] for key in seen})
    if same and [list(stage.shape) for stage in now.patches] == facts["patches"]:
        return "same"
    return "differs" if program_facts() == record.get("program") else "other machine"


def _decider(record: Record, settings: Settings, models: Models) -> Decider:
    name = record["decider"]
    make = DECIDERS.get(str(name))
    camera = next((one for one in settings.cameras if one.name == record["event"]["source"]), None)
    decider = make(camera, settings, models) if make and camera else None
    if decider is None:
        raise InputError(f"this version has no {name!r} that decides with the recorded settings")
    return decider


def _ear(record: Record, settings: Settings) -> UnusualSound:
    if record["decider"] != UnusualSound.name:
        raise InputError(f"this version has no {record['decider']!r} that decides about sound")
    return UnusualSound(sound_cells, settings.anomaly.alarms_per_day, settings.anomaly.cooldown_s)


def _heard(record: Record, place: Path) -> AudioChunk:
    facts = record["heard"]
    return AudioChunk(facts["source"], float(facts["at"]), record_file.read_array(place / record_file.HEARD))


def _decided(
    decide: Callable[[], list[Event]], decider: Decider | UnusualSound, record: Record, place: Path
) -> list[Event]:
    """Return the alerts that a decider decides from the recorded state."""
    files = set(record["files"]) & set(record["arrays"].values())
    arrays = {name: record_file.read_array(place / file) for name, file in record["arrays"].items() if file in files}
    decider.restore(record["before"], arrays)
    return [event for event in decide() if event.steps]


def _without_name(event: Record) -> dict[str, Any]:
    """Return what the decision is of an event: an id and a wall time come from elsewhere."""
    return {key: value for key, value in event.items() if key not in {"id", "time"}}


def _nearest(expected: Record, events: list[Event]) -> dict[str, Any]:
    """Return the event that shares the most with the one looked for."""
    told = [record_file.told(event) for event in events]

    def likeness(one: dict[str, Any]) -> tuple[bool, int]:
        shared = sum(one["data"].get(key) == value for key, value in expected["data"].items())
        return one["kind"] == expected["kind"], shared

    return max(told, key=likeness, default={})


def _differences(recorded: Any, now: Any, path: str = "") -> Iterator[tuple[str, object, object]]:
    if isinstance(recorded, dict) and isinstance(now, dict):
        for key in sorted({*recorded, *now}):
            yield from _differences(recorded.get(key), now.get(key), f"{path}.{key}" if path else key)
    elif isinstance(recorded, list) and isinstance(now, list | tuple) and len(recorded) == len(now):
        for number, (one, other) in enumerate(zip(recorded, now, strict=True)):
            yield from _differences(one, other, f"{path}[{number}]")
    elif record_file.canonical(recorded) != record_file.canonical(now):
        yield path, recorded, now
