"""Files in, a memory of what is normal out, and how unusual other files are: what `edge-runtime anomaly` does."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from edge_runtime.bundles.parts import ImagePart
from edge_runtime.decision.anomaly import FALSE_ALARMS, warmth
from edge_runtime.decision.anomaly_levels import LevelMemory
from edge_runtime.errors import BundleError, InputError
from edge_runtime.inference.patches import PatchEyes, sound_cells
from edge_runtime.sinks.alert_picture import heated
from edge_runtime.sinks.snapshot import save_picture
from edge_runtime.sources.files import is_sound, read_picture, read_sound
from edge_runtime.wiring.anomaly_store import Normal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from edge_runtime.types import Image
    from edge_runtime.wiring.anomaly_store import AnomalyStore, Kind
    from edge_runtime.wiring.assembly import Models

    Record = dict[str, Any]
    Floats = NDArray[np.float32]
    Notice = Callable[[str, InputError], None]

LEAST = 5
"""Files that tell what is normal at least."""

_FOLDS = 3
_MOST_JUDGED = 300
_ENDINGS = frozenset(
    f".{kind}"
    for kind in (
        *("bmp", "jpeg", "jpg", "pgm", "png", "ppm", "tif", "tiff", "webp"),
        *("aif", "aiff", "flac", "mp3", "oga", "ogg", "opus", "wav"),
    )
)
_SOUND_MODEL = "log-mel-1"


class Inspector:
    """Learns what is normal from files, and tells how unusual others are.

    Args:
        store: what was learnt.
        models: see the pictures.
    """

    def __init__(self, store: AnomalyStore, models: Models) -> None:
        self._store = store
        self._models = models

    def learn(self, name: str, paths: Sequence[str], notice: Notice) -> Record:
        """Learn files of what is normal under a name, besides what was learnt under it before.

        Args:
            name: what it is called.
            paths: files of one kind, pictures or sounds.
            notice: is told of each file that cannot be used; the others are learnt.

        Raises:
            InputError: the name cannot be used, or too few files can.
            BundleError: it was learnt with another model, or the bundle gives no patches.
        """
        before = self._store.load(name)
        if before is not None:
            self._check(name, before)
        kind = before.kind if before else _first_kind(paths)
        memory = before.memory if before else self._empty(kind)
        learning = Learning(memory)
        for path in paths:
            try:
                learning.add(self._cells(path, kind))
            except InputError as error:
                notice(path, error)
        files = learning.files + (before.files if before else 0)
        if files < LEAST:
            raise InputError(f"{learning.files} files can be used; learn {name} from {LEAST} or more that are normal")
        learning.judge()
        self._store.save(name, Normal(memory, kind, self._model(kind), files))
        threshold = memory.threshold()
        record = {"name": name, "kind": kind, "learnt": learning.files, "files": files, "cells": memory.count}
        return {**record, "threshold": round(threshold, 6)}

    def scoring(self, name: str, heatmaps: Path | None, false_alarms: float = FALSE_ALARMS) -> Callable[[str], Record]:
        """Return what tells how unusual a file is, and draws where into `heatmaps`.

        Raises:
            InputError: nothing is learnt under the name.
            BundleError: it was learnt with another model.
        """
        normal = self._store.find(name)
        self._check(name, normal)
        threshold = normal.memory.threshold(false_alarms)
        drawn: dict[str, int] = {}

        def score(path: str) -> Record:
            cells = self._cells(path, normal.kind)
            value, heat = normal.memory.score(cells)
            record = {"score": round(value, 6), "threshold": round(threshold, 6), "anomalous": value > threshold}
            if heatmaps is None or normal.kind != "picture":
                return record
            stem = Path(path).stem
            drawn[stem] = drawn.get(stem, 0) + 1
            file = heatmaps / (f"{stem}.jpg" if drawn[stem] == 1 else f"{stem}-{drawn[stem]}.jpg")
            save_picture(file, overlay(read_picture(Path(path)), heat, threshold))
            return {**record, "heatmap": str(file)}

        return score

    def known(self) -> Iterator[Record]:
        """Yield a record of each thing that was learnt."""
        for name in self._store.names():
            try:
                normal = self._store.find(name)
            except InputError as error:
                yield {"name": name, "error": str(error)}
                continue
            threshold = round(normal.memory.threshold(), 6)
            usable = normal.model == self._model(normal.kind)
            yield {"name": name, "kind": normal.kind, "files": normal.files, "threshold": threshold, "usable": usable}

    @cached_property
    def _eyes(self) -> PatchEyes:
        return PatchEyes(self._models.image, self._models.manifest)

    def _empty(self, kind: Kind) -> LevelMemory:
        # A bang is a tenth of a second of many: the whole of a sound hides it.
        return LevelMemory([1.0], whole=0.0) if kind == "sound" else LevelMemory(self._eyes.weights)

    def _cells(self, path: str, kind: Kind) -> tuple[Floats, ...]:
        if _kind(Path(path)) != kind:
            raise InputError(f"{path}: not a {kind}, as those are that were learnt; use another NAME for it")
        if kind == "sound":
            return (sound_cells(read_sound(Path(path)).samples),)
        return self._eyes.cells(read_picture(Path(path)))

    def _model(self, kind: Kind) -> str:
        if kind == "sound":
            return _SOUND_MODEL
        part = self._models.manifest.part(ImagePart)
        if not part.patches:
            raise self._models.manifest.lacks("feature maps of patches")
        return self._models.manifest.files[part.file].sha256

    def _check(self, name: str, normal: Normal) -> None:
        now = self._model(normal.kind)
        if normal.model != now:
            raise BundleError(
                f"{name} was learnt with another model ({normal.model[:12]}, now {now[:12]}); forget it with"
                f" `anomaly forget {name}` and learn it again"
            )


class Learning:
    """One lesson: what is learnt, and on the side what of it would score had it not been learnt.

    Each file goes into the memory and into all but one of a few others, which then judge what they have not learnt
    (cross-conformal prediction, Vovk 2015).

    Args:
        memory: what was learnt before, or an empty one; it learns too.
    """

    def __init__(self, memory: LevelMemory) -> None:
        self.files = 0
        self._memory = memory
        self._others = [memory.copy() for _ in range(_FOLDS)]
        self._kept: list[tuple[int, list[NDArray[np.float16]]]] = []
        self._every = 1

    def add(self, levels: Sequence[Floats]) -> None:
        """Learn the cells of one file in each level."""
        fold = self.files % _FOLDS
        for place, memory in enumerate([*self._others, self._memory]):
            if place != fold:
                memory.learn(levels)
        if self.files % self._every == 0:
            self._kept.append((fold, [cells.astype(np.float16) for cells in levels]))
        if len(self._kept) > _MOST_JUDGED:
            # Every other file is one of each of three folds in turn.
            self._kept, self._every = self._kept[::2], self._every * 2
        self.files += 1

    def judge(self) -> None:
        """Let the memory know what files score that were not learnt."""
        judges = [(self._others[fold], [cells.astype(np.float32) for cells in levels]) for fold, levels in self._kept]
        self._memory.judge([judge.each(levels) for judge, levels in judges if judge.whole.count > 1])


def expanded(paths: Sequence[str]) -> list[str]:
    """Return the files among paths, and those in the folders among them, by the alphabet.

    Raises:
        InputError: there is nothing to be used in a folder.
    """
    found: list[str] = []
    for path in paths:
        folder = Path(path)
        if not folder.is_dir():
            found.append(path)
            continue
        inside = sorted(str(one) for one in folder.rglob("*") if one.suffix.lower() in _ENDINGS and one.is_file())
        if not inside:
            raise InputError(f"{path}: the folder holds no pictures and no sounds")
        found += inside
    return found


def overlay(image: Image, heat: Floats, threshold: float) -> Image:
    """Return the picture with what is unusual in it shown by warm colours."""
    (height, width), (rows, columns) = image.shape[:2], heat.shape
    # Convolutions of stride two begin at the first pixel: a cell lies about its upper left corner, not its middle.
    place = np.array([[width / columns, 0.0, 0.0], [0.0, height / rows, 0.0]])
    whole = cv2.warpAffine(warmth(heat, threshold), place, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return heated(image, np.asarray(whole, np.float32))


def _first_kind(paths: Sequence[str]) -> Kind:
    """Return what the first of the files is that can be read."""
    reasons: list[str] = []
    for path in paths:
        try:
            return _kind(Path(path))
        except InputError as error:
            reasons.append(str(error))
    raise InputError(f"none of {len(paths)} files can be used; {reasons[0]}" if len(paths) > 1 else reasons[0])


def _kind(path: Path) -> Kind:
    return "sound" if is_sound(path) else "picture"
