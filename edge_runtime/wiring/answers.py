"""Who answers, put together: skills and their router, the gate, the bigger local model, the cloud."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from edge_runtime.errors import ConfigError
from edge_runtime.pipelines.answering import Answerer
from edge_runtime.pipelines.minds import Minds
from edge_runtime.prompts.book import PromptBook
from edge_runtime.wiring.cloud import make_cloud
from edge_runtime.wiring.gates import make_gate
from edge_runtime.wiring.mind import make_mind

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.config import Settings
    from edge_runtime.decision.scene import Scene
    from edge_runtime.sentences import Source
    from edge_runtime.skills.routing import Router
    from edge_runtime.wiring.assembly import Models

_LEAST_MAX_AGE_S = 15.0


def make_answerer(
    settings: Settings, models: Models, scene: Scene, on_drift: Callable[[float], None] | None = None
) -> tuple[Answerer, Source]:
    """Return who answers, and the question sentences that the speech grammar needs to know.

    Args:
        settings: of the box.
        models: of its bundle.
        scene: what the cameras see.
        on_drift: called when the gate's calibration no longer fits, with the wall time in seconds since 1970.

    Raises:
        ConfigError: a file that the settings name cannot be used.
        BundleError: the bigger local model cannot be used.
    """
    router, sentences = make_router(settings, models)
    gate = make_gate(settings, models, on_drift)
    book = PromptBook(settings.answering.prompts)
    minds = Minds(
        make_cloud(settings, models, book),
        make_mind(settings, book),
        gate,
        mark=lambda skill: book.of(skill).mark,
        deadline_s=settings.answering.deadline_s,
        race_below_s=settings.answering.race_below_s,
    )
    return Answerer(router, scene, gate, models.scene_of, minds, models.manifest.name), sentences


def make_router(settings: Settings, models: Models) -> tuple[Router, Source]:
    """Return what finds the skill for a question, and the question sentences that the speech grammar needs to know."""
    from edge_runtime.decision.intents import IntentMatcher  # noqa: PLC0415 - hassil is slow to import
    from edge_runtime.skills.builtin import Means, builtin_skills  # noqa: PLC0415
    from edge_runtime.skills.lessons import Memory  # noqa: PLC0415
    from edge_runtime.skills.nouns import Nouns  # noqa: PLC0415
    from edge_runtime.skills.routing import Router  # noqa: PLC0415
    from edge_runtime.skills.sentences import question_sentences, spoken_questions  # noqa: PLC0415
    from edge_runtime.wiring.household import furnished  # noqa: PLC0415
    from edge_runtime.wiring.senses import equipped  # noqa: PLC0415

    zone = time_zone(settings.answering.timezone)
    nouns = Nouns(settings.vision.labels or models.labels)
    # A view without motion is looked at every refresh_s only; until then the last look still holds.
    max_age_s = max(_LEAST_MAX_AGE_S, 1.5 * settings.vision.refresh_s)
    means = Means(nouns, lambda: datetime.now(UTC).astimezone(zone), max_age_s)
    skills = builtin_skills(furnished(equipped(means, settings, models), settings, models))
    cameras = [camera.name for camera in settings.cameras]
    matcher = IntentMatcher([question_sentences(skills, nouns, cameras)])
    text, folder = models.manifest.text, settings.device.data_dir.expanduser()
    memory = Memory(folder / "router.npz", models.manifest.files[text.file].sha256) if text else None
    embed_text = models.embedder.embed_text if text else None
    router = Router(skills, nouns, matcher.match, cameras, embed_text, memory)
    return router, spoken_questions(skills, nouns, cameras)


def time_zone(name: str | None) -> ZoneInfo | None:
    """Return the time zone of the settings, None for the system's.

    Raises:
        ConfigError: there is no such time zone.
    """
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError):
        raise ConfigError(f"answering.timezone is {name!r}, which is no time zone; for example Europe/Berlin") from None
