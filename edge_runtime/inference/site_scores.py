"""How high this home's own talk scores for a wake word: a small histogram on disk that can only make it stricter."""

from __future__ import annotations

import json
import logging
import re
import time
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.inference.background import fit_tail
from edge_runtime.whole_files import write_whole

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_runtime.inference.background import Tail

log = logging.getLogger(__name__)

_LOWEST = -12.0
_STEP = 0.1
_BINS = 120
_ENOUGH = 200
_MOST = 20_000
"""Beyond this many stretches of speech all counts are halved: what the home sounded like lately counts more."""
_SAVE_EVERY_S = 1800.0


class SiteScores:
    """Counts the scores of speech that was not the wake word.

    Args:
        path: JSON file; one that cannot be read begins anew.
        made_for: what the scores depend on, such as the model's sha256; others' counts are dropped.
        clock: monotonic seconds, to write seldom: flash memory wears out.
    """

    def __init__(self, path: Path, made_for: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._made_for = made_for
        self._clock = clock
        self._counts = np.zeros(_BINS)
        self._seconds = 0.0
        self._unsaved = False
        self._saved_at = clock()
        self._load()

    def add(self, log_score: float, seconds: float) -> None:
        """Count a stretch of speech of so many seconds and its best score, and write it down if it is time to."""
        at = int(np.clip((log_score - _LOWEST) / _STEP, 0, _BINS - 1))
        self._counts[at] += 1
        self._seconds += seconds
        self._unsaved = True
        if self._counts.sum() > _MOST:
            self._counts /= 2
            self._seconds /= 2
        if self._clock() - self._saved_at >= _SAVE_EVERY_S:
            self.save()

    def tail(self) -> Tail | None:
        """Return how high this home's talk scores, or None while too little of it was heard."""
        if self._counts.sum() < _ENOUGH:
            return None
        middles = np.asarray(_LOWEST + _STEP * (np.arange(_BINS) + 0.5), np.float64)
        return fit_tail(middles, self._counts, self._seconds / 3600)

    def save(self) -> None:
        """Write the counts down, whole or not at all; a disk that refuses is worth a warning only."""
        self._saved_at = self._clock()
        if not self._unsaved:
            return
        stored = {
            "made_for": self._made_for,
            "seconds": round(self._seconds, 1),
            "counts": [round(float(count), 2) for count in self._counts],
        }
        try:
            write_whole(self._path, json.dumps(stored, separators=(",", ":")))
        except OSError as error:
            log.warning(
                "what this home sounds like cannot be kept in %s (%s); free space or mend it", self._path, error
            )
            return
        self._unsaved = False

    def _load(self) -> None:
        try:
            stored = json.loads(self._path.read_text(encoding="utf-8"))
            counts = np.asarray(stored["counts"], float)
            seconds = float(stored["seconds"])
            fits = stored["made_for"] == self._made_for
            sound = counts.shape == (_BINS,) and bool(np.isfinite(counts).all()) and bool((counts >= 0).all())
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("%s is damaged (%s); what this home sounds like is learned anew", self._path, error)
            return
        if fits and sound and np.isfinite(seconds) and seconds >= 0:
            self._counts, self._seconds = counts, seconds


def site_file(folder: Path, phrase: str) -> Path:
    """Return the file of one phrase's counts in `folder`: readable, and different for every phrase."""
    plain = re.sub(r"[^a-z]+", "-", phrase.lower()).strip("-")[:40]
    return folder / f"{plain}-{sha256(phrase.encode()).hexdigest()[:8]}.json"
