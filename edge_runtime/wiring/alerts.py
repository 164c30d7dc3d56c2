"""Alerts in plain words, made of settings, models and what this site has taught them."""

from __future__ import annotations

import json
import logging
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.bundles.parts import ClassifyPart, ImagePart
from edge_runtime.decision.prompted import LEAST_SURE, SURE, Sought, bare, parts_of, usual_likeness
from edge_runtime.decision.second_look import ALERT, DENIED
from edge_runtime.errors import ConfigError
from edge_runtime.inference.everyday import EverydayNames
from edge_runtime.inference.ordinary_pictures import read_pictures, shown
from edge_runtime.pipelines.words import AlertRules, Words
from edge_runtime.skills.nouns import Claim, Nouns
from edge_runtime.whole_files import write_whole
from edge_runtime.wiring.second_look import make_second_look
from edge_runtime.wiring.teaching_pictures import taught_pictures

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import ExitStack
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_runtime.config import Settings
    from edge_runtime.decision.prompted import Lesson
    from edge_runtime.house import House
    from edge_runtime.inference.ordinary_pictures import OrdinaryPictures
    from edge_runtime.types import Vector
    from edge_runtime.watch_sections import CameraSettings
    from edge_runtime.wiring.assembly import Models
    from edge_runtime.wiring.feedback import Alert, Feedback, Verdict

log = logging.getLogger(__name__)

KEEP_EVERY_S = 1800.0
"""Seconds between writes of what the site has taught: some kilobytes for each camera, for the sake of SD cards."""
ALIKE = 0.6
"""Names whose words mean so nearly the same as the subject are no contrast to it."""
SHOWN, ENOUGH = 0.5, 30
USUAL_ELSEWHERE = 1.5
"""Taken for usual with a bundle that has no ordinary pictures; of omni-nano's prompts it is 0.5 to 3."""
_FORMAT = 1
_TICK_S = 1.0
_STANDS_ON = {"on", "in", "on top of"}


def prompts_of(camera: CameraSettings, settings: Settings) -> tuple[str, ...]:
    """Return what a camera shall tell of: what all do, and what it alone does; each once."""
    first: dict[str, str] = {}
    for prompt in (*settings.alerts, *camera.alerts):
        first.setdefault(prompt.casefold(), prompt)
    return tuple(first.values())


def make_alerts(camera: CameraSettings, settings: Settings, models: Models) -> Words | None:
    """Return what tells a camera's alerts, with what the site and the owner have taught it; None where there are none.

    Raises:
        ConfigError: the bundle cannot compare pictures with words.
        InputError: what was taught is damaged.
    """
    folder = settings.device.data_dir.expanduser()
    words = make_words(camera, settings, models, folder)
    if words is None:
        return None
    kept = _kept(_file(settings, camera.name), _mark(models))
    try:
        words.learned(kept)
    except (KeyError, TypeError, ValueError) as error:
        log.warning("what camera %s has learned about alerts is damaged (%s); it begins anew", camera.name, error)
    return words


def make_words(camera: CameraSettings, settings: Settings, models: Models, folder: Path | None = None) -> Words | None:
    """Return what tells a camera's alerts, without any history; without `folder`, nothing of this box's disk is used.

    Raises:
        ConfigError: the bundle cannot compare pictures with words.
        InputError: what was taught is damaged.
    """
    prompts = prompts_of(camera, settings)
    if not prompts:
        return None
    manifest = models.manifest
    if manifest.text is None or manifest.classify is None or manifest.part(ImagePart).embedding is None:
        raise ConfigError(
            f"alerts: the bundle {manifest.name} cannot compare pictures with words; take alerts out, or use a bundle "
            "that embeds both, such as omni-nano"
        )
    rules = AlertRules(settings.alerting.alarms_per_day, settings.alerting.cooldown_s)
    lessons = taught_pictures(folder, models) if folder else {}
    return Words(_seekers(models, folder).all(prompts, lessons), models.detector, rules)


class Seekers:
    """Makes prompts ready to be compared with pictures.

    Args:
        models: of the bundle.
        folder: where the vectors of everyday names are kept; None keeps them nowhere.
    """

    def __init__(self, models: Models, folder: Path | None) -> None:
        self._models = models
        self._everyday = EverydayNames(models.manifest, models.embedder, folder)
        self._names = tuple(self._everyday.kinds)
        self._nouns = Nouns(models.labels)
        self._temperature = models.manifest.part(ClassifyPart).temperature

    def all(self, prompts: Sequence[str], lessons: Mapping[str, Lesson] | None = None) -> list[Sought]:
        """Return each prompt, ready; `lessons` are things that were taught by pictures, by lower-case name."""
        return [self._of(prompt, (lessons or {}).get(_quoted(prompt))) for prompt in prompts]

    def _of(self, prompt: str, lesson: Lesson | None) -> Sought:
        what, how, where = parts_of(prompt)
        vectors = self._models.embedder.label_vectors([what, *([where] if where else [])])
        apart = self._everyday.vectors() @ vectors[0] < ALIKE
        labels, exact, more = self._labels(what)
        usual, above = self._usual(vectors[0], apart, labels, more=more)
        return Sought(
            prompt,
            vectors[0],
            self._everyday.vectors(),
            self._names,
            apart,
            self._temperature,
            usual,
            SURE if exact or lesson else min(max(above, LEAST_SURE), SURE),
            labels,
            exact,
            vectors[1] if where else None,
            self._labels(where)[0] if how in _STANDS_ON else (),
            lesson,
        )

    def _usual(
        self, subject: Vector, apart: NDArray[np.bool_], labels: Sequence[str], *, more: bool
    ) -> tuple[float, float]:
        """Return the likeness that ordinary pictures hardly have.

        Those are left out that show such a thing. Where `more` is said of it than its name, such as a man with a
        ladder, they are the measure instead: any man looks like that to a small model.
        """
        pictures = self._ordinary
        if pictures is None:
            return USUAL_ELSEWHERE, SURE
        there = shown(pictures, self._models.labels, labels) >= SHOWN
        other = ~there if not more else there if there.sum() >= ENOUGH else np.ones_like(there)
        logits = pictures.vectors[other] @ subject / np.float32(self._temperature)
        return usual_likeness(logits, self._ordinary_logits[np.ix_(other, apart)])

    @cached_property
    def _ordinary(self) -> OrdinaryPictures | None:
        manifest = self._models.manifest
        file = manifest.part(ImagePart).ordinary
        return read_pictures(manifest.path(file)) if file else None

    @cached_property
    def _ordinary_logits(self) -> NDArray[np.float32]:
        """Return the logits of every name for every ordinary picture."""
        assert self._ordinary is not None  # noqa: S101 - asked only where there are some
        logits: NDArray[np.float32] = self._ordinary.vectors @ self._everyday.vectors().T
        return logits / np.float32(self._temperature)

    def _labels(self, words: str) -> tuple[tuple[str, ...], bool, bool]:
        """Return the detector's labels for what words name first, whether these say it all, and whether words say more.

        A child is a person, but not every person is one: neither.
        """
        spotted = self._nouns.spot(words.lower().split())
        if spotted is None:
            return (), False, False
        noun, rest = spotted
        more = bool(bare(" ".join(rest)))
        return noun.labels, noun.claim is not Claim.PART and not more, more


@lru_cache(maxsize=1)
def _seekers(models: Models, folder: Path | None) -> Seekers:
    """Return what all cameras, and all replays, make their prompts ready with."""
    return Seekers(models, folder)


def attend_alerts(house: House, settings: Settings, models: Models, closing: ExitStack, *, once: bool) -> None:
    """Have alerts looked at a second time where that is wanted, and what the site teaches kept on disk."""
    if not any(True for _ in _deciders(house)):
        return
    looking = make_second_look(settings, models, house.tell)
    if looking:
        house.hold_back(looking.take)
        closing.callback(looking.close)
    if house.feedback:
        learn_of(house, house.feedback)
    closing.callback(keep_alerts(house, settings, models, once=once))


def keep_alerts(house: House, settings: Settings, models: Models, *, once: bool) -> Callable[[], None]:
    """Let the running box write down now and then what its site teaches about alerts; return what does so at once."""

    def save() -> None:
        for name, words in _deciders(house):
            _write(_file(settings, name), {"format": _FORMAT, "model": _mark(models), "prompts": words.thresholds()})

    def serve(stopping: threading.Event, alive: Callable[[], None]) -> None:
        waited_s = 0.0
        while not stopping.wait(_TICK_S):
            alive()
            waited_s += _TICK_S
            if waited_s >= KEEP_EVERY_S:
                waited_s = 0.0
                save()

    if not once:
        house.add_server("alerts", serve)
    return save


def learn_of(house: House, feedback: Feedback) -> None:
    """Let what the owner says of alerts reach those who told them."""

    def take(alert: Alert, verdict: Verdict) -> None:
        if alert.kind in {ALERT, DENIED} and verdict == "fine":
            for name, words in _deciders(house):
                if name == alert.source:
                    words.fine(str(alert.data["prompt"]), float(alert.data["score"]))

    feedback.register(take)


def _deciders(house: House) -> Iterable[tuple[str, Words]]:
    for name, view in house.views.items():
        yield from ((name, decider) for decider in view.deciders if isinstance(decider, Words))


def _quoted(prompt: str) -> str:
    """Return the name that a prompt consists of, or that it holds in double quotes, in lower case."""
    parts = prompt.split('"')
    return (parts[1] if len(parts) >= 3 else prompt).strip().lower()


def _mark(models: Models) -> str:
    """Return what scores depend on: those of another model are no history."""
    files, manifest = models.manifest.files, models.manifest
    text = manifest.text
    return f"{files[manifest.part(ImagePart).file].sha256[:16]}-{files[text.file].sha256[:16] if text else ''}"


def _file(settings: Settings, camera: str) -> Path:
    return settings.device.data_dir.expanduser() / "alerts" / f"{camera}.json"


def _kept(path: Path, mark: str) -> Mapping[str, Any]:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["format"] == _FORMAT and kept["model"] == mark and isinstance(kept["prompts"], dict):
            prompts: dict[str, Any] = kept["prompts"]
            return prompts
        log.info("%s is of another model or edition; alerts begin with no history of this site", path)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("%s cannot be read (%s); alerts begin with no history of this site", path, error)
    return {}


def _write(path: Path, content: Mapping[str, object]) -> None:
    try:
        write_whole(path, json.dumps(content, ensure_ascii=False))
    except OSError as error:
        log.warning("%s cannot be written (%s); what alerts learn is lost with the next start", path, error)
