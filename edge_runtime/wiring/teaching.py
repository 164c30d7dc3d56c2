"""Recordings in, something taught out: what `edge-runtime teach` does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.bundles.parts import AudioPart
from edge_runtime.errors import InputError
from edge_runtime.inference.spotting import spoken_forms
from edge_runtime.inference.taught import TaughtThing, check_name
from edge_runtime.inference.taught_phrases import arrays_of, facts_of
from edge_runtime.inference.taught_sounds import learn_sound, read_sounds, sound_vectors
from edge_runtime.inference.teaching import MOST_CLIPS, PhraseTeacher
from edge_runtime.sources.files import read_sound
from edge_runtime.wiring.teaching_pictures import picture_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_runtime.inference.lessons import Estimate
    from edge_runtime.inference.taught import Kind
    from edge_runtime.wiring.listening import Listening

    Record = dict[str, Any]
    Samples = NDArray[np.float32]

_LONGEST_PHRASE_S = 6.0
_LONGEST_SOUND_S = 30.0
_LEAST_BACKGROUND = 50


class School:
    """Teaches one box.

    Args:
        listening: what the box knows already.
        force: keep also what was taught with too little.
    """

    def __init__(self, listening: Listening, *, force: bool) -> None:
        self._listening = listening
        self._force = force

    def wake(self, name: str, paths: Sequence[str]) -> Record:
        """Teach how a wake word is said.

        Raises:
            InputError: a recording or the name cannot be used, or there is too little to learn from.
            BundleError: the bundle has no acoustic model.
        """
        return self._phrase("wake", name, paths, {})

    def command(self, name: str, paths: Sequence[str], intent: str, slots: Sequence[str] = ()) -> Record:
        """Teach a command that means `intent`, with slots given as "name=value".

        Raises:
            InputError: as `wake` does, or a slot is not of that form.
            BundleError: the bundle has no acoustic model.
        """
        pairs = [slot.partition("=") for slot in slots]
        wrong = next((slot for slot, (key, equals, _) in zip(slots, pairs, strict=True) if not key or not equals), None)
        if wrong is not None:
            raise InputError(f"slot {wrong!r} is not of the form name=value; for example area=kitchen")
        return self._phrase(
            "command", name, paths, {"intent": intent, "slots": {key: value for key, _, value in pairs}}
        )

    def sound(self, name: str, paths: Sequence[str], background: Sequence[str] = ()) -> Record:
        """Teach a sound; recordings of other sounds of this place make it surer.

        Raises:
            InputError: a recording or the name cannot be used, or there is too little to learn from.
            BundleError: the bundle has no sound model.
        """
        check_name(name)
        models = self._listening.sound_models
        part = models.manifest.part(AudioPart)

        def vectors(path: str) -> Samples:
            return sound_vectors(models.hearing, part, _read(path, _LONGEST_SOUND_S))

        clips = _heard({path: vectors(path) for path in _few(paths)})
        ordinary = [rows for rows in map(vectors, background) if len(rows)]
        if part.background:
            ordinary.append(read_sounds(models.manifest.path(part.background)))
        if sum(map(len, ordinary)) < _LEAST_BACKGROUND:
            raise InputError(
                "the bundle has no ordinary sounds to tell this one from; give recordings of them with --background"
            )
        lesson = learn_sound(clips, np.concatenate(ordinary))
        facts = lesson.estimate.facts()
        thing = TaughtThing(name, "sound", self._listening.sounds_model, facts, lesson.arrays())
        return self._keep(thing, lesson.estimate)

    def _phrase(self, kind: Kind, name: str, paths: Sequence[str], meaning: Record) -> Record:
        check_name(name)
        listening, acoustic = self._listening, self._listening.models.acoustic
        clips = [acoustic.log_probs(_read(path, _LONGEST_PHRASE_S)) for path in _few(paths)]
        words = re.findall(r"[a-z']+", name.lower()) if kind == "wake" else []
        known = spoken_forms(words, listening.models.lexicon.pronunciations) if words else []
        lesson = PhraseTeacher(acoustic, listening.ordinary).learn(name, clips, known)
        if lesson is None:
            raise InputError(f"nobody speaks in these {len(clips)} recordings, or too short a word; give others")
        facts = {**meaning, **facts_of(lesson)}
        arrays = arrays_of(lesson, acoustic.phones)
        record = self._keep(TaughtThing(name, kind, listening.phones_model, facts, arrays), lesson.estimate)
        return {**record, "said": [" ".join(form) for form in lesson.forms]}

    def _keep(self, thing: TaughtThing, estimate: Estimate) -> Record:
        shortage = estimate.shortage()
        kept = shortage is None or self._force
        if kept:
            self._listening.things.keep(thing)
        meaning = {key: thing.facts[key] for key in ("intent", "slots") if key in thing.facts}
        return {
            "name": thing.name,
            "kind": thing.kind,
            **meaning,
            **estimate.facts(),
            "shortage": shortage,
            "kept": kept,
        }


def taught(listening: Listening) -> list[Record]:
    """Return everything that was taught, and whether the bundle's models can still use it."""
    records = []
    for thing in listening.things.all():
        model = _model_of(thing.kind, listening)
        keys = ("intent", "slots", "clips", "found", "background", "false")
        facts = {key: thing.facts[key] for key in keys if key in thing.facts}
        records.append({"name": thing.name, "kind": thing.kind, **facts, "usable": thing.model == model})
    return records


def _model_of(kind: Kind, listening: Listening) -> str:
    """Return the sha256 of the model that a kind of thing is taught with."""
    if kind == "picture":
        return picture_model(listening.models)
    return listening.sounds_model if kind == "sound" else listening.phones_model


def _few(paths: Sequence[str]) -> Sequence[str]:
    if len(paths) > MOST_CLIPS:
        raise InputError(f"{len(paths)} recordings are more than {MOST_CLIPS}; give the clearest")
    return paths


def _read(path: str, longest_s: float) -> Samples:
    return read_sound(Path(path), longest_s=longest_s).samples


def _heard(clips: dict[str, Samples]) -> list[Samples]:
    silent = next((path for path, rows in clips.items() if not len(rows)), None)
    if silent is not None:
        raise InputError(f"{silent}: there is nothing to hear in it; give another recording")
    return list(clips.values())
