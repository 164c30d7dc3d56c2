"""What every skill is, and the looks that the skills about the scene answer from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from edge_runtime.decision.confidence import Reply
from edge_runtime.decision.scene import LastLook, Scene, either
from edge_runtime.skills.nouns import Claim, Noun, Nouns
from edge_runtime.skills.wording import duration, indefinite, on_camera

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_runtime.types import Question

UNSEEN = 0.3
"""Chance granted to a thing being where a silent camera looks."""


class Skill(Protocol):
    """One kind of question that the box can answer by itself."""

    @property
    def name(self) -> str:
        """Return the name: its intent is `question.<name>`, and its calibration is kept under it."""

    @property
    def about_scene(self) -> bool:
        """Tell whether whoever answers instead needs the picture."""

    @property
    def sentences(self) -> tuple[str, ...]:
        """Return templates in Home Assistant's format; `<place>`, `<some>`, `<lately>` and `{label}` are known."""

    @property
    def spoken(self) -> tuple[str, ...]:
        """Return the few templates that the speech recogniser listens for; `<place>` and the lists of labels are known.

        The lists are `{one:label}` ("a dog"), `{many:label}` ("dogs"), `{who:label}` ("anyone"), `{small}` (1 to 12)
        and `{number}` (1 to 60).
        """

    @property
    def examples(self) -> tuple[str, ...]:
        """Return plain questions of this kind, with "thing" for the noun, for nearest-meaning search."""

    def answer(self, question: Question, scene: Scene, slots: Mapping[str, str]) -> Reply | None:
        """Return a reply with a raw score, None where the skill cannot know."""


@runtime_checkable
class Reader(Protocol):
    """A skill that reads questions by itself, because no list of templates holds them all: sums, timers, documents."""

    def reads(self, text: str) -> float:
        """Return how surely `text` is for this skill, 0 to 1: 0 where it is not, 1 where every word was understood."""


@dataclass(frozen=True, slots=True)
class View:
    """The looks that count as "now" for a question, and the cameras that should have given one and did not."""

    looks: tuple[LastLook, ...]
    silent: tuple[str, ...]
    many: bool

    @property
    def pictured(self) -> tuple[LastLook, ...]:
        """Return the looks whose picture was kept."""
        return tuple(look for look in self.looks if look.frame is not None)

    def where(self, sources: tuple[str, ...]) -> str:
        """Return for example " on the door camera and on the garden camera"; nothing where there is one camera."""
        return " " + " and ".join(on_camera(source) for source in sources) if self.many and sources else ""

    def caveat(self) -> str:
        """Return a sentence naming the cameras that are silent, if any."""
        return "".join(f" I have no picture {on_camera(source)} now." for source in self.silent)

    def absent(self, noun: Noun) -> float:
        """Return the probability that no camera sees any `noun`."""
        chances = [look.presence(label) for look in self.looks for label in noun.labels]
        return 1.0 - either([*chances, *(UNSEEN for _ in self.silent)])


def view(question: Question, scene: Scene, camera: str | None, max_age_s: float) -> View | Reply:
    """Return what is seen now, or a blind reply that says why nothing is."""
    looks = scene.looks(question.at, max_age_s, camera)
    wanted = (camera,) if camera else scene.sources
    if looks:
        fresh = {look.source for look in looks}
        silent = tuple(source for source in wanted if source not in fresh)
        return View(looks, silent, many=len(scene.sources) > 1)
    last = scene.latest(camera)
    if last is None:
        what = f"{on_camera(camera)} yet" if camera else "from any camera yet"
        return Reply(f"I have had no picture {what}.", 0.0, blind=True)
    name = f" {on_camera(camera)}" if camera else ""
    return Reply(f"I have had no picture{name} for {duration(question.at - last.at)}.", 0.0, blind=True)


def asked(nouns: Nouns, slots: Mapping[str, str]) -> tuple[Noun, ...]:
    """Return the nouns that the question names: `label`, and `other` in "a cat or a dog"; none where one is unknown."""
    found = [nouns.get(slots[slot]) for slot in ("label", "other") if slot in slots]
    known = tuple(noun for noun in found if noun is not None)
    return known if len(known) == len(found) else ()


def together(replies: Sequence[Reply]) -> Reply:
    """Return one reply that says them all, and is right where all of them are."""
    return Reply(" ".join(reply.text for reply in replies), math.prod(reply.score for reply in replies))


def narrow(noun: Noun, slots: Mapping[str, str]) -> str | None:
    """Return what was asked for if it is finer than the detector's label ("child", "red car"), else None."""
    if noun.claim is Claim.PART or "detail" in slots:
        return indefinite(f"{slots.get('detail', '')} {noun.key}".strip())
    return None
