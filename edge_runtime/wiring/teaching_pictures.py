"""Pictures in, something taught out: what `edge-runtime teach picture` does, and what alerts make of it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.bundles.parts import ImagePart
from edge_runtime.decision.prompted import Lesson
from edge_runtime.errors import BundleError, InputError
from edge_runtime.inference.lessons import line_of
from edge_runtime.inference.ordinary_pictures import read_pictures
from edge_runtime.inference.taught import TaughtThing, TaughtThings, check_name
from edge_runtime.inference.taught_pictures import MOST_PICTURES, learn_picture, views
from edge_runtime.sources.files import read_picture

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from edge_runtime.types import Image
    from edge_runtime.wiring.assembly import Models

    Record = dict[str, Any]

log = logging.getLogger(__name__)

FOLDER = "taught"
_LEAST_OTHERS = 20
"""Pictures that do not show it, where the bundle has no ordinary ones."""
_MOST_OTHERS = 200


def picture_model(models: Models) -> str:
    """Return the sha256 of the model that sees pictures."""
    return models.manifest.files[models.manifest.part(ImagePart).file].sha256


def teach_picture_files(
    folder: Path, models: Models, name: str, paths: Sequence[str], others: Sequence[str] = (), *, force: bool = False
) -> Record:
    """Teach what picture files show, as `teach_picture` does; one is read after the other.

    Raises:
        InputError: a picture or the name cannot be used, or there is too little to tell it from.
        BundleError: the bundle has no model that embeds pictures.
    """
    check_name(name)
    if len(paths) > MOST_PICTURES or len(others) > _MOST_OTHERS:
        raise InputError(
            f"{len(paths)} pictures of it and {len(others)} of others are more than {MOST_PICTURES} and "
            f"{_MOST_OTHERS}; give the clearest"
        )
    own, aside = ((read_picture(Path(path)) for path in some) for some in (paths, others))
    return teach_picture(folder, models, name, own, aside, force=force)


def teach_picture(
    folder: Path,
    models: Models,
    name: str,
    pictures: Iterable[Image],
    others: Iterable[Image] = (),
    *,
    force: bool = False,
) -> Record:
    """Teach what pictures show; `others` do not show it, though somebody might think so.

    Args:
        folder: of the box's data.
        models: see the pictures.
        name: what the thing is called in alerts.
        pictures: of it and little else.
        others: of what is not it.
        force: keep also what was taught with too little.

    Raises:
        InputError: the name cannot be used, or there is too little to tell it from.
        BundleError: the bundle has no model that embeds pictures.
    """
    check_name(name)
    ordinary = _ordinary(models)
    aside = [views(models.embedder, image) for image in others]
    if ordinary is None and len(aside) < _LEAST_OTHERS:
        raise InputError(
            f"the bundle has no ordinary pictures to tell this from; give {_LEAST_OTHERS} of other things with --not"
        )
    shown = [views(models.embedder, image) for image in pictures]
    lesson = learn_picture(shown, np.concatenate(aside) if ordinary is None else ordinary, aside)
    facts, shortage = lesson.estimate.facts(), lesson.estimate.shortage()
    kept = shortage is None or force
    if kept:
        thing = TaughtThing(name, "picture", picture_model(models), facts, lesson.arrays())
        TaughtThings(folder / FOLDER).keep(thing)
    return {"name": name, "kind": "picture", **facts, "shortage": shortage, "kept": kept}


def taught_pictures(folder: Path, models: Models) -> Mapping[str, Lesson]:
    """Return what was taught by pictures, by lower-case name; what another model was taught is told and left out.

    Raises:
        InputError: a file is damaged.
    """
    lessons = {}
    for thing in TaughtThings(folder / FOLDER).of("picture"):
        try:
            thing.check(picture_model(models))
        except BundleError as error:
            log.warning("%s", error)
        else:
            lessons[thing.name.lower()] = Lesson(*line_of(thing.arrays))
    return lessons


def _ordinary(models: Models) -> NDArray[np.float32] | None:
    file = models.manifest.part(ImagePart).ordinary
    return read_pictures(models.manifest.path(file)).vectors if file else None
