"""The gate in force: what `gate fit` wrote, else the bundle's own threshold, else a cautious one."""

from __future__ import annotations

import json
import logging
import threading
import time
from dataclasses import asdict, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from edge_runtime.decision.confidence import ConfidenceGate
from edge_runtime.decision.drift import DriftAlarm, DriftState
from edge_runtime.errors import ConfigError, InputError
from edge_runtime.whole_files import write_whole
from edge_runtime.wiring.gate_tables import GATE_FILE, load_gate, model_mark

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edge_runtime.config import Settings
    from edge_runtime.decision.learned_gate import LearnedGate
    from edge_runtime.types import Vector
    from edge_runtime.wiring.assembly import Models

logger = logging.getLogger(__name__)

CAUTIOUS = 0.95
"""Confidence from which the box answers by itself where the bundle has no threshold that was proved on held-out data:
scores taken at their word are then wrong once in twenty answers at most."""
DRIFT_FILE = "gate-drift.json"
_SAVED_EVERY_S = 60.0
_REMEMBERED = 128


def make_gate(settings: Settings, models: Models, on_drift: Callable[[float], None] | None = None) -> ConfidenceGate:
    """Return the gate that the settings want.

    Args:
        settings: whose `answering` says which.
        models: whose text model reads prompts.
        on_drift: called once, with the wall time in seconds since 1970, when the gate's alarm goes off.

    Raises:
        ConfigError: the gate's file cannot be used.
    """
    own = settings.answering.local_threshold
    threshold, _ = _unfitted(settings, models)
    # What proved the bundle's threshold says nothing of another model's words.
    make = partial(ConfidenceGate, threshold, mind_threshold=max(threshold, CAUTIOUS) if own is None else own)
    path = gate_path(settings)
    if settings.answering.gate is None and not path.exists():
        return make()
    try:
        learned, mark = load_gate(path)
    except InputError as error:
        raise ConfigError(str(error)) from None
    if not suits(learned, models):
        logger.warning("gate %s was fitted with another text model and is not used; run `gate fit` again", path)
        return make()
    if own is not None:
        learned = replace(learned, threshold=own)
    watch = DriftWatch(path.with_name(DRIFT_FILE), mark, learned.reference, on_drift)
    return make(learned=learned, embed=remembering(models.embedder.embed_text), drift=watch)


def _unfitted(settings: Settings, models: Models) -> tuple[float, str]:
    """Return the threshold where nothing was fitted, and whose it is."""
    own, bundled = settings.answering.local_threshold, models.manifest.gate
    if own is not None:
        return own, "answering.local_threshold"
    return (bundled.local_threshold, "of the bundle") if bundled else (CAUTIOUS, "a cautious one")


def gate_path(settings: Settings) -> Path:
    """Return where the gate of these settings lies, or would lie."""
    return (settings.answering.gate or settings.device.data_dir / GATE_FILE).expanduser()


def status(settings: Settings, models: Models) -> dict[str, Any]:
    """Return which gate is in force, what it was told and found, and what its drift alarm says.

    Raises:
        InputError: the gate's file cannot be used.
    """
    own, path = settings.answering.local_threshold, gate_path(settings)
    if settings.answering.gate is None and not path.exists():
        threshold, why = _unfitted(settings, models)
        return {"gate": None, "threshold": threshold, "why": why}
    learned, mark = load_gate(path)
    watch = DriftWatch(path.with_name(DRIFT_FILE), mark, learned.reference)
    return {
        "gate": str(path),
        "usable": suits(learned, models),
        "threshold": learned.threshold if own is None else own,
        "facts": dict(learned.facts),
        "drift": watch.status(),
    }


def suits(learned: LearnedGate, models: Models) -> bool:
    """Tell whether a gate was fitted with the text model of these models, or needs none."""
    return not learned.needs_vectors or learned.facts.get("model") == model_mark(models)


def remembering(embed_text: Callable[[Sequence[str]], Any]) -> Callable[[str], Vector]:
    """Return what gives the unit vector of a text, without reading the latest ones again."""

    @lru_cache(maxsize=_REMEMBERED)
    def embed(text: str) -> Vector:
        vector: Vector = embed_text([text])[0]
        return vector

    return embed


class DriftWatch:
    """A gate's drift alarm that outlives restarts; safe across threads.

    What it has seen since it last wrote, a minute at most, is lost in a crash; an alarm is written at once.

    Args:
        path: small JSON file.
        gate: sha256 of the gate's file; what belongs to another gate is forgotten.
        reference: how the confidences of the calibration rows were spread.
        on_alarm: called once, with the wall time, when the alarm goes off.
        now: seconds since 1970.
    """

    def __init__(
        self,
        path: Path,
        gate: str,
        reference: Sequence[int],
        on_alarm: Callable[[float], None] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._gate = gate
        self._now = now
        self._lock = threading.Lock()
        self._saved_at = 0.0
        self.on_alarm = on_alarm
        self.since: float | None = None
        state, self.since, self._saved_at = self._read()
        self._alarm = DriftAlarm(reference, state)

    @property
    def alarmed(self) -> bool:
        """Tell whether the confidences are no longer like those of the calibration rows."""
        return self.since is not None

    def update(self, confidence: float) -> None:
        """Take one in."""
        with self._lock:
            new = self._alarm.update(confidence) and self.since is None
            now = self._now()
            if new:
                self.since = now
            if new or not 0 <= now - self._saved_at < _SAVED_EVERY_S:
                self._write(now, durably=new)
        if new:
            logger.warning("answers are no longer like those the gate was fitted to; run `gate fit` on new ones")
            if self.on_alarm is not None:
                self.on_alarm(now)

    def status(self) -> dict[str, Any]:
        """Return how many confidences were seen, what the bet has made of 1, and since when the alarm is on."""
        with self._lock:
            return {"seen": self._alarm.state.seen, "capital": self._alarm.capital, "alarm_since": self.since}

    def _read(self) -> tuple[DriftState | None, float | None, float]:
        try:
            record = json.loads(self._path.read_text(encoding="utf-8"))
            if record["gate"] != self._gate:
                return None, None, 0.0
            kept = record["state"]
            capital = tuple(tuple(float(value) for value in row) for row in kept["capital"])
            state = DriftState(tuple(map(int, kept["counts"])), capital, int(kept["seen"]), bool(kept["alarmed"]))
            since = None if record["since"] is None else float(record["since"])
            return state, since, float(record["saved_at"])
        except FileNotFoundError:
            return None, None, 0.0
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("what the gate's drift alarm had seen cannot be read (%s); it begins anew", error)
            return None, None, 0.0

    def _write(self, now: float, *, durably: bool) -> None:
        self._saved_at = now
        # Another program may have raised the alarm meanwhile.
        _, other, _ = self._read()
        self.since = self.since if other is None else min(other, self.since or other)
        record = {"gate": self._gate, "since": self.since, "saved_at": now, "state": asdict(self._alarm.state)}
        try:
            write_whole(self._path, json.dumps(record), durably=durably, private=True)
        except OSError as error:
            logger.warning("what the gate's drift alarm has seen cannot be kept (%s)", error)
